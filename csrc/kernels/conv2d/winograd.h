// conv2d/winograd.h: convolutions by fewer multiplications: tiles as polynomials, multiplied point by point.
//
// A filter of R taps and M neighbouring results, M + R = 7, are a product of polynomials known by its values at the 6
// points 0, 1, -1, 2, -2, ∞ (Toom-Cook; Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks", F(M, R)):
//
//      x tile 6×6  ──Bᵀ·B──▶  V                 36 multiplications for each pair of channels where R·R·M·M were:
//                              ⊙  ▶ S ──Aᵀ·A──▶  y tile M×M        3×3: M = 4, 144 / 36 = 4 times fewer
//      w      R×R  ──G·Gᵀ──▶  U                                    5×5: M = 2, 100 / 36 = 2.8
//
// Each of the 36 is a matrix product over channels. Few weights are turned into U whole, and a block of tiles, its V and one
// panel of its S in L2, meets all of them; many weights are turned a panel and a few channels at a time, in L2, and meet
// the V of a wave of tiles.
//
// Error: largest relative to the largest result, beside the direct path's (normal values; forward, weight gradient):
//
//      64 channels 14×14    1.3e-6, 1.1e-6 (direct 3.0e-7, 1.3e-7)      256 channels 14×14    2.7e-6, 1.7e-6 (3.9e-7, 3.0e-7)
//
// rms 3 to 5 times the direct path's, the weight gradient's up to 12; within 3 % of the bound 2·k·ε·Σ|x||w| on every element.
// Errors scale with the largest input of a tile, not with the terms of one result; integers are not exact. Infinities and
// NaN would spread over a tile: a result that is not finite sends the whole call to the direct path. float64 never comes
// here; `fastnn.rung(conv2d="implicit")` turns it off.
//
// Measured, Zen 4, AVX-512, one core, ms (direct; forward and weight gradient): 8x64x56x56 5.8, 6.3 (18.8, 20.5);
// 8x128x28x28 5.1, 5.3 (18.3, 19.3); 8x256x14x14 7.0, 7.6 (19.5, 19.5); 5×5 32x32x14x14 2.9, 3.2 (7.7, 7.8).
// Tried and lost: the points 0, ±1, ±2, ∞, as fast with 2 (rms) to 5 (largest) times the error.
//
// read on  winograd_points.h (tiles to points and back)  →  winograd_weights.h (the weight gradient, on the same points)
#pragma once
#include "winograd_points.h"

namespace fastnn::FN_ISA {

template <class T> struct Winograd {
  Planes<T> in;
  T* out;
  const T *w, *w_end;
  const T* bias;                     // [groups·m] or null
  int64_t groups, m, channels;       // of each group
  int64_t out_image, out_channel;    // strides
  int64_t w_group, w_m, w_channel;   // strides
  bool flipped;                      // taps in descending order: the input gradient
  int64_t row0, col0;                // offset of the first tap
};

// taps[t][lane] = w[lane, t] of the filters of one channel, `rows` of them, `row` apart; lanes past `rows` hold anything.
template <int N, class T> FN void turn_taps(T (*taps)[lanes<T>], const T* w, const T* end, int64_t row, int64_t rows) {
  constexpr int L = lanes<T>;
  if (end - w < (rows - 1) * row + ceil_div(N, L) * L) {
    for (int64_t r = 0; r < rows; ++r)
      for (int t = 0; t < N; ++t) taps[t][r] = w[r * row + t];
    return;
  }
#pragma GCC unroll 8
  for (int t = 0; t < N; t += L) {
    vec<T> v[L];
#pragma GCC unroll 16
    for (int r = 0; r < L; ++r) v[r] = load(w + (r < rows ? r : rows - 1) * row + t);
    transpose<T>(v);
#pragma GCC unroll 16
    for (int i = 0; i < L; ++i)
      if (t + i < N) store(taps[t + i], v[i]);
  }
}

// The values at the points of L results' filters from result m0 on, of `count` channels from c0 on: u[point][channel][NR].
template <int R, class T>
static void filter_panel(T* u, int64_t square, const Winograd<T>& p, int64_t group, int64_t m0, int64_t c0, int64_t count) {
  constexpr int L = lanes<T>;
  const int64_t rows = least(L, p.m - m0);
  const T* w = p.w + group * p.w_group + m0 * p.w_m + c0 * p.w_channel;
  alignas(VECTOR_BYTES) T taps[R * R][L] = {};
  for (int64_t c = 0; c < count; ++c, w += p.w_channel, u += NR<T>) {
    turn_taps<R * R, T>(taps, w, p.w_end, p.w_m, rows);
    vec<T> d[R][POINTS], line[R], column[POINTS];
#pragma GCC unroll 5
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 5
      for (int s = 0; s < R; ++s) line[s] = load(taps[p.flipped ? R * R - 1 - (r * R + s) : r * R + s]);
      filter_points<R, T>(line, 1, d[r], 1);
    }
#pragma GCC unroll 6
    for (int s = 0; s < POINTS; ++s) {
      filter_points<R, T>(&d[0][s], POINTS, column, 1);
#pragma GCC unroll 6
      for (int r = 0; r < POINTS; ++r) store(u + (r * POINTS + s) * square, column[r]);
    }
  }
}

