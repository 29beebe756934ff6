// conv2d/winograd.h: convolutions by fewer multiplications: tiles as polynomials, multiplied point by point.
//
// A filter of R taps and M neighbouring results, M + R = 7, are a product of polynomials known by its values at the 6
// points 0, 1, -1, 2, -2, ∞ (Toom-Cook; Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks", F(M, R)):
//
//      x tile 6×6  ──Bᵀ·B──▶  V                 36 multiplications for each pair of channels where R·R·M·M were:
//                              ⊙  ▶ S ──Aᵀ·A──▶  y tile M×M        3×3: M = 4, 144 / 36 = 4 times fewer
//      w      R×R  ──G·Gᵀ──▶  U                                    5×5: M = 2, 100 / 36 = 2.8
//
// Each of the 36 is a matrix product over channels. Lanes are channels: pixels are turned from (C, H, W) to (H, W, 16 C)
// as a block of tiles is read, so neither the width of an image nor a border leaves a lane idle. A block's V and one panel
// of its S lie in L2; only U, the weights, is ever written whole.
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
// read on  winograd_weights.h (the weight gradient, on the same points)
#pragma once
#include "tile.h"
#include "window.h"

namespace fastnn::FN_ISA {

constexpr int POINTS = 6, SQUARE = POINTS * POINTS;
constexpr int64_t RUN_TILES = 16;  // tiles turned together: 6 rows of 66 pixels, 25 KB, L1

// The points are 0, ±NEAR, ±FAR and ∞. Squares ½ and 2 make every factor below near 1.
template <class T> constexpr T NEAR = T(0.70710678118654752440);
template <class T> constexpr T FAR = T(1.41421356237309504880);

// Bᵀ d: values of a tile's polynomial, from every `step`-th of d to every `to_step`-th of t.
template <class T> FN void input_points(const vec<T>* d, int step, vec<T>* t, int to_step) {
  const vec<T> d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step], d5 = d[5 * step];
  const vec<T> near = d4 - T(2) * d2, near_odd = d3 - T(2) * d1, far = d4 - T(0.5) * d2, far_odd = d3 - T(0.5) * d1;
  t[0] = (d4 - T(2.5) * d2) + d0;
  t[to_step] = near + NEAR<T> * near_odd, t[2 * to_step] = near - NEAR<T> * near_odd;
  t[3 * to_step] = far + FAR<T> * far_odd, t[4 * to_step] = far - FAR<T> * far_odd;
  t[5 * to_step] = (d5 - T(2.5) * d3) + d1;
}
// G w: values at the points of a polynomial with R coefficients, divided by what interpolation will ask for.
template <int R, class T> FN void filter_points(const vec<T>* w, int step, vec<T>* t, int to_step) {
  const vec<T> last = w[(R - 1) * step], first = w[0];
  vec<T> near = w[0], far = w[0], near_odd = w[step], far_odd = w[step];
  if constexpr (R > 2) near += T(0.5) * w[2 * step], far += T(2) * w[2 * step];
  if constexpr (R > 3) near_odd += T(0.5) * w[3 * step], far_odd += T(2) * w[3 * step];
  if constexpr (R > 4) near += T(0.25) * w[4 * step], far += T(4) * w[4 * step];
  t[0] = first;
  t[to_step] = T(-2. / 3) * (near + NEAR<T> * near_odd), t[2 * to_step] = T(-2. / 3) * (near - NEAR<T> * near_odd);
  t[3 * to_step] = T(1. / 6) * (far + FAR<T> * far_odd), t[4 * to_step] = T(1. / 6) * (far - FAR<T> * far_odd);
  t[5 * to_step] = last;
}
// Aᵀ s: M results from the products at the points.
template <int M, class T> FN void results(const vec<T>* s, int step, vec<T>* y, int to_step) {
  const vec<T> s0 = s[0], s5 = s[5 * step];
  const vec<T> near = s[step] + s[2 * step], far = s[3 * step] + s[4 * step];
  const vec<T> near_odd = NEAR<T> * (s[step] - s[2 * step]), far_odd = FAR<T> * (s[3 * step] - s[4 * step]);
#pragma GCC unroll 5
  for (int i = 0; i < M; ++i) {
    const T power = T(1 << i / 2);
    vec<T> sum = i % 2 ? T(1) / power * near_odd + power * far_odd : T(1) / power * near + power * far;
    if (i == 0) sum += s0;
    if (i == M - 1) sum += s5;
    y[i * to_step] = sum;
  }
}

struct Tiling {  // of `rows` × `cols` positions: tiles of M × M, in order of image, row, column
  int64_t images, rows, cols, m, down, across;
  FN Tiling(int64_t images, int64_t rows, int64_t cols, int64_t m)
      : images(images), rows(rows), cols(cols), m(m), down(ceil_div(rows, m)), across(ceil_div(cols, m)) {}
  FN int64_t count() const { return images * down * across; }
};
struct TileRun {  // neighbouring tiles of one row: the first one's image and position, and how many
  int64_t image, row, col, count;
};
FN TileRun tile_run(const Tiling& t, int64_t tile, int64_t end) {
  const int64_t col = tile % t.across, row = tile / t.across;
  return {row / t.down, row % t.down * t.m, col * t.m, least(least(RUN_TILES, end - tile), t.across - col)};
}

