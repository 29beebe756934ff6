// rnn/times.cuh: which rows are computed when (times.h tells the packing), for a GPU: everything but the numbers is worked out by the
// host, from sizes that lie there, and goes into launches.
#pragma once
#include <vector>

#include "../../core/cuda/each.cuh"
#include "../../core/cuda/scalar.h"

namespace fastnn::cuda {

void copy(Out y, In x);
using Multiply = void (*)(Out c, In a, In b, In bias);  // C = A·B + bias, which may be absent: matmul_bias, or a rung of it
void matmul_bias(Out c, In a, In b, In bias);
void sum(Out y, In x, Ints axes);

constexpr View ABSENT{nullptr, {}, {}, -1, DType::f32};  // an argument that is None

struct Times {
  int64_t steps, batch, rows = 0;
  const int64_t* sizes;
  bool reverse, even = true;   // even: all sequences have the same length
  std::vector<int64_t> start;  // the first row of each step
  Times(const View& s, bool reverse) : steps(s.numel()), batch(0), sizes(s.ptr<int64_t>()), reverse(reverse), start(size_t(s.numel() + 1)) {
    if (s.dtype != DType::i64 || !steps) raise_error(ErrorKind::shape, "rnn: batch sizes must be int64, at least one");
    batch = sizes[0];
    for (int64_t t = 0; t < steps; ++t) {
      if (sizes[t] < 0 || sizes[t] > sizes[t ? t - 1 : 0]) raise_error(ErrorKind::value, "rnn: batch sizes must not grow");
      start[size_t(t)] = rows, rows += sizes[t], even = even && sizes[t] == batch;
    }
  }
  int64_t first(int64_t t) const { return start[size_t(t)]; }
  int64_t at(int64_t s) const { return reverse ? steps - 1 - s : s; }  // the s-th step to run
  int64_t before(int64_t t) const { return reverse ? t + 1 : t - 1; }
  int64_t after(int64_t t) const { return reverse ? t - 1 : t + 1; }
  // How many rows of step t have a step before, or after, in running order; the others begin, or end, there.
  int64_t going_on(int64_t t) const { return reverse ? (t + 1 < steps ? sizes[t + 1] : 0) : t > 0 ? sizes[t] : 0; }
  int64_t continued(int64_t t) const { return reverse ? (t > 0 ? sizes[t] : 0) : t + 1 < steps ? sizes[t + 1] : 0; }
  int64_t last(int64_t b) const {  // the last step of sequence b, in running order
    int64_t t = reverse ? 0 : steps - 1;
    while (!reverse && t > 0 && sizes[t] <= b) --t;
    return t;
  }
};

struct Layer {
  const View &x, &h0, &w_ih, &w_hh, &b_ih, &b_hh;  // (N, I) (B, H) (G·H, I) (G·H, H) (G·H) (G·H); h0 and biases may be None
  Multiply with_bias = &matmul_bias;
  void multiply(const View& c, const View& a, const View& b, const View& bias = ABSENT) const { with_bias(Out{c}, In{a}, In{b}, In{bias}); }
};
struct LayerGradients {
  const View &dx, &dh0, &dw_ih, &dw_hh, &db_ih, &db_hh;  // without elements where not wanted
};

inline View matrix(const View& like, int64_t at, int64_t rows, int64_t columns, int64_t rs, int64_t cs = 1) {
  View v = like;
  v.data = like.ptr<char>() + at * itemsize(like.dtype);
  v.ndim = 2, v.shape[0] = rows, v.shape[1] = columns, v.strides[0] = rs, v.strides[1] = cs;
  return v;
}
inline View transposed(const View& v) { return matrix(v, 0, v.shape[1], v.shape[0], v.strides[1], v.strides[0]); }
inline bool wanted(const View& v) { return v.ndim >= 0 && v.numel() > 0; }

template <class T> struct Zeros {
  global<T> y;
  __device__ void operator()(int64_t i) const { y[i] = T(0); }
};

// dx, dW, db from the rows d [N, width], whose `input` and `hidden` columns belong to W_ih and W_hh, in runs of columns.
struct Columns {
  int64_t from, to, count;  // columns from.. of d are rows to.. of the weights
};
template <class T>
void weight_gradients(const Times& times, const Layer& l, const LayerGradients& out_, const View& y, const View& rows, int64_t width, const Columns* input,
                      int inputs, int64_t hidden) {
  const int64_t n = times.rows, h = l.w_hh.shape[1], in_ = l.w_ih.shape[1], batch = times.batch;
  const auto take = [&](int64_t row, int64_t count, int64_t column, int64_t columns) { return matrix(rows, row * width + column, count, columns, width); };
  for (int i = 0; i < inputs; ++i) {
    const Columns& c = input[i];
    const auto part = [&](const View& v) { return matrix(v, c.to * in_, c.count, in_, in_); };
    const View piece = take(0, n, c.from, c.count);
    if (wanted(out_.dx)) l.multiply(out_.dx, piece, part(l.w_ih), i ? out_.dx : ABSENT);
    if (wanted(out_.dw_ih)) l.multiply(part(out_.dw_ih), transposed(piece), l.x);
    if (wanted(out_.db_ih)) sum(Out{matrix(out_.db_ih, c.to, 1, c.count, c.count)}, In{piece}, Ints{1, {0}});
  }
  const View piece = take(0, n, 0, hidden);
  if (wanted(out_.db_hh)) sum(Out{matrix(out_.db_hh, 0, 1, hidden, hidden)}, In{piece}, Ints{1, {0}});
  if (!wanted(out_.dw_hh)) return;
  if (times.even) {  // the states before are the states themselves, a step further on
    const int64_t rest = n - batch, begin = times.reverse ? rest : 0, other = times.reverse ? 0 : batch;
    const View first = transposed(take(begin, batch, 0, hidden)), later = transposed(take(other, rest, 0, hidden));
    if (l.h0.ndim >= 0) l.multiply(out_.dw_hh, first, l.h0);
    if (rest || l.h0.ndim < 0) l.multiply(out_.dw_hh, later, matrix(y, (times.reverse ? batch : 0) * h, rest, h, h), l.h0.ndim < 0 ? ABSENT : out_.dw_hh);
    return;
  }
  Scratch<T> states(n * h);
  View s = matrix(y, 0, n, h, h);
  s.data = states.data;
  launch_each("rnn", n * h, Zeros<T>{global<T>(states)});
  for (int64_t t = 0; t < times.steps; ++t) {
    const int64_t m = times.going_on(t), size = times.sizes[t], at = times.first(t);
    if (m) copy(Out{matrix(s, at * h, m, h, h)}, In{matrix(y, times.first(times.before(t)) * h, m, h, h)});
    if (l.h0.ndim >= 0 && size > m) copy(Out{matrix(s, (at + m) * h, size - m, h, h)}, In{matrix(l.h0, m * h, size - m, h, h)});
  }
  l.multiply(out_.dw_hh, transposed(piece), s);
}

}  // namespace fastnn::cuda
