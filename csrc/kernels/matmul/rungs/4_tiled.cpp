// matmul, rung 4, tiled: a tile of C lives in registers until all of k is done.
//
//    acc[MR][NV vectors] += A[MR, p] · B[p, NV vectors]     for p = 0 .. k, then one store        (../tile.h)
//
// MR·NV independent sums hide the latency of the multiply-add, and a step of k loads MR + NV things for MR·NV multiply-adds
// instead of two things for one. A is read where it lies, at a stride; B too, but for a last few columns or columns that
// are not contiguous, which are copied.
//
// cost     in the second-level cache near the machine's peak on one core; a large B misses the cache and the TLB at each step
// read on  5_packed.cpp
#include "product.h"

namespace fastnn::FN_ISA {

struct Tiled {
  template <class T> void operator()(const Problem<T>& p) const {
    Scratch<T> copy(p.k * NR<T> + lanes<T>);
    for (int64_t j = 0; j < p.n; j += NR<T>) {
      int64_t cols = p.n - j < NR<T> ? p.n - j : NR<T>;
      const T* b = p.b.data + j * p.b.cs;
      int64_t b_row = p.b.rs;
      if (p.b.cs != 1 || cols < NR<T>) {
        pack_panel<T>(copy, NR<T>, Matrix<T>{b, p.b.cs, p.b.rs}, cols, p.k);
        b = copy, b_row = NR<T>;
      }
      for (int64_t i = 0; i < p.m; i += MR)
        with_constant<MR>(p.m - i < MR ? p.m - i : MR, [&](auto rows) {
          with_constant<NV>(ceil_div(cols, lanes<T>), [&](auto vectors) {
            constexpr int M = decltype(rows)::value, V = decltype(vectors)::value;
            vec<T> acc[M][V];
            multiply<M, V, T>(p.k, StridedRows<T>(p.a.data + i * p.a.rs, p.a.rs, p.a.cs), b, b_row, acc);
            p.c(acc, i, j, cols, true);
          });
        });
    }
  }
};

FN_MATMUL_RUNG(tiled, Tiled)

}  // namespace fastnn::FN_ISA
