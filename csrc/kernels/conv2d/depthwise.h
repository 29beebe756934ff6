// conv2d/depthwise.h: one filter a plane (groups = channels, one result each): K·K multiplications a result, bound by memory.
//
// There is no matrix product here, only planes. Each is copied into a slab (window.h) whose taps are offsets, in bands of
// rows that stay in L1, and ROWS rows of results grow together: a vector of input loaded for tap (p, q) of one row is tap
// (p - 1, q) of the next, so K·(ROWS + K - 1) loads do for K·K·ROWS multiplications.
//
//      input row 0  ─▶ p 0                        filter_rows   the convolution, and dx of stride 1: taps in reverse
//                1  ─▶ p 1, 0         results     spread_rows   dx of stride 2: even and odd columns see other taps, and
//                2  ─▶ p 2, 1, 0  ─▶  rows 0..3                 are interleaved as they are stored
//                3  ─▶    2, 1, 0                 tap_sums      dw: K·K sums of lanes, folded once a channel
//
// Measured, Zen 4, AVX-512, two cores, ms, forward, dx, dw (the implicit product):
//
//    8x96x56x56     0.45 0.45 0.60 (1.55 1.39 0.89)       16x144x56x56   2.4 2.6 3.7 (5.9 5.7 4.3)
//    8x96x56x56 /2  0.35 0.32 0.38 (0.72 1.28 0.62)       8x384x7x7      0.14 0.14 0.18 (0.25 0.23 0.19): 7 of 16 lanes
#pragma once
#include "../../core/cache.h"
#include "../../core/stream.h"
#include "dots.h"
#include "window.h"

