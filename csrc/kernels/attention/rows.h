// attention/rows.h: what a call is made of: heads, the rows of queries that share keys, and what happens to a row of scores.
//
//    q (.., G·H, L, E)  k (.., H, S, E)  v (.., H, S, F)  mask (.., G·H, L, S)        any strides; mask's are often 0
//
// G query heads share a head of keys: their G·L queries are the rows of one problem, r = g·L + i, so keys are read once for all
// of them and never repeated in memory. A row sees the first `sees(r)` keys: all, or i + 1 of them where causal.
#pragma once
#include "../../core/math.h"
#include "../declare.h"
#include "../matmul/skinny.h"
#include "../random/stream.h"

namespace fastnn::FN_ISA {

FN bool given(const View& x) { return x.ndim >= 0 && x.numel() > 0; }
FN int64_t padded(int64_t n, int64_t to) { return ceil_div(n, to) * to; }
FN int64_t clamped(int64_t x, int64_t low, int64_t high) { return x < low ? low : x > high ? high : x; }
template <class T> constexpr T MINUS_INF = -Limits<T>::INF;

// The rows of one problem in an array of queries (or outputs, gradients, masks).
template <class T> struct Rows {
  T* data = nullptr;
  int64_t length, head, row, column;  // L; strides
  FN T* at(int64_t r) const { return data + r / length * head + r % length * row; }
  FN explicit operator bool() const { return data; }
};

// One key or value head, or its gradient.
template <class T> FN Matrix<T> matrix_at(const View& v, int64_t at) {
  return {v.ptr<T>() + at, v.strides[v.ndim - 2], v.strides[v.ndim - 1]};
}

// to[i, 0..padded) = factor * x[i, 0..columns), zeros behind; rows of `to` are `padded` apart
template <class T, class At>
static void copy_rows(T* to, int64_t padded, int64_t rows, int64_t columns, int64_t stride, T factor, const At& at) {
  constexpr int64_t W = lanes<T>;
  for (int64_t i = 0; i < rows; ++i, to += padded) {
    const T* x = at(i);
    int64_t j = 0;
    if (stride == 1)
      for (; j + W <= columns; j += W) store(to + j, factor * load(x + j));
    for (; j < columns; ++j) to[j] = factor * x[j * stride];
    for (; j < padded; ++j) to[j] = 0;
  }
}
template <class T> static void write_row(T* to, int64_t stride, const T* x, int64_t columns, T factor) {
  constexpr int64_t W = lanes<T>;
  int64_t j = 0;
  if (stride == 1)
    for (; j + W <= columns; j += W) store(to + j, factor * load(x + j));
  for (; j < columns; ++j) to[j * stride] = factor * x[j];
}

template <class T> struct Mask {  // numbers that are added, or flags: which keys take part
  Rows<T> added;
  Rows<uint8_t> visible;

  FN explicit operator bool() const { return added || visible; }
  FN static vec<T> flags(vec<T> s, const uint8_t* m) {
    typedef uint8_t Bytes __attribute__((vector_size(lanes<T>)));
    Bytes b;
    __builtin_memcpy(&b, m, sizeof b);
    return __builtin_convertvector(b, bits<T>) != 0 ? s : splat(MINUS_INF<T>);
  }
  // How many of the keys j .. j + n are left when those that none of `rows` rows from r sees are cut off at the end. Padding
  // and masks that are causal in effect cost no products; a mask that hides little is not read here beyond its last columns.
  int64_t depth(int64_t r, int64_t rows, int64_t j, int64_t n) const {
    int64_t most = 0;
    if (added)
      for (int64_t i = 0; i < rows && most < n; ++i) most = last(added.at(r + i) + j * added.column, added.column, most, n, MINUS_INF<T>);
    else if (visible)
      for (int64_t i = 0; i < rows && most < n; ++i) most = last(visible.at(r + i) + j * visible.column, visible.column, most, n, uint8_t(0));
    else
      return n;
    return most;
  }
  template <class U> static int64_t last(const U* m, int64_t stride, int64_t most, int64_t n, U hides) {  // 1 + the last of most .. n that is not `hides`
    constexpr int64_t W = lanes<U>;
    if (stride == 1)
      while (n - W >= most && !any_lane(reinterpret_cast<bits<float>>(load(m + n - W) != hides) != 0)) n -= W;
    while (n > most && m[(n - 1) * stride] == hides) --n;
    return n;
  }
  // of row r: the scores s of keys j .. j + n
  void operator()(T* s, int64_t r, int64_t j, int64_t n) const {
    constexpr int64_t W = lanes<T>;
    int64_t q = 0;
    if (added) {
      const T* m = added.at(r) + j * added.column;
      if (added.column == 1)
        for (; q + W <= n; q += W) store(s + q, load(s + q) + load(m + q));
      for (; q < n; ++q) s[q] += m[q * added.column];
      return;
    }
    const uint8_t* m = visible.at(r) + j * visible.column;
    if (visible.column == 1)
      for (; q + W <= n; q += W) store(s + q, flags(load(s + q), m + q));
    for (; q < n; ++q) s[q] = m[q * visible.column] ? s[q] : MINUS_INF<T>;
  }
};

// The dropout of random/random.cpp on the array (.., G·H, L, S) of weights, of which only one row's piece exists at a time.
template <class T> struct Dropout {
  Stream stream{};
  uint32_t threshold = 0;
  T scale = 1;
  bool on = false;

  void set(const View& saved, double p) {
    if (saved.ndim < 0) return;
    on = true, stream = stream_at(saved.ptr<int64_t>());
    scale = p < 1 ? T(1 / (1 - p)) : T(0);
    threshold = p < 1 ? uint32_t(int64_t(p * 0x1p32)) : ~0u;
  }
  // to[q] = x[q] dropped out (to may be x), x being elements `first` .. first + n of the weights; both have room for whole vectors
  void operator()(T* to, const T* x, int64_t first, int64_t n) const {
    uint32_t words[2 * WORDS];
    for (int64_t q = 0; q < n;) {
      int64_t tile = (first + q) / WORDS, skip = (first + q) % WORDS, count = n - q < WORDS - skip ? n - q : WORDS - skip;
      tile_words(words, stream.tile(tile), stream.key);
      for (int64_t i = 0; i < count; i += lanes<T>) {
        vec<T> kept = keep(scale * load(x + q + i), words + skip + i, threshold);
        if (count - i >= lanes<T>) store(to + q + i, kept);
        else store_n(to + q + i, kept, count - i);
      }
      q += count;
    }
  }
};

template <class T> FN T row_max(const T* s, int64_t n) {
  constexpr int64_t W = lanes<T>;
  vec<T> a = splat(MINUS_INF<T>), b = a;
  int64_t q = 0;
  for (; q + 2 * W <= n; q += 2 * W) a = max(load(s + q), a), b = max(load(s + q + W), b);
  if (q + W <= n) a = max(load(s + q), a), q += W;
  if (q < n) b = max(load_n(s + q, n - q, MINUS_INF<T>), b);
  return max_lanes<T>(max(a, b));
}

// s = exp(s - top) for the first n, zeros up to `end` (s has room for whole vectors); their sum
template <class T> FN T row_exp(T* s, int64_t n, int64_t end, T top) {
  constexpr int64_t W = lanes<T>;
  vec<T> sum{}, t = splat(top);
  int64_t q = 0;
  for (; q + W <= n; q += W) {
    vec<T> p = exp(load(s + q) - t);
    store(s + q, p);
    sum += p;
  }
  if (q < n) {
    vec<T> p = exp(load_n(s + q, n - q, MINUS_INF<T>) - t);
    store(s + q, p);
    sum += p, q += W;
  }
  for (; q < end; q += W) store(s + q, vec<T>{});
  return sum_lanes<T>(sum);
}

// s -> P, dropped out, and dP -> dS of the first n keys of a row, zeros up to `end` (both have room for whole vectors).
template <class T>
static void row_derivative(const Dropout<T>& dropout, int64_t first, int64_t n, int64_t end, T lse, T delta, T* p, T* d) {
  constexpr int64_t W = lanes<T>;
  const vec<T> l = splat(lse), mean = splat(delta);
  int64_t q = 0;
  if (dropout.on) dropout(d, d, first, n);
  for (; q + W <= n; q += W) {
    vec<T> w = exp(load(p + q) - l);
    store(p + q, w), store(d + q, w * (load(d + q) - mean));
  }
  if (q < n) {
    vec<T> w = exp(load_n(p + q, n - q, MINUS_INF<T>) - l);
    store(p + q, w), store(d + q, w * (load_n(d + q, n - q) - mean));
    q += W;
  }
  for (; q < end; q += W) store(p + q, vec<T>{}), store(d + q, vec<T>{});
  if (dropout.on) dropout(p, p, first, n);
}

// Everything a kernel is given.
template <class T> struct Call {
  const View &q, &k, &v, &mask;
  int64_t count, group, length, keys, width, values;  // heads of keys in all, G, L, S, E, F
  bool causal;
  T scale;
  Dropout<T> dropout;

  Call(const View& q, const View& k, const View& v, const View& mask, const View& saved, double scale, bool causal, double p)
      : q(q), k(k), v(v), mask(mask), count(1), group(1), length(q.shape[q.ndim - 2]), keys(k.shape[k.ndim - 2]),
        width(k.shape[k.ndim - 1]), values(v.shape[v.ndim - 1]), causal(causal), scale(T(scale)) {
    for (int d = 0; d < k.ndim - 2; ++d) count *= k.shape[d];
    if (k.ndim > 2) group = k.shape[k.ndim - 3] ? q.shape[k.ndim - 3] / k.shape[k.ndim - 3] : 0;
    dropout.set(saved, p);
  }
  FN int64_t rows() const { return group * length; }
  FN int64_t sees(int64_t r) const { return causal && r % length < keys ? r % length + 1 : keys; }
  FN int64_t most_seen(int64_t from, int64_t to) const {  // by rows from .. to
    int64_t most = 0;
    for (int64_t r = from; r < to; ++r) most = most < sees(r) ? sees(r) : most;
    return most;
  }
  // Where head n begins in an array whose leading axes are k's, `times` heads of it for one of k's.
  FN int64_t start(const View& x, int64_t n, int64_t times) const {
    int64_t at = 0;
    for (int d = k.ndim - 3; d >= 0; n /= k.shape[d], --d) at += n % k.shape[d] * x.strides[d] * (d == k.ndim - 3 ? times : 1);
    return at;
  }
  template <class U> FN Rows<U> rows_of(const View& x, int64_t n) const {
    return {x.ptr<U>() + start(x, n, group), length, k.ndim > 2 ? x.strides[x.ndim - 3] : 0, x.strides[x.ndim - 2], x.strides[x.ndim - 1]};
  }
  FN Matrix<T> keys_of(int64_t n) const { return matrix_at<T>(k, start(k, n, 1)); }
  FN Matrix<T> values_of(int64_t n) const { return matrix_at<T>(v, start(v, n, 1)); }
  FN Mask<T> mask_of(int64_t n) const {
    Mask<T> m;
    if (mask.ndim < 0) return m;
    if (mask.dtype == DType::b8) m.visible = rows_of<uint8_t>(mask, n);
    else m.added = rows_of<T>(mask, n);
    return m;
  }
  FN bool far() const { return count * keys * (width + values) * int64_t(sizeof(T)) > 8 << 20; }  // keys and values come from memory
  FN int64_t flops() const { return 2 * rows() * keys * (width + values) / (causal ? 2 : 1); }  // of one head of keys, forward
};

// f(Call): checks what Python is trusted with, so that no wrong view is ever read.
template <class F>
static void with_call(const View& q, const View& k, const View& v, const View& mask, const View& saved, double scale, bool causal,
                      double p, const F& f) {
  int n = q.ndim;
  bool fits = n >= 2 && k.ndim == n && v.ndim == n && k.dtype == q.dtype && v.dtype == q.dtype && q.shape[n - 1] == k.shape[n - 1] &&
              k.shape[n - 2] == v.shape[n - 2];
  for (int d = 0; fits && d < n - 2; ++d)
    fits = k.shape[d] == v.shape[d] && (k.shape[d] == q.shape[d] || (d == n - 3 && k.shape[d] > 0 && q.shape[d] % k.shape[d] == 0));
  if (fits && mask.ndim >= 0) {
    fits = !causal && mask.ndim == n && mask.shape[n - 1] == k.shape[n - 2] && (mask.dtype == DType::b8 || mask.dtype == q.dtype);
    for (int d = 0; fits && d < n - 1; ++d) fits = mask.shape[d] == q.shape[d];
  }
  if (!fits) raise_error(ErrorKind::shape, "attention: shapes or types of query, key, value and mask do not fit");
  if (q.dtype == DType::f32) return f(Call<float>(q, k, v, mask, saved, scale, causal, p));
  if (q.dtype == DType::f64) return f(Call<double>(q, k, v, mask, saved, scale, causal, p));
  raise_error(ErrorKind::dtype, "attention: not implemented for integers");
}

FN bool same_shape(const View& x, const View& like) {  // an output without elements is not wanted
  bool same = x.dtype == like.dtype && x.ndim == like.ndim;
  for (int d = 0; same && d < x.ndim; ++d) same = x.shape[d] == like.shape[d];
  return same || x.numel() == 0;
}
template <class T> static void check_outputs(const Call<T>& c, const View& y, const View& lse) {
  int n = c.q.ndim;
  bool fits = y.dtype == c.q.dtype && lse.dtype == c.q.dtype && y.ndim == n && lse.numel() == c.count * c.rows() && y.shape[n - 1] == c.values;
  for (int d = 0; fits && d < n - 1; ++d) fits = y.shape[d] == c.q.shape[d];
  if (!fits) raise_error(ErrorKind::shape, "attention: shapes or types of the output do not fit");
}

}  // namespace fastnn::FN_ISA
