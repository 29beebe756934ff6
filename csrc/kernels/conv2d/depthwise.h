// conv2d/depthwise.h: one filter a plane (groups = channels, one result each): K·K multiplications a result, bound by memory.
//
// There is no matrix product here, only planes, read where they lie (planes.h). ROWS rows of results grow together: a vector of input
// loaded for tap (p, q) of one row is tap (p - 1, q) of the next, so K·(ROWS + K - 1) loads do for K·K·ROWS multiplications.
//
//      input row 0  ─▶ p 0                        filter_rows   the convolution, and dx of stride 1: taps in reverse
//                1  ─▶ p 1, 0         results     spread_rows   dx of stride 2: even and odd columns see other taps, and
//                2  ─▶ p 2, 1, 0  ─▶  rows 0..3                 are interleaved as they are stored
//                3  ─▶    2, 1, 0                 tap_sums      dw: K·K sums of lanes, folded once a channel
#pragma once
#include "../../core/cache.h"
#include "dots.h"
#include "planes.h"

namespace fastnn::FN_ISA {

constexpr int ROWS = 4;
constexpr int64_t BAND_BYTES = 24 << 10;               // of input that dw reads several times
constexpr int64_t SUMS = VECTOR_BYTES == 64 ? 25 : 9;  // tap_sums keeps as many: registers less ROWS and two
constexpr int64_t MULTIPLIES = int64_t(1) << 14;       // vectors' worth of a task: 3 us and more

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

// R rows of `cols` results, `out_row` apart, C vectors at a time, from rows of input whose column `col` the first meets. `ahead`: the row
// after them. Of stride 2 nothing else asks for lines in time: 16x32x56x56 0.109 ms, so 0.077; of stride 1 it costs more than it gives.
template <int K, int S, int R, int C, class T>
FN void filter_rows(const T* ahead, const T* const* x, int64_t col, int64_t x_width, const vec<T> (&w)[K * K], vec<T> bias, T* out, int64_t out_row, int64_t cols) {
  constexpr int L = lanes<T>;
  for (int64_t u = 0; u < cols; u += C * L) {
    if (u + C * L > cols && cols >= C * L) u = cols - C * L;  // overlaps the vectors before: the same sums again
    vec<T> acc[R][C];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
      for (int c = 0; c < C; ++c) acc[r][c] = bias;
    const int64_t at = S * u + col;
#pragma GCC unroll 8
    for (int i = 0; S == 2 && i < R * S; ++i)
#pragma GCC unroll 4
      for (int c = 0; c < C * S; ++c) __builtin_prefetch(ahead + i * x_width + S * u + c * L);
    const auto rows = [&](const auto& in) __attribute__((always_inline)) {
#pragma GCC unroll 16
      for (int i = 0; i < (R - 1) * S + K; ++i)
        for_taps<K, S, C, T>(in, x[i] + at, [&](int q, const vec<T> (&v)[C]) __attribute__((always_inline)) {
#pragma GCC unroll 4
          for (int r = 0; r < R; ++r)
            if (i >= r * S && i < r * S + K) {
              const vec<T> tap = C == 1 ? w[(i - r * S) * K + q] : once(w[(i - r * S) * K + q]);
#pragma GCC unroll 2
              for (int c = 0; c < C; ++c) acc[r][c] += tap * v[c];
            }
        });
    };
    using Row = Under<K, S, C, T>;
    if (Row::whole(at, x_width)) rows(typename Row::Whole{});
    else rows(typename Row::Border(at, x_width));
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
      for (int c = 0; c < C; ++c) put_columns(out + r * out_row + u + c * L, acc[r][c], cols - u - c * L);
  }
}

template <int K, int S, class T> static void filter_planes(const PlanesOf<T>& p) {
  // More taps than registers are loaded for every product, or for every two: 16x16x28x28, 7×7, Zen 5, 0.113 and 0.099 ms.
  constexpr int WIDE = K * K > SUMS ? 2 : 1;
  const int64_t in_size = p.in_height * p.in_width, out_size = p.height * p.width, work = p.height * ceil_div(p.width, lanes<T>) * K * K;
  parallel_for(p.count, ceil_div(MULTIPLIES, work), [&](int64_t begin, int64_t end) {
    const Zeros<T> zeros(p.in_width);
    for (int64_t plane = begin; plane < end; ++plane) {
      const T *x = p.in + plane * in_size, *taps = p.w + plane % p.channels * K * K;
      vec<T> w[K * K];
      for (int i = 0; i < K * K; ++i) w[i] = splat(taps[p.flipped ? K * K - 1 - i : i]);
      const vec<T> bias = splat(p.bias ? p.bias[plane % p.channels] : T(0));
      in_steps(p.height, [&](auto rows, int64_t t) __attribute__((always_inline)) {
        constexpr int R = decltype(rows)::value, N = (R - 1) * S + K;
        const T* row[N];
        find_rows<T>(row, N, x, p.in_height, p.in_width, t * S + p.row, zeros);
        T* out = p.out + plane * out_size + t * p.width;
        const T* ahead = x + (t * S + p.row + N) * p.in_width;
        if (p.width > lanes<T>) filter_rows<K, S, R, WIDE, T>(ahead, row, p.col, p.in_width, w, bias, out, p.width, p.width);
        else filter_rows<K, S, R, 1, T>(ahead, row, p.col, p.in_width, w, bias, out, p.width, p.width);
      });
    }
  });
}

// Even and odd results of 2·L columns, side by side.
template <class T, int... I> FN void put_pairs(T* to, vec<T> even, vec<T> odd, int64_t n, Sequence<I...>) {
  constexpr int W = lanes<T>;
  put_columns(to, __builtin_shufflevector(even, odd, (I / 2 + I % 2 * W)...), n);
  put_columns(to + W, __builtin_shufflevector(even, odd, (W / 2 + I / 2 + I % 2 * W)...), n - W);
}

// Of dx of stride 2 and a filter of K·K taps, those that row y, column x of each 2×2 results meet: by[y][x].
template <class T> struct Tap {
  int64_t row, col;  // of g, from `first` of the 2×2's own
  T w;
};
template <int K, class T> struct PhaseTaps {
  static constexpr int SPAN = K / 2 + 1;  // rows and columns of g that they are in
  int64_t first[2];
  int count[2][2] = {};
  Tap<T> by[2][2][SPAN * SPAN];

  FN PhaseTaps(const PlanesOf<T>& p, const T* w) : first{-floor_div(K - 1 + p.row, 2), -floor_div(K - 1 + p.col, 2)} {
    for (int i = 0; i < K * K; ++i) {
      const int64_t row = i / K + p.row, col = i % K + p.col;
      by[row & 1][col & 1][count[row & 1][col & 1]++] = {-floor_div(row, 2) - first[0], -floor_div(col, 2) - first[1], w[i]};
    }
  }
};

template <int R, int K, class T>
FN void spread_rows(const PhaseTaps<K, T>& taps, int64_t below, const T* const* g, int64_t g_width, T bias, T* out, int64_t out_row, int64_t cols) {
  constexpr int L = lanes<T>;
  using Row = Under<PhaseTaps<K, T>::SPAN, 1, 1, T>;
  for (int64_t u = 0; 2 * u < cols; u += L) {
    vec<T> acc[2][R];
    const int64_t at = u + taps.first[1];
    const auto rows = [&](const auto& in) __attribute__((always_inline)) {
#pragma GCC unroll 2
      for (int odd = 0; odd < 2; ++odd) {
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) acc[odd][r] = splat(bias);
        for (const Tap<T>*tap = taps.by[below][odd], *end = tap + taps.count[below][odd]; tap < end; ++tap) {
          const vec<T> w = splat(tap->w);
#pragma GCC unroll 4
          for (int r = 0; r < R; ++r) acc[odd][r] += w * in.load(g[tap->row + r] + at, tap->col);
        }
      }
    };
    if (Row::whole(at, g_width)) rows(typename Row::Whole{});
    else rows(typename Row::Border(at, g_width));
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
      put_pairs<T>(out + r * out_row + 2 * u, acc[0][r], acc[1][r], cols - 2 * u, typename MakeSequence<L>::type{});
  }
}