namespace fastnn::FN_ISA {

constexpr int ROWS = 4;
constexpr int64_t BAND_BYTES = 24 << 10;                            // of a slab
constexpr int64_t SUMS = VECTOR_BYTES == 64 ? 25 : 9;               // tap_sums keeps as many: registers less ROWS and two
constexpr int64_t MULTIPLIES = int64_t(1) << 18;                    // vectors' worth of a task: 50 us and more

template <class T> struct PlanesOf {  // `count` planes, `channels` of which have a filter each
  const T* in;
  const T* in_end;
  T* out;
  const T* w;
  const T* bias;  // [channels] or null
  int64_t count, channels, filter;  // filter: taps of one
  int64_t height, width;  // of an output plane
  bool flipped;           // taps in descending order
};

// A vector with several uses, loaded once: GCC would make the (unaligned) load an operand of each.
template <class V> FN V once(V v) {
#if defined(__AVX512F__)
  __asm__("" : "+v"(v));
#elif defined(__x86_64__)
  __asm__("" : "+x"(v));
#elif defined(__aarch64__)
  __asm__("" : "+w"(v));
#endif
  return v;
}

template <class T> FN void put_columns(T* to, vec<T> v, int64_t n) {
  if (n >= lanes<T>) store(to, v);
  else if (n > 0) store_n(to, v, n);
}

// f(Constant<R>, t) for steps of R = ROWS from 0 to n, the last of which overlaps the one before: the same results again.
template <class F> FN void in_steps(int64_t n, const F& f) {
  if (n < ROWS)
    for (int64_t t = 0; t < n; ++t) f(Constant<1>{}, t);
  else
    for (int64_t t = 0; t < n; t += ROWS) f(Constant<ROWS>{}, least(t, n - ROWS));
}

// Elements k to k + L of those of a and b.
template <int K, class T, int... I> FN vec<T> slide(vec<T> a, vec<T> b, Sequence<I...>) {
  return __builtin_shufflevector(a, b, (K + I)...);
}

// f(Constant<q>, vectors) for tap q of a row of K taps: what C·L neighbouring results of stride S meet there, the first at x. Each is
// loaded once: left to the compiler, loads that span two lines become operands of every product (3×3 of stride 1 1.3 times as long,
// 7×7 1.4). Of stride 2 even and odd columns are parted once, and what later taps meet is slid out of them.
template <int K, int S, int C, class T, class F> FN void for_taps(const T* x, const F& f) {
  typename MakeSequence<lanes<T>>::type order;
  if constexpr (S == 1) {
#pragma GCC unroll 8
    for (int q = 0; q < K; ++q) {
      vec<T> v[C];
#pragma GCC unroll 2
      for (int c = 0; c < C; ++c) v[c] = once(load(x + q + c * lanes<T>));
      f(q, v);
    }
  } else {
    vec<T> parts[2][C + 1];
#pragma GCC unroll 3
    for (int c = 0; c <= C; ++c) {
      const vec<T> low = once(load(x + 2 * c * lanes<T>)), high = once(load(x + (2 * c + 1) * lanes<T>));
      parts[0][c] = evens<T>(low, high, order), parts[1][c] = odds<T>(low, high, order);
    }
    const auto tap = [&](auto q) __attribute__((always_inline)) {
      constexpr int Q = decltype(q)::value;
      vec<T> v[C];
#pragma GCC unroll 2
      for (int c = 0; c < C; ++c) v[c] = slide<Q / 2, T>(parts[Q % 2][c], parts[Q % 2][c + 1], order);
      f(Q, v);
    };
    tap(Constant<0>{}), tap(Constant<1>{}), tap(Constant<2>{});
    if constexpr (K > 3) tap(Constant<3>{}), tap(Constant<4>{});
    if constexpr (K > 5) tap(Constant<5>{}), tap(Constant<6>{});
  }
}

// R rows of `cols` results, `out_row` apart, from slab rows `row` apart, C vectors at a time.
template <int K, int S, int R, int C, class T>
FN void filter_rows(const T* x, int64_t row, const vec<T> (&w)[K * K], vec<T> bias, T* out, int64_t out_row, int64_t cols) {
  constexpr int L = lanes<T>;
  for (int64_t u = 0; u < cols; u += C * L) {
    if (u + C * L > cols && cols >= C * L) u = cols - C * L;  // overlaps the vectors before: the same sums again
    vec<T> acc[R][C];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
      for (int c = 0; c < C; ++c) acc[r][c] = bias;
#pragma GCC unroll 16
    for (int i = 0; i < (R - 1) * S + K; ++i)
      for_taps<K, S, C, T>(x + i * row + S * u, [&](int q, const vec<T> (&v)[C]) __attribute__((always_inline)) {
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r)
          if (i >= r * S && i < r * S + K) {
            const vec<T> tap = C == 1 ? w[(i - r * S) * K + q] : once(w[(i - r * S) * K + q]);
#pragma GCC unroll 2
            for (int c = 0; c < C; ++c) acc[r][c] += tap * v[c];
          }
      });
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
      for (int c = 0; c < C; ++c) put_columns(out + r * out_row + u + c * L, acc[r][c], cols - u - c * L);
  }
}

// Rows of a block to `out`, `row` apart.
template <int K, int S, class T>
static void filter_block(const T* slab, const Blocks& b, const Block& block, const T* taps, bool flipped, T bias, T* out,
                         int64_t row) {
  vec<T> w[K * K];
  for (int i = 0; i < K * K; ++i) w[i] = splat(taps[flipped ? K * K - 1 - i : i]);
  // More taps than registers are loaded for every product, or for every two: 16x16x28x28, 7×7, Zen 5, WAS and NOW ms.
  constexpr int WIDE = K * K > SUMS ? 2 : 1;
  in_steps(block.rows, [&](auto rows, int64_t t) __attribute__((always_inline)) {
    constexpr int R = decltype(rows)::value;
    const T* x = slab + t * S * b.width;
    if (block.cols > lanes<T>) filter_rows<K, S, R, WIDE, T>(x, b.width, w, splat(bias), out + t * row, row, block.cols);
    else filter_rows<K, S, R, 1, T>(x, b.width, w, splat(bias), out + t * row, row, block.cols);
  });
}

