// matmul/product.cuh: from arrays to products C[m, n] = A[m, k] . B[k, n] (+ D), any strides, for all of the GPU's rungs.
//
// Vectors become one row or one column; a batch of A against one B becomes one taller product; other batch axes are a third
// dimension of the grid.
#pragma once
#include "../../core/cuda/halves.cuh"
#include "../../core/cuda/loops.cuh"

namespace fastnn::cuda {

template <class T> struct Product {
  int64_t m, n, k;
  global<const T> a, b, d;
  global<T> c;
  int64_t a_rs, a_cs, b_rs, b_cs, c_rs, c_cs, d_rs, d_cs;  // strides of rows and columns
  Loops<4> batch;                                          // offsets of a, b, c, d

  __device__ Product at(int64_t i) const {  // the i-th of the batch
    Product p = *this;
    int64_t o[4];
    batch.find(i, o);
    p.a += o[0], p.b += o[1], p.c += o[2];
    if (p.d) p.d += o[3];
    return p;
  }
  __device__ Sum<T> start(int64_t i, int64_t j) const { return d ? wide(d[i * d_rs + j * d_cs]) : Sum<T>(0); }
};
template <class T> __device__ __forceinline__ void put(const Product<T>& p, int64_t i, int64_t j, Sum<T> sum) {
  if (i < p.m && j < p.n) p.c[i * p.c_rs + j * p.c_cs] = narrow<T>(p.d ? sum + p.start(i, j) : sum);
}

inline int64_t from_last(const View& v, int64_t axis) {  // stride of an axis counted from the last, 0 where v repeats
  const int64_t i = v.ndim - 1 - axis;
  return i < 0 || v.shape[i] == 1 ? 0 : v.strides[i];
}

template <class T, class One> void each_product(const View& c, const View& a, const View& b, const View* d, const One& one) {
  const int64_t row = a.ndim > 1, column = b.ndim > 1, last = c.ndim - 1;
  Product<T> p{};
  p.m = row ? a.shape[a.ndim - 2] : 1;
  p.n = column ? b.shape[b.ndim - 1] : 1;
  p.k = a.shape[a.ndim - 1];
  if (p.k != b.shape[column ? b.ndim - 2 : 0] || c.ndim < row + column) raise_error(ErrorKind::shape, "matmul: shapes do not fit");
  p.a = in<T>(a), p.b = in<T>(b), p.c = out<T>(c);
  p.a_rs = row ? a.strides[a.ndim - 2] : 1, p.a_cs = a.strides[a.ndim - 1];
  p.b_rs = b.strides[column ? b.ndim - 2 : 0], p.b_cs = column ? b.strides[b.ndim - 1] : 1;
  p.c_rs = row ? c.strides[last - column] : 1, p.c_cs = column ? c.strides[last] : 1;
  if (d) p.d = in<T>(*d), p.d_cs = column ? from_last(*d, 0) : 0, p.d_rs = row ? from_last(*d, column) : 0;
  int folded = int(c.ndim - row - column);  // batch axes from here on have become rows: one B for all, and rows go on evenly
  for (; folded > 0; --folded) {
    const int axis = folded - 1;
    const int64_t size = c.shape[axis], at = c.ndim - 1 - axis - row - column;
    const int64_t sa = from_last(a, at + 2), sc = c.strides[axis], sd = d ? from_last(*d, c.ndim - 1 - axis) : 0;
    if (size == 1) continue;
    if (from_last(b, at + 2) != 0 || (p.m > 1 && (sa != p.m * p.a_rs || sc != p.m * p.c_rs || (d && sd != p.m * p.d_rs)))) break;
    if (p.m == 1) p.a_rs = sa, p.c_rs = sc, p.d_rs = sd;
    p.m *= size;
  }
  for (int axis = 0; axis < folded; ++axis) {
    const int64_t at = c.ndim - 1 - axis - row - column;
    const int64_t strides[4] = {from_last(a, at + 2), from_last(b, at + 2), c.strides[axis], d ? from_last(*d, c.ndim - 1 - axis) : 0};
    p.batch.add(c.shape[axis], strides);
  }
  if (p.m == 0 || p.n == 0 || p.batch.count == 0) return;
  one(p);
}

inline dim3 grid_of(int64_t columns, int64_t rows, int64_t products) {  // y and z are 16 bits wide: kernels loop over the rest
  return dim3(unsigned(columns), unsigned(rows < 65535 ? rows : 65535), unsigned(products < 65535 ? products : 65535));
}

}  // namespace fastnn::cuda