// All of them: u[group][point][panel of NR results][channel][NR].
template <int R, class T> static void weight_points(T* u, const Winograd<T>& p, int64_t panels) {
  constexpr int L = lanes<T>;
  const int64_t square = panels * p.channels * NR<T>;
  parallel_for(p.groups * panels * NV, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i / NV / panels, panel = i / NV % panels, v = i % NV, m0 = panel * NR<T> + v * L;
      if (m0 < p.m)
        filter_panel<R, T>(u + group * SQUARE * square + panel * p.channels * NR<T> + v * L, square, p, group, m0, 0, p.channels);
    }
  });
}

// Vector operations of both ways, in cycles: what the direct path multiplies against 36 products a tile and the transforms.
// The direct path moves more for each of its own. Measured, direct / (products + transforms) and how much faster tiles were:
// 0.6 to 0.75 1.1 to 0.85 times; 1.06 1.46; 1.08 1.86 (5×5); 1.15 1.40; 1.23 1.62; 1.3 1.02 to 1.80; 1.5 1.85.
FN bool winograd_pays(int64_t R, int64_t m, int64_t channels, const Tiling& t) {
  constexpr int64_t L = lanes<float>;
  const int64_t in_vectors = ceil_div(channels, L), out_vectors = ceil_div(m, L), tiles = t.count();
  const int64_t direct = R * R * m * channels / L * t.images * t.rows * t.cols;
  const int64_t products = tiles * SQUARE * out_vectors * channels;
  const int64_t transforms = tiles * 400 * (in_vectors + out_vectors) + 250 * out_vectors * channels;
  return 10 * direct > 9 * (products + transforms);
}

// Results of one panel's products, s[point][tile][NR]: turned back into images. False if one is not finite.
template <int M, class T>
static bool put_results(const T* s, int64_t square, const Winograd<T>& p, const Tiling& t, int64_t begin, int64_t end,
                        int64_t m0, int64_t m, T* pixels) {
  constexpr int L = lanes<T>;
  vec<T> zero{};
  for (int64_t v = 0; v * L < m; ++v) {
    vec<T> bias{};
    if (p.bias) bias = m - v * L >= L ? load(p.bias + m0 + v * L) : load_n(p.bias + m0 + v * L, m - v * L);
    for (int64_t tile = begin; tile < end;) {
      const TileRun run = tile_run(t, tile, end);
      const int64_t pitch = run.count * M;
      for (int64_t j = 0; j < run.count; ++j) {
        const T* from = s + (tile - begin + j) * NR<T> + v * L;
        vec<T> y[POINTS][M], line[M], column[POINTS];
#pragma GCC unroll 6
        for (int r = 0; r < POINTS; ++r) {
#pragma GCC unroll 6
          for (int q = 0; q < POINTS; ++q) column[q] = load(from + (r * POINTS + q) * square);
          results<M, T>(column, 1, y[r], 1);
        }
#pragma GCC unroll 5
        for (int q = 0; q < M; ++q) {
          results<M, T>(&y[0][q], M, line, 1);
#pragma GCC unroll 5
          for (int r = 0; r < M; ++r) {
            const vec<T> sum = line[r] + bias;
            zero += sum * T(0);
            store(pixels + (r * pitch + j * M + q) * L, sum);
          }
        }
      }
      T* out = p.out + run.image * p.out_image + (m0 + v * L) * p.out_channel + run.row * t.cols + run.col;
      turn_back<T>(out, p.out_channel, t.step[0] * t.cols, t.step[1], pixels, pitch, least(M, ceil_div(t.rows - run.row, t.step[0])),
                   least(pitch, ceil_div(t.cols - run.col, t.step[1])), least(L, m - v * L));
      tile += run.count;
    }
  }
  return !any_lane(zero != zero);
}