// A plane in bands of rows whose slabs stay in L1. A slab has every row and column of its band as they lie, rows on whole vectors, and
// the reader takes the stride. In phases, as window.h would have them, memory is read in as many passes, and each line of it is loaded
// twice: stride 2, Zen 5, two cores, 8x96x56x56 0.26 ms, so 0.17; 5×5 0.38 and 0.25.
template <class T> struct Bands {
  Window window;
  int64_t stride[2];
  Blocks b;

  explicit Bands(const Window& s) : window(every_column(s)), stride{s.stride[0], s.stride[1]} {
    window.rows = (s.rows - 1) * stride[0] + 1, window.stride[0] = 1;
    b = cut(window, 1, BAND_BYTES / int64_t(sizeof(T)), window.rows * window.cols);
    b.rows = ceil_div(b.rows, stride[0]) * stride[0], b.along_r = ceil_div(window.rows, b.rows);
    lay_out(b);
    b.width = ceil_div(b.width, lanes<T>) * lanes<T>, b.plane = b.image = b.channel = b.height * b.width;
  }
  // Fills the slab with band i of the plane at p.in + offset; returns its results.
  Block fill(T* slab, const PlanesOf<T>& p, int64_t offset, int64_t i) const {
    Block block = block_at(window, b, i);
    fill_slab<T>(slab, {p.in + offset, p.in, p.in_end, 0, 0}, 1, window, b, block);
    block.t /= stride[0], block.rows = (block.rows - 1) / stride[0] + 1;
    block.u /= stride[1], block.cols = (block.cols - 1) / stride[1] + 1;
    return block;
  }
};

// f(slab, block, plane, out) for each band of each plane, `out` where the band's results belong, `row` apart: in the plane,
// or in a tile that is streamed into it where nothing stays in the cache anyway (16x144x56x56, 58 MB, Emerald Rapids, whose L3
// holds them: streamed 2.1 ms, else 1.5).
template <class T, class F>
static void over_planes(const PlanesOf<T>& p, const Window& s, int64_t out_rows, int64_t out_cols, const F& f) {
  const Bands<T> bands(s);
  const Blocks& b = bands.b;
  const int64_t in_size = s.height * s.width, out_size = p.height * p.width, work = s.rows * ceil_div(s.cols, lanes<T>) * s.taps;
  const bool streamed = (in_size + out_size) * p.count * int64_t(sizeof(T)) > l3_bytes && b.along_c == 1;
  parallel_for(p.count, ceil_div(MULTIPLIES / 16, work), [&](int64_t begin, int64_t end) {
    Scratch<T> slab(slab_size<T>(b)), tile(streamed ? b.rows * out_rows * p.width : 1);
    for (int64_t plane = begin; plane < end; ++plane)
      for (int64_t i = 0; i < b.count(); ++i) {
        const Block block = bands.fill(slab, p, plane * in_size, i);
        const int64_t first = block.t * out_rows, rows = least(block.rows * out_rows, p.height - first);
        T* out = p.out + plane * out_size + first * p.width + block.u * out_cols;
        f(slab.data, b, block, plane % p.channels, streamed ? tile.data : out, rows);
        if (streamed) stream(out, tile.data, rows * p.width * int64_t(sizeof(T)));
      }
    if (streamed) stream_end();
  });
}

template <int K, int S, class T> static void filter_planes(const PlanesOf<T>& p, const Window& s) {
  over_planes(p, s, 1, 1, [&](const T* slab, const Blocks& b, const Block& block, int64_t channel, T* out, int64_t) {
    filter_block<K, S, T>(slab, b, block, p.w + channel * K * K, p.flipped, p.bias ? p.bias[channel] : T(0), out, p.width);
  });
}

// Even and odd results of 2·L columns, side by side.
template <class T, int... I> FN void put_pairs(T* to, vec<T> even, vec<T> odd, int64_t n, Sequence<I...>) {
  constexpr int W = lanes<T>;
  put_columns(to, __builtin_shufflevector(even, odd, (I / 2 + I % 2 * W)...), n);
  put_columns(to + W, __builtin_shufflevector(even, odd, (W / 2 + I / 2 + I % 2 * W)...), n - W);
}

template <class T> struct Spread {  // the taps of one phase of rows, for even and for odd columns
  int64_t count[2];
  const int64_t* offset[2];
  const T* w[2];
};

