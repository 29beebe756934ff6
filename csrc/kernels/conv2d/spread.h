// conv2d/spread.h: the input gradient of stride 2 towards few channels, as of an image's first convolution.
//
// dx has four phases, (even, odd rows) × (even, odd columns), and each filter tap belongs to one of them. gather.h computes a
// phase at a time and reads g four times; here the four grow together, so that g is read once and a vector of it, loaded once,
// meets the weights of each phase that has a tap at its offset:
//
//      7×7     offsets of g 4×4: 9 meet four phases, 3 and 3 two, 1 one: 49 taps      4·m rows of accumulators, V vectors wide
//
//    a block of positions (t, u)  ->  slab of g (window.h)  ->  tile  ->  rows 2t and 2t + 1, even and odd columns interleaved
//
// Measured, Zen 5, 8x64x112x112 to 3x224x224, 7×7, two cores: 5.9 ms (9.4 a phase at a time).
#pragma once
#include "depthwise.h"
#include "gather.h"

namespace fastnn::FN_ISA {

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int SPREAD_V = 2;
#else
constexpr int SPREAD_V = 1;
#endif
constexpr int SPREAD_M = 3;  // 4·3·V accumulators
constexpr int64_t SPREAD_K = 512;

struct Phases {  // which taps of the filter an offset of the window stands for, by 2·(row phase) + column phase; -1: none
  int64_t tap[4];
  FN int mask() const { return (tap[0] >= 0) | (tap[1] >= 0) << 1 | (tap[2] >= 0) << 2 | (tap[3] >= 0) << 3; }
};

// acc[phase][channel] += the products of k offsets that phases `Mask` have; returns where the next weights begin.
template <int Mask, int M, class T>
FN const T* spread_offsets(vec<T> (&acc)[4][M][SPREAD_V], const T* w, const T* g, const int64_t* offset, int64_t k) {
  for (int64_t i = 0; i < k; ++i) {
    vec<T> v[SPREAD_V];
#pragma GCC unroll 2
    for (int j = 0; j < SPREAD_V; ++j) v[j] = once(load(g + offset[i] + j * lanes<T>));
#pragma GCC unroll 4
    for (int phase = 0; phase < 4; ++phase)
      if (Mask >> phase & 1)
#pragma GCC unroll 3
        for (int c = 0; c < M; ++c, ++w)
#pragma GCC unroll 2
          for (int j = 0; j < SPREAD_V; ++j) acc[phase][c][j] += *w * v[j];
  }
  return w;
}

// n even and n odd columns, or one fewer, side by side: `cols` in all.
template <class T, int... I> FN void put_pairs(T* to, vec<T> even, vec<T> odd, int64_t cols, bool add, Sequence<I...> order) {
  constexpr int64_t L = lanes<T>;
  if (add) {
    T there[2 * L] = {};
    for (int64_t i = 0; i < least(cols, 2 * L); ++i) there[i] = to[i];
    const vec<T> a = load(there), b = load(there + L);
    even += __builtin_shufflevector(a, b, (2 * I)...), odd += __builtin_shufflevector(a, b, (2 * I + 1)...);
  }
  put_pairs<T>(to, even, odd, cols, order);
}

template <int M, class T>
static void spread_block(const Gather<T>& p, const Blocks& b, const Block& block, const T* slab, const T* w, const T* bias,
                         const int64_t* offset, const int64_t* count, T* out, int64_t height, int64_t width, bool add) {
  constexpr int64_t L = lanes<T>;
  for (int64_t image = 0; image < block.images; ++image)
    for (int64_t t = 0; t < block.rows; ++t)
      for (int64_t u = 0; u < block.cols; u += SPREAD_V * L) {
        vec<T> acc[4][M][SPREAD_V];
#pragma GCC unroll 4
        for (int phase = 0; phase < 4; ++phase)
#pragma GCC unroll 3
          for (int c = 0; c < M; ++c)
#pragma GCC unroll 2
            for (int j = 0; j < SPREAD_V; ++j) acc[phase][c][j] = bias ? splat(bias[c]) : vec<T>{};
        const T *g = slab + image * b.image + t * b.width + u, *weight = w;
        const int64_t* at = offset;
        const auto meet = [&](auto mask) __attribute__((always_inline)) {
          constexpr int m = decltype(mask)::value;
          weight = spread_offsets<m, M, T>(acc, weight, g, at, count[m]), at += count[m];
        };
        meet(Constant<1>{}), meet(Constant<2>{}), meet(Constant<3>{}), meet(Constant<4>{}), meet(Constant<5>{});
        meet(Constant<8>{}), meet(Constant<10>{}), meet(Constant<12>{}), meet(Constant<15>{});
        const int64_t cols = width - 2 * (block.u + u);
        for (int64_t above = 0; above < least(2, height - 2 * (block.t + t)); ++above)
#pragma GCC unroll 3
          for (int c = 0; c < M; ++c)
#pragma GCC unroll 2
            for (int j = 0; j < SPREAD_V; ++j) {
              T* to = out + image * p.out_image + c * p.out_channel + (2 * (block.t + t) + above) * width + 2 * (block.u + u + j * L);
              const vec<T> even = above ? acc[2][c][j] : acc[0][c][j], odd = above ? acc[3][c][j] : acc[1][c][j];
              if (cols > 2 * j * L) put_pairs<T>(to, even, odd, cols - 2 * j * L, add, typename MakeSequence<L>::type{});
            }
      }
}

// The window's offsets are of every phase together: phases[i] are the taps of offset i, sorted by mask. `p` as for gather.h
// with dense rows of results, height × width.
template <class T> static void spread(const Gather<T>& p, const Window& s, const Phases* phases, int64_t height, int64_t width) {
  constexpr int64_t L = lanes<T>;
  const Even kb = evenly(p.channels, most(1, SPREAD_K / s.taps));
  const int64_t channels = kb.size(0), kmax = channels * s.taps;
  const int64_t all = s.images * s.rows * s.cols;
  const Blocks b = cut(s, channels, SLAB_BYTES / int64_t(sizeof(T)), least(2048, most(64 * L, all * p.groups / (8 * num_threads()))));

  // Weights and offsets by mask, then channel, then offset.
  const int64_t w_size = kmax * 4 * p.m;
  Scratch<T> packed(p.groups * kb.parts * w_size);
  Scratch<int64_t> slab_offset(kmax), offset(kb.parts * kmax), count(kb.parts * 16);
  slab_offsets(s, b, slab_offset);
  for (int64_t group = 0; group < p.groups; ++group)
    for (int64_t part = 0; part < kb.parts; ++part) {
      T* w = packed + (group * kb.parts + part) * w_size;
      int64_t* to = offset + part * kmax;
      for (int mask = 0; mask < 16; ++mask) {
        int64_t k = 0;
        for (int64_t c = 0; c < kb.size(part); ++c)
          for (int64_t i = 0; i < s.taps; ++i) {
            if (phases[i].mask() != mask) continue;
            to[k++] = slab_offset[c * s.taps + i];
            for (int64_t tap : phases[i].tap)
              for (int64_t m = 0; m < p.m && tap >= 0; ++m)
                *w++ = p.w[group * p.w_group + m * p.w_m + (kb.begin(part) + c) * p.w_channel + tap];
          }
        to += k, count[part * 16 + mask] = k;
      }
    }

  parallel_for(p.groups * b.count(), 1, [&](int64_t begin, int64_t end) {
    Scratch<T> slab(slab_size<T>(b));
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i / b.count();
      const Block block = block_at(s, b, i % b.count());
      T* out = p.out + block.n * p.out_image + group * p.m * p.out_channel;
      for (int64_t part = 0; part < kb.parts; ++part) {
        fill_slab<T>(slab, {p.in + (group * p.channels + kb.begin(part)) * p.in_channel, p.in, p.in_end, p.in_image, p.in_channel},
                     kb.size(part), s, b, block);
        with_constant<SPREAD_M>(p.m, [&](auto m) {
          spread_block<decltype(m)::value, T>(p, b, block, slab, packed + (group * kb.parts + part) * w_size,
                                              p.bias && part == 0 ? p.bias + group * p.m : nullptr, offset + part * kmax,
                                              count + part * 16, out, height, width, part > 0);
        });
      }
    }
  });
}

