// matmul, rung 2, streamed: the two inner loops change places, and nothing else.
//
//    C[i, :] += A[i, p] · B[p, :]
//
// The innermost loop now runs along a row of B and a row of C: whole cache lines, no sum to wait for, and the compiler
// makes vectors of it. (Where those rows are not contiguous it stays one number at a time: packing, rung 5, mends that.)
//
// cost     2 loads and a store for every multiply-add; all of B passes by once for each row of C
// read on  3_blocked.cpp
#include "product.h"

namespace fastnn::FN_ISA {

struct Streamed {
  template <class T> void operator()(const Problem<T>& p) const {
    begin(p);
    for (int64_t i = 0; i < p.m; ++i)
      for (int64_t q = 0; q < p.k; ++q) {
        T s = p.a.at(i, q), *c = p.c.c + i * p.c.rs;
        const T* b = p.b.data + q * p.b.rs;
        if (p.c.cs == 1 && p.b.cs == 1)
          for (int64_t j = 0; j < p.n; ++j) c[j] += s * b[j];
        else
          for (int64_t j = 0; j < p.n; ++j) c[j * p.c.cs] += s * b[j * p.b.cs];
      }
  }
};

FN_MATMUL_RUNG(streamed, Streamed)

}  // namespace fastnn::FN_ISA
