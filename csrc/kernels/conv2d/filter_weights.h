// conv2d/filter_weights.h: the weight gradient with a vector of filters in the lanes, as filters.h has the convolution itself.
//
//    dw[filter][row, q] += Σ over positions of g[position][filter] · x[row, position·stride + q]        row: of a channel's filter
//
//    A   R rows of Q taps: R pointers into the slab, taps and positions are offsets of each; nothing is packed, at any stride
//    B   g, turned once to [position][NR filters]
//    C   R·Q x NV accumulators, over all positions of a block
//
// outer.h has it the other way round, taps in the lanes: every panel of x is gathered and transposed. What a task is, and in which order
// sums are added, is as in weights.h. Zen 5, two cores: 1.1 (64x56x56 to 128, 3×3 stride 2) to 1.6 times as fast (64x3x64x64 to 48, 4×4
// stride 4), 7×7 1.35; lost: 3 channels to 16 filters, 3×3, 0.95. AVX2 there: 1.15 to 2.05, none lost.
#pragma once
#include "../../core/sweep.h"
#include "weights.h"

namespace fastnn::FN_ISA {

constexpr int TAPS_OF_A_ROW = MR < 7 ? MR : 7;

// sums[r·row + q][v] += ... over the block's positions: those of an image `image` apart, `cols` of each of its rows.
template <int Q, int R, int V, class T>
static void filter_sums(const T* slab, const int64_t* first, const T* g, const Blocks& b, const Block& block, int64_t step, T* sums, int64_t row) {
  constexpr int64_t L = lanes<T>;
  vec<T> acc[R * Q][V] = {};
  for (int64_t n = 0; n < block.images; ++n)
    for (int64_t t = 0; t < block.rows; ++t) {
      const T* x[R];
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) x[r] = slab + first[r] + n * b.image + t * b.width;
      for (int64_t u = 0; u < block.cols; ++u, g += NR<T>) {
        vec<T> filters[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) filters[v] = load(g + v * L);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
          for (int q = 0; q < Q; ++q) {
            const T number = x[r][q];
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) acc[r * Q + q][v] += number * filters[v];
          }
          x[r] += step;
        }
      }
    }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
    for (int q = 0; q < Q; ++q)
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        T* to = sums + (r * row + q) * NR<T> + v * L;
        store(to, load(to) + acc[r * Q + q][v]);
      }
}

template <class T> using FilterSums = void (*)(const T*, const int64_t*, const T*, const Blocks&, const Block&, int64_t, T*, int64_t);
template <class T> static FilterSums<T> filter_sums_of(int64_t taps, int64_t rows, int64_t vectors) {
  FilterSums<T> f = nullptr;
  with_constant<TAPS_OF_A_ROW>(taps, [&](auto q) {
    constexpr int Q = decltype(q)::value;
    with_constant<(MR / Q < 7 ? MR / Q : 7)>(rows, [&](auto r) {
      with_constant<NV>(vectors, [&](auto v) { f = filter_sums<Q, decltype(r)::value, decltype(v)::value, T>; });
    });
  });
  return f;
}

