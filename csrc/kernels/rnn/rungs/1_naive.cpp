// lstm, rung 1, naive: step by step, every product three loops, one number at a time.
//
//    i, f, o = σ(W_ih x + b_ih + W_hh h + b_hh)   g = tanh(..)   c' = f c + i g   h' = o tanh(c')
//
// cost     each number of a product waits for the one before; both weights are read for every row of every step
// read on  2_gemm.cpp
#include "steps.h"

namespace fastnn::FN_ISA {
namespace {

template <class T> struct Rung {
  using S = LstmSteps<T>;
  static void forward(const S& s) {
    auto product = [&](int64_t t) {
      s.rows(t, [&](int64_t row, int64_t, int64_t n, const T* h, const T*) {
        T* a = s.gates + row * 4 * s.h;
        for (int64_t i = 0; i < n * 4 * s.h; ++i) a[i] = 0;
        S::add_dots(a, s.l.x.template ptr<T>() + row * s.in, s.l.w_ih.template ptr<T>(), S::bias(s.l.b_ih), n, 4 * s.h, s.in);
        S::add_dots(a, h, s.l.w_hh.template ptr<T>(), S::bias(s.l.b_hh), n, 4 * s.h, s.h);
      });
    };
    s.forward(product, [&](int64_t t) { s.scalar_gates(t); });
  }
  static void back(S& s, const LayerGradients& out, const View& g, T* dc0, const View&) {
    const View* sums[] = {&out.dw_ih, &out.dw_hh, &out.db_ih, &out.db_hh};
    for (const View* v : sums)
      if (given(*v)) __builtin_memset(v->data, 0, size_t(v->bytes()));
    auto product = [&](int64_t t) {
      s.rows(t, [&](int64_t row, int64_t b, int64_t n, const T* h, const T*) {
        const T *d = s.d + row * 4 * s.h, *x = s.l.x.template ptr<T>() + row * s.in;
        int64_t m = 4 * s.h;
        S::back_dots(s.dh + b * s.h, d, s.l.w_hh.template ptr<T>(), n, m, s.h);
        if (given(out.dx)) S::back_dots(out.dx.ptr<T>() + row * s.in, d, s.l.w_ih.template ptr<T>(), n, m, s.in);
        if (given(out.dw_ih)) S::outer(out.dw_ih.ptr<T>(), d, x, n, m, s.in);
        if (given(out.dw_hh)) S::outer(out.dw_hh.ptr<T>(), d, h, n, m, s.h);
        for (int64_t i = 0; i < n; ++i)
          for (int64_t o = 0; o < m; ++o) {
            if (given(out.db_ih)) out.db_ih.ptr<T>()[o] += d[i * m + o];
            if (given(out.db_hh)) out.db_hh.ptr<T>()[o] += d[i * m + o];
          }
      });
    };
    s.back(g, dc0, out.dh0, product, [&](int64_t t) { s.scalar_gates_back(t); });
  }
};

}  // namespace

LSTM_RUNG(naive, Rung)

}  // namespace fastnn::FN_ISA
