// conv2d/winograd_weights.h: the weight gradient on the points of winograd.h.
//
// Of the same tiles, R results are now the taps, and the M coefficients a tile of g: F(R, M) instead of F(M, R).
//
//      x tile 6×6  ──Bᵀ·B──▶  V                    for each point  S[o, c] += Σ over tiles G[tile, o] · V[tile, c]
//                              ⊙  ▶ S ──Aᵀ·A──▶  dw R×R
//      g tile M×M  ──G·Gᵀ──▶  G                    S is turned into taps once, at the very end
//
//    few weights   a run of tiles has an S of its own, and one thread makes its V and G and multiplies them, all in its L2
//    a wave        else: some tiles, whose V and G are made by all threads, then the 36 products are shared between them
//    one wave      if all tiles fit: S never lies in memory, each block of it is turned into taps by the thread that made it
//    the result    each S[o, c] grows in order of tiles on one thread: the same bits for any number of threads
//
// Measured, two threads, ms (S written whole, the direct path where it was chosen): 8x512x7x7 4.7 (7.7), 8x256x14x14 4.4 (4.6),
// 2x256x9x9 0.61 (0.70); 8x448x5x5 to 649 4.4 (direct 7.1), 16x64x5x5 0.18 (direct 0.23), 5×5 32x24x10x10 0.50 (direct 0.86).
// Emerald Rapids, few weights (by waves): 64x16x32x32 1.0 (2.8), eight groups of 8x16x28x28 0.7 (2.0), 8x64x56x56 3.4 (5.1), 5×5
// 32x32x14x14 to 64 1.5 (3.5); but 32x128x16x16 5.0 (3.6): an S of 2.6 MB for each run.
#pragma once
#include "winograd.h"

namespace fastnn::FN_ISA {

// Rows of vectors an odd number of lines apart, so that they share no set of L1.
template <class T> FN int64_t odd_pitch(int64_t n) { return (ceil_div(n, lanes<T>) | 1) * lanes<T>; }
constexpr int64_t FEW_BYTES = 1 << 20, WAVE_BYTES = 512 << 10;  // of an S of its own for each run of tiles; of their V and G

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
  return 10 * direct > 9 * (products + transforms);
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
#pragma GCC unroll 8
    for (int k = 0; k < R * R; k += L) {  // turned, so that the taps of a channel are neighbours
      vec<T> v[L];
#pragma GCC unroll 16
      for (int i = 0; i < L; ++i) v[i] = k + i < R * R ? load(taps[k + i]) : vec<T>{};
      transpose<T>(v);
#pragma GCC unroll 16
      for (int i = 0; i < L; ++i) {
        T* to = dw + (c + i) * R * R + k;
        if (i >= count) break;
        if (k + L <= R * R) store(to, v[i]);
        else store_n(to, v[i], R * R - k);
      }
    }
  }
  return !any_lane(zero != zero);
}

// s[o][c] = (or +=) the sum over tiles of u[tile][o] · v[tile][c], for m values of o and whole vectors of c.
template <class T>
static void add_products(T* s, int64_t pitch, const T* u, int64_t u_pitch, const T* v, int64_t v_pitch, int64_t tiles, int64_t m,
                         int64_t columns, bool add) {
  constexpr int64_t L = lanes<T>;
  const Even rows = evenly(m, MR);
  for (int64_t c = 0; c < columns; c += NR<T>)
    for (int64_t r = 0; r < rows.parts; ++r) {
      const T *a = u + rows.begin(r), *b = v + c;
      T* to = s + rows.begin(r) * pitch + c;
      with_constant<MR>(rows.size(r), [&](auto height) __attribute__((always_inline)) {
        constexpr int H = decltype(height)::value;
        with_constant<NV>(least(NV, (columns - c) / L), [&](auto vectors) __attribute__((always_inline)) {
          constexpr int V = decltype(vectors)::value;
          vec<T> acc[H][V];
          multiply<H, V>(tiles, StridedRows<T>(a, 1, u_pitch), b, v_pitch, acc);
#pragma GCC unroll 16
          for (int k = 0; k < H; ++k)
#pragma GCC unroll 4
            for (int q = 0; q < V; ++q) {
              T* sum = to + k * pitch + q * L;
              store(sum, add ? load(sum) + acc[k][q] : acc[k][q]);
            }
        });
      });
    }
}

// One wave, all tiles: S is made and turned into taps a block at a time, in L2, and never lies in memory. False if a sum is not
// finite.
template <int R, class T>
static bool put_wave(T* dw, const T* u, int64_t u_pitch, int64_t u_square, const T* v, int64_t v_pitch, int64_t v_square,
                     int64_t tiles, int64_t m, int64_t channels) {
  constexpr int64_t L = lanes<T>, ACROSS = 2 * NR<T>;
  const Even rows = evenly(m, 4 * MR);
  const int64_t across = ceil_div(channels, ACROSS);
  bool finite = true;
  parallel_for(rows.parts * across, 1, [&](int64_t begin, int64_t end) {
    const int64_t square = rows.size(0) * ACROSS;
    Scratch<T> s(SQUARE * square);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t o = rows.begin(i / across), n = rows.size(i / across), c = i % across * ACROSS, count = least(ACROSS, channels - c);
      for (int64_t point = 0; point < SQUARE; ++point)
        add_products<T>(s + point * square, ACROSS, u + point * u_square + o, u_pitch, v + point * v_square + c, v_pitch, tiles, n,
                        ceil_div(count, L) * L, false);
      for (int64_t r = 0; r < n; ++r)
        if (!put_taps<R, T>(dw + ((o + r) * channels + c) * R * R, s + r * ACROSS, square, count))
          __atomic_store_n(&finite, false, __ATOMIC_RELAXED);
    }
  });
  return finite;
}

