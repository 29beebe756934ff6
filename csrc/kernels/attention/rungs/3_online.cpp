// attention, rung 3, online: blocks of 64 rows and 128 keys. A row keeps its largest score so far and what it has summed; a
// block with a larger one shrinks both (online softmax). No matrix of scores; a head is one thread's; hidden blocks are skipped.
//
// The derivative goes twice over the blocks, by rows for dq and by keys for dk and dv: seven products instead of five.
//
// cost     every block's operands are packed anew; the causal diagonal is cut in blocks; the derivative's two extra products
// read on  ../attention.cpp (packed once, row blocks in registers, the fused derivative)
#include "heads.h"

namespace fastnn::FN_ISA {
namespace {

template <class T> struct Rung {
  static constexpr bool THREADS = true;
  static constexpr int64_t ROWS = 64, KEYS = 128, W = lanes<T>;

  // f(first row, rows, first key, keys) for every block in which something is seen
  template <class F> static void blocks(const Head<T>& h, bool by_keys, const F& f) {
    int64_t down = ceil_div(h.rows, ROWS), across = ceil_div(h.keys, KEYS);
    for (int64_t x = 0; x < down * across; ++x) {
      int64_t i = (by_keys ? x % down : x / across) * ROWS, j = (by_keys ? x / down : x % across) * KEYS;
      int64_t m = h.rows - i < ROWS ? h.rows - i : ROWS, n = h.keys - j < KEYS ? h.keys - j : KEYS;
      if (h.c.most_seen(i, i + m) > j || h.dmask) f(i, m, j, n);
    }
  }
  static void forward(Head<T>& h) {
    alignas(64) T s[ROWS * KEYS];
    Scratch<T> top(h.rows), sum(h.rows);
    for (int64_t r = 0; r < h.rows; ++r) top[r] = MINUS_INF<T>, sum[r] = 0;
    __builtin_memset(h.y, 0, size_t(h.rows * h.f) * sizeof(T));
    blocks(h, false, [&](int64_t i, int64_t m, int64_t j, int64_t n) {
      product<T>(m, n, h.e, {h.q + i * h.e, h.e, 1}, {h.k + j * h.e, 1, h.e}, s, KEYS, false);
      for (int64_t r = i; r < i + m; ++r) {
        T *p = s + (r - i) * KEYS, *y = h.y + r * h.f, before = top[r];
        int64_t visible = h.seen(r, j, n);
        if (h.mask) h.mask(p, r, j, visible);
        T most = row_max(p, visible), now = most > before ? most : before, m0 = now == MINUS_INF<T> ? T(0) : now;
        T shrink = exp(splat(before - m0))[0];
        top[r] = now, sum[r] = sum[r] * shrink + row_exp(p, visible, n, m0);
        if (h.c.dropout.on) h.c.dropout(p, p, h.number(r, j), visible);
        write_row<T>(y, 1, y, h.f, shrink);
      }
      product<T>(m, h.f, n, {s, KEYS, 1}, {h.v + j * h.f, h.f, 1}, h.y + i * h.f, h.f, true);
    });
    for (int64_t r = 0; r < h.rows; ++r) {
      h.lse[r] = sum[r] == T(0) ? Limits<T>::INF : top[r] + log(splat(sum[r]))[0];
      write_row<T>(h.y + r * h.f, 1, h.y + r * h.f, h.f, sum[r] == T(0) ? T(0) : 1 / sum[r]);
    }
  }
  static void derivative(Head<T>& h) {
    alignas(64) T p[ROWS * KEYS], d[ROWS * KEYS];
    for (int pass = 0; pass < 2; ++pass)
      blocks(h, pass, [&](int64_t i, int64_t m, int64_t j, int64_t n) {
        T *q = h.q + i * h.e, *k = h.k + j * h.e, *v = h.v + j * h.f, *g = h.g + i * h.f;
        product<T>(m, n, h.e, {q, h.e, 1}, {k, 1, h.e}, p, KEYS, false);
        product<T>(m, n, h.f, {g, h.f, 1}, {v, 1, h.f}, d, KEYS, false);
        for (int64_t r = 0; r < m; ++r) h.weigh(i + r, j, n, p + r * KEYS, d + r * KEYS);
        if (!pass) return product<T>(m, h.e, n, {d, KEYS, 1}, {k, h.e, 1}, h.dq + i * h.e, h.e, true);
        product<T>(n, h.e, m, {d, 1, KEYS}, {q, h.e, 1}, h.dk + j * h.e, h.e, true);
        product<T>(n, h.f, m, {p, 1, KEYS}, {g, h.f, 1}, h.dv + j * h.f, h.f, true);
      });
  }
};

}  // namespace

ATTENTION_RUNG(online, Rung)

}  // namespace fastnn::FN_ISA
