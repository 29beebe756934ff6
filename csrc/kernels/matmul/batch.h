// matmul/batch.h: from arrays to single products. Vectors become one row or one column; a batch of A against one B becomes
// one taller product; the others run one thread each, or one after the other with all threads on each where they are large.
//
//    each_product<T>(c, a, b, d, one)      one(Problem<T>) computes C[m, n] = A[m, k] . B[k, n] + D
#pragma once
#include "gemm.h"

namespace fastnn::FN_ISA {

template <class T> struct Problem {
  int64_t m, n, k;
  Matrix<T> a, b;
  Store<T> c;  // also the addend D
};

template <class T> FN Problem<T> exchanged(const Problem<T>& p) {
  return {p.n, p.m, p.k, p.b.transposed(), p.a.transposed(), {p.c.c, p.c.cs, p.c.rs, p.c.d, p.c.d_cs, p.c.d_rs}};
}

// Batch axes of C, from the innermost: length and what one step adds to each pointer.
struct Batch {
  int64_t ndim = 0, size[MAX_DIMS], a[MAX_DIMS], b[MAX_DIMS], c[MAX_DIMS], d[MAX_DIMS];
};

FN void swap(int64_t& x, int64_t& y) {
  int64_t z = x;
  x = y, y = z;
}

// Stride of axis `axis` of c (counted from the last) in v, 0 where v repeats.
FN int64_t stride_from_last(const View& v, int64_t axis) {
  int64_t i = v.ndim - 1 - axis;
  return i < 0 || v.shape[i] == 1 ? 0 : v.strides[i];
}

template <class T, class One> static void each_product(const View& c, const View& a, const View& b, const View* d, const One& one) {
  // A vector A is one row without its axis in C, a vector B one column.
  int64_t row = a.ndim > 1, column = b.ndim > 1, last = c.ndim - 1;
  Problem<T> p;
  p.m = row ? a.shape[a.ndim - 2] : 1;
  p.n = column ? b.shape[b.ndim - 1] : 1;
  p.k = a.shape[a.ndim - 1];
  if (p.k != b.shape[column ? b.ndim - 2 : 0] || c.ndim < row + column || (row && c.shape[last - column] != p.m) ||
      (column && c.shape[last] != p.n))
    raise_error(ErrorKind::shape, "matmul: shapes do not fit");
  p.a = {a.ptr<T>(), row ? a.strides[a.ndim - 2] : 1, a.strides[a.ndim - 1]};
  p.b = {b.ptr<T>(), b.strides[column ? b.ndim - 2 : 0], column ? b.strides[b.ndim - 1] : 1};
  p.c = {c.ptr<T>(), row ? c.strides[last - column] : 1, column ? c.strides[last] : 1};
  if (d) {
    p.c.d = d->ptr<T>();
    p.c.d_cs = column ? stride_from_last(*d, 0) : 0;
    p.c.d_rs = row ? stride_from_last(*d, column) : 0;
  }
  if (p.m == 0 || p.n == 0) return;

  Batch batch;
  int64_t count = 1;
  for (int64_t axis = row + column; axis < c.ndim; ++axis) {
    int64_t size = c.shape[c.ndim - 1 - axis], at = axis - row - column, n = batch.ndim;
    if (size == 1) continue;
    int64_t sa = stride_from_last(a, at + 2), sb = stride_from_last(b, at + 2), sc = stride_from_last(c, axis);
    int64_t sd = d ? stride_from_last(*d, axis) : 0;
    if (row && n == 0 && sb == 0 && p.m < size && (p.m == 1 || sa != p.m * p.a.rs)) {  // rows are the longer axis of one B's two: few products
      swap(p.m, size), swap(p.a.rs, sa), swap(p.c.rs, sc), swap(p.c.d_rs, sd);
      if (size == 1) continue;
    }
    count *= size;
    // One B for all: rows of A and C that go on evenly make one taller product.
    if (n == 0 && sb == 0 && (p.m == 1 || (sa == p.m * p.a.rs && sc == p.m * p.c.rs && (!d || sd == p.m * p.c.d_rs)))) {
      if (p.m == 1) p.a.rs = sa, p.c.rs = sc, p.c.d_rs = sd;
      p.m *= size;
      count = 1;
      continue;
    }
    batch.size[n] = size, batch.a[n] = sa, batch.b[n] = sb, batch.c[n] = sc, batch.d[n] = sd;
    batch.ndim = n + 1;
  }
  if (count == 1) return one(p);
  FN_NOTE("%lld products of %lld x %lld x %lld", static_cast<long long>(count), static_cast<long long>(p.m), static_cast<long long>(p.k), static_cast<long long>(p.n));
  auto run = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      Problem<T> q = p;
      for (int64_t axis = 0, rest = i; axis < batch.ndim; rest /= batch.size[axis], ++axis) {
        int64_t at = rest % batch.size[axis];
        q.a.data += at * batch.a[axis], q.b.data += at * batch.b[axis], q.c.c += at * batch.c[axis];
        if (d) q.c.d += at * batch.d[axis];
      }
      one(q);
    }
  };
  int64_t flops = 2 * p.m * p.n * p.k + p.m * p.n + 1;
  if (count >= 16 || flops < GRAIN_FLOPS) parallel_for(count, grain(count, flops), run);
  else run(0, count);
}

}  // namespace fastnn::FN_ISA