// s[point][tile][NR] = (or +=) v[point][tile][pitch] · u[point][channel][NR] of `k` channels and `vectors` results.
template <class T>
static void multiply_points(T* s, int64_t s_square, const T* v, int64_t v_square, int64_t pitch, const T* u, int64_t u_square, int64_t tiles,
                            int64_t k, int64_t vectors, bool add) {
  constexpr int64_t L = lanes<T>;
  const Even rows = evenly(tiles, MR);
  for (int point = 0; point < SQUARE; ++point)
    for (int64_t r = 0; r < rows.parts; ++r) {
      const T *a = v + point * v_square + rows.begin(r) * pitch, *b = u + point * u_square;
      T* to = s + point * s_square + rows.begin(r) * NR<T>;
      with_constant<MR>(rows.size(r), [&](auto height) __attribute__((always_inline)) {
        constexpr int H = decltype(height)::value;
        with_constant<NV>(vectors, [&](auto across) __attribute__((always_inline)) {
          constexpr int V = decltype(across)::value;
          vec<T> acc[H][V];
          multiply<H, V>(k, StridedRows<T>(a, pitch, 1), b, NR<T>, acc);
#pragma GCC unroll 16
          for (int i = 0; i < H; ++i)
#pragma GCC unroll 4
            for (int q = 0; q < V; ++q) {
              T* sum = to + i * NR<T> + q * L;
              store(sum, add ? load(sum) + acc[i][q] : acc[i][q]);
            }
        });
      });
    }
}

template <class T> FN int64_t points_pitch(int64_t channels) {  // not a power of two: rows of a tile in different sets
  return ceil_div(channels, lanes<T>) * lanes<T> + lanes<T>;
}

// Few weights: all are turned first, then each thread turns and multiplies its tiles.
// False if a result is not finite: then the direct path has to tell which ones.
template <int R, class T> static bool winograd_by_tiles(const Winograd<T>& p, const Tiling& t) {
  constexpr int M = POINTS + 1 - R;
  constexpr int64_t L = lanes<T>;
  const int64_t panels = ceil_div(p.m, NR<T>), panel_size = p.channels * NR<T>, pitch = points_pitch<T>(p.channels);
  // Blocks whose V is about 640 KB, at least 12 tiles, which a tile of the product has as rows, and some for each thread.
  const int64_t at_most = least(56, most(12, (int64_t(640) << 10) / (SQUARE * pitch * int64_t(sizeof(T)))));
  const Even blocks = {t.count(), most(ceil_div(t.count(), at_most), least(4, ceil_div(t.count(), 6)))};
  Scratch<T> u(p.groups * SQUARE * panels * panel_size);
  weight_points<R, T>(u, p, panels);
  bool finite = true;
  parallel_for(p.groups * blocks.parts, 1, [&](int64_t first, int64_t last) {
    const int64_t tiles = blocks.size(0), v_square = tiles * pitch, s_square = tiles * NR<T>;
    Scratch<T> v(SQUARE * v_square), s(SQUARE * s_square), pixels(POINTS * (RUN_TILES * M + POINTS) * L + L * L);
    for (int64_t i = first; i < last; ++i) {
      const int64_t group = i / blocks.parts, begin = blocks.begin(i % blocks.parts), n = blocks.size(i % blocks.parts);
      Planes<T> in = p.in;
      in.data += group * p.channels * in.channel;
      tile_points<POINTS, T>(v, pitch, v_square, t, begin, begin + n, in, p.channels, p.row0, p.col0, pixels);
      for (int64_t panel = 0; panel < panels; ++panel) {
        const int64_t m0 = panel * NR<T>, m = least(NR<T>, p.m - m0);
        multiply_points<T>(s, s_square, v, v_square, pitch, u + (group * SQUARE * panels + panel) * panel_size, panels * panel_size,
                           n, p.channels, ceil_div(m, L), false);
        if (!put_results<M, T>(s, s_square, p, t, begin, begin + n, group * p.m + m0, m, pixels))
          __atomic_store_n(&finite, false, __ATOMIC_RELAXED);
      }
    }
  });
  return finite;
}

