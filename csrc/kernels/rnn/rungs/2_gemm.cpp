// lstm, rung 2, gemm: what does not depend on the step before is one product over all steps: W_ih x forward, and in the
// derivative dW_ih, dW_hh, dx, once every d is known. What is left in the loop is W_hh h.
//
// cost     half of the flops and more at the speed of matmul; the rest as in rung 1
// read on  3_steps.cpp
#include "steps.h"

namespace fastnn::FN_ISA {
namespace {

template <class T> struct Rung {
  using S = LstmSteps<T>;
  static void forward(const S& s) {
    View a = matrix(s.l.x, 0, s.times.rows, 4 * s.h, 4 * s.h);
    a.data = s.gates;
    matmul_bias(Out{a}, In{s.l.x}, In{transposed(s.l.w_ih)}, In{s.l.b_ih});
    auto product = [&](int64_t t) {
      s.rows(t, [&](int64_t row, int64_t, int64_t n, const T* h, const T*) {
        S::add_dots(s.gates + row * 4 * s.h, h, s.l.w_hh.template ptr<T>(), S::bias(s.l.b_hh), n, 4 * s.h, s.h);
      });
    };
    s.forward(product, [&](int64_t t) { s.scalar_gates(t); });
  }
  static void back(S& s, const LayerGradients& out, const View& g, T* dc0, const View& y) {
    auto product = [&](int64_t t) {
      S::back_dots(s.dh, s.d + s.times.start[t] * 4 * s.h, s.l.w_hh.template ptr<T>(), s.times.sizes[t], 4 * s.h, s.h);
    };
    s.back(g, dc0, out.dh0, product, [&](int64_t t) { s.scalar_gates_back(t); });
    Columns all[] = {{0, 0, 4 * s.h}};
    weight_gradients<T>(s.times, s.l, out, y, s.d, 4 * s.h, all, 1, 4 * s.h);
  }
};

}  // namespace

LSTM_RUNG(gemm, Rung)

}  // namespace fastnn::FN_ISA