template <int R, class T>
static void spread_rows(const Spread<T>& s, const T* g, int64_t row, T bias, T* out, int64_t out_row, int64_t cols) {
  for (int64_t u = 0; 2 * u < cols; u += lanes<T>) {
    vec<T> acc[2][R];
#pragma GCC unroll 2
    for (int odd = 0; odd < 2; ++odd) {
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) acc[odd][r] = splat(bias);
      for (int64_t i = 0; i < s.count[odd]; ++i) {
        const T* from = g + s.offset[odd][i] + u;
        const vec<T> w = splat(s.w[odd][i]);
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) acc[odd][r] += w * load(from + r * row);
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
      put_pairs<T>(out + r * out_row + 2 * u, acc[0][r], acc[1][r], cols - 2 * u, typename MakeSequence<lanes<T>>::type{});
  }
}

// dx of stride 2: `phase[k]` is 2·(row % 2) + column % 2 of the results that tap k of the window of g adds to.
template <class T> static void spread_planes(const PlanesOf<T>& p, const Window& s, const int64_t* phase) {
  over_planes(p, s, 2, 2, [&](const T* slab, const Blocks& b, const Block& block, int64_t channel, T* out, int64_t rows) {
    Scratch<int64_t> offset(5 * s.taps);
    Scratch<T> w(4 * s.taps);
    slab_offsets(s, b, offset);
    for (int64_t above = 0; above < 2; ++above) {
      Spread<T> taps = {};
      for (int odd = 0; odd < 2; ++odd) {
        int64_t* offsets = offset + (1 + 2 * above + odd) * s.taps;
        T* weights = w + (2 * above + odd) * s.taps;
        for (int64_t k = 0; k < s.taps; ++k)
          if (phase[k] == 2 * above + odd)
            weights[taps.count[odd]] = p.w[channel * p.filter + s.index[k]], offsets[taps.count[odd]++] = offset[k];
        taps.offset[odd] = offsets, taps.w[odd] = weights;
      }
      const T bias = p.bias ? p.bias[channel] : T(0);
      const int64_t cols = least(2 * block.cols, p.width - 2 * block.u), height = (rows - above + 1) / 2;
      in_steps(height, [&](auto high, int64_t t) __attribute__((always_inline)) {
        T* to = out + (2 * t + above) * p.width;
        spread_rows<decltype(high)::value, T>(taps, slab + t * b.width, b.width, bias, to, 2 * p.width, cols);
      });
    }
  });
}

// acc[p][q] += g[r, u] · x[r·S + p, u·S + q] over R rows of n columns from u on: whole vectors, or one that ends at n.
template <int K, int S, int P, int R, bool Whole, class T>
FN void tap_sums(vec<T> (&acc)[P][K], const T* x, int64_t row, int first, const T* g, int64_t g_row, int64_t u,
                 int64_t n) {
  constexpr int L = lanes<T>;
  using I = lane<bits<T>>;
  alignas(VECTOR_BYTES) I ones[L];
  for (int i = 0; i < L; ++i) ones[i] = -1;
  const bits<T> keep = Whole ? bits<T>{} : load_n<I>(ones, n - u);
  vec<T> gv[R];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) gv[r] = Whole ? load(g + r * g_row + u) : load_n(g + r * g_row + u, n - u);
#pragma GCC unroll 16
  for (int i = 0; i < (R - 1) * S + P; ++i) {
    for_taps<K, S, 1, T>(x + (i + first) * row + S * u, [&](int q, const vec<T> (&loaded)[1]) __attribute__((always_inline)) {
      vec<T> v = once(loaded[0]);
      if (!Whole) v = once(from_bits<T>(to_bits<T>(v) & keep));  // past the end lie other rows: 0·inf is NaN
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r)
        if (i >= r * S && i < r * S + P) acc[i - r * S][q] += gv[r] * v;
    });
  }
}

