// rnn/rungs/steps.h: an LSTM step by step, for the rungs: the order of the steps, the formulas one number at a time.
//
//    forward    for each step: product(t) adds W_hh h + b_hh to the step's gates; gates(t) makes h and c of them
//    derivative for each step, last one first: gates_back(t) makes d of dh and dc; product_back(t) makes dh = d W_hh
#pragma once
#include "../cells.h"

namespace fastnn::FN_ISA {

template <class T> T sigmoid_one(T x) { return sigmoid(splat(x))[0]; }  // only vectors have these: other lanes compute nothing
template <class T> T tanh_one(T x) { return tanh(splat(x))[0]; }

template <class T> struct LstmSteps {
  const Times& times;
  const Layer& l;
  int64_t h, in;
  T *y, *gates, *cells;
  ZerosOr<T> h0, c0;
  T *dh = nullptr, *dc = nullptr, *d = nullptr;  // (B, H) (B, H) (N, 4H)
  const T* g = nullptr;

  LstmSteps(const Times& times, const Layer& l, const View& y, const View& gates, const View& cells, const View& c)
      : times(times), l(l), h(l.w_hh.shape[1]), in(l.x.shape[1]), y(y.ptr<T>()), gates(gates.ptr<T>()), cells(cells.ptr<T>()),
        h0(l.h0, times.batch * h), c0(c, times.batch * h) {}

  // f(first row, first sequence, rows, h before, c before) for the rows of step t that go on, and for those that begin
  template <class F> void rows(int64_t t, const F& f) const {
    int64_t m = times.going_on(t), n = times.sizes[t], at = m ? times.start[times.before(t)] * h : 0;
    if (m) f(times.start[t], int64_t(0), m, y + at, cells + at);
    if (m < n) f(times.start[t] + m, m, n - m, h0.data + m * h, c0.data + m * h);
  }
  // to[i, o] += Σ a[i, k] w[o, k] + bias[o]
  static void add_dots(T* to, const T* a, const T* w, const T* bias, int64_t rows, int64_t outputs, int64_t k) {
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t o = 0; o < outputs; ++o) {
        T sum = bias ? bias[o] : T(0);
        for (int64_t q = 0; q < k; ++q) sum += a[i * k + q] * w[o * k + q];
        to[i * outputs + o] += sum;
      }
  }
  // to[i, q] = Σ d[i, o] w[o, q]
  static void back_dots(T* to, const T* d, const T* w, int64_t rows, int64_t outputs, int64_t k) {
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t q = 0; q < k; ++q) to[i * k + q] = 0;
      for (int64_t o = 0; o < outputs; ++o)
        for (int64_t q = 0; q < k; ++q) to[i * k + q] += d[i * outputs + o] * w[o * k + q];
    }
  }
  // dw[o, q] += Σ d[i, o] a[i, q]
  static void outer(T* dw, const T* d, const T* a, int64_t rows, int64_t outputs, int64_t k) {
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t o = 0; o < outputs; ++o)
        for (int64_t q = 0; q < k; ++q) dw[o * k + q] += d[i * outputs + o] * a[i * k + q];
  }
  static const T* bias(const View& b) { return b.ndim < 0 ? nullptr : b.ptr<T>(); }

  void scalar_gates(int64_t t) const {
    rows(t, [&](int64_t row, int64_t, int64_t n, const T*, const T* c) {
      for (int64_t i = 0; i < n; ++i, ++row, c += h)
        for (int64_t j = 0; j < h; ++j) {
          T* a = gates + row * 4 * h + j;
          a[0] = sigmoid_one(a[0]), a[h] = sigmoid_one(a[h]), a[2 * h] = tanh_one(a[2 * h]), a[3 * h] = sigmoid_one(a[3 * h]);
          T& now = cells[row * h + j];
          now = a[h] * c[j] + a[0] * a[2 * h];
          y[row * h + j] = a[3 * h] * tanh_one(now);
        }
    });
  }
  void scalar_gates_back(int64_t t) const {
    rows(t, [&](int64_t row, int64_t b, int64_t n, const T*, const T* c) {
      for (int64_t r = 0; r < n; ++r, ++row, ++b, c += h)
        for (int64_t j = 0; j < h; ++j) {
          const T* a = gates + row * 4 * h + j;
          T i = a[0], f = a[h], z = a[2 * h], o = a[3 * h], tc = tanh_one(cells[row * h + j]);
          T dy = dh[b * h + j] + g[row * h + j], dz = dc[b * h + j] + dy * o * (1 - tc * tc), *to = d + row * 4 * h + j;
          dc[b * h + j] = dz * f;
          to[0] = dz * z * i * (1 - i), to[h] = dz * c[j] * f * (1 - f), to[2 * h] = dz * i * (1 - z * z), to[3 * h] = dy * tc * o * (1 - o);
        }
    });
  }
  template <class Product, class Gates> void forward(const Product& product, const Gates& of_step) const {
    for (int64_t s = 0; s < times.steps; ++s) product(times.at(s)), of_step(times.at(s));
    for (int64_t b = 0; b < times.batch; ++b) {
      int64_t last = times.start[times.last(b)] + b, to = times.rows + b;
      for (int64_t j = 0; j < h; ++j) y[to * h + j] = y[last * h + j], y[(to + times.batch) * h + j] = cells[last * h + j];
    }
  }
  // Needs memory for d and dh; dc is where its gradient goes.
  template <class Product, class Gates> void back(const View& grad, T* dc0, const View& dh0, const Product& product, const Gates& of_step) {
    g = grad.ptr<T>(), dc = dc0;
    int64_t states = times.batch * h;
    for (int64_t i = 0; i < states; ++i) dh[i] = g[times.rows * h + i], dc[i] = g[times.rows * h + states + i];
    for (int64_t s = times.steps - 1; s >= 0; --s) of_step(times.at(s)), product(times.at(s));
    if (given(dh0)) __builtin_memcpy(dh0.ptr<T>(), dh, size_t(states) * sizeof(T));
  }
};