// dx of stride 2.
template <int K, class T> static void spread_planes(const PlanesOf<T>& p) {
  const int64_t work = ceil_div(p.height, 2) * ceil_div(p.width, 2 * lanes<T>) * K * K;
  parallel_for(p.count, ceil_div(MULTIPLIES, work), [&](int64_t begin, int64_t end) {
    const Zeros<T> zeros(p.in_width);
    for (int64_t plane = begin; plane < end; ++plane) {
      const int64_t channel = plane % p.channels;
      const PhaseTaps<K, T> phases(p, p.w + channel * K * K);
      const T* g = p.in + plane * p.in_height * p.in_width;
      T* out = p.out + plane * p.height * p.width;
      for (int64_t below = 0; below < 2; ++below)
        in_steps((p.height - below + 1) / 2, [&](auto rows, int64_t t) __attribute__((always_inline)) {
          constexpr int R = decltype(rows)::value, N = R - 1 + PhaseTaps<K, T>::SPAN;
          const T* row[N];
          find_rows<T>(row, N, g, p.in_height, p.in_width, t + phases.first[0], zeros);
          spread_rows<R>(phases, below, row, p.in_width, p.bias ? p.bias[channel] : T(0), out + (2 * t + below) * p.width, 2 * p.width, p.width);
        });
    }
  });
}

