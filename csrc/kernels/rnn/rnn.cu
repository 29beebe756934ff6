// rnn/rnn.cu: a recurrent layer over a whole packed batch of sequences, in one call; rnn (tanh, relu), lstm, gru. As rnn.cpp:
//
//    x (N, I) rows of all steps   ->   y (N + B, H): h of every row, then the final h of each sequence; lstm: then the final c.
//    gates (N, G·H) and cells (N, H) are kept for the derivative.
//
//    forward     W_ih x + b_ih of all steps: one product. For each step: W_hh h, then one kernel with all non-linearities of its units
//    derivative  for each step, last one first: dh = d W_hh, then one kernel that turns it into d of that step. Then dW_ih = dᵀ x,
//                dW_hh = dᵀ h, dx = d W_ih and the biases over all steps: one product each
//
// cost     2 or 3 launches a step, which bounds small layers (about 3 us each)
// read on  steps.cuh, times.cuh
#include "steps.cuh"

namespace fastnn::cuda {
namespace {

template <class T, class Cell> void rnn_back(const Times& times, const Layer& l, const LayerGradients& to, const View& g, const View& y) {
  const int64_t h = l.w_hh.shape[1];
  Scratch<T> memory(times.rows * h);
  const View d = view_of<T>(memory.data, {times.rows, h});
  run_back<T, Cell>("rnn_dx", times, l, to.dh0, g, y, ABSENT, ABSENT, ABSENT, d, ABSENT, false);
  const Columns all[] = {{0, 0, h}};
  weight_gradients<T>(times, l, to, y, d, h, all, 1, h);
}

}  // namespace

void rnn(PackedOut y, PackedIn x, PackedIn h0, PackedIn w_ih, PackedIn w_hh, PackedIn b_ih, PackedIn b_hh, HostIn sizes, bool reverse, bool relu) {
  const Times times(sizes, reverse);
  const Layer l{x, h0, w_ih, w_hh, b_ih, b_hh};
  check(times, l, y, 1, 1);
  project(y, l, w_hh.shape[1]);
  with_floats("rnn", x, [&](auto t) {
    using T = decltype(t);
    if (relu) run<T, RnnCell<T, true>>("rnn", times, l, y, ABSENT, ABSENT, ABSENT, 1);
    else run<T, RnnCell<T, false>>("rnn", times, l, y, ABSENT, ABSENT, ABSENT, 1);
  });
}
void rnn_dx(PackedOut dx, PackedOut dh0, PackedOut dw_ih, PackedOut dw_hh, PackedOut db_ih, PackedOut db_hh, PackedIn g, PackedIn y, PackedIn x, PackedIn h0,
            PackedIn w_ih, PackedIn w_hh, HostIn sizes, bool reverse, bool relu) {
  const Times times(sizes, reverse);
  const Layer l{x, h0, w_ih, w_hh, ABSENT, ABSENT};
  const LayerGradients to{dx, dh0, dw_ih, dw_hh, db_ih, db_hh};
  check(times, l, y, 1, 1);
  with_floats("rnn_dx", x, [&](auto t) {
    using T = decltype(t);
    if (relu) rnn_back<T, RnnCell<T, true>>(times, l, to, g, y);
    else rnn_back<T, RnnCell<T, false>>(times, l, to, g, y);
  });
}

void lstm(PackedOut y, PackedOut gates, PackedOut cells, PackedIn x, PackedIn h0, PackedIn c0, PackedIn w_ih, PackedIn w_hh, PackedIn b_ih, PackedIn b_hh,
          HostIn sizes, bool reverse) {
  lstm_steps({x, h0, w_ih, w_hh, b_ih, b_hh}, Times(sizes, reverse), y, gates, cells, c0);
}
void lstm_dx(PackedOut dx, PackedOut dh0, PackedOut dc0, PackedOut dw_ih, PackedOut dw_hh, PackedOut db_ih, PackedOut db_hh, PackedIn g, PackedIn y, PackedIn gates,
             PackedIn cells, PackedIn x, PackedIn h0, PackedIn c0, PackedIn w_ih, PackedIn w_hh, HostIn sizes, bool reverse) {
  lstm_steps_back({x, h0, w_ih, w_hh, ABSENT, ABSENT}, {dx, dh0, dw_ih, dw_hh, db_ih, db_hh}, Times(sizes, reverse), dc0, g, y, gates, cells, c0);
}

void gru(PackedOut y, PackedOut gates, PackedOut cells, PackedIn x, PackedIn h0, PackedIn w_ih, PackedIn w_hh, PackedIn b_ih, PackedIn b_hh, HostIn sizes,
         bool reverse) {
  const Times times(sizes, reverse);
  const Layer l{x, h0, w_ih, w_hh, b_ih, b_hh};
  check(times, l, y, 3, 1);
  project(gates, l, 3 * w_hh.shape[1]);
  with_floats("gru", x, [&](auto t) { run<decltype(t), GruCell<decltype(t)>>("gru", times, l, y, gates, cells, ABSENT, 1); });
}
void gru_dx(PackedOut dx, PackedOut dh0, PackedOut dw_ih, PackedOut dw_hh, PackedOut db_ih, PackedOut db_hh, PackedIn g, PackedIn y, PackedIn gates, PackedIn cells,
            PackedIn x, PackedIn h0, PackedIn w_ih, PackedIn w_hh, HostIn sizes, bool reverse) {
  const Times times(sizes, reverse);
  const Layer l{x, h0, w_ih, w_hh, ABSENT, ABSENT};
  const LayerGradients to{dx, dh0, dw_ih, dw_hh, db_ih, db_hh};
  check(times, l, y, 3, 1);
  with_floats("gru_dx", x, [&](auto t) {
    using T = decltype(t);
    const int64_t h = w_hh.shape[1];
    Scratch<T> memory(times.rows * 4 * h), carried(times.batch * h);
    const View d = view_of<T>(memory.data, {times.rows, 4 * h}), carry = view_of<T>(carried.data, {times.batch, h});
    launch_each("gru_dx", times.batch * h, Zeros<T>{global<T>(carried)});
    run_back<T, GruCell<T>>("gru_dx", times, l, dh0, g, y, gates, cells, ABSENT, d, carry, true);
    const Columns parts[] = {{0, 0, 2 * h}, {3 * h, 2 * h, h}};
    weight_gradients<T>(times, l, to, y, d, 4 * h, parts, 2, 3 * h);
  });
}

}  // namespace fastnn::cuda