// All rungs have the kernels' own arguments; `Rung` has forward(steps) and back(steps, out, g, dc0).
template <template <class> class Rung>
static void lstm_rung(const View& y, const View& gates, const View& cells, const View& c0, const View& sizes, bool reverse, const Layer& l) {
  Times times(sizes, reverse);
  with_type(l.x, [&](auto type) {
    using T = decltype(type);
    if (times.rows) Rung<T>::forward(LstmSteps<T>(times, l, y, gates, cells, c0));
  });
}
template <template <class> class Rung>
static void lstm_rung_dx(const LayerGradients& out, const View& dc0, const View& g, const View& y, const View& gates, const View& cells,
                         const View& c0, const View& sizes, bool reverse, const Layer& l) {
  Times times(sizes, reverse);
  with_type(l.x, [&](auto type) {
    using T = decltype(type);
    LstmSteps<T> steps(times, l, y, gates, cells, c0);
    Scratch<T> d(times.rows * 4 * steps.h), dh(times.batch * steps.h);
    steps.d = d, steps.dh = dh;
    Rung<T>::back(steps, out, g, dc0.ptr<T>(), y);
  });
}

#define LSTM_RUNG(name, Rung)                                                                                                          \
  void lstm_##name(PackedOut y, PackedOut gates, PackedOut cells, PackedIn x, PackedIn h0, PackedIn c0, PackedIn w_ih,           \
                   PackedIn w_hh, PackedIn b_ih, PackedIn b_hh, HostIn sizes, bool reverse) {                                  \
    lstm_rung<Rung>(y, gates, cells, c0, sizes, reverse, Layer{x, h0, w_ih, w_hh, b_ih, b_hh});                                  \
  }                                                                                                                              \
  void lstm_dx_##name(PackedOut dx, PackedOut dh0, PackedOut dc0, PackedOut dw_ih, PackedOut dw_hh, PackedOut db_ih,             \
                      PackedOut db_hh, PackedIn g, PackedIn y, PackedIn gates, PackedIn cells, PackedIn x, PackedIn h0,          \
                      PackedIn c0, PackedIn w_ih, PackedIn w_hh, HostIn sizes, bool reverse) {                                 \
    lstm_rung_dx<Rung>(LayerGradients{dx, dh0, dw_ih, dw_hh, db_ih, db_hh}, dc0, g, y, gates, cells, c0, sizes, reverse,         \
                       Layer{x, h0, w_ih, w_hh, ABSENT, ABSENT});                                                                \
  }

}  // namespace fastnn::FN_ISA
