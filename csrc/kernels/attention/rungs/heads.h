// attention/rungs/heads.h: one head of keys and its rows, packed, for the rungs; all rungs have the kernels' own arguments.
//
// A rung has forward(head): q, k, v -> y, lse; and derivative(head): q, k, v, g, lse, D -> dq, dk, dv, which begin as zeros.
#pragma once
#include "../tiles.h"

namespace fastnn::FN_ISA {

struct Gradients {
  const View &dq, &dk, &dv, &dmask, &g;
};

template <class T> struct Head {
  const Call<T>& c;
  int64_t n, rows, keys, e, f;  // which head; G·L, S, E, F
  Scratch<T> q, k, v, y, g, delta, dq, dk, dv;  // q and dk of scaled q; the last five without elements in the forward
  T* lse;
  Mask<T> mask;
  Rows<T> dmask;

  Head(const Call<T>& c, int64_t n, const View& out, const View& lse, const Gradients* want)
      : c(c), n(n), rows(c.rows()), keys(c.keys), e(c.width), f(c.values), q(rows * e), k(keys * e), v(keys * f), y(rows * f),
        g(want ? rows * f : 0), delta(want ? rows : 0), dq(want ? rows * e : 0), dk(want ? keys * e : 0), dv(want ? keys * f : 0),
        lse(lse.ptr<T>() + n * rows), mask(c.mask_of(n)) {
    take(q, c.template rows_of<T>(c.q, n), e, c.scale);
    copy_rows<T>(k, e, c.keys_of(n), 0, keys, e);
    copy_rows<T>(v, f, c.values_of(n), 0, keys, f);
    if (!want) return;
    take(y, c.template rows_of<T>(out, n), f, T(1));
    take(g, c.template rows_of<T>(want->g, n), f, T(1));
    if (given(want->dmask)) dmask = c.template rows_of<T>(want->dmask, n);
    for (int64_t r = 0; r < rows; ++r) {
      delta[r] = 0;
      for (int64_t i = 0; i < f; ++i) delta[r] += g[r * f + i] * y[r * f + i];
    }
    zero(dq), zero(dk), zero(dv);
  }
  static void zero(Scratch<T>& x) { __builtin_memset(x, 0, x.count * sizeof(T)); }
  void take(T* to, const Rows<T>& from, int64_t width, T factor) {
    copy_rows(to, width, rows, width, from.column, factor, [&](int64_t i) { return from.at(i); });
  }
  int64_t seen(int64_t r, int64_t j, int64_t count) const { return clamped(c.sees(r) - j, 0, count); }  // of keys j .. j + count
  int64_t number(int64_t r, int64_t j) const { return (n * rows + r) * keys + j; }                      // of a weight, for dropout

  // s, dP of row r and keys j .. j + count -> P, dS
  void weigh(int64_t r, int64_t j, int64_t count, T* p, T* d) const {
    int64_t visible = seen(r, j, count);
    if (mask) mask(p, r, j, visible);
    row_derivative<T>(c.dropout, number(r, j), visible, count, lse[r], delta[r], p, d);
    write_dmask(r, j, count, d);
  }
  void write_dmask(int64_t r, int64_t j, int64_t count, const T* d) const {
    if (dmask) write_row<T>(dmask.at(r) + j * dmask.column, dmask.column, d, count, T(1));
  }
  void write(const View& to, const T* x, int64_t width) const {  // of keys or values
    if (!given(to)) return;
    Matrix<T> m = matrix_at<T>(to, c.start(to, n, 1));
    for (int64_t i = 0; i < keys; ++i) write_row<T>(const_cast<T*>(m.data) + i * m.rs, m.cs, x + i * width, width, T(1));
  }
  void write_rows(const View& to, const T* x, int64_t width, T factor) const {
    if (!given(to)) return;
    Rows<T> out = c.template rows_of<T>(to, n);
    for (int64_t r = 0; r < rows; ++r) write_row<T>(out.at(r), out.column, x + r * width, width, factor);
  }
};

// C[m, n] (+)= A[m, k] . B[k, n]
template <class T>
static void product(int64_t m, int64_t n, int64_t k, Matrix<T> a, Matrix<T> b, T* c, int64_t apart, bool add) {
  gemm<T>(m, n, k, PackRows<T>{a}, PackColumns<T>{b}, add ? Store<T>{c, apart, 1, c, apart, 1} : Store<T>{c, apart, 1});
}

template <template <class> class Rung, class T>
static void run_rung(const Call<T>& c, const View& y, const View& lse, const Gradients* want) {
  check_outputs(c, y, lse);
  if (!c.count) return;
  parallel_for(c.count, Rung<T>::THREADS ? 1 : c.count, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      Head<T> head(c, n, y, lse, want);
      if (!want) {
        Rung<T>::forward(head);
        head.write_rows(y, head.y, head.f, T(1));
      } else {
        Rung<T>::derivative(head);
        head.write_rows(want->dq, head.dq, head.e, c.scale);
        head.write(want->dk, head.dk, head.e);
        head.write(want->dv, head.dv, head.f);
      }
    }
  });
}

#define ATTENTION_RUNG(name, Rung)                                                                                                   \
  void attention_##name(Out y, PackedOut lse, In q, In k, In v, In mask, PackedIn dropout, double scale, bool causal, double p) {  \
    with_call(q, k, v, mask, dropout, scale, causal, p, [&](const auto& c) { run_rung<Rung>(c, y, lse, nullptr); });               \
  }                                                                                                                                \
  void attention_dx_##name(Out dq, Out dk, Out dv, Out dmask, In g, In y, PackedIn lse, In q, In k, In v, In mask,                 \
                           PackedIn dropout, double scale, bool causal, double p) {                                                \
    Gradients want{dq, dk, dv, dmask, g};                                                                                          \
    with_call(q, k, v, mask, dropout, scale, causal, p, [&](const auto& c) { run_rung<Rung>(c, y, lse, &want); });                 \
  }

}  // namespace fastnn::FN_ISA
