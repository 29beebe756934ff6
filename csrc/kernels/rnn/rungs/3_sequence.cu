// lstm on a GPU, rung 3, sequence: one launch for all steps. A block has 4 sequences, and their states in shared memory, from first to last.
//
//    forward       a thread makes gates k of its 4 sequences: Σ W_hhᵀ[j, k] · h[j], lanes along k, every number of W_hh used 4 times;
//                  barrier; then units, with four gates each; barrier
//    derivative    d of the units; barrier; dh[j] = Σ d[k] · W_hh[k, j], lanes along j; barrier
//
// Sequences of a packed batch differ in length: one whose step it is not keeps its state, so begins and ends need no cases.
// Products over all steps (W_ih x, dW, dx) are rung 2's, and so are layers of more than 256 units. (sequence.cuh)
//
// cost     W_hh from the second-level cache, once a step and block; as many blocks as there are fours of sequences
// counted  T5 B8 16-32: 3,334 requests of global memory, 16,416 sectors; 5,912 of shared memory, 0 conflicts
//          derivative:  3,156 requests of global memory, 13,592 sectors; 13,224 of shared memory, 0 conflicts
// read on  ../rnn.cu: rung 2, with tiles and pieces of its products that fit their shapes
#include "sequence.cuh"

namespace fastnn::cuda {

void matmul_bias_warps(Out c, In a, In b, In bias);

namespace {

// Launches a kernel with all that both directions have, and what set(run) adds; W_hh is transposed on the way forward.
template <class T, class F>
void run(const char* name, void (*kernel)(Run<T>), const Layer& l, const Times& times, const View& gates, const View& cells, const View& c0, bool back, const F& set) {
  const int64_t h = l.w_hh.shape[1];
  Scratch<int64_t> sizes(times.steps), starts(times.steps);
  runtime::to_device(sizes.data, times.sizes, size_t(times.steps) * sizeof(int64_t));
  runtime::to_device(starts.data, times.start.data(), size_t(times.steps) * sizeof(int64_t));
  Scratch<T> across(back ? 0 : 4 * h * h);
  if (!back && h) copy(Out{view_of<T>(across.data, {h, 4 * h})}, In{transposed(l.w_hh)});
  Run<T> m{};
  m.steps = times.steps, m.batch = times.batch, m.rows = times.rows, m.h = h, m.reverse = times.reverse, m.sizes = sizes.read(), m.starts = starts.read();
  m.table = back ? in<T>(l.w_hh) : across.read(), m.bias = given<const T>(l.b_hh), m.first_h = given<const T>(l.h0), m.first_c = given<const T>(c0);
  m.gates = out<T>(gates), m.cells = out<T>(cells);
  set(m);
  if (h) launch(name, kernel, unsigned(ceil_div(times.batch, SEQUENCES)), THREADS, m);
}

void forward(const Layer& l, const Times& times, const View& y, const View& gates, const View& cells, const View& c0) {
  if (l.w_hh.shape[1] > MOST) return lstm_steps(l, times, y, gates, cells, c0);
  check(times, l, y, 4, 2);
  project(gates, l, 4 * l.w_hh.shape[1]);
  with_floats("lstm", l.x, [&]<class T>(T) { run<T>("lstm", &all_steps<T>, l, times, gates, cells, c0, false, [&](Run<T>& m) { m.y = out<T>(y); }); });
}
void derivative(const Layer& l, const LayerGradients& to, const Times& times, const View& dc0, const View& g, const View& y, const View& gates, const View& cells,
                const View& c0) {
  if (l.w_hh.shape[1] > MOST) return lstm_steps_back(l, to, times, dc0, g, y, gates, cells, c0);
  lstm_back(l, to, times, dc0, g, y, [&]<class T>(T, const View& d) {
    run<T>("lstm_dx", &all_steps_back<T>, l, times, gates, cells, c0, true, [&](Run<T>& m) { m.g = in<T>(g), m.d = out<T>(d), m.dc0 = out<T>(dc0), m.dh0 = given<T>(to.dh0); });
  });
}

}  // namespace

FN_LSTM_OWN_RUNG(sequence, matmul_bias_warps, forward, derivative)

}  // namespace fastnn::cuda
