// conv2d/planes.h: what the taps of a filter meet in a row of a plane, read where it lies.
//
//      row of input     · · [a b c d e f g h i j k l] · ·        [ ] the row; · its border, zeros that lie nowhere
//      tap 0            . . a b c d e f g h                      results u .. u + L, in the lanes
//      tap 1              . a b c d e f g h i                    the first and last vectors of a row leave lanes out (SomeLanes)
//
// Rows above and below the plane are a row of zeros. Nothing is copied: 16x144x56x56, 3×3, Zen 5, two cores, 1.35 ms from slabs
// with borders (window.h), 0.84 so.
#pragma once
#include "window.h"

namespace fastnn::FN_ISA {

// A vector with several uses, loaded once: GCC would make the (unaligned) load an operand of each.
template <class V> FN V once(V v) { return opaque(v); }

// The vectors of a row of `width` in which C·L neighbouring results of stride S meet K taps, the first at column `at`.
template <int K, int S, int C, class T> struct Under {
  static constexpr int L = lanes<T>;
  static constexpr int PARTS = C + (K / 2 + L - 1) / L;  // of stride 2: vectors of even columns that the taps meet, and as many of odd ones
  static constexpr int COUNT = S == 1 ? K * C : 2 * PARTS;
  static constexpr int offset(int i) { return S == 1 ? i / C + i % C * L : i * L; }
  static FN bool whole(int64_t at, int64_t width) { return at >= 0 && at + offset(COUNT - 1) + L <= width; }

  struct Whole {  // all of them inside the row
    FN vec<T> load(const T* from, int i) const { return FN_ISA::load(from + offset(i)); }
  };
  struct Border {
    SomeLanes<T> inside[COUNT];
    FN Border(int64_t at, int64_t width) {
#pragma GCC unroll 16
      for (int i = 0; i < COUNT; ++i) inside[i] = SomeLanes<T>::between(-at - offset(i), width - at - offset(i));
    }
    FN vec<T> load(const T* from, int i) const { return inside[i].load(from + offset(i)); }
  };
};

// Elements From to From + L of those of a and b.
template <int From, class T, int... I> FN vec<T> slide(vec<T> a, vec<T> b, Sequence<I...>) {
  return __builtin_shufflevector(a, b, (From + I)...);
}

// f(q, vectors) for tap q of a row. Each vector is loaded once: left to the compiler, loads that span two lines become operands of every
// product (3×3 of stride 1 1.3 times as long, 7×7 1.4). Of stride 2, even and odd columns are parted once, and slid for later taps.
template <int K, int S, int C, class T, class In, class F> FN void for_taps(const In& in, const T* from, const F& f) {
  typename MakeSequence<lanes<T>>::type order;
  if constexpr (S == 1) {
#pragma GCC unroll 8
    for (int q = 0; q < K; ++q) {
      vec<T> v[C];
#pragma GCC unroll 2
      for (int c = 0; c < C; ++c) v[c] = once(in.load(from, q * C + c));
      f(q, v);
    }
  } else {
    constexpr int PARTS = Under<K, S, C, T>::PARTS;
    vec<T> parts[2][PARTS];
#pragma GCC unroll 4
    for (int c = 0; c < PARTS; ++c) {
      const vec<T> low = once(in.load(from, 2 * c)), high = once(in.load(from, 2 * c + 1));
      parts[0][c] = evens<T>(low, high, order), parts[1][c] = odds<T>(low, high, order);
    }
    const auto tap = [&](auto q) __attribute__((always_inline)) {
      constexpr int Q = decltype(q)::value, SKIP = Q < 2 ? 0 : (Q / 2 - 1) / lanes<T>;  // 0 unless a vector has two elements
      vec<T> v[C];
#pragma GCC unroll 2
      for (int c = 0; c < C; ++c) v[c] = slide<Q / 2 - SKIP * lanes<T>, T>(parts[Q % 2][c + SKIP], parts[Q % 2][c + SKIP + 1], order);
      f(Q, v);
    };
    tap(Constant<0>{}), tap(Constant<1>{}), tap(Constant<2>{});
    if constexpr (K > 3) tap(Constant<3>{}), tap(Constant<4>{});
    if constexpr (K > 5) tap(Constant<5>{}), tap(Constant<6>{});
  }
}

template <class T> struct PlanesOf {  // `count` planes, `channels` of which have a filter each
  const T* in;
  T* out;
  const T* w;
  const T* bias;  // [channels] or null
  int64_t count, channels;
  int64_t in_height, in_width, height, width;  // of a plane
  int64_t row, col;  // of the input, under the first tap of the first result
  bool flipped;      // taps in descending order
};

// Where rows y to y + n of a plane begin.
template <class T> FN void find_rows(const T** row, int n, const T* plane, int64_t height, int64_t width, int64_t y, const T* zeros) {
  for (int i = 0; i < n; ++i) row[i] = y + i >= 0 && y + i < height ? plane + (y + i) * width : zeros;
}
template <class T> struct Zeros : Scratch<T> {
  explicit Zeros(int64_t n) : Scratch<T>(n) { zero_run<T>(this->data, n); }
};

}  // namespace fastnn::FN_ISA