// sums[(first + p)·K + q] += the products of one block: P rows of taps.
template <int K, int S, int P, class T>
static void tap_block(vec<T>* sums, int first, const T* slab, const Blocks& b, const Block& block, const T* g, int64_t g_row) {
  constexpr int L = lanes<T>;
  vec<T> acc[P][K] = {};
  const int64_t whole = block.cols / L * L;
  const auto rows = [&](auto height, int64_t t) __attribute__((always_inline)) {
    constexpr int R = decltype(height)::value;
    const T *x = slab + t * S * b.width, *from = g + t * g_row;
    for (int64_t u = 0; u < whole; u += L) tap_sums<K, S, P, R, true, T>(acc, x, b.width, first, from, g_row, u, block.cols);
    if (whole < block.cols) tap_sums<K, S, P, R, false, T>(acc, x, b.width, first, from, g_row, whole, block.cols);
  };
  int64_t t = 0;
  for (; t + ROWS <= block.rows; t += ROWS) rows(Constant<ROWS>{}, t);
  for (; t + 2 <= block.rows; t += 2) rows(Constant<2>{}, t);
  if (t < block.rows) rows(Constant<1>{}, t);
  for (int p = 0; p < P; ++p)
    for (int q = 0; q < K; ++q) sums[(first + p) * K + q] += acc[p][q];
}

// dw of planes x (p.in) and g, in the order in which they lie: memory is read as a stream. A task is a run of images and of
// channels, with sums of its own, which are added in order. (Zen 5, 16x144x56x56: 4.2 -> 1.9 ms with `once`.)
template <int K, int S, class T> static void sum_taps(const PlanesOf<T>& p, const T* g, const Window& s) {
  constexpr int L = lanes<T>, AT_ONCE = SUMS / K < K ? int(SUMS / K) : K;
  const Bands<T> bands(s);
  const Blocks& b = bands.b;
  const int64_t x_size = s.height * s.width, g_size = s.rows * s.cols, images = p.count / p.channels, size = p.channels * K * K;
  const Even chunks = {images, least(images, 4)}, parts = {p.channels, least(p.channels, ceil_div(32, chunks.parts))};
  Scratch<T> sums(chunks.parts * size);
  const int64_t work = ceil_div(images, chunks.parts) * ceil_div(p.channels, parts.parts) * s.rows * ceil_div(s.cols, L) * K * K;
  parallel_for(chunks.parts * parts.parts, ceil_div(MULTIPLIES / 16, work), [&](int64_t begin, int64_t end) {
    Scratch<T> slab(slab_size<T>(b));
    Scratch<vec<T>> lanes_of(ceil_div(p.channels, parts.parts) * K * K);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t chunk = i / parts.parts, first_channel = parts.begin(i % parts.parts), channels = parts.size(i % parts.parts);
      for (int64_t k = 0; k < channels * K * K; ++k) lanes_of[k] = vec<T>{};
      for (int64_t n = chunks.begin(chunk); n < chunks.begin(chunk) + chunks.size(chunk); ++n)
        for (int64_t channel = 0; channel < channels; ++channel)
          for (int64_t j = 0; j < b.count(); ++j) {
            const int64_t plane = n * p.channels + first_channel + channel;
            const Block block = bands.fill(slab, p, plane * x_size, j);
            const T* from = g + plane * g_size + block.t * s.cols + block.u;
            vec<T>* sum = lanes_of + channel * K * K;
            int first = 0;
            for (; first + AT_ONCE <= K; first += AT_ONCE) tap_block<K, S, AT_ONCE, T>(sum, first, slab, b, block, from, s.cols);
            for (; first < K; ++first) tap_block<K, S, 1, T>(sum, first, slab, b, block, from, s.cols);
          }
      T* to = sums + chunk * size + first_channel * K * K;
      for (int64_t channel = 0; channel < channels; ++channel, to += K * K) {
        T folded[K * K + L];
        fold<L, K * K>(lanes_of + channel * K * K, folded);
        for (int k = 0; k < K * K; ++k) to[k] = folded[k];
      }
    }
  });
  for (int64_t k = 0; k < size; ++k) {
    T sum = sums[k];
    for (int64_t chunk = 1; chunk < chunks.parts; ++chunk) sum += sums[chunk * size + k];
    p.out[k] = sum;
  }
}

}  // namespace fastnn::FN_ISA
