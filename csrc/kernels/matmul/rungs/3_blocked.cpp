// matmul, rung 3, blocked: rung 2 on pieces of B that stay in a cache while every row of A meets them.
//
//    for each piece B[KC, NC]  (128 x 512 floats: 256 KiB, lies in the second-level cache)
//      for each row i:  C[i, NC] += A[i, KC] · piece                 C's 2 KiB stay in the first-level cache
//
// Large products no longer wait for memory. In the cache nothing has changed: a load and a store of C for each vector.
//
// cost     bound by the load and store ports: a fifth of the machine
// read on  4_tiled.cpp
#include "product.h"

namespace fastnn::FN_ISA {

struct Blocked {
  template <class T> void operator()(const Problem<T>& p) const {
    constexpr int64_t K = 128, N = 512;
    begin(p);
    for (int64_t q0 = 0; q0 < p.k; q0 += K)
      for (int64_t j0 = 0; j0 < p.n; j0 += N) {
        int64_t q1 = q0 + K < p.k ? q0 + K : p.k, n = p.n - j0 < N ? p.n - j0 : N;
        for (int64_t i = 0; i < p.m; ++i)
          for (int64_t q = q0; q < q1; ++q) {
            T s = p.a.at(i, q), *c = p.c.c + i * p.c.rs + j0 * p.c.cs;
            const T* b = p.b.data + q * p.b.rs + j0 * p.b.cs;
            if (p.c.cs == 1 && p.b.cs == 1)
              for (int64_t j = 0; j < n; ++j) c[j] += s * b[j];
            else
              for (int64_t j = 0; j < n; ++j) c[j * p.c.cs] += s * b[j * p.b.cs];
          }
      }
  }
};

FN_MATMUL_RUNG(blocked, Blocked)

}  // namespace fastnn::FN_ISA
