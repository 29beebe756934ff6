// attention on a GPU, rung 1, naive: all scores are in memory, and a thread makes one number of whatever is to be made.
//
//    S = scale q kᵀ + mask      P = softmax(S) by rows, a thread a row      y = P v
//    dP = g vᵀ      dS = P (dP - Σ g y)      dq = scale dS k      dk = scale dSᵀ q      dv = Pᵀ g
//
// cost     two requests a multiply-add, of many sectors for scores and for rows; matrices of L x S numbers go through memory several times
// counted  1x1x128x32 causal: 68,228 requests of global memory, 690,704 sectors; 0 of shared memory, 0 conflicts
//          derivative:        166,532 requests of global memory, 1,341,968 sectors; 0 of shared memory, 0 conflicts
// read on  2_tiled.cu
#include "../heads.cuh"

namespace fastnn::cuda {
namespace {

template <class T> struct Score {
  global<T> s;
  __device__ void operator()(const Problem<T>& p, const int64_t* at, int64_t head, int64_t r, int64_t j) const {
    s[(head * p.rows + r) * p.keys + j] = p.score(at[MASK], r, j, p.scale * dot<T>(p.width, p.q, at[Q], r, p.length, p.k, at[K], j));
  }
};
template <class T> struct Softmax {
  global<T> s, lse;
  __device__ void operator()(const Problem<T>& p, const int64_t*, int64_t head, int64_t r, int64_t) const {
    const global<T> row = s + (head * p.rows + r) * p.keys;
    T top = -T(Limits<T>::INF), sum = 0;
    for (int64_t j = 0; j < p.keys; ++j) top = max(row[j], top);
    if (top == -T(Limits<T>::INF)) top = 0;  // nothing is seen
    for (int64_t j = 0; j < p.keys; ++j) sum += exp(row[j] - top);
    for (int64_t j = 0; j < p.keys; ++j) {
      const T w = sum == T(0) ? T(0) : exp(row[j] - top) / sum;
      row[j] = p.dropped(p.keeps(head, r, j), w);
    }
    lse[head * p.rows + r] = sum == T(0) ? T(Limits<T>::INF) : top + log(sum);
  }
};
template <class T> struct Slope {
  Gradients<T> d;
  global<T> weights, slopes;  // P, dS
  __device__ void operator()(const Problem<T>& p, const int64_t* at, int64_t head, int64_t r, int64_t j) const {
    const int64_t row = head * p.rows + r;
    const T s = p.scale * dot<T>(p.width, p.q, at[Q], r, p.length, p.k, at[K], j), g = dot<T>(p.values, p.g, at[G], r, p.length, p.v, at[V], j);
    const Weight<T> w = weigh(p, head, at, r, j, s, g, d.lse[row], d.delta[row]);
    weights[row * p.keys + j] = w.p, slopes[row * p.keys + j] = w.slope;
    if (d.dmask.data) d.dmask.at(at[OUT2], r, p.length, j) = w.slope;
  }
};
template <bool KEYS, class T> struct Sum {  // to[i, c] = scale Σ s[i, n] · x[n, c]: by rows of s, or, for keys, down its columns
  global<const T> s;
  Strided<const T> x;
  Strided<T> to;
  int x_at, to_at;
  T scale;
  __device__ void operator()(const Problem<T>& p, const int64_t* at, int64_t head, int64_t i, int64_t c) const {
    T sum = 0;
    const int64_t first = head * p.rows * p.keys + (KEYS ? i : i * p.keys), step = KEYS ? p.keys : 1, length = KEYS ? p.length : p.keys;
    for (int64_t n = 0; n < (KEYS ? p.rows : p.keys); ++n) sum += s[first + n * step] * x.at(at[x_at], n, length, c);
    to.at(at[to_at], i, KEYS ? p.keys : p.length, c) = scale * sum;
  }
};

template <class T> void forward(const Problem<T>& p, const Strided<T>& y, const global<T>& lse) {
  Scratch<T> s(p.heads * p.rows * p.keys);
  each_of("attention", p, p.rows, p.keys, Score<T>{s});
  each_of("attention", p, p.rows, 1, Softmax<T>{s, lse});
  each_of("attention", p, p.rows, p.values, Sum<false, T>{s.read(), p.v, y, V, OUT, T(1)});
}
template <class T> void derivative(const Gradients<T>& d) {
  const Problem<T>& p = d.rows;
  Scratch<T> weights(p.heads * p.rows * p.keys), slopes(p.heads * p.rows * p.keys);
  each_of("attention_dx", p, p.rows, p.keys, Slope<T>{d, weights, slopes});
  if (d.dq.data) each_of("attention_dx", p, p.rows, p.width, Sum<false, T>{slopes.read(), p.k, d.dq, K, OUT, p.scale});
  if (d.dk.data) each_of("attention_dx", d.keys, p.keys, p.width, Sum<true, T>{slopes.read(), p.q, d.dk, Q, OUT, p.scale});
  if (d.dv.data) each_of("attention_dx", d.keys, p.keys, p.values, Sum<true, T>{weights.read(), p.g, d.dv, G, OUT2, T(1)});
}

}  // namespace

FN_ATTENTION_RUNG(naive, forward, derivative)

}  // namespace fastnn::cuda
