// conv2d, rung 4, gemm: the columns of rung 3 handed to the best matrix product there is (../../matmul/gemm.h), on all cores.
//
// This is what most libraries do. What is left on the table: the columns are written to memory and read back, packed
// once more, and few input channels make k too short for the product to reach its speed.
//
// read on  ../gather.h: the columns are never written; they are gathered straight into the packed panels of the product
#include "columns.h"
#include "../../matmul/gemm.h"

namespace fastnn::FN_ISA {
namespace {

struct Gemm {
  template <class T> void operator()(int64_t m, int64_t n, int64_t k, Matrix<T> a, Matrix<T> b, T* c) const {
    gemm<T>(m, n, k, PackRows<T>{a}, PackColumns<T>{b}, Store<T>{c, n, 1, c, n, 1});
  }
};

}  // namespace

void conv2d_gemm(PackedOut y, PackedIn x, PackedIn w, PackedIn bias, Conv2d s) {
  start(y, bias);
  conv2d_by_columns(y, x, w, s, 0, Gemm{});
}
void conv2d_dx_gemm(PackedOut dx, PackedIn g, PackedIn w, PackedIn bias, Conv2d s) {
  start(dx, bias);
  conv2d_by_columns(g, dx, w, s, 1, Gemm{});
}
void conv2d_dw_gemm(PackedOut dw, PackedIn g, PackedIn x, Conv2d s) {
  start(dw, View{nullptr, {}, {}, -1, dw.dtype});
  conv2d_by_columns(g, x, dw, s, 2, Gemm{});
}

}  // namespace fastnn::FN_ISA
