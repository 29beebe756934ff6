// conv2d/dots.h: the weight gradient of a block of positions as dot products of rows of g and rows of x.
//
// Both operands have neighbouring positions side by side, so lanes run along positions and neither needs packing:
//
//      x row (c, p, q)   · · · · · ·         MO rows of g times MX rows of x: MO·MX accumulators, MO + MX loads
//    g row o   ═══════  [ acc 4 × 6 ]        a step; lanes are folded once, at the end of a block
//
// Rows of x are offsets into the slab. Positions run on over the slab's border columns, where the copy of g is zero.
// For filters that fill no vector, and 1×1; with many filters and taps, outer.h.
#pragma once
#include "tile.h"
#include "window.h"

namespace fastnn::FN_ISA {

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int MO_MAX = 4, MX_MAX = 6;  // 24 + 4 + 1 of 32 registers
#else
constexpr int MO_MAX = 3, MX_MAX = 4;  // 12 + 3 + 1 of 16
#endif

template <class T> struct Rows {  // stretches of n positions each, as rows of g and x
  int64_t stretches, n;
  const T *g, *x;
  int64_t g_row, g_next, x_next;
  bool surplus;  // whether a stretch runs on over the borders between its rows, where g is zero but x may be infinite
};

// a and b hold segments of S lanes, each to be summed to one number: fold the segments to S / 2 lanes, a's before b's.
template <int S, class V, int... I> FN V fold_pair(V a, V b, Sequence<I...>) {
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
    typename MakeSequence<lanes<T>>::type order;
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

// dw[o, k] += the block's products of m rows of g with k rows of x. `b` gives the slab's strides.
template <class T>
static void add_dots(Rows<T> rows, int64_t m, const int64_t* offset, int64_t k, const Blocks& b, const Block& block, T* dw,
                     int64_t pitch, const int64_t* place) {
  const Even om = evenly(m, MO_MAX), km = evenly(k, MX_MAX);
  const T* g = rows.g;
  for (int64_t o = 0; o < om.parts; ++o, dw += om.size(o - 1) * pitch) {
    rows.g = g + om.begin(o) * rows.g_row;
    for (int64_t q = 0; q < km.parts; ++q) {
      Dots<T> run = dots_of<T>(int(om.size(o)), int(km.size(q)));
      const int64_t *from = offset + km.begin(q), *to = place + km.begin(q);
      if (run(rows, from, dw, pitch, to)) continue;
      for (int64_t n = 0; n < block.images; ++n)  // again, row by row, without the borders
        run({block.rows, block.cols, rows.g + n * rows.g_next, rows.x + n * b.image, rows.g_row, b.width, b.width, false},
            from, dw, pitch, to);
    }
  }
}

}  // namespace fastnn::FN_ISA
