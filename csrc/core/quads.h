// core/quads.h: vectors rearranged by pieces of 16 bytes ("quads"): W x W elements transposed in W.log2(W) shuffles, and the sums of
// four vectors at the price of one.
#pragma once
#include "simd.h"

namespace fastnn::FN_ISA {

// W/Q quads in a vector, Q elements in each.
template <class T> constexpr int QUAD = 16 / int(sizeof(T));

template <int... I> struct Sequence {};
template <int N, int... I> struct MakeSequence : MakeSequence<N - 1, N - 1, I...> {};
template <int... I> struct MakeSequence<0, I...> {
  using type = Sequence<I...>;
};

// Inside each quad: interleave blocks of B elements of a and b, from the lower (Half 0) or upper half of the quad.
template <class T, int B, int Half, int... I> FN vec<T> interleave(vec<T> a, vec<T> b, Sequence<I...>) {
  constexpr int W = lanes<T>, Q = QUAD<T>;
  return __builtin_shufflevector(
      a, b, (I / Q * Q + Half * (Q / 2) + I % Q / (2 * B) * B + I % B + (I % Q / B % 2 ? W : 0))...);
}
// The even (Odd 0) or odd quads of a, then those of b.
template <class T, int Odd, int... I> FN vec<T> quads(vec<T> a, vec<T> b, Sequence<I...>) {
  constexpr int W = lanes<T>, Q = QUAD<T>, N = W / Q;
  return __builtin_shufflevector(a, b, ((I / Q * 2 + Odd) % N * Q + I % Q + (I / Q * 2 >= N ? W : 0))...);
}

// The sums over all lanes of a, b, c, d, written to `to` (which has room for a vector).
template <class T> FN void sum_four(T* to, vec<T> a, vec<T> b, vec<T> c, vec<T> d) {
  constexpr int W = lanes<T>, Q = QUAD<T>;
  typename MakeSequence<W>::type s;
  vec<T> x = interleave<T, 1, 0>(a, b, s) + interleave<T, 1, 1>(a, b, s);
  vec<T> y = interleave<T, 1, 0>(c, d, s) + interleave<T, 1, 1>(c, d, s);
  if constexpr (Q == 4) x = interleave<T, 2, 0>(x, y, s) + interleave<T, 2, 1>(x, y, s);
#pragma GCC unroll 4
  for (int n = W / Q; n > 1; n /= 2) {
    x = quads<T, 0>(x, x, s) + quads<T, 1>(x, x, s);
    if constexpr (Q == 2) y = quads<T, 0>(y, y, s) + quads<T, 1>(y, y, s);
  }
  store(to, x);
  if constexpr (Q == 2) store(to + 2, y);
}

// v[row] holds W consecutive elements of a row; afterwards v[column] holds that column of all W rows.
template <class T> FN void transpose(vec<T> (&v)[lanes<T>]) {
  constexpr int W = lanes<T>, Q = QUAD<T>, N = W / Q;
  typename MakeSequence<W>::type s;
  vec<T> t[W];
#pragma GCC unroll 16
  for (int g = 0; g < W; g += Q) {  // Q x Q blocks inside each quad: t[g + c], quad L = rows g..g+Q-1 of column Q.L + c
    if constexpr (Q == 2) {
      t[g] = interleave<T, 1, 0>(v[g], v[g + 1], s);
      t[g + 1] = interleave<T, 1, 1>(v[g], v[g + 1], s);
    } else {
      vec<T> a = interleave<T, 1, 0>(v[g], v[g + 1], s), b = interleave<T, 1, 0>(v[g + 2], v[g + 3], s);
      vec<T> c = interleave<T, 1, 1>(v[g], v[g + 1], s), d = interleave<T, 1, 1>(v[g + 2], v[g + 3], s);
      t[g] = interleave<T, 2, 0>(a, b, s);
      t[g + 1] = interleave<T, 2, 1>(a, b, s);
      t[g + 2] = interleave<T, 2, 0>(c, d, s);
      t[g + 3] = interleave<T, 2, 1>(c, d, s);
    }
  }
#pragma GCC unroll 4
  for (int c = 0; c < Q; ++c) {  // then whole quads, an N x N transpose
    if constexpr (N == 1) {
      v[c] = t[c];
    } else if constexpr (N == 2) {
      v[c] = quads<T, 0>(t[c], t[Q + c], s);
      v[Q + c] = quads<T, 1>(t[c], t[Q + c], s);
    } else {
      vec<T> e = quads<T, 0>(t[c], t[Q + c], s), f = quads<T, 0>(t[2 * Q + c], t[3 * Q + c], s);
      vec<T> g = quads<T, 1>(t[c], t[Q + c], s), h = quads<T, 1>(t[2 * Q + c], t[3 * Q + c], s);
      v[c] = quads<T, 0>(e, f, s);
      v[Q + c] = quads<T, 0>(g, h, s);
      v[2 * Q + c] = quads<T, 1>(e, f, s);
      v[3 * Q + c] = quads<T, 1>(g, h, s);
    }
  }
}

}  // namespace fastnn::FN_ISA