// acc[p][q] += g[r, u] · x[r·S + p, u·S + q] over R rows and the first n columns from u on, at most a vector.
template <int K, int S, int P, int R, class T>
FN void tap_sums(vec<T> (&acc)[P][K], const T* const* x, int64_t col, int64_t x_width, const T* g, int64_t g_row, int64_t u, int64_t n) {
  const bool whole = n >= lanes<T>;
  const int64_t at = S * u + col;
  const auto rows = [&](const auto& in, auto all, bits<T> keep) __attribute__((always_inline)) {
    constexpr bool All = decltype(all)::value;
    vec<T> gv[R];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) gv[r] = All || whole ? load(g + r * g_row + u) : load_n(g + r * g_row + u, n);
#pragma GCC unroll 16
    for (int i = 0; i < (R - 1) * S + P; ++i) {
      const T* from = x[i] + at;
      __asm__("" : "+r"(from));  // or GCC adds all offsets to all rows beforehand, and keeps the sums in memory: 5×5 1.35 times as long
      for_taps<K, S, 1, T>(in, from, [&](int q, const vec<T> (&loaded)[1]) __attribute__((always_inline)) {
        // Where g has ended x may go on: 0·inf is NaN.
        const vec<T> v = once(All ? loaded[0] : from_bits<T>(to_bits<T>(loaded[0]) & keep));
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r)
          if (i >= r * S && i < r * S + P) acc[i - r * S][q] += gv[r] * v;
      });
    }
  };
  using Row = Under<K, S, 1, T>;
  if (whole && Row::whole(at, x_width)) rows(typename Row::Whole{}, Constant<true>{}, bits<T>{});
  else rows(typename Row::Border(at, x_width), Constant<false>{}, first_lanes<T>(n));
}

// sums[(first + p)·K + q] += the products of rows [t, after): P rows of taps.
template <int K, int S, int P, class T>
static void tap_block(vec<T>* sums, int first, const PlanesOf<T>& p, const T* plane, const T* g, int64_t t, int64_t after, const T* zeros) {
  constexpr int L = lanes<T>;
  vec<T> acc[P][K] = {};
  const auto rows = [&](auto high) __attribute__((always_inline)) {
    constexpr int R = decltype(high)::value;
    for (; t + R <= after; t += R) {
      const T* row[(R - 1) * S + P];
      find_rows<T>(row, (R - 1) * S + P, plane, p.in_height, p.in_width, t * S + p.row + first, zeros);
      for (int64_t u = 0; u < p.width; u += L) tap_sums<K, S, P, R, T>(acc, row, p.col, p.in_width, g + t * p.width, p.width, u, p.width - u);
    }
  };
  rows(Constant<ROWS>{}), rows(Constant<2>{}), rows(Constant<1>{});
  for (int i = 0; i < P; ++i)
    for (int q = 0; q < K; ++q) sums[(first + i) * K + q] += acc[i][q];
}

// dw of planes x (p.in) and g, whose size is that of the results, in the order in which they lie: memory is read as a stream. A task is a
// run of images and of channels, with sums of its own, which are added in order.
template <int K, int S, class T> static void sum_taps(const PlanesOf<T>& p, const T* g) {
  constexpr int L = lanes<T>, AT_ONCE = SUMS / K < K ? int(SUMS / K) : K;
  const int64_t x_size = p.in_height * p.in_width, g_size = p.height * p.width, images = p.count / p.channels, size = p.channels * K * K;
  const Even bands = evenly(p.height, AT_ONCE == K ? p.height : ROWS * most(1, BAND_BYTES / (ROWS * S * p.in_width * int64_t(sizeof(T)))));
  const Even chunks = {images, least(images, 4)}, parts = {p.channels, least(p.channels, ceil_div(32, chunks.parts))};
  Scratch<T> sums(chunks.parts * size);
  const int64_t work = ceil_div(images, chunks.parts) * ceil_div(p.channels, parts.parts) * p.height * ceil_div(p.width, L) * K * K;
  parallel_for(chunks.parts * parts.parts, ceil_div(MULTIPLIES, work), [&](int64_t begin, int64_t end) {
    const Zeros<T> zeros(p.in_width);
    Scratch<vec<T>> lanes_of(ceil_div(p.channels, parts.parts) * K * K);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t chunk = i / parts.parts, first_channel = parts.begin(i % parts.parts), channels = parts.size(i % parts.parts);
      for (int64_t k = 0; k < channels * K * K; ++k) lanes_of[k] = vec<T>{};
      for (int64_t n = chunks.begin(chunk); n < chunks.begin(chunk) + chunks.size(chunk); ++n)
        for (int64_t channel = 0; channel < channels; ++channel)
          for (int64_t band = 0; band < bands.parts; ++band) {
            const int64_t plane = n * p.channels + first_channel + channel, t = bands.begin(band), after = t + bands.size(band);
            const T *x = p.in + plane * x_size, *from = g + plane * g_size;
            vec<T>* sum = lanes_of + channel * K * K;
            int first = 0;
            for (; first + AT_ONCE <= K; first += AT_ONCE) tap_block<K, S, AT_ONCE, T>(sum, first, p, x, from, t, after, zeros);
            for (; first < K; ++first) tap_block<K, S, 1, T>(sum, first, p, x, from, t, after, zeros);
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
