// matmul/pack.h: copy a block of an operand into the order in which the tile reads it.
//
//    A block [rows, depth]  ->  rows values for each p           (rows <= MR: the panel is exactly as high as its tile)
//    B block [depth, cols]  ->  NR values for each p             (columns past `cols`: copies or zeros, never stored)
//
// Copying pays three times: the tile reads one sequential stream per operand (no TLB misses, no cache-set conflicts of
// power-of-two strides), any strides are absorbed here, and a ragged edge needs no special tile.
// Where k is the contiguous axis the block is transposed in registers: W x W elements in W.log2(W) shuffles.
#pragma once
#include "../../core/parallel.h"
#include "tile.h"

namespace fastnn::FN_ISA {

// Pieces of 16 bytes ("quads"): W/Q of them in a vector, Q elements in each.
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

// to[p * width + r] = from[r * row + p] for r < rows, p < depth. All rows of one p are stored before the next p: a last
// group of W that is not full spills over into the next p, which is written later. Rows past `rows` repeat the last one.
template <int Groups, class T>
FN void pack_columns(T* to, int64_t width, const T* from, int64_t row, int64_t rows, int64_t depth) {
  constexpr int W = lanes<T>;
  const auto block = [&](int64_t p, int64_t n, auto whole) __attribute__((always_inline)) {
    vec<T> v[Groups][W];
#pragma GCC unroll 4
    for (int g = 0; g < Groups; ++g) {
#pragma GCC unroll 16
      for (int r = 0; r < W; ++r) {
        const T* x = from + (g * W + r < rows ? g * W + r : rows - 1) * row + p;
        v[g][r] = decltype(whole)::value ? load(x) : load_n(x, n);
      }
      transpose<T>(v[g]);
    }
#pragma GCC unroll 16
    for (int q = 0; q < W; ++q)
      if (decltype(whole)::value || q < n)
#pragma GCC unroll 4
        for (int g = 0; g < Groups; ++g) store(to + (p + q) * width + g * W, v[g][q]);
  };
  int64_t p = 0;
  for (; p + W <= depth; p += W) block(p, W, Constant<1>{});
  if (p < depth) block(p, depth - p, Constant<0>{});
}

// A matrix of any strides as the two packing functors that gemm.h asks for.
template <class T> struct Matrix {
  const T* data;
  int64_t rs, cs;

  FN T at(int64_t i, int64_t j) const { return data[i * rs + j * cs]; }
  FN Matrix transposed() const { return {data, cs, rs}; }
};

// to[p * width + r] = x[r, p]; `width` >= rows, and `to` has room for W elements behind the block. Only whole vectors that
// hold one of the rows are written: the tile reads no others.
template <class T> static void pack_panel(T* to, int64_t width, Matrix<T> x, int64_t rows, int64_t depth) {
  constexpr int W = lanes<T>;
  int64_t groups = ceil_div(rows, W);
  if (x.cs == 1 && rows > 1) {
    with_constant<(MR > NR<T> ? MR : NR<T>) / W + 1>(groups, [&](auto count) __attribute__((always_inline)) {
      pack_columns<decltype(count)::value>(to, width, x.data, x.rs, rows, depth);
    });
  } else if (x.rs == 1) {
    int64_t whole = rows / W * W;
    for (int64_t p = 0; p < depth; ++p, to += width) {
      const T* from = x.data + p * x.cs;
      for (int64_t r = 0; r < whole; r += W) store(to + r, load(from + r));
      if (whole < rows) store(to + whole, load_n(from + whole, rows - whole));
    }
  } else {
    for (int64_t p = 0; p < depth; ++p, to += width) {
      for (int64_t r = 0; r < rows; ++r) to[r] = x.at(r, p);
      for (int64_t r = rows; r < groups * W && r < width; ++r) to[r] = 0;
    }
  }
}

}  // namespace fastnn::FN_ISA