template <class T> struct Planes {  // images whose pixels are turned into lanes of channels
  const T *data, *end;
  int64_t image, channel, height, width;  // strides, size
};

// pixels[r][c][lane] = in[n, first + lane, y + r, x + c]: zero outside the image and past `channels` lanes.
template <class T>
static void turn_pixels(T* pixels, int64_t rows, int64_t cols, const Planes<T>& in, int64_t n, int64_t first, int64_t channels,
                        int64_t y, int64_t x) {
  constexpr int L = lanes<T>;
  const int64_t left = least(cols, most(0, -x)), right = most(left, least(cols, in.width - x));
  for (int64_t r = 0; r < rows; ++r, pixels += cols * L) {
    const bool inside = y + r >= 0 && y + r < in.height;
    for (int64_t c = 0; c < (inside ? left : cols); ++c) store(pixels + c * L, vec<T>{});
    if (!inside) continue;
    const T* line = in.data + n * in.image + first * in.channel + (y + r) * in.width + x;
    for (int64_t c = left; c < right; c += L) {
      const int64_t count = least(L, right - c);
      const bool whole = count == L || in.end - (line + c) >= (channels - 1) * in.channel + L;
      vec<T> v[L];
#pragma GCC unroll 16
      for (int i = 0; i < L; ++i) {
        const T* from = line + i * in.channel + c;
        v[i] = i >= channels ? vec<T>{} : whole ? load(from) : load_n(from, count);
      }
      transpose<T>(v);
#pragma GCC unroll 16
      for (int i = 0; i < L; ++i)
        if (i < count) store(pixels + (c + i) * L, v[i]);
    }
    for (int64_t c = right; c < cols; ++c) store(pixels + c * L, vec<T>{});
  }
}

// out[n, first + lane, y + r, x + c] = pixels[r][c][lane] for what lies inside rows × cols.
template <class T>
static void turn_back(T* out, int64_t channel, int64_t row, const T* pixels, int64_t pitch, int64_t rows, int64_t cols,
                      int64_t channels) {
  constexpr int L = lanes<T>;
  for (int64_t r = 0; r < rows; ++r, pixels += pitch * L, out += row)
    for (int64_t c = 0; c < cols; c += L) {
      const int64_t count = least(L, cols - c);
      vec<T> v[L];
#pragma GCC unroll 16
      for (int i = 0; i < L; ++i) v[i] = load(pixels + (c + i) * L);  // past the last pixel: slack
      transpose<T>(v);
#pragma GCC unroll 16
      for (int i = 0; i < L; ++i) {
        T* to = out + i * channel + c;
        if (i < channels) {
          if (count == L) store(to, v[i]);
          else store_n(to, v[i], count);
        }
      }
    }
}

// The 36 values of tiles [begin, end), `channels` of them from `in`:  v[point][tile][pitch].
// K = 6: tiles of the input, each 6×6, M apart; K < 6: tiles of K×K coefficients.
template <int K, class T>
static void tile_points(T* v, int64_t pitch, int64_t square, const Tiling& t, int64_t begin, int64_t end, const Planes<T>& in,
                        int64_t channels, int64_t row0, int64_t col0, T* pixels) {
  constexpr int L = lanes<T>;
  for (int64_t tile = begin; tile < end;) {
    const TileRun run = tile_run(t, tile, end);
    const int64_t cols = (run.count - 1) * t.m + K;
    for (int64_t c = 0; c < channels; c += L) {
      turn_pixels<T>(pixels, K, cols, in, run.image, c, least(L, channels - c), run.row + row0, run.col + col0);
      for (int64_t j = 0; j < run.count; ++j) {
        vec<T> d[K][POINTS], line[K];
#pragma GCC unroll 6
        for (int r = 0; r < K; ++r) {
#pragma GCC unroll 6
          for (int s = 0; s < K; ++s) line[s] = load(pixels + (r * cols + j * t.m + s) * L);
          if constexpr (K == POINTS) input_points<T>(line, 1, d[r], 1);
          else filter_points<K, T>(line, 1, d[r], 1);
        }
        T* to = v + (tile - begin + j) * pitch + c;
#pragma GCC unroll 6
        for (int s = 0; s < POINTS; ++s) {
          vec<T> column[POINTS];
          if constexpr (K == POINTS) input_points<T>(&d[0][s], POINTS, column, 1);
          else filter_points<K, T>(&d[0][s], POINTS, column, 1);
#pragma GCC unroll 6
          for (int r = 0; r < POINTS; ++r) store(to + (r * POINTS + s) * square, column[r]);
        }
      }
    }
    tile += run.count;
  }
}

