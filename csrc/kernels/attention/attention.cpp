// attention: softmax(scale q kᵀ + mask) v, and its derivative, without ever holding the matrix of scores.
//
//    q (.., G·H, L, E)  k (.., H, S, E)  v (.., H, S, F)   ->   y (.., G·H, L, F),  lse (.., G·H, L): log Σ exp of a row's scores
//
//                   keys →
//            ┌────┬────┬────┐      A block of keys is packed once for up to 512 rows of queries. A row block (<= MR rows) times
//    rows    │ S  │    │    │      the keys it sees is a strip of scores in L1; there it becomes P = exp(s - m), m the largest
//     ↓      ├────┼────┼────┤      score of the row so far. Then o += P v. Where a later block has a larger one, what was
//            │    │    │ .. │      summed is multiplied by exp(m - m') first (Milakov and Gimelshein 2018, Dao et al. 2022).
//            └────┴────┴────┘      In the end y = o / Σ P, lse = m + log Σ P. Rows that see no key: y = 0, lse = ∞.
//
// Causal rows skip what they do not see: blocks of keys, panels of a block, and the rest of P v to the key. Few rows (decoding)
// read keys and values where they lie. The derivative is in derivative.h.
//
// Cost: 2 L S (E + F) flops a head, half of it where causal; 16 exponentials beside 2 (E + F) multiply-adds of vectors.
// read on  rows.h (groups of heads, masks, dropout)  ->  tiles.h (products)  ->  derivative.h  ->  rungs/ (from three loops to here)
#include "derivative.h"
#include "few.h"