// Few weights: a task is a run of tiles that one thread turns and multiplies, in its L2, into an S of its own; the S are added
// in order as they are turned into taps. False if a sum is not finite.
template <int R, class T> static bool few_weights(const WinogradWeights<T>& p, const Tiling& t, int64_t chunks) {
  constexpr int M = POINTS + 1 - R;
  constexpr int64_t L = lanes<T>;
  const int64_t x_pitch = odd_pitch<T>(p.channels), g_pitch = odd_pitch<T>(p.m), s_square = p.m * x_pitch, s_size = SQUARE * s_square;
  const Even runs = {t.count(), chunks};
  const int64_t wave = least(runs.size(0), most(32, WAVE_BYTES / (SQUARE * (x_pitch + g_pitch) * int64_t(sizeof(T)))));
  const int64_t x_square = wave * x_pitch, g_square = wave * g_pitch;
  Scratch<T> s(p.groups * chunks * s_size);
  parallel_for(p.groups * chunks, 1, [&](int64_t begin, int64_t end) {
    Scratch<T> v(SQUARE * x_square + L), u(SQUARE * g_square + L), pixels(POINTS * (RUN_TILES * M + POINTS) * L + L * L);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i / chunks, first = runs.begin(i % chunks), last = first + runs.size(i % chunks);
      Planes<T> x = p.x, g = p.g;
      x.data += group * p.channels * x.channel, g.data += group * p.m * g.channel;
      for (int64_t from = first; from < last; from += wave) {
        const int64_t tiles = least(wave, last - from);
        tile_points<POINTS, T>(v, x_pitch, x_square, t, from, from + tiles, x, p.channels, p.row0, p.col0, pixels);
        tile_points<M, T>(u, g_pitch, g_square, t, from, from + tiles, g, p.m, 0, 0, pixels);
        for (int64_t point = 0; point < SQUARE; ++point)
          add_products<T>(s + i * s_size + point * s_square, x_pitch, u + point * g_square, g_pitch, v + point * x_square, x_pitch, tiles, p.m,
                          ceil_div(p.channels, L) * L, from > first);
      }
    }
  });
  bool finite = true;
  parallel_for(p.groups * p.m, most(1, ceil_div(512, p.channels * chunks)), [&](int64_t begin, int64_t end) {
    Scratch<T> sum(SQUARE * x_pitch);
    for (int64_t i = begin; i < end; ++i) {
      const T* from = s + i / p.m * chunks * s_size + i % p.m * x_pitch;
      for (int64_t point = 0; point < SQUARE; ++point)
        for (int64_t c = 0; c < p.channels; c += L) {
          vec<T> total = load(from + point * s_square + c);
          for (int64_t k = 1; k < chunks; ++k) total += load(from + k * s_size + point * s_square + c);
          store(sum + point * x_pitch + c, total);
        }
      if (!put_taps<R, T>(p.dw + i * p.channels * R * R, sum, x_pitch, p.channels)) __atomic_store_n(&finite, false, __ATOMIC_RELAXED);
    }
  });
  return finite;
}

// False if a result is not finite: then the direct path has to tell which ones.
template <int R, class T> static bool winograd_weights(const WinogradWeights<T>& p, const Tiling& t) {
  constexpr int M = POINTS + 1 - R;
  constexpr int64_t L = lanes<T>, STEP = 8;  // tiles a task turns
  const int64_t s_bytes = SQUARE * p.m * odd_pitch<T>(p.channels) * int64_t(sizeof(T));
  if (s_bytes <= FEW_BYTES) {
    const int64_t chunks = most(1, least(least(ceil_div(32, p.groups), t.count() / 32), 8 * FEW_BYTES / (s_bytes * p.groups)));
    return few_weights<R, T>(p, t, chunks);
  }
  const int64_t x_pitch = ceil_div(p.channels, L) * L + L, g_pitch = ceil_div(p.m, L) * L + L;
  // Waves of at least 128 tiles, so that adding to S costs little, and about 3 MB: L2 of two cores, a part of L3.
  const int64_t at_most = most(128, (int64_t(3) << 20) / (SQUARE * (x_pitch + g_pitch) * int64_t(sizeof(T))));
  const Even waves = evenly(t.count(), at_most);
  const int64_t wave = waves.size(0), x_square = wave * x_pitch, g_square = wave * g_pitch, s_square = p.m * x_pitch;
  Scratch<T> v(SQUARE * x_square), u(SQUARE * g_square), s(waves.parts > 1 ? SQUARE * s_square : 1);
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
      if (waves.parts == 1) {
        finite &= put_wave<R, T>(p.dw + group * p.m * p.channels * R * R, u, g_pitch, g_square, v, x_pitch, x_square, tiles, p.m, p.channels);
        continue;
      }
      parallel_for(SQUARE, 1, [&](int64_t begin, int64_t end) {
        for (int64_t point = begin; point < end; ++point)
          add_products<T>(s + point * s_square, x_pitch, u + point * g_square, g_pitch, v + point * x_square, x_pitch, tiles, p.m,
                          x_pitch - L, w > 0);
      });
    }
    if (waves.parts == 1) continue;
    parallel_for(p.m, most(1, ceil_div(512, p.channels)), [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o)
        if (!put_taps<R, T>(p.dw + (group * p.m + o) * p.channels * R * R, s + o * x_pitch, s_square, p.channels))
          __atomic_store_n(&finite, false, __ATOMIC_RELAXED);
    });
  }
  return finite;
}

}  // namespace fastnn::FN_ISA
