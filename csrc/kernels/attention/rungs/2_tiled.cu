// attention on a GPU, rung 2, tiled: the products are matmul's, on its tiles (rung 7 of that ladder); a warp has a row of scores.
//
// What a framework does whose kernels are those of other layers: q, k and v are packed first, a head after another (packed.cuh), and y
// and the gradients taken from packed ones. Lanes of a warp read neighbouring scores.
//
// cost     matrices of L x S numbers go through memory four times, in the derivative seven; none of a causal one's hidden half is left out
// counted  1x1x128x32 causal: 4,192 requests of global memory, 20,608 sectors; 6,016 of shared memory, 0 conflicts
//          derivative:        6,372 requests of global memory, 39,952 sectors; 16,000 of shared memory, 0 conflicts
// read on  3_online.cu
#include "../../../core/cuda/row.cuh"
#include "packed.cuh"

namespace fastnn::cuda {
namespace {

template <class T> __global__ void __launch_bounds__(ROW_THREADS) softmax(Problem<T> p, global<T> s, global<T> lse) {
  each_row<OneWarp>(p.heads * p.rows, [&](int64_t row, int64_t part) {
    const int64_t head = row / p.rows, r = row % p.rows, first = row * p.keys;
    int64_t at[8];
    p.starts.find(head, at);
    T top = -T(Limits<T>::INF), sum = 0;
    for (int64_t j = part; j < p.keys; j += WARP) {
      const T score = p.score(at[MASK], r, j, s[first + j]);
      s[first + j] = score, top = max(score, top);
    }
    top = OneWarp::join(top, Greater());
    if (top == -T(Limits<T>::INF)) top = 0;  // nothing is seen
    for (int64_t j = part; j < p.keys; j += WARP) sum += exp(s[first + j] - top);
    sum = OneWarp::join(sum, Plus());
    for (int64_t j = part; j < p.keys; j += WARP) {
      const T w = sum == T(0) ? T(0) : exp(s[first + j] - top) / sum;
      s[first + j] = p.dropped(p.keeps(head, r, j), w);
    }
    if (part == 0) lse[row] = sum == T(0) ? T(Limits<T>::INF) : top + log(sum);
  });
}
template <class T> __global__ void __launch_bounds__(ROW_THREADS) slopes(Gradients<T> d, global<T> s, global<T> dp) {  // P and dS in their places
  const Problem<T>& p = d.rows;
  each_row<OneWarp>(p.heads * p.rows, [&](int64_t row, int64_t part) {
    const int64_t head = row / p.rows, r = row % p.rows;
    int64_t at[8];
    p.starts.find(head, at);
    for (int64_t j = part; j < p.keys; j += WARP) {
      const Weight<T> w = weigh(p, head, at, r, j, s[row * p.keys + j], dp[row * p.keys + j], d.lse[row], d.delta[row]);
      s[row * p.keys + j] = w.p, dp[row * p.keys + j] = w.slope;
      if (d.dmask.data) d.dmask.at(at[OUT2], r, p.length, j) = w.slope;
    }
  });
}

template <class T> void forward(const Problem<T>& p, const Strided<T>& y, const global<T>& lse) {
  const Packed<T> q(p, p.q, Q, p.rows, p.length, p.width, p.scale), k(p, p.k, K, p.keys, p.keys, p.width), v(p, p.v, V, p.keys, p.keys, p.values);
  const Packed<T> s(p, p.rows, p.keys), all(p, p.rows, p.values);
  multiply(s.view, q.view, flipped(k.view));
  launch("attention", &softmax<T>, blocks_of<OneWarp>(p.heads * p.rows), ROW_THREADS, p, global<T>(s.data), lse);
  multiply(all.view, s.view, v.view);
  all.write(p, y, OUT, p.length);
}
template <class T> void derivative(const Gradients<T>& d) {
  const Problem<T>& p = d.rows;
  const Packed<T> q(p, p.q, Q, p.rows, p.length, p.width, p.scale), k(p, p.k, K, p.keys, p.keys, p.width), v(p, p.v, V, p.keys, p.keys, p.values);
  const Packed<T> g(p, p.g, G, p.rows, p.length, p.values), s(p, p.rows, p.keys), dp(p, p.rows, p.keys);
  multiply(s.view, q.view, flipped(k.view));
  multiply(dp.view, g.view, flipped(v.view));
  launch("attention_dx", &slopes<T>, blocks_of<OneWarp>(p.heads * p.rows), ROW_THREADS, d, global<T>(s.data), global<T>(dp.data));
  const auto gradient = [&](const Problem<T>& of, const Strided<T>& to, int at, int64_t lines, int64_t length, const View& a, const View& b, T scale) {
    const Packed<T> all(p, lines, b.shape[2]);
    multiply(all.view, a, b);
    if (to.data) all.write(of, to, at, length, scale);
  };
  gradient(p, d.dq, OUT, p.rows, p.length, dp.view, k.view, p.scale);
  gradient(d.keys, d.dk, OUT, p.keys, p.keys, flipped(dp.view), q.view, T(1));
  gradient(d.keys, d.dv, OUT2, p.keys, p.keys, flipped(s.view), g.view, T(1));
}

}  // namespace

FN_ATTENTION_RUNG(tiled, forward, derivative)

}  // namespace fastnn::cuda
