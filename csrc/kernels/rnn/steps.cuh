// rnn/steps.cuh: a recurrent layer step by step: for each, one product and one kernel with all non-linearities of its units (rnn.cu).
#pragma once
#include "times.cuh"

namespace fastnn::cuda {

// What a cell sees of one unit j of one row: where its numbers lie.
template <class T> struct Memory {
  int64_t h;                     // units
  global<T> y, gates, kept;      // of the rows of this step; kept: LSTM c', GRU W h + b of n
  global<const T> bias;          // b_hh
  global<const T> sums;          // W_hh h, or d W_hh; rows from `with_sums` on have none: 0
  int64_t with_sums, width;      // numbers of a row of `sums`
  global<const T> before_y, before_c, first_y, first_c;  // states of the step before, for rows < going_on; of the beginning; null: 0
  int64_t going_on, continued;
  global<const T> g, ends;       // gradients of y, and of the final h: rows from `continued` on end here
  global<T> d, carry;
  __device__ T sum(int64_t b, int64_t j) const { return b < with_sums ? sums[b * width + j] : T(0); }
  __device__ T with_bias(T v, int64_t j) const { return bias ? v + bias[j] : v; }
  __device__ T old_y(int64_t b, int64_t j) const { return b < going_on ? before_y[b * h + j] : first_y ? first_y[b * h + j] : T(0); }
  __device__ T old_c(int64_t b, int64_t j) const { return b < going_on ? before_c[b * h + j] : first_c ? first_c[b * h + j] : T(0); }
  __device__ T slope(int64_t b, int64_t j) const { return sum(b, j) + g[b * h + j] + (b >= continued ? ends[b * h + j] : T(0)); }
};

template <class T, bool RELU> struct RnnCell {
  static constexpr int GATES = 1, WIDTH = 1, HIDDEN = 1;  // of d, in h: all of it, and what goes through W_hh
  Memory<T> m;
  __device__ void forward(int64_t b, int64_t j) const {
    T& y = m.y[b * m.h + j];
    const T a = m.with_bias(m.sum(b, j) + y, j);
    y = RELU ? max(T(0), a) : tanh(a);
  }
  __device__ void backward(int64_t b, int64_t j) const {
    const T y = m.y[b * m.h + j], dh = m.slope(b, j);
    m.d[b * m.h + j] = RELU ? (y <= T(0) ? T(0) : dh) : dh * (T(1) - y * y);
  }
};
template <class T> struct LstmCell {
  static constexpr int GATES = 4, WIDTH = 4, HIDDEN = 4;
  Memory<T> m;
  __device__ void forward(int64_t b, int64_t j) const {
    const global<T> gates = m.gates + b * 4 * m.h + j;
    const auto a = [&](int k) { return m.with_bias(m.sum(b, k * m.h + j) + gates[k * m.h], k * m.h + j); };
    const T i = sigmoid(a(0)), f = sigmoid(a(1)), g = tanh(a(2)), o = sigmoid(a(3)), c = f * m.old_c(b, j) + i * g;
    gates[0] = i, gates[m.h] = f, gates[2 * m.h] = g, gates[3 * m.h] = o;
    m.kept[b * m.h + j] = c, m.y[b * m.h + j] = o * tanh(c);
  }
  __device__ void backward(int64_t b, int64_t j) const {
    const global<T> gates = m.gates + b * 4 * m.h + j, d = m.d + b * 4 * m.h + j;
    const T i = gates[0], f = gates[m.h], g = gates[2 * m.h], o = gates[3 * m.h], tc = tanh(m.kept[b * m.h + j]), dh = m.slope(b, j);
    T& carry = m.carry[b * m.h + j];
    const T dc = carry + dh * o * (T(1) - tc * tc);
    carry = dc * f;
    d[0] = dc * g * (i - i * i), d[m.h] = dc * m.old_c(b, j) * (f - f * f);
    d[2 * m.h] = dc * i * (T(1) - g * g), d[3 * m.h] = dh * tc * (o - o * o);
  }
};
template <class T> struct GruCell {
  static constexpr int GATES = 3, WIDTH = 4, HIDDEN = 3;  // d: r, z, n through W_hh, n through W_ih
  Memory<T> m;
  __device__ void forward(int64_t b, int64_t j) const {
    const global<T> gates = m.gates + b * 3 * m.h + j;
    const auto a = [&](int k) { return m.with_bias(m.sum(b, k * m.h + j), k * m.h + j); };
    const T r = sigmoid(a(0) + gates[0]), z = sigmoid(a(1) + gates[m.h]), inner = a(2), n = tanh(gates[2 * m.h] + r * inner);
    gates[0] = r, gates[m.h] = z, gates[2 * m.h] = n;
    m.kept[b * m.h + j] = inner, m.y[b * m.h + j] = n + z * (m.old_y(b, j) - n);
  }
  __device__ void backward(int64_t b, int64_t j) const {
    const global<T> gates = m.gates + b * 3 * m.h + j, d = m.d + b * 4 * m.h + j;
    T& carry = m.carry[b * m.h + j];
    const T r = gates[0], z = gates[m.h], n = gates[2 * m.h], dh = m.slope(b, j) + carry, da = dh * (T(1) - z) * (T(1) - n * n);
    carry = dh * z;
    d[0] = da * m.kept[b * m.h + j] * (r - r * r), d[m.h] = dh * (m.old_y(b, j) - n) * (z - z * z);
    d[2 * m.h] = da * r, d[3 * m.h] = da;
  }
};
template <class Cell, bool BACK> struct Step {
  Cell cell;
  __device__ void operator()(int64_t e) const {
    const int64_t b = e / cell.m.h, j = e % cell.m.h;
    if constexpr (BACK) cell.backward(b, j);
    else cell.forward(b, j);
  }
};

inline void check(const Times& times, const Layer& l, const View& y, int gates, int states) {
  const int64_t h = l.w_hh.ndim == 2 ? l.w_hh.shape[1] : -1, n = times.rows;
  const auto fits = [&](const View& v, int64_t rows, int64_t columns) { return v.dtype == l.x.dtype && v.ndim == 2 && v.shape[0] == rows && v.shape[1] == columns; };
  const auto bias = [&](const View& b) { return b.ndim < 0 || (b.dtype == l.x.dtype && b.ndim == 1 && b.shape[0] == gates * h); };
  if (l.x.ndim != 2 || !fits(l.x, n, l.x.shape[1]) || !fits(l.w_ih, gates * h, l.x.shape[1]) || !fits(l.w_hh, gates * h, h) || !bias(l.b_ih) ||
      !bias(l.b_hh) || (l.h0.ndim >= 0 && !fits(l.h0, times.batch, h)) || !fits(y, n + states * times.batch, h))
    raise_error(ErrorKind::shape, "rnn: shapes or types of input, states and weights do not fit");
}
inline void project(const View& to, const Layer& l, int64_t columns) {  // W_ih x + b_ih of all steps
  if (l.x.shape[0]) l.multiply(matrix(to, 0, l.x.shape[0], columns, columns), l.x, transposed(l.w_ih), l.b_ih);
}

template <class T> struct Finals {  // the last h (and c) of each sequence, behind all rows
  int64_t h;
  global<T> to;
  global<const T> from;
  global<const int64_t> row;
  __device__ void operator()(int64_t e) const { to[e] = from[row[e / h] * h + e % h]; }
};

template <class T, class Cell> void run(const char* name, const Times& times, const Layer& l, const View& y, const View& gates, const View& kept, const View& c0, int states) {
  const int64_t h = l.w_hh.shape[1], width = Cell::GATES * h, batch = times.batch;
  if (!times.rows || !h) return;
  Scratch<T> hidden(batch * width);
  const View sums = view_of<T>(hidden.data, {batch, width});
  const View table = transposed(l.w_hh);
  for (int64_t s = 0; s < times.steps; ++s) {
    const int64_t t = times.at(s), size = times.sizes[t], on = times.going_on(t), row = times.first(t), past = on ? times.first(times.before(t)) : 0;
    if (!size) continue;
    const bool starts = l.h0.ndim >= 0 && size > on;
    if (on) l.multiply(matrix(sums, 0, on, width, width), matrix(y, past * h, on, h, h), table);
    if (starts) l.multiply(matrix(sums, on * width, size - on, width, width), matrix(l.h0, on * h, size - on, h, h), table);
    Memory<T> m{};
    m.h = h, m.y = out<T>(y) + row * h, m.sums = hidden.read(), m.with_sums = starts ? size : on, m.width = width, m.going_on = on;
    if (gates.ndim >= 0) m.gates = out<T>(gates) + row * width, m.kept = out<T>(kept) + row * h;
    if (l.b_hh.ndim >= 0) m.bias = in<T>(l.b_hh);
    m.before_y = in<T>(y) + past * h;
    if (kept.ndim >= 0) m.before_c = in<T>(kept) + past * h;
    if (l.h0.ndim >= 0) m.first_y = in<T>(l.h0);
    if (c0.ndim >= 0) m.first_c = in<T>(c0);
    launch_each(name, size * h, Step<Cell, false>{{m}});
  }
  std::vector<int64_t> last(static_cast<size_t>(batch));
  for (int64_t b = 0; b < batch; ++b) last[size_t(b)] = times.first(times.last(b)) + b;
  Scratch<int64_t> rows(batch);
  runtime::to_device(rows.data, last.data(), last.size() * sizeof(int64_t));
  launch_each(name, batch * h, Finals<T>{h, out<T>(y) + times.rows * h, in<T>(y), rows.read()});
  if (states > 1) launch_each(name, batch * h, Finals<T>{h, out<T>(y) + (times.rows + batch) * h, in<T>(kept), rows.read()});
}

// d of all rows and the gradients of the initial states; carry (B, H) holds what goes to the step before beside d W_hh.
template <class T, class Cell>
void run_back(const char* name, const Times& times, const Layer& l, const View& dh0, const View& g, const View& y, const View& gates, const View& kept, const View& c0,
              const View& d, const View& carry, bool add_carry) {
  const int64_t h = l.w_hh.shape[1], width = Cell::WIDTH * h, k = Cell::HIDDEN * h, batch = times.batch;
  if (!h) return;
  Scratch<T> hidden(batch * h);
  const View sums = view_of<T>(hidden.data, {batch, h});
  for (int64_t s = 0; s < times.steps; ++s) {
    const int64_t t = times.at(times.steps - 1 - s), size = times.sizes[t], on = times.going_on(t), more = times.continued(t), row = times.first(t);
    const int64_t past = on ? times.first(times.before(t)) : 0;
    if (!size) continue;
    if (more) l.multiply(matrix(sums, 0, more, h, h), matrix(d, times.first(times.after(t)) * width, more, k, width), l.w_hh);
    Memory<T> m{};
    m.h = h, m.y = out<T>(y) + row * h, m.sums = hidden.read(), m.with_sums = more, m.width = h, m.going_on = on, m.continued = more;
    if (gates.ndim >= 0) m.gates = out<T>(gates) + row * Cell::GATES * h, m.kept = out<T>(kept) + row * h, m.before_c = in<T>(kept) + past * h;
    m.before_y = in<T>(y) + past * h;
    if (l.h0.ndim >= 0) m.first_y = in<T>(l.h0);
    if (c0.ndim >= 0) m.first_c = in<T>(c0);
    m.g = in<T>(g) + row * h, m.ends = in<T>(g) + times.rows * h, m.d = out<T>(d) + row * width;
    if (carry.ndim >= 0) m.carry = out<T>(carry);
    launch_each(name, size * h, Step<Cell, true>{{m}});
  }
  if (!wanted(dh0)) return;
  for (int64_t t = 0; t < times.steps; ++t) {  // the rows that begin at step t
    const int64_t from = times.going_on(t), count = times.sizes[t] - from;
    if (count <= 0) continue;
    l.multiply(matrix(dh0, from * h, count, h, h), matrix(d, (times.first(t) + from) * width, count, k, width), l.w_hh,
               add_carry ? matrix(carry, from * h, count, h, h) : ABSENT);
  }
}

// ---- an LSTM, step by step ------------------------------------------------------------------------------------------------------

inline void lstm_steps(const Layer& l, const Times& times, const View& y, const View& gates, const View& cells, const View& c0) {
  check(times, l, y, 4, 2);
  project(gates, l, 4 * l.w_hh.shape[1]);
  with_floats("lstm", l.x, [&](auto t) { run<decltype(t), LstmCell<decltype(t)>>("lstm", times, l, y, gates, cells, c0, 2); });
}
// back(T{}, d, dc0) makes d of all rows, dh0 and dc0; then the gradients of x and the weights.
template <class Back> void lstm_back(const Layer& l, const LayerGradients& to, const Times& times, const View& dc0, const View& g, const View& y, const Back& back) {
  check(times, l, y, 4, 2);
  with_floats("lstm_dx", l.x, [&](auto t) {
    using T = decltype(t);
    const int64_t h = l.w_hh.shape[1], states = times.batch * h;
    Scratch<T> memory(times.rows * 4 * h);
    const View d = view_of<T>(memory.data, {times.rows, 4 * h});
    if (states) copy(Out{matrix(dc0, 0, times.batch, h, h)}, In{matrix(g, times.rows * h + states, times.batch, h, h)});  // of the final c
    back(t, d);
    const Columns all[] = {{0, 0, 4 * h}};
    weight_gradients<T>(times, l, to, y, d, 4 * h, all, 1, 4 * h);
  });
}
inline void lstm_steps_back(const Layer& l, const LayerGradients& to, const Times& times, const View& dc0, const View& g, const View& y, const View& gates,
                            const View& cells, const View& c0) {
  lstm_back(l, to, times, dc0, g, y, [&]<class T>(T, const View& d) { run_back<T, LstmCell<T>>("lstm_dx", times, l, to.dh0, g, y, gates, cells, c0, d, dc0, false); });
}

}  // namespace fastnn::cuda
