// attention, rung 2, tiled: the scores of a head are one product, on matmul's tiles; then softmax by rows, then a second product.
//
// What a framework does whose kernels are those of other layers. The derivative: five products.
//
// cost     matrices of L x S numbers go through memory five times, and none of a causal one's hidden half is left out
// read on  3_online.cpp
#include "heads.h"

namespace fastnn::FN_ISA {
namespace {

template <class T> struct Rung {
  static constexpr bool THREADS = false;  // the products have their own

  static constexpr int64_t ROWS = 64;
  template <class F> static void each_row(const Head<T>& h, const F& f) {
    parallel_for(h.rows, ROWS, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) f(r);
    });
  }
  static void forward(Head<T>& h) {
    int64_t wide = padded(h.keys, lanes<T>);
    Scratch<T> p(h.rows * wide + lanes<T>);
    product<T>(h.rows, h.keys, h.e, {h.q, h.e, 1}, {h.k, 1, h.e}, p, wide, false);
    each_row(h, [&](int64_t r) {
      T* s = p + r * wide;
      int64_t n = h.c.sees(r);
      if (h.mask) h.mask(s, r, 0, n);
      T top = row_max(s, n);
      if (top == MINUS_INF<T>) top = 0;
      T sum = row_exp(s, n, wide, top);
      h.lse[r] = sum == T(0) ? Limits<T>::INF : top + log(splat(sum))[0];
      if (h.c.dropout.on) h.c.dropout(s, s, h.number(r, 0), n);
      write_row<T>(s, 1, s, n, sum == T(0) ? T(0) : 1 / sum);
    });
    product<T>(h.rows, h.f, h.keys, {p, wide, 1}, {h.v, h.f, 1}, h.y, h.f, false);
  }
  static void derivative(Head<T>& h) {
    int64_t wide = padded(h.keys, lanes<T>);
    Scratch<T> p(h.rows * wide + lanes<T>), d(h.rows * wide + lanes<T>);
    product<T>(h.rows, h.keys, h.e, {h.q, h.e, 1}, {h.k, 1, h.e}, p, wide, false);
    product<T>(h.rows, h.keys, h.f, {h.g, h.f, 1}, {h.v, 1, h.f}, d, wide, false);
    each_row(h, [&](int64_t r) { h.weigh(r, 0, h.keys, p + r * wide, d + r * wide); });
    product<T>(h.rows, h.e, h.keys, {d, wide, 1}, {h.k, h.e, 1}, h.dq, h.e, false);
    product<T>(h.keys, h.e, h.rows, {d, 1, wide}, {h.q, h.e, 1}, h.dk, h.e, false);
    product<T>(h.keys, h.f, h.rows, {p, 1, wide}, {h.g, h.f, 1}, h.dv, h.f, false);
  }
};

}  // namespace

ATTENTION_RUNG(tiled, Rung)

}  // namespace fastnn::FN_ISA