namespace fastnn::FN_ISA {
namespace {

constexpr int64_t CHUNK = 512;  // rows for which a block of keys is packed: their q and o lie in L2

template <class T> struct Forward {
  const Call<T>& c;
  const View &y, &lse;
  int64_t e = padded(c.width, lanes<T>), f = padded(c.values, lanes<T>);
  Scratch<T> q, o, top, sum, scores, keys, values;
  Matrix<T> k, v;
  Mask<T> mask;
  bool in_place;  // keys and values are

  Forward(const Call<T>& c, const View& y, const View& lse, int64_t rows)
      : c(c), y(y), lse(lse), q(rows * e), o(rows * f), top(rows + lanes<T>), sum(rows + lanes<T>), scores(MR * SCORES<T>),
        keys(room_for_panels<T>(KEYS<T>, c.width)), values(KEYS<T> * f) {}

  void run(int64_t head, int64_t from, int64_t rows) {
    Rows<T> queries = c.template rows_of<T>(c.q, head);
    copy_rows(q.data, e, rows, c.width, queries.column, c.scale, [&](int64_t i) { return queries.at(from + i); });
    for (int64_t i = 0; i < rows; ++i) top[i] = MINUS_INF<T>, sum[i] = 0;
    k = c.keys_of(head), v = c.values_of(head), mask = c.mask_of(head);
    in_place = rows <= FEW && k.cs == 1 && v.cs == 1 && c.values >= lanes<T>;
    RowBlocks blocks(rows);
    int64_t seen = c.most_seen(from, from + rows);
    for (int64_t j = 0; j < seen; j += KEYS<T>) {
      int64_t n = seen - j < KEYS<T> ? seen - j : KEYS<T>;
      if (!in_place) {
        pack_rows<T>(keys, k, j, n, c.width);
        copy_rows<T>(values, f, v, j, n, c.values);
      }
      for (int64_t r = 0; r < blocks.count; ++r) {
        int64_t i = blocks.start(r), height = blocks.rows(r), depth = clamped(c.most_seen(from + i, from + i + height) - j, 0, n);
        depth = mask.depth(from + i, height, j, depth);
        if (depth || !j) step(head, from, i, height, j, depth);  // the first block defines o
      }
    }
    if (!seen) __builtin_memset(o, 0, size_t(rows * f) * sizeof(T));
    finish(head, from, rows);
  }

  // rows i .. i + height meet keys j .. j + n
  void step(int64_t head, int64_t from, int64_t i, int64_t height, int64_t j, int64_t n) {
    if (in_place) few_scores<T>(height, {q + i * e, e, 1}, {k.data + j * k.rs, k.rs, 1}, n, c.width, c.far(), scores);
    else tiles<T>(height, {q + i * e, e, 1}, packed_panels<T>(keys, c.width), c.width, padded(n, lanes<T>), scores, SCORES<T>, false);
    weigh(head, from, i, height, j, n);
    if (!in_place) return tiles<T>(height, {scores, SCORES<T>, 1}, rows_as_panels<T>(values, f), n, f, o + i * f, f, j > 0);
    few_outputs<T>(height, scores, v.data + j * v.rs, v.rs, n, c.values, j > 0, o + i * f, f);
  }

  // scores -> exp(s - m); what these rows have summed is brought to the new m
  void weigh(int64_t head, int64_t from, int64_t i, int64_t height, int64_t j, int64_t n) {
    constexpr int64_t W = lanes<T>;
    T largest[MR + W], shrink[MR + W];
    int64_t visible[MR];
    for (int64_t r = 0; r < height; ++r) {
      T* s = scores + r * SCORES<T>;
      visible[r] = clamped(c.sees(from + i + r) - j, 0, n);
      if (mask) mask(s, from + i + r, j, visible[r]);
      largest[r] = row_max(s, visible[r]);
    }
    for (int64_t r = 0; r < height; r += W) {
      vec<T> before = load(top + i + r), now = max(load(largest + r), before);
      vec<T> m = now == MINUS_INF<T> ? vec<T>{} : now;  // nothing seen yet: exp(-∞ - 0) = 0
      store(largest + r, m), store(shrink + r, exp(before - m));
      if (height - r >= W) store(top + i + r, now);
      else store_n(top + i + r, now, height - r);
    }
    for (int64_t r = 0; r < height; ++r) {
      T* s = scores + r * SCORES<T>;
      sum[i + r] = sum[i + r] * shrink[r] + row_exp(s, visible[r], n, largest[r]);
      if (c.dropout.on) c.dropout(s, s, (head * c.rows() + from + i + r) * c.keys + j, visible[r]);
      if (j > 0 && shrink[r] != T(1)) {
        T* to = o + (i + r) * f;
        for (int64_t q = 0; q < f; q += W) store(to + q, shrink[r] * load(to + q));
      }
    }
  }

  void finish(int64_t head, int64_t from, int64_t rows) {
    constexpr int64_t W = lanes<T>;
    Rows<T> out = c.template rows_of<T>(y, head);
    T* l = lse.ptr<T>() + head * c.rows() + from;
    for (int64_t i = 0; i < rows; i += W) {
      vec<T> s = load(sum + i), x = s == T(0) ? splat(Limits<T>::INF) : load(top + i) + log(s);
      if (rows - i >= W) store(l + i, x);
      else store_n(l + i, x, rows - i);
    }
    for (int64_t i = 0; i < rows; ++i)
      write_row<T>(out.at(from + i), out.column, o + i * f, c.values, sum[i] == T(0) ? T(0) : T(1) / sum[i]);
  }
};

// Rows a chunk: at most CHUNK, and fewer where there are few heads, so that threads get enough of them; 8 row blocks at least.
int64_t chunks_of(int64_t heads, int64_t rows) {
  int64_t chunks = ceil_div(rows, CHUNK);
  while (heads * chunks < 8 && rows / (chunks + 1) >= 8 * MR) ++chunks;
  return chunks;
}

}  // namespace

void attention(Out y, PackedOut lse, In q, In k, In v, In mask, PackedIn dropout, double scale, bool causal, double p) {
  with_call(q, k, v, mask, dropout, scale, causal, p, [&](const auto& c) {
    using T = decltype(c.scale + 0);
    check_outputs(c, y, lse);
    if (!c.count || !c.rows()) return;
    int64_t rows = c.rows(), chunks = chunks_of(c.count, rows), items = c.count * chunks, flops = c.flops() / chunks;
    parallel_for(items, grain(items, flops), [&](int64_t begin, int64_t end) {
      Forward<T> forward(c, y, lse, ceil_div(rows, chunks));
      for (int64_t x = begin; x < end; ++x) {  // the last rows first: where causal they cost most
        int64_t part = chunks - 1 - x % chunks, from = part * rows / chunks;
        forward.run(x / chunks, from, (part + 1) * rows / chunks - from);
      }
    }, items * flops < GRAIN_FLOPS);
  });
}

void attention_dx(Out dq, Out dk, Out dv, Out dmask, In g, In y, PackedIn lse, In q, In k, In v, In mask, PackedIn dropout, double scale,
                  bool causal, double p) {
  with_call(q, k, v, mask, dropout, scale, causal, p, [&](const auto& c) {
    check_outputs(c, y, lse);
    if (!same_shape(g, y) || !same_shape(dq, q) || !same_shape(dk, k) || !same_shape(dv, v) || (given(dmask) && !same_shape(dmask, mask)))
      raise_error(ErrorKind::shape, "attention_dx: shapes or types of the gradients do not fit");
    derivative(c, dq, dk, dv, dmask, g, y, lse);
  });
}

}  // namespace fastnn::FN_ISA
