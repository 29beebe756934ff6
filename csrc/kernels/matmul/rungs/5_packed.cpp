// matmul, rung 5, packed: both operands are copied, piece by piece, into the order in which the tile reads them (../pack.h).
//
//    for each KC of k, for each NC of n:   B[KC, NC] packed into panels of NR columns: lies in the second-level cache
//      for each MR rows:                   A[MR, KC] packed: lies in the first-level cache
//        for each panel:                   one tile, added to C
//
// Each operand is one sequential stream: no cache set is hit twice by power-of-two strides, no TLB misses, any strides and
// transposes are absorbed by the copy, ragged edges too. The copies cost m·k and k·n against 2·m·n·k flops.
//
// cost     95 % of one core's peak from 512 on; the other cores are idle
// read on  ../gemm.h: all cores, row blocks of equal height, and paths for products that packing does not pay for
#include "product.h"

namespace fastnn::FN_ISA {

struct Packed {
  template <class T> void operator()(const Problem<T>& p) const {
    int64_t width = NC<T> < p.n ? NC<T> : ceil_div(p.n, NR<T>) * NR<T>, depth = KC<T> < p.k ? KC<T> : p.k;
    Scratch<T> b(width * depth + lanes<T>), a(MR * depth + lanes<T>);
    for (int64_t q = 0; q == 0 || q < p.k; q += KC<T>)
      for (int64_t j0 = 0; j0 < p.n; j0 += width) {
        int64_t d = p.k - q < depth ? p.k - q : depth, n = p.n - j0 < width ? p.n - j0 : width;
        PackColumns<T>{p.b}.pack(b, j0, j0 + n, q, d);
        for (int64_t i = 0; i < p.m; i += MR)
          with_constant<MR>(p.m - i < MR ? p.m - i : MR, [&](auto rows) {
            constexpr int M = decltype(rows)::value;
            auto panel = PackRows<T>{p.a}.template rows<M>(a, i, q, d);
            row_block<M, T>(panel, Panels<T>{b, NR<T> * d, NR<T>}, d, i, j0, j0 + n, q == 0, p.c);
          });
      }
  }
};

FN_MATMUL_RUNG(packed, Packed)

}  // namespace fastnn::FN_ISA
