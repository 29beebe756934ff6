// matmul/tile.h: the inner loop of C = A.B. Speed is decided here; everything else is logistics.
//
//    acc[M][V] += A[M, k] . B[k, V vectors]         M <= MR rows and V <= NV vectors stay in registers until k is done
//
//               B  0 1 2 3        hex digits: order in memory of packed panels (pack.h).
//                  4 5 6 7        Each step of k loads one row of B (V vectors),
//     A  0 2 4     8 9 A B        broadcasts one column of A (M scalars),
//        1 3 5    +-------+       and issues M.V FMAs.
//                 |   C   |
//                 +-------+
//    tile     sse 4x8    avx2 6x16    avx512 14x32    neon 8x12     (float; half the columns for double)
//    cost     2.MR.NR flops per MR+NR loads: bound by the FMA ports from k = 64 on. Zen 4, one core, operands in L1: 118
//             GFLOP/s at every M from 4 to 14, unrolled or not, prefetched or not; Zen 5 262-268: all that FMAs alone do
//    read on  pack.h (why copying pays)  ->  gemm.h (cache blocks, threads)  ->  matmul.cpp (which path when)
#pragma once
#include "../../core/constant.h"
#include "../../core/simd.h"

namespace fastnn::FN_ISA {

#if defined(__AVX512F__)
constexpr int MR = 14, NV = 2, STEPS = 1;  // 28 accumulators + 2 of B + broadcasts = 32 registers
#elif defined(__AVX2__)
constexpr int MR = 6, NV = 2, STEPS = 2;  // 12 of 16
#elif defined(__aarch64__)
constexpr int MR = 8, NV = 3, STEPS = 1;  // 24 of 32
#else
constexpr int MR = 4, NV = 2, STEPS = 2;  // 8 of 16; a product needs its own register, SSE has no FMA
#endif
template <class T> constexpr int NR = NV * lanes<T>;

// Rows of A as the tile reads them: at(i) is A[i, p], next() steps p.
template <int M, class T> struct PackedRows {  // a panel written by pack.h: M values for each p
  const T* a;
  FN T at(int i) const { return a[i]; }
  FN void next() { a += M; }
};
template <class T> struct StridedRows {  // straight from the operand
  const T* a[(MR + 3) / 4];              // one pointer in four rows: x86 addresses base + {0, 1, 2} rows, and 3 by `three`
  int64_t rs, cs, three;
  FN StridedRows(const T* p, int64_t rs, int64_t cs) : rs(rs), cs(cs), three(3 * rs) {
    for (int i = 0; i < (MR + 3) / 4; ++i) a[i] = p + 4 * i * rs;
  }
  FN T at(int i) const { return i % 4 == 3 ? a[i / 4][three] : a[i / 4][(i % 4) * rs]; }
  FN void next() {
#pragma GCC unroll 8
    for (int i = 0; i < (MR + 3) / 4; ++i) a[i] += cs;
  }
};

// The last vector of a row of B begins at column `last`: it may overlap the one before, where the columns end.
template <int M, int V, class T, class Rows>
FN void multiply(int64_t k, Rows a, const T* b, int64_t b_row, vec<T> (&acc)[M][V], int64_t last = (V - 1) * lanes<T>) {
#pragma GCC unroll 16
  for (int i = 0; i < M; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) acc[i][v] = vec<T>{};
#pragma GCC unroll STEPS
  for (int64_t p = 0; p < k; ++p) {
    vec<T> row[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      row[v] = load(b + (v < V - 1 ? v * lanes<T> : last));
      if (v * VECTOR_BYTES % 64 == 0) __builtin_prefetch(b + v * lanes<T> + 16 * b_row);  // B streams from L2, A lies in L1
    }
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i) {
      T s = a.at(i);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) acc[i][v] += s * row[v];
    }
    a.next();
    b += b_row;
  }
}

// What becomes of a finished tile: C = acc + D, where D is C itself from the second block of k on, and before that an
// addend of any strides (a bias row has row stride 0) or nothing. Other epilogues are types with the same operator().
template <class T> struct Store {
  T* c;
  int64_t rs, cs;
  const T* d = nullptr;
  int64_t d_rs = 0, d_cs = 0;

  // Asks for the lines of a tile, before its sums are there. Pays where C lies in no cache: elsewhere it costs 2-5 %.
  template <int M> FN void fetch(int64_t i, int64_t j) const {
    const T* y = c + i * rs + j * cs;
#pragma GCC unroll 16
    for (int r = 0; r < M; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < NV; ++v) __builtin_prefetch(y + r * rs + v * lanes<T>, 1);
  }

  // As in `multiply`, the last vector of a row begins at column j + last. Both are added before either is stored: where they
  // overlap in a C that is also D, both hold the same sum.
  template <int M, int V>
  FN void operator()(vec<T> (&acc)[M][V], int64_t i, int64_t j, int64_t cols, bool first, int64_t last = (V - 1) * lanes<T>) const {
    T* y = c + i * rs + j * cs;
    const T* x = first ? (d ? d + i * d_rs + j * d_cs : nullptr) : y;
    int64_t x_rs = first ? d_rs : rs, x_cs = first ? d_cs : cs;
    if (cs == 1 && (!x || x_cs == 1) && cols == last + lanes<T>) {
#pragma GCC unroll 16
      for (int r = 0; r < M; ++r) {
        if (x)
#pragma GCC unroll 4
          for (int v = 0; v < V; ++v) acc[r][v] += load(x + r * x_rs + (v < V - 1 ? v * lanes<T> : last));
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) FN_ISA::store(y + r * rs + (v < V - 1 ? v * lanes<T> : last), acc[r][v]);
      }
    } else {
      alignas(VECTOR_BYTES) T tile[M * NR<T>];  // room for a last vector anywhere
#pragma GCC unroll 16
      for (int r = 0; r < M; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) FN_ISA::store(tile + r * NR<T> + (v < V - 1 ? v * lanes<T> : last), acc[r][v]);
      block(tile, NR<T>, i, j, M, cols, first);
    }
  }

  // The same from memory: ragged tiles, other strides. Not inlined: one copy instead of one for each M and V.
  __attribute__((noinline)) void block(const T* sums, int64_t sums_row, int64_t i, int64_t j, int64_t rows, int64_t cols,
                                       bool first) const {
    constexpr int W = lanes<T>;
    T* y = c + i * rs + j * cs;
    const T* x = first ? (d ? d + i * d_rs + j * d_cs : nullptr) : y;
    int64_t x_rs = x ? first ? d_rs : rs : 0, x_cs = first ? d_cs : cs;
    for (int64_t r = 0; r < rows; ++r, sums += sums_row, y += rs, x += x_rs) {
      int64_t q = 0;
      if (cs == 1 && (!x || x_cs == 1)) {
        for (; q + W <= cols; q += W) FN_ISA::store(y + q, x ? load(sums + q) + load(x + q) : load(sums + q));
        if (q < cols) {
          vec<T> t = load_n(sums + q, cols - q);
          store_n(y + q, x ? t + load_n(x + q, cols - q) : t, cols - q);
        }
      } else if (x) {
        for (; q < cols; ++q) y[q * cs] = sums[q] + x[q * x_cs];
      } else {
        for (; q < cols; ++q) y[q * cs] = sums[q];
      }
    }
  }
};

}  // namespace fastnn::FN_ISA
