// attention, rung 1, naive: row by row, every score a dot product, one number at a time; a row's scores are all in memory.
//
//    y = Σ p_j v_j,  p = softmax(q·k_j)        dP_j = g·v_j    dS = P (dP - g·y)    dq = Σ dS_j k_j    dk_j += dS_j q    dv_j += P_j g
//
// cost     each addition of a score waits for the one before (4 cycles); keys are read again for every row
// read on  2_tiled.cpp
#include "heads.h"

namespace fastnn::FN_ISA {
namespace {

template <class T> struct Rung {
  static constexpr bool THREADS = false;

  static T exp_one(T x) { return exp(splat(x))[0]; }
  static T dot(const T* a, const T* b, int64_t n) {
    T sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
    return sum;
  }
  static void add(T* to, T factor, const T* x, int64_t n) {
    for (int64_t i = 0; i < n; ++i) to[i] += factor * x[i];
  }
  static int64_t scores(const Head<T>& h, int64_t r, T* s) {  // of the keys that row r sees
    int64_t n = h.c.sees(r);
    for (int64_t j = 0; j < n; ++j) s[j] = dot(h.q + r * h.e, h.k + j * h.e, h.e);
    if (h.mask) h.mask(s, r, 0, n);
    return n;
  }
  static void forward(Head<T>& h) {
    Scratch<T> p(h.keys + lanes<T>);
    for (int64_t r = 0; r < h.rows; ++r) {
      int64_t n = scores(h, r, p);
      T top = MINUS_INF<T>, sum = 0, *y = h.y + r * h.f;
      for (int64_t j = 0; j < n; ++j) top = p[j] > top ? p[j] : top;
      if (top == MINUS_INF<T>) top = 0;
      for (int64_t j = 0; j < n; ++j) sum += p[j] = exp_one(p[j] - top);
      h.lse[r] = sum == T(0) ? Limits<T>::INF : top + log(splat(sum))[0];
      for (int64_t i = 0; i < h.f; ++i) y[i] = 0;
      if (sum == T(0)) continue;
      if (h.c.dropout.on) h.c.dropout(p, p, h.number(r, 0), n);
      for (int64_t j = 0; j < n; ++j) add(y, p[j] / sum, h.v + j * h.f, h.f);
    }
  }
  static void derivative(Head<T>& h) {
    Scratch<T> p(h.keys + lanes<T>), d(h.keys + lanes<T>);
    for (int64_t r = 0; r < h.rows; ++r) {
      int64_t n = scores(h, r, p);
      const T *g = h.g + r * h.f, *q = h.q + r * h.e;
      for (int64_t j = 0; j < n; ++j) d[j] = dot(g, h.v + j * h.f, h.f);
      if (h.c.dropout.on) h.c.dropout(d, d, h.number(r, 0), n);
      for (int64_t j = 0; j < n; ++j) p[j] = exp_one(p[j] - h.lse[r]), d[j] = p[j] * (d[j] - h.delta[r]);
      h.write_dmask(r, 0, n, d);
      if (h.c.dropout.on) h.c.dropout(p, p, h.number(r, 0), n);
      for (int64_t j = 0; j < n; ++j) {
        add(h.dq + r * h.e, d[j], h.k + j * h.e, h.e);
        add(h.dk + j * h.e, d[j], q, h.e);
        add(h.dv + j * h.f, p[j], g, h.f);
      }
    }
  }
};

}  // namespace

ATTENTION_RUNG(naive, Rung)

}  // namespace fastnn::FN_ISA
