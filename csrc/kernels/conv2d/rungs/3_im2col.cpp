// conv2d, rung 3, im2col: every window of the image becomes a column, and the convolution one matrix product.
//
//    y[O, I·J] = W[O, C·P·Q] · columns[C·P·Q, I·J]
//
// The copy is P·Q times as large as the image and must be written and read again, but borders, strides and dilations are
// dealt with there, once, and the product knows nothing of them. Here it is the simplest product that streams rows.
//
// cost     2·m·n·k flops at 3 memory operations each, and the columns on top
// read on  4_gemm.cpp
#include "columns.h"

namespace fastnn::FN_ISA {
namespace {

// C += A·B: a row of B at a time, or, where B lies in columns (dw), dot products.
struct Rows {
  template <class T> void operator()(int64_t m, int64_t n, int64_t k, Matrix<T> a, Matrix<T> b, T* c) const {
    for (int64_t i = 0; i < m; ++i, c += n) {
      if (b.cs == 1)
        for (int64_t p = 0; p < k; ++p) {
          T s = a.at(i, p);
          const T* row = b.data + p * b.rs;
          for (int64_t j = 0; j < n; ++j) c[j] += s * row[j];
        }
      else
        for (int64_t j = 0; j < n; ++j) {
          T sum[4] = {};
          for (int64_t p = 0; p < k; ++p) sum[p % 4] += a.at(i, p) * b.at(p, j);
          c[j] += (sum[0] + sum[1]) + (sum[2] + sum[3]);
        }
    }
  }
};

}  // namespace

void conv2d_im2col(PackedOut y, PackedIn x, PackedIn w, PackedIn bias, Conv2d s) {
  start(y, bias);
  conv2d_by_columns(y, x, w, s, 0, Rows{});
}
void conv2d_dx_im2col(PackedOut dx, PackedIn g, PackedIn w, PackedIn bias, Conv2d s) {
  start(dx, bias);
  conv2d_by_columns(g, dx, w, s, 1, Rows{});
}
void conv2d_dw_im2col(PackedOut dw, PackedIn g, PackedIn x, Conv2d s) {
  start(dw, View{nullptr, {}, {}, -1, dw.dtype});
  conv2d_by_columns(g, x, dw, s, 2, Rows{});
}

}  // namespace fastnn::FN_ISA
