// matmul, rung 1, naive: the definition, a number of C is the sum of products along a row of A and a column of B.
//
//    C[i, j] = Σ A[i, p] · B[p, j]  over p
//
// cost     one sum: each addition waits 4 cycles for the one before it, and every step down a column of B touches another
//          cache line, of which one number in 16 is used. 1-2 % of the machine, less where B outgrows a cache
// read on  2_streamed.cpp
#include "product.h"

namespace fastnn::FN_ISA {

struct Naive {
  template <class T> void operator()(const Problem<T>& p) const {
    begin(p);
    for (int64_t i = 0; i < p.m; ++i)
      for (int64_t j = 0; j < p.n; ++j) {
        T sum = 0;
        for (int64_t q = 0; q < p.k; ++q) sum += p.a.at(i, q) * p.b.at(q, j);
        p.c.c[i * p.c.rs + j * p.c.cs] += sum;
      }
  }
};

FN_MATMUL_RUNG(naive, Naive)

}  // namespace fastnn::FN_ISA
