// matmul: C[..., m, n] = A[..., m, k] . B[..., k, n] (+ bias), any strides, batches broadcast. Here: which path when.
//
//    exchange   C^T = B^T.A^T is the same product; the form is taken in which rows of C are contiguous, or n >= m
//    fold       a batch of A against one B is one taller product
//    skinny.h   m <= 8            bound by reading B: dots where k is contiguous, else stream
//    gemm.h     operands in place where their strides allow it and B fits into L2, else packed
//    split      a small C with a very long k: pieces of k in parallel, added in order
//    batch.h    many products: one thread each; few large ones: one after the other, all threads on each
//    few.h      matmul_rows: sums in one order for any number of rows
//
// Cost: 2mnk flops; compulsory traffic (mk + kn + mn) elements. Every decision depends on shapes and strides only, never
// on the number of threads, so results are bit-identical for any number. float32 products are summed in blocks of KC.
// Read tile.h first; rungs/ has the way here from three loops, a step a file.
#include "../../core/error.h"
#include "../declare.h"
#include "batch.h"
#include "few.h"
#include "skinny.h"

namespace fastnn::FN_ISA {
namespace {

// An axis of length 1 may have any stride; 1 or "one row" chooses the better path.
template <class T> void tidy(Problem<T>& p) {
  if (p.k == 1) p.a.cs = 1, p.b.rs = p.b.cs == 1 ? p.n : 1;
  if (p.m == 1) p.a.rs = p.a.cs == 1 ? p.k : 1, p.c.rs = p.c.cs == 1 ? p.n : 1;
  if (p.n == 1) p.b.cs = p.b.rs == 1 ? p.k : 1, p.c.cs = p.c.rs == 1 ? p.m : 1;
}

template <class T> void multiply_floats(Problem<T> p) {
  tidy(p);
  if ((p.m > SKINNY && p.n <= SKINNY) || (p.m > SKINNY && p.c.cs != 1 && p.c.rs == 1) || (p.m <= SKINNY && p.n < p.m)) {
    FN_NOTE("exchanged: C' = B'.A'");
    p = exchanged(p);
  }
  const int64_t m = p.m, n = p.n, k = p.k, b_bytes = k * n * int64_t(sizeof(T));
  const int64_t l2 = VECTOR_BYTES == 64 ? l2_bytes : l2_bytes * 3 / 4;  // Zen 3: a B that fills it is packed
  // A copy of B that meets few rows does not pay. Zen 3: 12x512.512x512 takes 1.28 times as long with one, 16x784.784x512 0.75,
  // 24x1000.1000x1000 1.23, 64x500.500x500 0.69. Emerald Rapids, L2 of 2 MiB: 128x512.512x784 1.15, 512x512.512x784 1.06.
  bool in_place = RowsInPlace<T>::suits(p.a, m, n, k), direct = in_place && m > 1 && p.b.cs == 1 && n >= lanes<T>;
  if (VECTOR_BYTES < 64 && crowded<T>(p.b.rs)) direct &= m <= 2 * MR && b_bytes <= 1 << 20;
  if (direct && b_bytes <= 32 << 10)  // the shortest way first
    return gemm<T>(m, n, k, RowsInPlace<T>{p.a}, ColumnsInPlace<T>{p.b}, p.c);
  if (m <= SKINNY) FN_NOTE("%d rows, bound by reading B: %s", int(m), p.b.cs == 1 ? "it streams by" : p.b.rs == 1 ? "dot products along k" : "packed");
  if (m <= SKINNY && p.b.cs == 1) return stream<T>(m, n, k, p.a, p.b, p.c);
  if (m <= SKINNY && p.b.rs == 1 && p.a.cs == 1) return dots<T>(m, n, k, p.a, p.b, p.c);
  if (m <= SKINNY && p.b.rs == 1) {
    Scratch<T> a(m * k);
    for (int64_t i = 0; i < m; ++i)
      for (int64_t q = 0; q < k; ++q) a[i * k + q] = p.a.at(i, q);
    return dots<T>(m, n, k, {a, k, 1}, p.b, p.c);
  }
  // k contiguous in both and too few rows for packing B to pay: a dot product costs about 4 + k/160 cycles more than the
  // packed tile, packing an element about 0.4. With the 16 registers of AVX2 it is 3 x 4 numbers at a time: it pays up to 20 rows.
  // Nor where B is narrower than a vector and there is little to share (32x512.512x10: 3.8 us, packed 4.4).
  bool narrow = n < lanes<T> && 4 * m * n * k < 3 * SPLIT_FLOPS;
  if (p.a.cs == 1 && p.b.rs == 1 && (narrow || m * (k + 640) < (SKINNY_ROWS > 3 ? 64 : 26) * k)) {
    FN_NOTE("dot products along k, contiguous in both: too little work for packing B to pay");
    return dots<T>(m, n, k, p.a, p.b, p.c);
  }
  if (direct && (b_bytes <= l2 || m <= 4 * MR))
    return gemm<T>(m, n, k, RowsInPlace<T>{p.a}, ColumnsInPlace<T>{p.b}, p.c);
  if (in_place) return gemm<T>(m, n, k, RowsInPlace<T>{p.a}, PackColumns<T>{p.b}, p.c);
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
      FN_NOTE("k split into %d pieces, added in order: C is small", int(pieces));
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

// One way for any number of rows: each sums its products over k one after the other, in gemm's blocks of k, so a row comes out the
// same, bit for bit, alone or among others. For few rows this costs shuffles (few.h), where multiply_floats takes dot products.
template <class T> void multiply_rows(Problem<T> p) {
  tidy(p);
  const int64_t m = p.m, n = p.n, k = p.k;
  if (m <= FEW && p.b.rs == 1) return few<T>(m, n, k, p.a, p.b, p.c);
  if (m <= SKINNY && p.b.cs == 1) return stream<T>(m, n, k, p.a, p.b, p.c, block_depth<T>(k));
  bool in_place = RowsInPlace<T>::suits(p.a, m, n, k);
  if (in_place && p.b.cs == 1 && n >= lanes<T> && k * n * int64_t(sizeof(T)) <= l2_bytes)
    return gemm<T>(m, n, k, RowsInPlace<T>{p.a}, ColumnsInPlace<T>{p.b}, p.c);
  PackColumns<T> columns{p.b, m <= MR ? NR<T> : NC<T>};  // a panel that is used once does not leave L1: 64 -> 512, a row: 1.3 us
  if (in_place) gemm<T>(m, n, k, RowsInPlace<T>{p.a}, columns, p.c);
  else gemm<T>(m, n, k, PackRows<T>{p.a}, columns, p.c);
}

void multiply_any(const View& c, const View& a, const View& b, const View* d) {
  switch (c.dtype) {
    case DType::f32: return each_product<float>(c, a, b, d, multiply_one<float>);
    case DType::f64: return each_product<double>(c, a, b, d, multiply_one<double>);
    case DType::i64: return each_product<int64_t>(c, a, b, d, multiply_one<int64_t>);
    case DType::i32: return each_product<int32_t>(c, a, b, d, multiply_one<int32_t>);
    case DType::u8: return each_product<uint8_t>(c, a, b, d, multiply_one<uint8_t>);
    default: raise_error(ErrorKind::dtype, "\"matmul\" not implemented for 'Bool'");
  }
}

}  // namespace

void matmul(Out c, In a, In b) { multiply_any(c, a, b, nullptr); }
void matmul_bias(Out c, In a, In b, In bias) { multiply_any(c, a, b, bias.ndim < 0 ? nullptr : &bias); }

void matmul_rows(Out c, In a, In b, In bias) {
  const View* d = bias.ndim < 0 ? nullptr : &bias;
  if (c.dtype == DType::f32) each_product<float>(c, a, b, d, multiply_rows<float>);
  else if (c.dtype == DType::f64) each_product<double>(c, a, b, d, multiply_rows<double>);
  else raise_error(ErrorKind::dtype, "matmul_rows: not implemented for integers");
}

}  // namespace fastnn::FN_ISA
