// matmul: C[..., m, n] = A[..., m, k] . B[..., k, n] (+ bias), any strides, batches broadcast. Here: which path when.
//
//    exchange   C^T = B^T.A^T is the same product; the form is taken in which rows of C are contiguous, or n >= m
//    fold       a batch of A against one B is one taller product
//    skinny.h   m <= 8            bound by reading B: dots where k is contiguous, else stream
//    gemm.h     small             gemm_direct: nothing is worth packing that fits into L2
//               the rest          gemm: packed panels, cache blocks
//    split      a small C with a very long k: pieces of k in parallel, added in order
//    batch      many products: one thread each; few large ones: one after the other, all threads on each
//
// Cost: 2mnk flops; compulsory traffic (mk + kn + mn) elements. Every decision depends on shapes and strides only, never
// on the number of threads, so results are bit-identical for any number. float32 products are summed in blocks of KC.
// Read tile.h first.
#include "../../core/error.h"
#include "../declare.h"
#include "skinny.h"

namespace fastnn::FN_ISA {
namespace {

template <class T> struct Problem {
  int64_t m, n, k;
  Matrix<T> a, b;
  Store<T> c;  // also the addend D
};

template <class T> Problem<T> exchanged(const Problem<T>& p) {
  return {p.n, p.m, p.k, p.b.transposed(), p.a.transposed(), {p.c.c, p.c.cs, p.c.rs, p.c.d, p.c.d_cs, p.c.d_rs}};
}

// An axis of length 1 may have any stride; 1 or "one row" chooses the better path.
template <class T> void tidy(Problem<T>& p) {
  if (p.k == 1) p.a.cs = 1, p.b.rs = p.b.cs == 1 ? p.n : 1;
  if (p.m == 1) p.a.rs = p.a.cs == 1 ? p.k : 1, p.c.rs = p.c.cs == 1 ? p.n : 1;
  if (p.n == 1) p.b.cs = p.b.rs == 1 ? p.k : 1, p.c.cs = p.c.rs == 1 ? p.m : 1;
}

template <class T> void multiply_floats(Problem<T> p) {
  tidy(p);
  if ((p.m > SKINNY && p.n <= SKINNY) || (p.m > SKINNY && p.c.cs != 1 && p.c.rs == 1) || (p.m <= SKINNY && p.n < p.m))
    p = exchanged(p);
  int64_t m = p.m, n = p.n, k = p.k;
  if (m <= SKINNY && p.b.cs == 1) return stream<T>(m, n, k, p.a, p.b, p.c);
  if (m <= SKINNY && p.b.rs == 1 && p.a.cs == 1) return dots<T>(m, n, k, p.a, p.b, p.c);
  if (m <= SKINNY && p.b.rs == 1) {
    Scratch<T> a(m * k);
    for (int64_t i = 0; i < m; ++i)
      for (int64_t q = 0; q < k; ++q) a[i * k + q] = p.a.at(i, q);
    return dots<T>(m, n, k, {a, k, 1}, p.b, p.c);
  }
  // k contiguous in both and too few rows for packing B to pay: pack_panel costs ~0.35 cycles an element, once for all m
  // rows; dots cost ~k/160 + 4 cycles an element of C more than the packed tile does.
  if (p.a.cs == 1 && p.b.rs == 1 && m * (k + 640) < 56 * k) return dots<T>(m, n, k, p.a, p.b, p.c);
  if (k * n <= 32 * 1024 && (m * k <= 64 * 1024 || n <= 2 * NR<T>)) return gemm_direct<T>(m, n, k, p.a, p.b, p.c);
  gemm<T>(m, n, k, PackRows<T>{p.a}, PackColumns<T>{p.b}, p.c);
}

// Integers: rows of C as sums of rows of B, wrapping around as machine integers do.
template <class T> void multiply_integers(Problem<T> p) {
  parallel_for(p.m, ceil_div(100'000, p.n * p.k + 1), [&](int64_t begin, int64_t end) {
    constexpr int64_t STRIP = 256;
    typedef __typeof__(sizeof(T) == 8 ? 0ull : 0u) U;  // unsigned: overflow is defined
    U sum[STRIP];
    for (int64_t i = begin; i < end; ++i)
      for (int64_t j = 0; j < p.n; j += STRIP) {
        int64_t cols = p.n - j < STRIP ? p.n - j : STRIP;
        for (int64_t q = 0; q < cols; ++q) sum[q] = p.c.d ? U(p.c.d[i * p.c.d_rs + (j + q) * p.c.d_cs]) : U(0);
        for (int64_t r = 0; r < p.k; ++r) {
          U s = U(p.a.at(i, r));
          const T* b = p.b.data + r * p.b.rs + j * p.b.cs;
          if (p.b.cs == 1)
            for (int64_t q = 0; q < cols; ++q) sum[q] += s * U(b[q]);
          else
            for (int64_t q = 0; q < cols; ++q) sum[q] += s * U(b[q * p.b.cs]);
        }
        for (int64_t q = 0; q < cols; ++q) p.c.c[i * p.c.rs + (j + q) * p.c.cs] = T(sum[q]);
      }
  });
}

template <class T> void multiply_one(const Problem<T>& p) {
  if constexpr (T(0.5) != T(0)) {
    // A small C and a long k (a weight gradient over many points): pieces of k side by side, summed in order.
    constexpr int64_t PIECE = 8 * KC<T>;
    if (p.k >= 4 * PIECE && p.m * p.n <= 64 * 64 && (p.m * p.n + 4 * (p.m + p.n)) * p.k >= 4'000'000) {
      int64_t pieces = p.k / PIECE < 32 ? p.k / PIECE : 32, depth = ceil_div(p.k, pieces), size = p.m * p.n;
      pieces = ceil_div(p.k, depth);
      Scratch<T> sums(pieces * size);
      parallel_for(pieces, 1, [&](int64_t begin, int64_t end) {
        for (int64_t q = begin; q < end; ++q) {
          int64_t at = q * depth;
          Problem<T> piece = p;
          piece.k = p.k - at < depth ? p.k - at : depth;
          piece.a.data += at * p.a.cs;
          piece.b.data += at * p.b.rs;
          piece.c = {sums + q * size, p.n, 1};
          multiply_floats(piece);
        }
      });
      for (int64_t i = 0; i < p.m; ++i)
        for (int64_t j = 0; j < p.n; ++j) {
          T sum = sums[i * p.n + j];
          for (int64_t q = 1; q < pieces; ++q) sum += sums[q * size + i * p.n + j];
          p.c.c[i * p.c.rs + j * p.c.cs] = p.c.d ? sum + p.c.d[i * p.c.d_rs + j * p.c.d_cs] : sum;
        }
      return;
    }
    multiply_floats(p);
  } else {
    multiply_integers(p);
  }
}

// Batch axes of C, from the innermost: length and what one step adds to each pointer.
struct Batch {
  int64_t ndim = 0, size[MAX_DIMS], a[MAX_DIMS], b[MAX_DIMS], c[MAX_DIMS], d[MAX_DIMS];
};

// Stride of axis `axis` of c (counted from the last) in v, 0 where v repeats.
int64_t stride_from_last(const View& v, int64_t axis) {
  int64_t i = v.ndim - 1 - axis;
  return i < 0 || v.shape[i] == 1 ? 0 : v.strides[i];
}

template <class T> void multiply_batch(const View& c, const View& a, const View& b, const View* d) {
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
  if (count == 1) return multiply_one(p);
  auto run = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      Problem<T> q = p;
      for (int64_t axis = 0, rest = i; axis < batch.ndim; rest /= batch.size[axis], ++axis) {
        int64_t at = rest % batch.size[axis];
        q.a.data += at * batch.a[axis], q.b.data += at * batch.b[axis], q.c.c += at * batch.c[axis];
        if (d) q.c.d += at * batch.d[axis];
      }
      multiply_one(q);
    }
  };
  int64_t flops = 2 * p.m * p.n * p.k + p.m * p.n + 1;
  if (count >= 16 || flops < GRAIN_FLOPS) parallel_for(count, grain(count, flops), run);
  else run(0, count);
}

void multiply_any(const View& c, const View& a, const View& b, const View* d) {
  switch (c.dtype) {
    case DType::f32: return multiply_batch<float>(c, a, b, d);
    case DType::f64: return multiply_batch<double>(c, a, b, d);
    case DType::i64: return multiply_batch<int64_t>(c, a, b, d);
    case DType::i32: return multiply_batch<int32_t>(c, a, b, d);
    case DType::u8: return multiply_batch<uint8_t>(c, a, b, d);
    default: raise_error(ErrorKind::dtype, "\"matmul\" not implemented for 'Bool'");
  }
}

}  // namespace

void matmul(Out c, In a, In b) { multiply_any(c, a, b, nullptr); }
void matmul_bias(Out c, In a, In b, In bias) { multiply_any(c, a, b, bias.ndim < 0 ? nullptr : &bias); }

}  // namespace fastnn::FN_ISA
