// attention/tiles.h: the products of attention, on matmul's tiles: operands are copied once, in the order in which tiles read.
//
//    scores   S = Q Kᵀ     rows of q (copied, scaled) times panels of NR keys
//    outputs  O += P V     rows of P where they lie   times v's rows, padded to whole vectors
//    derivative: dP = dO Vᵀ as scores;  dQ += dS K as outputs;  dV += Pᵀ dO, dK += dSᵀ Q: columns of P, dS times rows
#pragma once
#include "rows.h"

namespace fastnn::FN_ISA {

// Keys of a block: a row block of scores lies in L1 (14 x 256 floats 14 KB), a block of keys and values in L2.
template <class T> constexpr int64_t KEYS = 1024 / int64_t(sizeof(T));
template <class T> constexpr int64_t SCORES = KEYS<T> + 16;  // apart: rows 1 KB apart would share a quarter of L1

// C[rows, columns] (+)= A[rows, depth] . B, rows <= MR, columns whole vectors, C's rows `apart`
template <class T>
__attribute__((noinline)) static void tiles(int64_t rows, Matrix<T> a, Panels<T> b, int64_t depth, int64_t columns, T* c, int64_t apart,
                                            bool add) {
  with_constant<MR>(rows, [&](auto height) __attribute__((always_inline)) {
    row_block<decltype(height)::value, T>(StridedRows<T>(a.data, a.rs, a.cs), b, depth, 0, 0, columns, !add, Store<T>{c, apart, 1});
  });
}
// rows of a copy, `width` apart, as B
template <class T> FN Panels<T> rows_as_panels(const T* x, int64_t width) { return {x, NR<T>, width}; }

// rows j .. j + n of x as the columns of B: panels of NR of them. Room for padded(n, NR) * depth + W.
template <class T> static void pack_rows(T* to, Matrix<T> x, int64_t j, int64_t n, int64_t depth) {
  for (int64_t q = 0; q < n; q += NR<T>)
    pack_panel<T>(to + q * depth, NR<T>, {x.data + (j + q) * x.rs, x.rs, x.cs}, n - q < NR<T> ? n - q : NR<T>, depth);
}
template <class T> FN Panels<T> packed_panels(const T* x, int64_t depth) { return {x, NR<T> * depth, NR<T>}; }
template <class T> FN int64_t room_for_panels(int64_t n, int64_t depth) { return padded(n, NR<T>) * depth + lanes<T>; }

template <class T> FN void copy_rows(T* to, int64_t padded, Matrix<T> x, int64_t j, int64_t n, int64_t columns) {
  copy_rows(to, padded, n, columns, x.cs, T(1), [&](int64_t i) { return x.data + (j + i) * x.rs; });
}

}  // namespace fastnn::FN_ISA
