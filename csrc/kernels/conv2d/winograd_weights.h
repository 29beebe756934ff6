// conv2d/winograd_weights.h: the weight gradient on the points of winograd.h.
//
// Of the same tiles, R results are now the taps, and the M coefficients a tile of g: F(R, M) instead of F(M, R).
//
//      x tile 6×6  ──Bᵀ·B──▶  V                    for each point  S[o, c] += Σ over tiles G[tile, o] · V[tile, c]
//                              ⊙  ▶ S ──Aᵀ·A──▶  dw R×R
//      g tile M×M  ──G·Gᵀ──▶  G                    S is turned into taps once, at the very end
//
//    a wave      some tiles: their V and G are made by all threads, then the 36 products are shared between them
//    the result  each S[o, c] grows in order of tiles on one thread: the same bits for any number of threads
#pragma once
#include "winograd.h"

namespace fastnn::FN_ISA {

template <class T> struct WinogradWeights {
  Planes<T> g, x;
  T* dw;
  int64_t groups, m, channels;  // of each group
  int64_t row0, col0;           // offset of the first tap
};

FN bool winograd_weights_pay(int64_t R, int64_t m, int64_t channels, const Tiling& t) {
  constexpr int64_t L = lanes<float>;
  const int64_t x_vectors = ceil_div(channels, L), g_vectors = ceil_div(m, L), tiles = t.count();
  const int64_t direct = R * R * m * channels / L * t.images * t.rows * t.cols;
  const int64_t products = tiles * SQUARE * m * x_vectors;
  const int64_t transforms = tiles * 400 * (x_vectors + g_vectors) + 400 * m * x_vectors;
  return 10 * direct > 13 * (products + transforms);
}

// dw[o, c, taps] = Aᵀ s A for one row o of s[point][o][pitch]. False if a sum is not finite.
template <int R, class T> static bool put_taps(T* dw, const T* s, int64_t square, int64_t channels) {
  constexpr int L = lanes<T>;
  vec<T> zero{};
  for (int64_t c = 0; c < channels; c += L) {
    vec<T> y[POINTS][R], line[R], column[POINTS];
#pragma GCC unroll 6
    for (int r = 0; r < POINTS; ++r) {
#pragma GCC unroll 6
      for (int q = 0; q < POINTS; ++q) column[q] = load(s + (r * POINTS + q) * square + c);
      results<R, T>(column, 1, y[r], 1);
    }
    alignas(VECTOR_BYTES) T taps[R * R][L];
#pragma GCC unroll 5
    for (int q = 0; q < R; ++q) {
      results<R, T>(&y[0][q], R, line, 1);
#pragma GCC unroll 5
      for (int r = 0; r < R; ++r) zero += line[r] * T(0), store(taps[r * R + q], line[r]);
    }
    const int64_t count = least(L, channels - c);
    for (int64_t i = 0; i < count; ++i)
      for (int k = 0; k < R * R; ++k) dw[(c + i) * R * R + k] = taps[k][i];
  }
  return !any_lane(zero != zero);
}

// False if a result is not finite: then the direct path has to tell which ones.
template <int R, class T> static bool winograd_weights(const WinogradWeights<T>& p, const Tiling& t) {
  constexpr int M = POINTS + 1 - R;
  constexpr int64_t L = lanes<T>, STEP = 8;  // tiles a task turns
  const int64_t x_pitch = ceil_div(p.channels, L) * L + L, g_pitch = ceil_div(p.m, L) * L + L;
  // Waves of at least 128 tiles, so that adding to S costs little, and about 3 MB: L2 of two cores, a part of L3.
  const int64_t at_most = most(128, (int64_t(3) << 20) / (SQUARE * (x_pitch + g_pitch) * int64_t(sizeof(T))));
  const Even waves = evenly(t.count(), at_most);
  const int64_t wave = waves.size(0), x_square = wave * x_pitch, g_square = wave * g_pitch, s_square = p.m * x_pitch;
  Scratch<T> v(SQUARE * x_square), u(SQUARE * g_square), s(SQUARE * s_square);
  const Even rows = evenly(p.m, MR);
  bool finite = true;
  for (int64_t group = 0; group < p.groups; ++group) {
    Planes<T> x = p.x, g = p.g;
    x.data += group * p.channels * x.channel, g.data += group * p.m * g.channel;
    for (int64_t w = 0; w < waves.parts; ++w) {
      const int64_t first = waves.begin(w), tiles = waves.size(w), steps = ceil_div(tiles, STEP);
      parallel_for(2 * steps, 1, [&](int64_t begin, int64_t end) {
        Scratch<T> pixels(POINTS * (RUN_TILES * M + POINTS) * L + L * L);
        for (int64_t i = begin; i < end; ++i) {
          const int64_t from = i / 2 * STEP, to = least(tiles, from + STEP);
          if (i % 2)
            tile_points<POINTS, T>(v + from * x_pitch, x_pitch, x_square, t, first + from, first + to, x, p.channels, p.row0,
                                   p.col0, pixels);
          else
            tile_points<M, T>(u + from * g_pitch, g_pitch, g_square, t, first + from, first + to, g, p.m, 0, 0, pixels);
        }
      });
      parallel_for(SQUARE, 1, [&](int64_t begin, int64_t end) {
        for (int64_t point = begin; point < end; ++point)
          for (int64_t c = 0; c < x_pitch - L; c += NR<T>)
            for (int64_t r = 0; r < rows.parts; ++r) {
              const T *a = u + point * g_square + rows.begin(r), *b = v + point * x_square + c;
              T* to = s + point * s_square + rows.begin(r) * x_pitch + c;
              with_constant<MR>(rows.size(r), [&](auto height) __attribute__((always_inline)) {
                constexpr int H = decltype(height)::value;
                with_constant<NV>(least(NV, (x_pitch - c) / L - 1), [&](auto vectors) __attribute__((always_inline)) {
                  constexpr int V = decltype(vectors)::value;
                  vec<T> acc[H][V];
                  multiply<H, V>(tiles, StridedRows<T>(a, 1, g_pitch), b, x_pitch, acc);
#pragma GCC unroll 16
                  for (int k = 0; k < H; ++k)
#pragma GCC unroll 4
                    for (int q = 0; q < V; ++q) {
                      T* sum = to + k * x_pitch + q * L;
                      store(sum, w ? load(sum) + acc[k][q] : acc[k][q]);
                    }
                });
              });
            }
      });
    }
    parallel_for(p.m, most(1, ceil_div(512, p.channels)), [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o)
        if (!put_taps<R, T>(p.dw + (group * p.m + o) * p.channels * R * R, s + o * x_pitch, s_square, p.channels))
          __atomic_store_n(&finite, false, __ATOMIC_RELAXED);
    });
  }
  return finite;
}

}  // namespace fastnn::FN_ISA
