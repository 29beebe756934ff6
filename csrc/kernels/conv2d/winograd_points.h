// conv2d/winograd_points.h: tiles of images as values at six points, and back: what winograd.h multiplies.
//
// Lanes are channels: pixels are turned from (C, H, W) to (H, W, 16 C) as tiles are read, so neither the width of an image nor
// a border leaves a lane idle.
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

// Tiles of M × M results of `rows` × `cols` positions. With a dilation, positions `step` apart form images of their own, whose
// convolution has none: tiles go in order of image, first row and column, tile row, tile column. 8x64x28x28 of dilation 2, ms,
// forward, dx, dw (direct): 1.1 1.1 1.1 (2.4 2.4 2.7).
struct Tiling {
  int64_t images, rows, cols, m, step[2], down, across;
  FN Tiling(int64_t images, int64_t rows, int64_t cols, int64_t m, const int64_t (&step)[2])
      : images(images), rows(rows), cols(cols), m(m), step{step[0], step[1]},
        down(ceil_div(ceil_div(rows, step[0]), m)), across(ceil_div(ceil_div(cols, step[1]), m)) {}
  FN int64_t count() const { return images * step[0] * step[1] * down * across; }
};
struct TileRun {  // neighbouring tiles of one row: the first one's image and position, and how many
  int64_t image, row, col, count;
};
FN TileRun tile_run(const Tiling& t, int64_t tile, int64_t end) {
  const int64_t col = tile % t.across, row = tile / t.across % t.down, phase = tile / t.across / t.down;
  const int64_t row0 = phase / t.step[1] % t.step[0], col0 = phase % t.step[1];
  return {phase / t.step[1] / t.step[0], row0 + row * t.m * t.step[0], col0 + col * t.m * t.step[1],
          least(least(RUN_TILES, end - tile), t.across - col)};
}

template <class T> struct Planes {  // images whose pixels are turned into lanes of channels
  const T *data, *end;
  int64_t image, channel, height, width;  // strides, size
};

// `count` <= L elements `step` apart; `spare` tells how many may be read.
template <class T> FN vec<T> load_every(const T* from, int64_t step, int64_t count, int64_t spare) {
  constexpr int L = lanes<T>;
  if (step == 1) return count == L || spare >= L ? load(from) : load_n(from, count);
  if (step == 2 && spare >= 2 * L) return evens<T>(load(from), load(from + L), typename MakeSequence<L>::type{});
  alignas(VECTOR_BYTES) T lane[L] = {};
  for (int64_t i = 0; i < count; ++i) lane[i] = from[i * step];
  return load(static_cast<T*>(lane));
}

// pixels[r][c][lane] = in[n, first + lane, y + r·step, x + c·step]: zero outside the image and past `channels` lanes.
template <class T>
static void turn_pixels(T* pixels, int64_t rows, int64_t cols, const Planes<T>& in, int64_t n, int64_t first, int64_t channels,
                        int64_t y, int64_t x, const int64_t (&step)[2]) {
  constexpr int L = lanes<T>;
  const int64_t left = least(cols, x >= 0 ? 0 : ceil_div(-x, step[1]));
  const int64_t right = most(left, least(cols, x < in.width ? ceil_div(in.width - x, step[1]) : 0));
  for (int64_t r = 0; r < rows; ++r, y += step[0], pixels += cols * L) {
    const bool inside = y >= 0 && y < in.height;
    for (int64_t c = 0; c < (inside ? left : cols); ++c) store(pixels + c * L, vec<T>{});
    if (!inside) continue;
    const T* line = in.data + n * in.image + first * in.channel + y * in.width + x;
    for (int64_t c = left; c < right; c += L) {
      const int64_t count = least(L, right - c);
      const T* from = line + c * step[1];
      const int64_t spare = in.end - from - (channels - 1) * in.channel;
      vec<T> v[L];
#pragma GCC unroll 16
      for (int i = 0; i < L; ++i) v[i] = i >= channels ? vec<T>{} : load_every<T>(from + i * in.channel, step[1], count, spare);
      transpose<T>(v);
#pragma GCC unroll 16
      for (int i = 0; i < L; ++i)
        if (i < count) store(pixels + (c + i) * L, v[i]);
    }
    for (int64_t c = right; c < cols; ++c) store(pixels + c * L, vec<T>{});
  }
}

// out[lane][r·row + c·step] = pixels[r][c][lane], channels `channel` apart.
template <class T>
static void turn_back(T* out, int64_t channel, int64_t row, int64_t step, const T* pixels, int64_t pitch, int64_t rows, int64_t cols,
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
        T* to = out + i * channel + c * step;
        if (i < channels) {
          if (step != 1)
            for (int64_t j = 0; j < count; ++j) to[j * step] = v[i][j];
          else if (count == L) store(to, v[i]);
          else store_n(to, v[i], count);
        }
      }
    }
}

// The 36 values of tiles [begin, end), `channels` of them from `in`:  v[point][tile][pitch].
// K = 6: tiles of the input, each 6×6, M apart, the first one's corner `row0`, `col0` from its result's; K < 6: tiles of K×K coefficients.
template <int K, class T>
static void tile_points(T* v, int64_t pitch, int64_t square, const Tiling& t, int64_t begin, int64_t end, const Planes<T>& in,
                        int64_t channels, int64_t row0, int64_t col0, T* pixels) {
  constexpr int L = lanes<T>;
  for (int64_t tile = begin; tile < end;) {
    const TileRun run = tile_run(t, tile, end);
    const int64_t cols = (run.count - 1) * t.m + K;
    for (int64_t c = 0; c < channels; c += L) {
      turn_pixels<T>(pixels, K, cols, in, run.image, c, least(L, channels - c), run.row + row0, run.col + col0, t.step);
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

}  // namespace fastnn::FN_ISA
