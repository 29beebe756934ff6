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
#include "../../core/quads.h"
#include "tile.h"

namespace fastnn::FN_ISA {

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
