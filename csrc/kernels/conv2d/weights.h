// conv2d/weights.h: dw[o, c, p, q] = Σ over n, i, j of g[n, o, i, j] · x[n, c, i·s + p·d - pad, j·s + q·d - pad].
//
// A matrix product whose inner dimension, the positions, is huge and whose result is small. Both operands have neighbouring
// positions side by side, so a dot product of rows needs neither packing nor broadcasts: lanes run along positions.
//
//      x row (c, p, q)   · · · · · ·         MO rows of g times MX rows of x: MO·MX accumulators, MO + MX loads
//    g row o   ═══════  [ acc 4 × 6 ]        a step; lanes are folded once, at the end of a block
//
//    tasks     (group, rows of o, channels of c, chunk of blocks); each adds to its chunk's own dw, and the chunks are
//              summed in order: the result does not depend on the number of threads
//    in place  x rows are offsets into the slab (window.h) and g is copied to the slab's width, zero between its rows
//    packed    x rows are copied out without the borders: wins when rows are short and o many
#pragma once
#include "tile.h"
#include "window.h"

namespace fastnn::FN_ISA {

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int MO_MAX = 4, MX_MAX = 6;  // 24 + 4 + 1 of 32 registers
#else
constexpr int MO_MAX = 3, MX_MAX = 4;  // 12 + 3 + 1 of 16
#endif

template <class T> struct Weights {
  const T *g, *x;
  T* dw;
  int64_t groups, m, channels;  // of each group: filters, input channels
  int64_t g_image, g_channel, x_image, x_channel;
  const T* x_end;
  int64_t filter;  // elements of dw for one (o, c): P·Q
};

template <class T> struct Rows {  // stretches of n positions each, as rows of g and x
  int64_t stretches, n;
  const T *g, *x;
  int64_t g_row, g_next, x_next;
  bool surplus;  // whether a stretch runs on over the borders between its rows, where g is zero but x may be infinite
};

// a and b hold segments of S lanes, each to be summed to one number: fold the segments to S / 2 lanes, a's before b's.
template <int S, class V, int... I> FN V fold_pair(V a, V b, Indices<I...>) {
  constexpr int W = sizeof...(I), H = S / 2, N = W / S;  // output lane I: segment I / H of both, lane I % H of H
  return __builtin_shufflevector(a, b, (I / H % N * S + I % H + (I / H < N ? 0 : W))...) +
         __builtin_shufflevector(a, b, (I / H % N * S + I % H + H + (I / H < N ? 0 : W))...);
}
// sums[i] = sum of the lanes of v[i], for N vectors together: one add and two shuffles a vector instead of log2(W).
template <int S, int N, class V, class T> FN void fold(V* v, T* sums) {
  if constexpr (S == 1) {
#pragma GCC unroll 32
    for (int i = 0; i < N; ++i) store(sums + i * lanes<T>, v[i]);
  } else {
    typename CountTo<lanes<T>>::type order;
#pragma GCC unroll 32
    for (int i = 0; i < N; i += 2) v[i / 2] = fold_pair<S>(v[i], v[i + 1 < N ? i + 1 : i], order);
    fold<S / 2, (N + 1) / 2>(v, sums);
  }
}

// Adds the products of MO rows of g with MX rows of x to dw. False, and nothing added, when a sum is not finite and a
// zero of g may have met an infinity: 0·inf is NaN.
template <class T, int MO, int MX>
static bool dots(const Rows<T>& s, const int64_t* offset, T* dw, int64_t pitch, const int64_t* place) {
  constexpr int L = lanes<T>;
  vec<T> acc[MO][MX] = {};
  const T *g = s.g, *x = s.x;
  for (int64_t stretch = 0; stretch < s.stretches; ++stretch, g += s.g_next, x += s.x_next) {
    int64_t i = 0;
    for (; i + L <= s.n; i += L) {
      vec<T> gv[MO];
#pragma GCC unroll 4
      for (int o = 0; o < MO; ++o) gv[o] = load(g + o * s.g_row + i);
#pragma GCC unroll 6
      for (int k = 0; k < MX; ++k) {
        vec<T> xv = load(x + offset[k] + i);
#pragma GCC unroll 4
        for (int o = 0; o < MO; ++o) acc[o][k] += gv[o] * xv;
      }
    }
    if (i < s.n) {
      vec<T> gv[MO];
#pragma GCC unroll 4
      for (int o = 0; o < MO; ++o) gv[o] = load_n(g + o * s.g_row + i, s.n - i);
#pragma GCC unroll 6
      for (int k = 0; k < MX; ++k) {
        vec<T> xv = load_n(x + offset[k] + i, s.n - i);
#pragma GCC unroll 4
        for (int o = 0; o < MO; ++o) acc[o][k] += gv[o] * xv;
      }
    }
  }
  T sums[MO * MX + L];
  fold<L, MO * MX>(&acc[0][0], sums);
  if (s.surplus) {
    T zero = 0;
#pragma GCC unroll 24
    for (int i = 0; i < MO * MX; ++i) zero += sums[i] * T(0);
    if (zero != 0) return false;
  }
#pragma GCC unroll 4
  for (int o = 0; o < MO; ++o)
#pragma GCC unroll 6
    for (int k = 0; k < MX; ++k) dw[o * pitch + place[k]] += sums[o * MX + k];
  return true;
}

template <class T> using Dots = bool (*)(const Rows<T>&, const int64_t*, T*, int64_t, const int64_t*);

template <class T, int MO> static Dots<T> dots_across(int columns) {
  switch (columns) {
    case 1: return dots<T, MO, 1>;
    case 2: return dots<T, MO, 2>;
    case 3: return dots<T, MO, 3>;
#if defined(__AVX512F__) || defined(__aarch64__)
    case 4: return dots<T, MO, 4>;
    case 5: return dots<T, MO, 5>;
#endif
    default: return dots<T, MO, MX_MAX>;
  }
}
template <class T> static Dots<T> dots_of(int rows, int columns) {
  switch (rows) {
    case 1: return dots_across<T, 1>(columns);
    case 2: return dots_across<T, 2>(columns);
#if defined(__AVX512F__) || defined(__aarch64__)
    case 3: return dots_across<T, 3>(columns);
#endif
    default: return dots_across<T, MO_MAX>(columns);
  }
}

// Copy m rows of a block of g: dense, or `width` apart with zeros between.
template <class T>
static void fill_gradient(T* to, int64_t row, int64_t image, int64_t width, const T* g, const Weights<T>& p, int64_t m,
                          const Window& s, const Block& block) {
  for (int64_t o = 0; o < m; ++o)
    for (int64_t n = 0; n < block.images; ++n) {
      const T* from = g + (block.n + n) * p.g_image + o * p.g_channel + block.t * s.cols + block.u;
      T* line = to + o * row + n * image;
      if (width == block.cols && block.cols == s.cols) {
        copy_run(line, from, block.rows * block.cols);
        continue;
      }
      for (int64_t r = 0; r < block.rows; ++r, from += s.cols, line += width) {
        copy_run(line, from, block.cols);
        zero_run(line + block.cols, r + 1 < block.rows ? width - block.cols : 0);
      }
    }
}

template <class T> static void weights(const Weights<T>& p, const Window& s) {
  constexpr int64_t L = lanes<T>, budget = (256 << 10) / int64_t(sizeof(T));
  const int64_t size = p.groups * p.m * p.channels * p.filter;
  if (s.taps == 0 || size == 0 || s.images * s.rows * s.cols == 0) {
    parallel_for(size, 1 << 16, [&](int64_t begin, int64_t end) { zero_run(p.dw + begin, end - begin); });
    return;
  }
  int64_t col0 = s.col[0], col1 = col0;
  for (int64_t t = 1; t < s.taps; ++t) col0 = least(col0, s.col[t]), col1 = most(col1, s.col[t]);
  // A surplus position costs m / 2 cycles for each row of x and L positions, packing about 2 and one more a piece.
  const bool packed = p.m * ((col1 - col0) / s.stride[1]) > 2 * (2 * s.cols + L);

  const Even cb = evenly(p.channels, most(1, (packed ? 128 : 320) / s.taps)), ob = evenly(p.m, 128);
  const int64_t channels = ceil_div(p.channels, cb.parts), filters = ceil_div(p.m, ob.parts), k_full = channels * s.taps;
  const int64_t parts = p.groups * cb.parts * ob.parts;
  const int64_t share = s.images * s.rows * s.cols / ceil_div(32, parts);
  Blocks b = cut(s, channels, budget, least(most(share, 256), packed ? 400 : 1024));

  // Chunks: enough for every machine's threads, few enough that their sums stay small; never a function of the threads.
  int64_t chunks = least(b.count(), most(1, least(ceil_div(32, parts), (int64_t(16) << 20) / (size * int64_t(sizeof(T))))));
  chunks = least(chunks, most(1, b.count() * filters * k_full * b.images * b.rows * b.cols >> 17));
  const int64_t per_chunk = ceil_div(b.count(), chunks);
  chunks = ceil_div(b.count(), per_chunk);
  // A wave is at most ~0.5 GFLOP a task, so that Ctrl-C is answered between waves.
  const int64_t wave =
      most(1, (int64_t(1) << 28) / most(1, filters * k_full * b.images * b.rows * b.cols));

  const int64_t group_k = packed ? 2 : k_full;  // packed rows of x share nothing: a few stay in L1 while g passes by
  const bool direct = is_slab(s, b);
  if (direct) use_as_slab(b, p.x_image, p.x_channel);
  const bool g_direct = !packed && b.cols == s.cols && b.extra[1] == 0;  // rows of g lie as x's rows do

  Scratch<T> sums(chunks > 1 ? chunks * size : 0);
  Scratch<int64_t> offset(k_full), place(k_full), panel_offset(k_full);
  slab_offsets(s, b, offset);
  const int64_t pitch = packed ? (ceil_div(b.images * b.rows * b.cols, L) + 1) * L : 0;
  for (int64_t k = 0; k < k_full; ++k)
    place[k] = k / s.taps * p.filter + s.index[k % s.taps], panel_offset[k] = k * pitch;
  const int64_t g_width = packed ? b.cols : b.width, g_image = b.rows * g_width, g_row = (ceil_div(b.images * g_image, L) | 1) * L;

  T* first = chunks > 1 ? sums.data : p.dw;
  parallel_for(most(1, chunks) * size, 1 << 16, [&](int64_t begin, int64_t end) { zero_run(first + begin, end - begin); });

  for (int64_t from = 0; from < per_chunk; from += wave)
    parallel_for(parts * chunks, 1, [&](int64_t begin, int64_t end) {
      Scratch<T> filled(direct ? 0 : slab_size<T>(b)), panel(packed ? k_full * pitch + L : 0);
      Scratch<T> gradient(g_direct ? 0 : filters * g_row + L);
      Scratch<Piece> pieces(packed ? b.images * b.rows * b.cols : 0);
      for (int64_t i = begin; i < end; ++i) {
        const int64_t chunk = i / parts, o_block = i % ob.parts, c_block = i / ob.parts % cb.parts;
        const int64_t group = i / ob.parts / cb.parts % p.groups;
        const int64_t o0 = ob.begin(o_block), m = ob.size(o_block), c0 = cb.begin(c_block), k = cb.size(c_block) * s.taps;
        const T* g = p.g + (group * p.m + o0) * p.g_channel;
        const T* x = p.x + (group * p.channels + c0) * p.x_channel;
        T* dw = first + (chunks > 1 ? chunk * size : 0) + ((group * p.m + o0) * p.channels + c0) * p.filter;
        const Even om = evenly(m, MO_MAX), km = evenly(k, MX_MAX);
        const int64_t last = least(b.count(), least(per_chunk, from + wave) + chunk * per_chunk);
        for (int64_t j = chunk * per_chunk + from; j < last; ++j) {
          const Block block = block_at(s, b, j);
          const int64_t n = block.rows * block.cols;
          const T* slab = filled;
          if (direct) slab = x + block.n * p.x_image + block.t * s.width;
          else fill_slab<T>(filled, {x, p.x_end, p.x_image, p.x_channel}, cb.size(c_block), s, b, block);
          Rows<T> rows;
          if (g_direct) {
            rows = {block.images, n, g + block.n * p.g_image + block.t * s.cols, slab, p.g_channel, p.g_image, b.image, false};
          } else {
            const int64_t image = packed ? n : g_image;
            fill_gradient<T>(gradient, g_row, image, packed ? block.cols : b.width, g, p, m, s, block);
            rows = {block.images, (block.rows - 1) * b.width + block.cols, gradient, slab, g_row, g_image, b.image,
                    b.extra[1] > 0};
          }
          if (packed) {
            pack_panel<T>(panel, pitch, slab, slab + slab_size<T>(b), offset, k, b, block, 0, block.images * n, pieces);
            rows = {1, block.images * n, gradient, panel, g_row, 0, 0, false};
          }
          const T* first_g = rows.g;
          for (int64_t q0 = 0; q0 < km.parts; q0 += group_k)
          for (int64_t o = 0; o < om.parts; ++o) {
            rows.g = first_g + om.begin(o) * rows.g_row;
            for (int64_t q = q0; q < least(q0 + group_k, km.parts); ++q) {
              Dots<T> run = dots_of<T>(int(om.size(o)), int(km.size(q)));
              const int64_t* columns = (packed ? panel_offset.data : offset.data) + km.begin(q);
              T* to = dw + om.begin(o) * p.channels * p.filter;
              if (run(rows, columns, to, p.channels * p.filter, place + km.begin(q))) continue;
              for (int64_t n = 0; n < block.images; ++n)  // again, row by row, without the borders
                run({block.rows, block.cols, rows.g + n * rows.g_next, slab + n * b.image, rows.g_row, b.width, b.width, false}, columns,
                    to, p.channels * p.filter, place + km.begin(q));
            }
          }
        }
      }
    });
  if (chunks > 1)
    parallel_for(size, 1 << 14, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i += L) {
        const int64_t n = least(L, end - i);
        vec<T> sum{};
        for (int64_t chunk = 0; chunk < chunks; ++chunk) {
          const T* v = sums + chunk * size + i;
          sum += n == L ? load(v) : load_n(v, n);
        }
        if (n == L) store(p.dw + i, sum);
        else store_n(p.dw + i, sum, n);
      }
    });
}

}  // namespace fastnn::FN_ISA
