// rnn: a recurrent layer over a whole packed batch of sequences, in one call; rnn (tanh, relu), lstm, gru.
//
//    x (N, I) rows of all steps (times.h)   ->   y (N + B, H): h of every row, then the final h of each sequence;
//    lstm: y (N + 2B, H), the final c after it.   gates (N, G·H) and cells (N, H) are kept for the derivative.
//
//    forward     W_ih x + b_ih of all steps: one product.    For each step: W_hh h on tiles that hold all gates of a unit
//                (W_hh packed once so), the non-linearities applied to each tile as it is done (cells.h).
//    derivative  For each step, last one first: dh = d W_hh on tiles, each turned into d of that step. Then dW_ih = dᵀ x,
//                dW_hh = dᵀ h, dx = d W_ih and the biases over all steps: one product each.
//
// Cost: 2 N G H (I + H) flops forward, twice that for the derivative. Bound by the products of single steps: 8 to 16 rows
// against a W_hh that streams from L2. Training step of an LSTM 64-128, T 100, B 32: see bench/rnn.py.
// read on  times.h (order, threads)  ->  cells.h (formulas)  ->  rungs/ (from three loops to here)
#include "cells.h"

namespace fastnn::FN_ISA {
namespace {

void check(const Times& times, const Layer& l, const View& y, int gates, int states) {
  int64_t h = l.w_hh.ndim == 2 ? l.w_hh.shape[1] : -1, n = times.rows;
  auto fits = [&](const View& v, int64_t rows, int64_t columns) {
    return v.dtype == l.x.dtype && v.ndim == 2 && v.shape[0] == rows && v.shape[1] == columns;
  };
  auto bias = [&](const View& b) { return b.ndim < 0 || (b.dtype == l.x.dtype && b.ndim == 1 && b.shape[0] == gates * h); };
  if (l.x.ndim != 2 || !fits(l.x, n, l.x.shape[1]) || !fits(l.w_ih, gates * h, l.x.shape[1]) || !fits(l.w_hh, gates * h, h) ||
      !bias(l.b_ih) || !bias(l.b_hh) || (l.h0.ndim >= 0 && !fits(l.h0, times.batch, h)) || !fits(y, n + states * times.batch, h))
    raise_error(ErrorKind::shape, "rnn: shapes or types of input, states and weights do not fit");
}

void project(const View& to, const Layer& l, int64_t columns) {  // W_ih x + b_ih of all steps
  View out = matrix(to, 0, l.x.shape[0], columns, columns);
  if (l.x.shape[0]) matmul_rows(Out{out}, In{l.x}, In{transposed(l.w_ih)}, In{l.b_ih});
}

// W_hh for the forward tile: panel p holds the gates of UNITS vectors of units, for each k; in PARTS parts, one after another.
template <class Cell, class T> void pack_gates(T* to, const T* w, int64_t h) {
  constexpr int W = lanes<T>, V = Cell::VECTORS, U = Cell::UNITS * W;
  for (int64_t j = 0; j < h; j += U)
    for (int part = 0; part < Cell::PARTS; ++part, to += h * V * W)
      for (int v = 0; v < V; ++v) {
        int64_t gate = (part * V + v) / Cell::UNITS, unit = j + (part * V + v) % Cell::UNITS * W;
        if (unit < h) pack_panel<T>(to + v * W, V * W, {w + (gate * h + unit) * h, h, 1}, h - unit < W ? h - unit : W, h);
      }
}

template <class Cell, class T>
void run(const Times& times, const Layer& l, const View& y, T* gates, T* kept, const View& c0, int states) {
  constexpr int W = lanes<T>, U = Cell::UNITS * W;
  int64_t h = l.w_hh.shape[1], panels = ceil_div(h, U), size = h * Cell::PARTS * Cell::VECTORS * W;
  if (!times.rows || !h) return;
  Scratch<T> packed(panels * size + W);
  pack_gates<Cell>(packed.data, l.w_hh.ptr<T>(), h);
  ZerosOr<T> begin(l.h0, times.batch * h), cell(c0, states > 1 ? times.batch * h : 0);
  Memory<T> m{h, y.ptr<T>(), gates, kept, l.b_hh.ndim < 0 ? nullptr : l.b_hh.ptr<T>()};
  each_step(times, panels, 2 * h * h * Cell::GATES, panels * size * int64_t(sizeof(T)), [&](int64_t s, int64_t b, int64_t end, int64_t first, int64_t last) {
    int64_t t = times.at(s);
    end = end < times.sizes[t] ? end : times.sizes[t];
    int64_t middle = clamped(times.going_on(t), b, end);
    auto rows = [&](int64_t from, int64_t to, const T* hs, const T* cs) {
      if (from >= to) return;
      int64_t row = times.start[t] + from;
      each_tile<Cell::PARTS, Cell::VECTORS, T>(to - from, h, hs, h, packed, first, last, [&](const T* sums, int64_t i, int64_t n, int64_t p) {
        Cell::forward(m, {row + i, from + i, n, p * U, hs + i * h, cs + i * h, nullptr}, sums);
      });
    };
    int64_t before = middle > b ? times.start[times.before(t)] + b : 0;
    rows(b, middle, m.y + before * h, kept + before * h);
    rows(middle, end, begin.data + middle * h, cell.data + middle * h);
  });
  T* finals = m.y + times.rows * h;
  for (int64_t b = 0; b < times.batch; ++b) {
    int64_t row = times.start[times.last(b)] + b;
    __builtin_memcpy(finals + b * h, m.y + row * h, size_t(h) * sizeof(T));
    if (states > 1) __builtin_memcpy(finals + (times.batch + b) * h, kept + row * h, size_t(h) * sizeof(T));
  }
}

// d of all rows and the gradients of the initial states; carry (B, H) holds the gradient of the final c, and becomes dc0.
template <class Cell, class T>
void run_back(const Times& times, const Layer& l, const View& dh0, Memory<T> m, const View& c0, bool has_cell) {
  constexpr int W = lanes<T>;
  int64_t h = m.h, panels = ceil_div(h, NR<T>), k = Cell::HIDDEN * h, width = Cell::WIDTH * h, size = k * NR<T>;
  Scratch<T> packed(panels * size + W);
  for (int64_t p = 0; p < panels; ++p) {
    int64_t j = p * NR<T>;
    pack_panel<T>(packed + p * size, NR<T>, {l.w_hh.ptr<T>() + j, 1, h}, h - j < NR<T> ? h - j : NR<T>, k);
  }
  ZerosOr<T> begin(l.h0, times.batch * h), cell(c0, has_cell ? times.batch * h : 0);
  const T* ends = m.g + times.rows * h;
  each_step(times, panels, 2 * h * k, panels * size * int64_t(sizeof(T)), [&](int64_t s, int64_t b, int64_t end, int64_t first, int64_t last) {
    int64_t t = times.at(times.steps - 1 - s), going_on = times.going_on(t), continued = times.continued(t);
    end = end < times.sizes[t] ? end : times.sizes[t];
    for (int64_t from = b, to; from < end; from = to) {  // rows that are alike: have a step before, have a step after
      bool before = from < going_on, after = from < continued;
      to = end;
      if (before && going_on < to) to = going_on;
      if (after && continued < to) to = continued;
      int64_t row = times.start[t] + from, prev = before ? times.start[times.before(t)] + from : 0;
      const T* hs = before ? m.y + prev * h : begin.data + from * h;
      const T* cs = before ? m.kept + prev * h : cell.data + from * h;
      const T* next = after ? m.d + (times.start[times.after(t)] + from) * width : m.d;
      each_tile<1, NV, T>(to - from, after ? k : 0, next, width, packed, first, last,
                       [&](const T* sums, int64_t i, int64_t n, int64_t p) {
        Cell::backward(m, {row + i, from + i, n, p * NR<T>, hs + i * h, cs + i * h, after ? nullptr : ends + (from + i) * h}, sums);
      });
    }
  });
  if (!given(dh0)) return;
  Store<T> to{dh0.ptr<T>(), h, 1, has_cell ? nullptr : m.carry, h, 1};
  each_step(times, panels, 2 * h * k, panels * size * int64_t(sizeof(T)), [&](int64_t s, int64_t b, int64_t end, int64_t first, int64_t last) {
    int64_t t = times.at(s), from = clamped(times.going_on(t), b, end);  // the rows that begin at step t
    end = end < times.sizes[t] ? end : times.sizes[t];
    if (from < end)
      each_tile<1, NV, T>(end - from, k, m.d + (times.start[t] + from) * width, width, packed, first, last,
                       [&](const T* sums, int64_t i, int64_t n, int64_t p) {
        int64_t j = p * NR<T>;
        to.block(sums, NR<T>, from + i, j, n, h - j < NR<T> ? h - j : NR<T>, true);
      });
  });
}

template <bool Relu> void rnn_back(const Times& times, const Layer& l, const LayerGradients& out, const View& g, const View& y) {
  with_type(l.x, [&](auto type) {
    using T = decltype(type);
    int64_t h = l.w_hh.shape[1];
    Scratch<T> d(times.rows * h);
    run_back<RnnCell<T, Relu>>(times, l, out.dh0, Memory<T>{h, y.ptr<T>(), nullptr, nullptr, nullptr, g.ptr<T>(), d, nullptr}, ABSENT,
                               false);
    Columns all[] = {{0, 0, h}};
    weight_gradients<T>(times, l, out, y, d, h, all, 1, h);
  });
}

}  // namespace

void rnn(PackedOut y, PackedIn x, PackedIn h0, PackedIn w_ih, PackedIn w_hh, PackedIn b_ih, PackedIn b_hh, HostIn sizes,
         bool reverse, bool relu) {
  Times times(sizes, reverse);
  Layer l{x, h0, w_ih, w_hh, b_ih, b_hh};
  check(times, l, y, 1, 1);
  project(y, l, w_hh.shape[1]);
  with_type(x, [&](auto type) {
    using T = decltype(type);
    if (relu) run<RnnCell<T, true>, T>(times, l, y, nullptr, y.ptr<T>(), ABSENT, 1);
    else run<RnnCell<T, false>, T>(times, l, y, nullptr, y.ptr<T>(), ABSENT, 1);
  });
}

void rnn_dx(PackedOut dx, PackedOut dh0, PackedOut dw_ih, PackedOut dw_hh, PackedOut db_ih, PackedOut db_hh, PackedIn g, PackedIn y,
            PackedIn x, PackedIn h0, PackedIn w_ih, PackedIn w_hh, HostIn sizes, bool reverse, bool relu) {
  Times times(sizes, reverse);
  Layer l{x, h0, w_ih, w_hh, ABSENT, ABSENT};
  LayerGradients out{dx, dh0, dw_ih, dw_hh, db_ih, db_hh};
  check(times, l, y, 1, 1);
  if (relu) rnn_back<true>(times, l, out, g, y);
  else rnn_back<false>(times, l, out, g, y);
}

void lstm(PackedOut y, PackedOut gates, PackedOut cells, PackedIn x, PackedIn h0, PackedIn c0, PackedIn w_ih, PackedIn w_hh,
          PackedIn b_ih, PackedIn b_hh, HostIn sizes, bool reverse) {
  Times times(sizes, reverse);
  Layer l{x, h0, w_ih, w_hh, b_ih, b_hh};
  check(times, l, y, 4, 2);
  project(gates, l, 4 * w_hh.shape[1]);
  with_type(x, [&](auto type) {
    using T = decltype(type);
    run<LstmCell<T>, T>(times, l, y, gates.ptr<T>(), cells.ptr<T>(), c0, 2);
  });
}

void lstm_dx(PackedOut dx, PackedOut dh0, PackedOut dc0, PackedOut dw_ih, PackedOut dw_hh, PackedOut db_ih, PackedOut db_hh,
             PackedIn g, PackedIn y, PackedIn gates, PackedIn cells, PackedIn x, PackedIn h0, PackedIn c0, PackedIn w_ih,
             PackedIn w_hh, HostIn sizes, bool reverse) {
  Times times(sizes, reverse);
  Layer l{x, h0, w_ih, w_hh, ABSENT, ABSENT};
  LayerGradients out{dx, dh0, dw_ih, dw_hh, db_ih, db_hh};
  check(times, l, y, 4, 2);
  with_type(x, [&](auto type) {
    using T = decltype(type);
    int64_t h = w_hh.shape[1], states = times.batch * h;
    Scratch<T> d(times.rows * 4 * h);
    Memory<T> m{h, y.ptr<T>(), gates.ptr<T>(), cells.ptr<T>(), nullptr, g.ptr<T>(), d, dc0.ptr<T>()};
    __builtin_memcpy(m.carry, m.g + times.rows * h + states, size_t(states) * sizeof(T));
    run_back<LstmCell<T>>(times, l, dh0, m, c0, true);
    Columns all[] = {{0, 0, 4 * h}};
    weight_gradients<T>(times, l, out, y, d, 4 * h, all, 1, 4 * h);
  });
}

void gru(PackedOut y, PackedOut gates, PackedOut cells, PackedIn x, PackedIn h0, PackedIn w_ih, PackedIn w_hh, PackedIn b_ih,
         PackedIn b_hh, HostIn sizes, bool reverse) {
  Times times(sizes, reverse);
  Layer l{x, h0, w_ih, w_hh, b_ih, b_hh};
  check(times, l, y, 3, 1);
  project(gates, l, 3 * w_hh.shape[1]);
  with_type(x, [&](auto type) {
    using T = decltype(type);
    run<GruCell<T>, T>(times, l, y, gates.ptr<T>(), cells.ptr<T>(), ABSENT, 1);
  });
}

void gru_dx(PackedOut dx, PackedOut dh0, PackedOut dw_ih, PackedOut dw_hh, PackedOut db_ih, PackedOut db_hh, PackedIn g, PackedIn y,
            PackedIn gates, PackedIn cells, PackedIn x, PackedIn h0, PackedIn w_ih, PackedIn w_hh, HostIn sizes, bool reverse) {
  Times times(sizes, reverse);
  Layer l{x, h0, w_ih, w_hh, ABSENT, ABSENT};
  LayerGradients out{dx, dh0, dw_ih, dw_hh, db_ih, db_hh};
  check(times, l, y, 3, 1);
  with_type(x, [&](auto type) {
    using T = decltype(type);
    int64_t h = w_hh.shape[1], states = times.batch * h;
    Scratch<T> d(times.rows * 4 * h), carry(states);
    __builtin_memset(carry, 0, size_t(states) * sizeof(T));
    Memory<T> m{h, y.ptr<T>(), gates.ptr<T>(), cells.ptr<T>(), nullptr, g.ptr<T>(), d, carry};
    run_back<GruCell<T>>(times, l, dh0, m, ABSENT, false);
    Columns input[] = {{0, 0, 2 * h}, {3 * h, 2 * h, h}};
    weight_gradients<T>(times, l, out, y, d, 4 * h, input, 2, 3 * h);
  });
}

}  // namespace fastnn::FN_ISA