// Many weights: the points of a wave of tiles are made first, then each thread turns and multiplies its panels of weights, a
// few channels at a time, so that they never leave L2. Measured, two threads, ms (by tiles): 8x512x7x7 4.0 (6.7), 8x256x14x14
// 3.7 (3.7, and 5.5 while other machines fill L3), 8x128x28x28 2.9 (2.7). Waves of 64 to 200 tiles and depths of 32 to 128
// differ by less than 5 %.
constexpr int64_t MANY_WEIGHTS = 4 << 20, WAVE = 112, DEPTH = 32;

template <int R, class T> static bool winograd_by_weights(const Winograd<T>& p, const Tiling& t) {
  constexpr int M = POINTS + 1 - R;
  constexpr int64_t L = lanes<T>, STEP = 4;
  const int64_t panels = ceil_div(p.m, NR<T>), pitch = points_pitch<T>(p.channels);
  const Even waves = evenly(t.count(), WAVE), depth = evenly(p.channels, DEPTH);
  const int64_t wave = waves.size(0), v_square = wave * pitch, s_square = wave * NR<T>, u_square = depth.size(0) * NR<T>;
  Scratch<T> v(SQUARE * v_square);
  bool finite = true;
  for (int64_t i = 0; i < p.groups * waves.parts; ++i) {
    const int64_t group = i / waves.parts, begin = waves.begin(i % waves.parts), n = waves.size(i % waves.parts);
    Planes<T> in = p.in;
    in.data += group * p.channels * in.channel;
    parallel_for(ceil_div(n, STEP), 1, [&](int64_t first, int64_t last) {
      Scratch<T> pixels(POINTS * (RUN_TILES * M + POINTS) * L);
      for (int64_t from = first * STEP; from < least(n, last * STEP); from += STEP)
        tile_points<POINTS, T>(v + from * pitch, pitch, v_square, t, begin + from, begin + least(n, from + STEP), in, p.channels,
                               p.row0, p.col0, pixels);
    });
    parallel_for(panels, 1, [&](int64_t first, int64_t last) {
      Scratch<T> u(SQUARE * u_square), s(SQUARE * s_square), pixels(POINTS * (RUN_TILES * M + POINTS) * L + L * L);
      for (int64_t panel = first; panel < last; ++panel) {
        const int64_t m0 = panel * NR<T>, m = least(NR<T>, p.m - m0);
        for (int64_t k = 0; k < depth.parts; ++k) {
          for (int64_t lane = 0; lane < m; lane += L)
            filter_panel<R, T>(u + lane, u_square, p, group, m0 + lane, depth.begin(k), depth.size(k));
          multiply_points<T>(s, s_square, v + depth.begin(k), v_square, pitch, u, u_square, n, depth.size(k), ceil_div(m, L), k > 0);
        }
        if (!put_results<M, T>(s, s_square, p, t, begin, begin + n, group * p.m + m0, m, pixels))
          __atomic_store_n(&finite, false, __ATOMIC_RELAXED);
      }
    });
  }
  return finite;
}

template <int R, class T> static bool winograd(const Winograd<T>& p, const Tiling& t) {
  const int64_t weights = SQUARE * p.channels * p.m * int64_t(sizeof(T));
  return weights > MANY_WEIGHTS ? winograd_by_weights<R, T>(p, t) : winograd_by_tiles<R, T>(p, t);
}

}  // namespace fastnn::FN_ISA
