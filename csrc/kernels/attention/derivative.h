// attention/derivative.h: dq, dk, dv from g, y and lse alone. The weights are computed again, P = exp(s - lse).
//
//    dV = Pᵀ g      dP = g Vᵀ      dS = P (dP - D),  D = Σ g y of the row      dQ = scale dS K      dK = scale dSᵀ Q
//
//                   keys →
//            ┌────┬────┬────┐      A block of keys goes down the rows, a strip of row blocks at a time: S and dP on tiles, P and
//    rows    │ ↓  │ ↓  │ ↓  │      dS kept for the strip, dQ of each row block; then dK and dV of all the strip's rows. Five
//     ↓      │    │    │    │      products; two passes, one for dQ and one for dK and dV, would need seven.
//            └────┴────┴────┘      One head of keys belongs to one thread, so dK and dV are sums in the order of the rows.
//
// Few heads: their keys are cut into parts, each with a dQ of its own; the parts are added in order.
// With dropout P of dV is dropped out, and so is dP. The mask's gradient is dS itself, written where it is asked for.
#pragma once
#include "tiles.h"

namespace fastnn::FN_ISA {

constexpr int64_t STRIP_ROWS = 4 * MR;

template <class T> struct Derivative {
  static constexpr int64_t W = lanes<T>, KEYS = FN_ISA::KEYS<T> / 2, APART = KEYS + 16;
  const Call<T>& c;
  const View &dq, &dk, &dv, &dmask, &g, &y, &lse;
  int64_t e = padded(c.width, W), f = padded(c.values, W), rows = c.rows();
  Scratch<T> queries, gradients, delta, own_dq;  // of all rows
  Scratch<T> keys, keys_packed, values_packed, d_keys, d_values, weights, d_scores;  // of a block of keys; of a strip

  Derivative(const Call<T>& c, const View& dq, const View& dk, const View& dv, const View& dmask, const View& g, const View& y,
             const View& lse)
      : c(c), dq(dq), dk(dk), dv(dv), dmask(dmask), g(g), y(y), lse(lse), queries(rows * e), gradients(rows * f), delta(rows),
        own_dq(rows * e), keys(KEYS * e), keys_packed(room_for_panels<T>(KEYS, c.width)),
        values_packed(room_for_panels<T>(KEYS, c.values)), d_keys(KEYS * e), d_values(KEYS * f), weights(STRIP_ROWS * APART),
        d_scores(STRIP_ROWS * APART) {}

  // Keys from .. to of a head; `sums` gets dQ / scale, rows of e.
  void run(int64_t head, int64_t from, int64_t to, T* sums) {
    gather(head);
    Mask<T> mask = c.mask_of(head);
    __builtin_memset(sums, 0, size_t(rows * e) * sizeof(T));
    RowBlocks blocks(rows);
    for (int64_t j = from; j < to; j += KEYS) {
      int64_t n = to - j < KEYS ? to - j : KEYS;
      Matrix<T> k = c.keys_of(head), v = c.values_of(head);
      copy_rows<T>(keys, e, k, j, n, c.width);
      pack_rows<T>(keys_packed, k, j, n, c.width);
      pack_rows<T>(values_packed, v, j, n, c.values);
      __builtin_memset(d_keys, 0, size_t(n * e) * sizeof(T));
      __builtin_memset(d_values, 0, size_t(n * f) * sizeof(T));
      for (int64_t r = 0; r < blocks.count; r += 4) {
        int64_t last = r + 4 < blocks.count ? r + 4 : blocks.count, i = blocks.start(r), end = blocks.start(last);
        int64_t depths[4], seen = 0;
        for (int64_t b = r; b < last; ++b) {
          int64_t from = blocks.start(b), height = blocks.rows(b), &depth = depths[b - r];
          depth = clamped(c.most_seen(from, from + height) - j, 0, n);
          if (!given(dmask)) depth = mask.depth(from, height, j, depth);
          seen = seen < depth ? depth : seen;
        }
        if (!seen) continue;
        for (int64_t b = r; b < last; ++b) row_block_of(head, mask, blocks.start(b), blocks.rows(b), i, j, depths[b - r], seen, sums);
        columns(i, end, j, seen);
      }
      write(dk, head, j, n, d_keys, e, c.width);
      write(dv, head, j, n, d_values, f, c.values);
    }
  }

  void gather(int64_t head) {  // rows of q and g, and D
    Rows<T> q = c.template rows_of<T>(c.q, head), dy = c.template rows_of<T>(g, head), out = c.template rows_of<T>(y, head);
    copy_rows(queries.data, e, rows, c.width, q.column, c.scale, [&](int64_t i) { return q.at(i); });
    copy_rows(gradients.data, f, rows, c.values, dy.column, T(1), [&](int64_t i) { return dy.at(i); });
    for (int64_t i = 0; i < rows; ++i) {
      const T *a = gradients + i * f, *b = out.at(i);
      vec<T> sum{};
      int64_t j = 0;
      if (out.column == 1)
        for (; j + W <= c.values; j += W) sum += load(a + j) * load(b + j);
      T rest = 0;
      for (; j < c.values; ++j) rest += a[j] * b[j * out.column];
      delta[i] = sum_lanes<T>(sum) + rest;
    }
  }

  // P and dS of rows i .. i + height (of the strip that begins at `strip`) and keys j .. j + depth; the strip sees `seen` of them
  void row_block_of(int64_t head, const Mask<T>& mask, int64_t i, int64_t height, int64_t strip, int64_t j, int64_t depth, int64_t seen,
                    T* sums) {
    T *p = weights + (i - strip) * APART, *d = d_scores + (i - strip) * APART;
    int64_t whole = padded(depth, W);
    if (depth) {
      tiles<T>(height, {queries + i * e, e, 1}, packed_panels<T>(keys_packed, c.width), c.width, whole, p, APART, false);
      tiles<T>(height, {gradients + i * f, f, 1}, packed_panels<T>(values_packed, c.values), c.values, whole, d, APART, false);
    }
    for (int64_t r = 0; r < height; ++r, p += APART, d += APART) {
      int64_t visible = clamped(c.sees(i + r) - j, 0, depth);
      if (mask) mask(p, i + r, j, visible);
      int64_t at = head * rows + i + r;
      row_derivative<T>(c.dropout, at * c.keys + j, visible, padded(seen, W), lse.ptr<T>()[at], delta[i + r], p, d);
      if (given(dmask)) {
        Rows<T> to = c.template rows_of<T>(dmask, head);
        write_row<T>(to.at(i + r) + j * to.column, to.column, d, depth, T(1));
      }
    }
    if (depth) tiles<T>(height, {d - height * APART, APART, 1}, rows_as_panels<T>(keys, e), depth, e, sums + i * e, e, true);
  }

  // dV += Pᵀ g and dK += dSᵀ q over the rows i .. end of a strip, for the keys that it sees, MR of them at a time
  void columns(int64_t i, int64_t end, int64_t j, int64_t seen) {
    RowBlocks blocks(seen);
    for (int64_t b = 0, r = 0; b < blocks.count; ++b) {
      int64_t at = blocks.start(b), height = blocks.rows(b);
      while (c.sees(i + r) <= j + at) ++r;  // rows before do not see these keys; some row of the strip does
      const T *p = weights + r * APART + at, *d = d_scores + r * APART + at;
      tiles<T>(height, {p, 1, APART}, rows_as_panels<T>(gradients + (i + r) * f, f), end - i - r, f, d_values + at * f, f, true);
      tiles<T>(height, {d, 1, APART}, rows_as_panels<T>(queries + (i + r) * e, e), end - i - r, e, d_keys + at * e, e, true);
    }
  }

  void write(const View& to, int64_t head, int64_t j, int64_t n, const T* x, int64_t apart, int64_t columns) const {
    if (!given(to)) return;
    Matrix<T> m = matrix_at<T>(to, c.start(to, head, 1));
    for (int64_t i = 0; i < n; ++i) write_row<T>(const_cast<T*>(m.data) + (j + i) * m.rs, m.cs, x + i * apart, columns, T(1));
  }
  // dQ of rows from .. to, the sum of the parts in order
  void write_dq(int64_t head, int64_t from, int64_t to, T* sums, int64_t parts) const {
    if (!given(dq)) return;
    Rows<T> out = c.template rows_of<T>(dq, head);
    for (int64_t i = from; i < to; ++i) {
      T* x = sums + i * e;
      for (int64_t part = 1; part < parts; ++part)
        for (int64_t q = 0; q < e; q += W) store(x + q, load(x + q) + load(x + part * rows * e + q));
      write_row<T>(out.at(i), out.column, x, c.width, c.scale);
    }
  }
};

template <class T>
static void derivative(const Call<T>& c, const View& dq, const View& dk, const View& dv, const View& dmask, const View& g, const View& y,
                       const View& lse) {
  using D = Derivative<T>;
  if (!c.count || (!c.rows() && !c.keys)) return;
  // Parts of the keys of a head, where there are few heads; each of at least two blocks.
  int64_t parts = 1, blocks = ceil_div(c.keys, D::KEYS), flops = c.flops() * 5 / 2;
  while (c.count * parts < 8 && blocks >= 2 * (parts + 1)) ++parts;
  int64_t items = c.count * parts, size = c.rows() * padded(c.width, lanes<T>);
  Scratch<T> sums(parts > 1 ? items * size : 0);
  parallel_for(items, grain(items, flops / parts), [&](int64_t begin, int64_t end) {
    D d(c, dq, dk, dv, dmask, g, y, lse);
    for (int64_t x = begin; x < end; ++x) {
      int64_t head = x / parts, part = x % parts, from = part * blocks / parts * D::KEYS, to = (part + 1) * blocks / parts * D::KEYS;
      T* mine = parts > 1 ? sums + x * size : d.own_dq;
      d.run(head, from, to < c.keys ? to : c.keys, mine);
      if (parts == 1) d.write_dq(head, 0, c.rows(), mine, 1);
    }
  }, items * flops / parts < GRAIN_FLOPS);
  if (parts == 1) return;
  D d(c, dq, dk, dv, dmask, g, y, lse);
  parallel_for(c.count * c.rows(), 256, [&](int64_t begin, int64_t end) {
    for (int64_t x = begin; x < end;) {
      int64_t head = x / c.rows(), from = x % c.rows(), n = end - x < c.rows() - from ? end - x : c.rows() - from;
      d.write_dq(head, from, from + n, sums + head * parts * size, parts);
      x += n;
    }
  });
}

}  // namespace fastnn::FN_ISA