// Weight gradients of `P` rows of taps each, side by side, if it pays: lanes filled by filters, and all taps meet the input.
template <class T> static bool filter_weights(const Weights<T>& p, const Window& s, int64_t P) {
  constexpr int64_t L = lanes<T>, size = sizeof(T);
  const int64_t Q = p.filter / P, step = s.stride[1], whole = ceil_div(p.m, L) * L;
  if (Q < 2 || s.taps != p.filter || s.col[1] != s.col[0] + 1 || step > Q || 5 * p.m < 4 * whole) return false;
  const Window every = every_column(s);  // of the slab

  const int64_t panels = ceil_div(p.m, NR<T>);
  const Even cb = evenly(p.channels, most(1, 320 / s.taps)), ob = evenly(panels, 4);
  const int64_t channels = ceil_div(p.channels, cb.parts), parts = p.groups * cb.parts * ob.parts;
  const int64_t share = s.images * s.rows * s.cols / ceil_div(32, parts);
  Blocks b = cut(every, channels, (int64_t(256) << 10) / size, step * least(most(share, 256), 384));
  if (b.cols < every.cols) return false;
  const int64_t positions = b.images * b.rows * s.cols, k = p.channels * p.filter, all = p.groups * panels * k * NR<T>;
  const Chunks chunks(b.count(), parts, all * size, least(p.m, 4 * NR<T>) * channels * s.taps * positions);

  Scratch<int64_t> offset(channels * s.taps), first(channels * P);
  slab_offsets(every, b, offset);
  for (int64_t i = 0; i < channels * P; ++i) first[i] = offset[i * Q];
  const Even pieces = evenly(Q, TAPS_OF_A_ROW);  // of a row of taps
  Scratch<T> sums(chunks.count * all);
  parallel_for(chunks.count * all, 1 << 16, [&](int64_t begin, int64_t end) { zero_run(sums + begin, end - begin); });

  for (int64_t from = 0; from < chunks.each; from += chunks.wave)
    parallel_for(parts * chunks.count, 1, [&](int64_t begin, int64_t end) {
      Scratch<T> slab(slab_size<T>(b)), turned(positions * NR<T> + L);
      for (int64_t i = begin; i < end; ++i) {
        const int64_t o_block = i % ob.parts, c_block = i / ob.parts % cb.parts, group = i / ob.parts / cb.parts % p.groups;
        const int64_t chunk = i / parts, c0 = cb.begin(c_block), rows = cb.size(c_block) * P;
        const T* x = p.x + (group * p.channels + c0) * p.x_channel;
        const int64_t last = least(b.count(), least(chunks.each, from + chunks.wave) + chunk * chunks.each);
        for (int64_t j = chunk * chunks.each + from; j < last; ++j) {
          Block block = block_at(every, b, j);
          fill_slab<T>(slab, {x, p.x, p.x_end, p.x_image, p.x_channel}, cb.size(c_block), every, b, block);
          block.cols = s.cols;
          for (int64_t panel = ob.begin(o_block); panel < ob.begin(o_block) + ob.size(o_block); ++panel) {
            const int64_t m0 = panel * NR<T>, m = least(NR<T>, p.m - m0), run = block.rows * s.cols;
            for (int64_t n = 0; n < block.images; ++n) {
              const T* g = p.g + (block.n + n) * p.g_image + (group * p.m + m0) * p.g_channel + block.t * s.cols;
              pack_panel<T>(turned + n * run * NR<T>, NR<T>, Matrix<T>{g, p.g_channel, 1}, m, run);
            }
            T* to = sums + ((chunk * p.groups + group) * panels + panel) * k * NR<T> + c0 * p.filter * NR<T>;
            for (int64_t part = 0; part < pieces.parts; ++part) {
              const int64_t taps = pieces.size(part);
              const Even tiles = evenly(rows, least(MR / taps, 7));
              for (int64_t r = 0; r < tiles.parts; ++r)
                filter_sums_of<T>(taps, tiles.size(r), ceil_div(m, L))(slab + pieces.begin(part), first + tiles.begin(r), turned, b, block, step,
                                                                       to + (tiles.begin(r) * Q + pieces.begin(part)) * NR<T>, Q);
            }
          }
        }
      }
    });

  // Chunks are added in order, and L filters of L taps turned.
  const int64_t vectors = ceil_div(p.m, L);
  parallel_for(p.groups * vectors, ceil_div(1 << 14, chunks.count * k * L), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i / vectors, m0 = i % vectors * L;
      const T* from = sums + (group * panels + m0 / NR<T>) * k * NR<T> + m0 % NR<T>;
      for (int64_t tap = 0; tap < k; tap += L) {
        vec<T> v[L] = {};
        for (int64_t q = 0; q < least(L, k - tap); ++q)
          for (int64_t chunk = 0; chunk < chunks.count; ++chunk) v[q] += load(from + chunk * all + (tap + q) * NR<T>);
        transpose<T>(v);
        for (int64_t o = 0; o < least(L, p.m - m0); ++o) store_part(p.dw + ((group * p.m + m0 + o) * k + tap), v[o], least(L, k - tap));
      }
    }
  });
  return true;
}

// dw, if it pays.
template <class T> static bool filter_weights(const View& dw, const View& g, const View& x, const Conv2d& s) {
  if (dw.numel() * g.numel() * x.numel() == 0) return false;
  Taps t(dw.shape[2] * dw.shape[3], x.shape[0], g, x, {s.stride[0], s.stride[1]});
  add_taps(t.window, dw, s);
  return filter_weights<T>(weights_of<T>(dw, g, x, s), t.window, dw.shape[2]);
}

}  // namespace fastnn::FN_ISA
