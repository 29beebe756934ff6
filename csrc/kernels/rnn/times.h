// rnn/times.h: which rows are computed when, and by which thread; what a layer reads and writes; its products.
//
// A batch of sequences is packed: the rows of step t are those of the sequences that still run, the longest first, so row b
// of every step belongs to sequence b and sizes[t] never grows with t. A batch of equal lengths is the plain (T, B) order.
//
//    sizes  3 3 2 1        rows   0 1 2 | 3 4 5 | 6 7 | 8        reverse: t runs down, sequences join instead of leaving
//
// Threads share sequences, which need not meet: a chunk of the batch runs through all its steps. Only where the batch is too
// small for that they share the units of each step, and meet after it (0.5 us).
#pragma once
#include "../declare.h"
#include "../matmul/gemm.h"

namespace fastnn::FN_ISA {

void matmul(Out c, In a, In b);
void matmul_bias(Out c, In a, In b, In bias);
void matmul_rows(Out c, In a, In b, In bias);
void sum(Out y, In x, Ints axes);

constexpr View ABSENT{nullptr, {}, {}, -1, DType::f32};  // an argument that is None

FN int64_t clamped(int64_t x, int64_t low, int64_t high) { return x < low ? low : x > high ? high : x; }

struct Times {
  int64_t steps, batch, rows = 0;
  const int64_t* sizes;
  bool reverse, even = true;  // even: all sequences have the same length
  Scratch<int64_t> start;     // the first row of each step