template <class T> struct Winograd {
  Planes<T> in;
  T* out;
  const T* w;
  const T* bias;                     // [groups·m] or null
  int64_t groups, m, channels;       // of each group
  int64_t out_image, out_channel;    // strides
  int64_t w_group, w_m, w_channel;   // strides
  bool flipped;                      // taps in descending order: the input gradient
  int64_t row0, col0;                // offset of the first tap
};

// u[point][panel of NR results][channel][NR], zero past the last result.
template <int R, class T> static void weight_points(T* u, const Winograd<T>& p, int64_t panels) {
  constexpr int L = lanes<T>;
  const int64_t square = panels * p.channels * NR<T>;
  parallel_for(p.groups * panels * NV, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i / NV / panels, panel = i / NV % panels, v = i % NV, m0 = panel * NR<T> + v * L;
      const int64_t rows = most(0, least(L, p.m - m0));
      const T* w = p.w + group * p.w_group + m0 * p.w_m;
      T* to = u + group * SQUARE * square + panel * p.channels * NR<T> + v * L;
      for (int64_t c = 0; c < p.channels; ++c, to += NR<T>) {
        alignas(VECTOR_BYTES) T taps[R * R][L] = {};
        for (int64_t r = 0; r < rows; ++r)
          for (int t = 0; t < R * R; ++t) taps[t][r] = w[r * p.w_m + c * p.w_channel + (p.flipped ? R * R - 1 - t : t)];
        vec<T> d[R][POINTS], line[R], column[POINTS];
#pragma GCC unroll 5
        for (int r = 0; r < R; ++r) {
#pragma GCC unroll 5
          for (int s = 0; s < R; ++s) line[s] = load(taps[r * R + s]);
          filter_points<R, T>(line, 1, d[r], 1);
        }
#pragma GCC unroll 6
        for (int s = 0; s < POINTS; ++s) {
          filter_points<R, T>(&d[0][s], POINTS, column, 1);
#pragma GCC unroll 6
          for (int r = 0; r < POINTS; ++r) store(to + (r * POINTS + s) * square, column[r]);
        }
      }
    }
  });
}

// Vector operations of both ways, in cycles: what the direct path multiplies against 36 products a tile and the transforms.
FN bool winograd_pays(int64_t R, int64_t m, int64_t channels, const Tiling& t) {
  constexpr int64_t L = lanes<float>;
  const int64_t in_vectors = ceil_div(channels, L), out_vectors = ceil_div(m, L), tiles = t.count();
  const int64_t direct = R * R * m * channels / L * t.images * t.rows * t.cols;
  const int64_t products = tiles * SQUARE * out_vectors * channels;
  const int64_t transforms = tiles * 400 * (in_vectors + out_vectors) + 250 * out_vectors * channels;
  return 10 * direct > 13 * (products + transforms);
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
      turn_back<T>(out, p.out_channel, t.cols, pixels, pitch, least(M, t.rows - run.row), least(pitch, t.cols - run.col),
                   least(L, m - v * L));
      tile += run.count;
    }
  }
  return !any_lane(zero != zero);
}

// False if a result is not finite: then the direct path has to tell which ones.
template <int R, class T> static bool winograd(const Winograd<T>& p, const Tiling& t) {
  constexpr int M = POINTS + 1 - R;
  constexpr int64_t L = lanes<T>;
  const int64_t panels = ceil_div(p.m, NR<T>), panel_size = p.channels * NR<T>;
  const int64_t pitch = ceil_div(p.channels, L) * L + L;  // not a power of two: rows of a tile in different sets
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
      const Even rows = evenly(n, MR);
      for (int64_t panel = 0; panel < panels; ++panel) {
        const int64_t m0 = panel * NR<T>, m = least(NR<T>, p.m - m0);
        for (int point = 0; point < SQUARE; ++point) {
          const T* b = u + ((group * SQUARE + point) * panels + panel) * panel_size;
          for (int64_t r = 0; r < rows.parts; ++r) {
            const T* a = v + point * v_square + rows.begin(r) * pitch;
            T* to = s + point * s_square + rows.begin(r) * NR<T>;
            with_constant<MR>(rows.size(r), [&](auto height) __attribute__((always_inline)) {
              constexpr int H = decltype(height)::value;
              with_constant<NV>(ceil_div(m, L), [&](auto vectors) __attribute__((always_inline)) {
                constexpr int V = decltype(vectors)::value;
                vec<T> acc[H][V];
                multiply<H, V>(p.channels, StridedRows<T>(a, pitch, 1), b, NR<T>, acc);
#pragma GCC unroll 16
                for (int k = 0; k < H; ++k)
#pragma GCC unroll 4
                  for (int q = 0; q < V; ++q) store(to + k * NR<T> + q * L, acc[k][q]);
              });
            });
          }
        }
        if (!put_results<M, T>(s, s_square, p, t, begin, begin + n, group * p.m + m0, m, pixels))
          __atomic_store_n(&finite, false, __ATOMIC_RELAXED);
      }
    }
  });
  return finite;
}

}  // namespace fastnn::FN_ISA