// The whole of dx, by `spread`: the offsets (row, col) of the window of g, and which tap of w each phase has there. False where
// no tap meets an input.
template <class T> static bool all_phases(Gather<T> p, View dx, View g, View w, const Conv2d& s) {
  const int64_t P = w.shape[2], Q = w.shape[3];
  Scratch<int64_t> row(P * Q), col(P * Q), index(P * Q);
  Scratch<Phases> phases(P * Q);
  Window window{g.shape[0], ceil_div(dx.shape[2], 2), ceil_div(dx.shape[3], 2), g.shape[2], g.shape[3], {1, 1}, 0, row, col, index};
  const auto reach = [&](int axis, int64_t tap) { return floor_div(s.padding[axis] + 1 - tap, 2); };
  const auto tap_of = [&](int axis, int64_t offset, int64_t phase) {  // the tap that phase has at an offset, or -1
    const int64_t tap = phase + s.padding[axis] - 2 * offset;
    return tap >= 0 && tap < w.shape[2 + axis] ? tap : -1;
  };
  for (int64_t y = reach(0, P - 1) - 1; y <= reach(0, 0); ++y)
    for (int64_t x = reach(1, Q - 1) - 1; x <= reach(1, 0); ++x) {
      Phases here;
      for (int64_t phase = 0; phase < 4; ++phase) {
        const int64_t p = tap_of(0, y, phase / 2), q = tap_of(1, x, phase % 2);
        here.tap[phase] = p < 0 || q < 0 ? -1 : p * Q + q;
      }
      if (here.mask() == 0) continue;
      const int64_t taps = window.taps;
      add_tap(window, y, x, taps);
      if (window.taps > taps) phases[taps] = here;
    }
  if (window.taps == 0) return false;
  p.out = dx.ptr<T>();
  spread(p, window, phases, dx.shape[2], dx.shape[3]);
  return true;
}

}  // namespace fastnn::FN_ISA