  Times(const View& s, bool reverse) : steps(s.numel()), batch(0), sizes(s.ptr<int64_t>()), reverse(reverse), start(s.numel() + 1) {
    if (s.dtype != DType::i64 || !steps) raise_error(ErrorKind::shape, "rnn: batch sizes must be int64, at least one");
    batch = sizes[0];
    for (int64_t t = 0; t < steps; ++t) {
      if (sizes[t] < 0 || sizes[t] > sizes[t ? t - 1 : 0]) raise_error(ErrorKind::value, "rnn: batch sizes must not grow");
      start[t] = rows, rows += sizes[t], even = even && sizes[t] == batch;
    }
  }
  int64_t at(int64_t s) const { return reverse ? steps - 1 - s : s; }  // the s-th step to run
  int64_t before(int64_t t) const { return reverse ? t + 1 : t - 1; }
  int64_t after(int64_t t) const { return reverse ? t - 1 : t + 1; }
  // How many rows of step t have a step before, or after, in running order; the others begin, or end, there.
  int64_t going_on(int64_t t) const { return reverse ? (t + 1 < steps ? sizes[t + 1] : 0) : t > 0 ? sizes[t] : 0; }
  int64_t continued(int64_t t) const { return reverse ? (t > 0 ? sizes[t] : 0) : t + 1 < steps ? sizes[t + 1] : 0; }
  int64_t last(int64_t b) const {  // the last step of sequence b, in running order
    if (reverse) return 0;
    int64_t t = steps - 1;
    while (t > 0 && sizes[t] <= b) --t;
    return t;
  }
};

constexpr int64_t GROUP = 16;                   // sequences that run together: they share what is read of W_hh
constexpr int64_t L1_SLICE = 16 << 10;          // bytes of W_hh that stay in L1 meanwhile
constexpr int64_t SHARED_WEIGHTS = 512 << 10;   // bytes of W_hh from which on a thread should read only a part of it

// step(s, b, end, first, last): the s-th step of sequences b..end, units of panels first..last
template <class Step> static void each_step(const Times& times, int64_t panels, int64_t flops, int64_t weights, const Step& step) {
  int64_t chunks = times.batch < GROUP ? 1 : ceil_div(ceil_div(times.batch, GROUP), 2) * 2;
  bool share_units = (chunks == 1 || weights > SHARED_WEIGHTS) && panels > 1 && flops * times.batch >= SPLIT_FLOPS;
  FN_NOTE("%s", share_units ? "threads share the units of a step, and meet after each" : "threads share the sequences, and never meet");
  if (share_units) {
    for (int64_t s = 0; s < times.steps; ++s)
      parallel_for(panels, grain(panels, flops * times.batch / panels),
                   [&](int64_t p, int64_t end) { step(s, int64_t(0), times.batch, p, end); }, true);
    return;
  }
  if (flops * times.rows < SPLIT_FLOPS) chunks = 1;
  parallel_for(times.batch, ceil_div(times.batch, chunks), [&](int64_t b, int64_t end) {
    for (int64_t s = 0; s < times.steps; ++s) step(s, b, end, int64_t(0), panels);
  });
}

// ---- the product of one step -------------------------------------------------------------------------------------------

// acc (+)= A [M, k] . panel [k, V vectors], row r at sums + r * apart
template <int M, int V, class T>
__attribute__((noinline)) static void tile_sums(int64_t k, const T* a, int64_t row, const T* panel, T* sums, int64_t apart, bool add) {
  vec<T> acc[M][V];
  multiply<M, V, T>(k, StridedRows<T>(a, row, 1), panel, V * lanes<T>, acc);
#pragma GCC unroll 16
  for (int r = 0; r < M; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      T* to = sums + r * apart + v * lanes<T>;
      store(to, add ? acc[r][v] + load(to) : acc[r][v]);
    }
}

// A [n, k] times panels first..last of PARTS x V vectors: finish(sums, i, rows, panel) gets rows x PARTS·V vectors, rows <= GROUP.
// A slice of a panel is read from L2 once for all rows of a group, then from L1.
template <int PARTS, int V, class T, class Finish>
static void each_tile(int64_t n, int64_t k, const T* a, int64_t row, const T* panels, int64_t first, int64_t last, const Finish& finish) {
  constexpr int64_t WIDE = V * lanes<T>;
  constexpr int HEIGHT = MR * NV / V;  // rows of a tile: as many registers as matmul's
  alignas(64) T sums[GROUP * PARTS * WIDE];
  int64_t depth = k ? ceil_div(k, ceil_div(k * WIDE * int64_t(sizeof(T)), L1_SLICE)) : 1;
  for (int64_t p = first; p < last; ++p)
    for (int64_t i = 0, rows; i < n; i += rows) {
      rows = n - i < GROUP ? n - i : GROUP;
      int64_t blocks = ceil_div(rows, HEIGHT);
      for (int part = 0; part < PARTS; ++part)
        for (int64_t q = 0; q == 0 || q < k; q += depth)
          for (int64_t r = 0; r < blocks; ++r) {
            int64_t at = r * rows / blocks, height = (r + 1) * rows / blocks - at, d = k - q < depth ? k - q : depth;
            const T* slice = panels + ((p * PARTS + part) * k + q) * WIDE;
            with_constant<HEIGHT>(height, [&](auto m) __attribute__((always_inline)) {
              tile_sums<decltype(m)::value, V, T>(d, a + (i + at) * row + q, row, slice, sums + (at * PARTS + part) * WIDE,
                                                  PARTS * WIDE, q > 0);
            });
          }
      finish(sums, i, rows, p);
    }
}

template <class F> static void with_type(const View& x, const F& f) {
  if (x.dtype == DType::f32) return f(float{});
  if (x.dtype == DType::f64) return f(double{});
  raise_error(ErrorKind::dtype, "rnn: not implemented for integers");
}

// ---- what a layer reads, and the products over all steps at once ---------------------------------------------------------

struct Layer {
  const View &x, &h0, &w_ih, &w_hh, &b_ih, &b_hh;  // (N, I) (B, H) (G·H, I) (G·H, H) (G·H) (G·H); h0 and biases may be None
};
struct LayerGradients {
  const View &dx, &dh0, &dw_ih, &dw_hh, &db_ih, &db_hh;  // without elements where not wanted
};

FN View matrix(const View& like, int64_t at, int64_t rows, int64_t columns, int64_t rs, int64_t cs = 1) {
  View v = like;
  v.data = like.ptr<char>() + at * itemsize(like.dtype);
  v.ndim = 2, v.shape[0] = rows, v.shape[1] = columns, v.strides[0] = rs, v.strides[1] = cs;
  return v;
}
FN View transposed(View v) { return matrix(v, 0, v.shape[1], v.shape[0], v.strides[1], v.strides[0]); }
FN bool given(const View& v) { return v.ndim >= 0 && v.numel() > 0; }

template <class T> struct ZerosOr {  // an initial state
  Scratch<T> zeros;
  const T* data;
  ZerosOr(const View& v, int64_t n) : zeros(v.ndim < 0 ? n : 0), data(v.ndim < 0 ? zeros : v.ptr<T>()) {
    if (v.ndim < 0) __builtin_memset(zeros, 0, size_t(n) * sizeof(T));
  }
};

// dx, dW, db from the rows d [N, width], whose `input` and `hidden` columns belong to W_ih and W_hh, in runs of columns.
struct Columns {
  int64_t from, to, count;  // columns from.. of d are rows to.. of the weights
};
template <class T>
static void weight_gradients(const Times& times, const Layer& l, const LayerGradients& out, const View& y, T* rows, int64_t width,
                             const Columns* input, int inputs, int64_t hidden) {
  int64_t n = times.rows, h = l.w_hh.shape[1], in = l.w_ih.shape[1], batch = times.batch;
  View d = matrix(l.x, 0, n, width, width);
  d.data = rows;
  auto take = [&](int64_t row, int64_t count, int64_t column, int64_t columns) {
    return matrix(d, row * width + column, count, columns, width);
  };
  auto part = [&](const View& v, const Columns& c) { return matrix(v, c.to * in, c.count, in, in); };
  for (int i = 0; i < inputs; ++i) {
    const Columns& c = input[i];
    View piece = take(0, n, c.from, c.count);
    if (given(out.dx)) matmul_bias(Out{out.dx}, In{piece}, In{part(l.w_ih, c)}, i ? In{out.dx} : In{ABSENT});
    if (given(out.dw_ih)) matmul(Out{part(out.dw_ih, c)}, In{transposed(piece)}, In{l.x});
    if (given(out.db_ih)) {
      View b = matrix(out.db_ih, c.to, 1, c.count, c.count);
      sum(Out{b}, In{piece}, Ints{1, {0}});
    }
  }
  View piece = take(0, n, 0, hidden);
  if (given(out.db_hh)) sum(Out{matrix(out.db_hh, 0, 1, hidden, hidden)}, In{piece}, Ints{1, {0}});
  if (!given(out.dw_hh)) return;
  if (times.even) {  // the states before are the states themselves, a step further on
    int64_t rest = n - batch, begin = times.reverse ? rest : 0, other = times.reverse ? 0 : batch;
    In first{transposed(take(begin, batch, 0, hidden))}, later{transposed(take(other, rest, 0, hidden))};
    In states{matrix(y, (times.reverse ? batch : 0) * h, rest, h, h)}, none{ABSENT};
    if (l.h0.ndim >= 0) matmul(Out{out.dw_hh}, first, In{l.h0});
    if (rest || l.h0.ndim < 0) matmul_bias(Out{out.dw_hh}, later, states, l.h0.ndim < 0 ? none : In{out.dw_hh});
    return;
  }
  Scratch<T> states(n * h);
  for (int64_t t = 0; t < times.steps; ++t) {
    int64_t m = times.going_on(t), size = times.sizes[t];
    T* to = states + times.start[t] * h;
    if (m) __builtin_memcpy(to, y.ptr<T>() + times.start[times.before(t)] * h, size_t(m * h) * sizeof(T));
    if (l.h0.ndim >= 0) __builtin_memcpy(to + m * h, l.h0.ptr<T>() + m * h, size_t((size - m) * h) * sizeof(T));
    else __builtin_memset(to + m * h, 0, size_t((size - m) * h) * sizeof(T));
  }
  View s = matrix(y, 0, n, h, h);
  s.data = states;
  matmul(Out{out.dw_hh}, In{transposed(piece)}, In{s});
}

}  // namespace fastnn::FN_ISA
