// attention/heads.cuh: what the GPU's rungs and the kernels of halves share: a call of the derivative, and how a score becomes a weight.
#pragma once
#include "problem.cuh"

namespace fastnn::cuda {

template <class T> struct Gradients {
  Problem<T> rows, keys;         // two, for their outputs: dq and dmask; dk and dv
  Strided<T> dq, dmask, dk, dv;  // without data where not wanted
  global<const Sum<T>> lse, delta;    // of every row: delta = Σ g·y
};

// P, its dropout, and dS of row r and key j, from the products of q with k, and of g with v.
template <class S> struct Weight { S p, slope; };
template <class T, class S = Sum<T>>
__device__ __forceinline__ Weight<S> weigh(const Problem<T>& p, int64_t head, const int64_t* at, int64_t r, int64_t j, Sum<T> score, Sum<T> grad, Sum<T> lse,
                                           Sum<T> delta) {
  if (r >= p.rows || j >= p.sees(r)) return {S(0), S(0)};
  const S w = exp(p.score(at[MASK], r, j, score) - lse);
  const bool keep = p.keeps(head, r, j);
  return {p.dropped(keep, w), w * (p.dropped(keep, grad) - delta)};
}

// make(problem, at, head, i, j) for `across` numbers j of `down` lines i of every head.
template <class T, class F> struct Each {
  Problem<T> p;
  int64_t down, across;
  F make;
  __device__ void operator()(int64_t e) const {
    int64_t at[8];
    p.starts.find(e / (down * across), at);
    make(p, at, e / (down * across), e / across % down, e % across);
  }
};
template <class T, class F> void each_of(const char* name, const Problem<T>& p, int64_t down, int64_t across, const F& make) {
  launch_each(name, p.heads * down * across, Each<T, F>{p, down, across, make});
}
// Σ a(i, n) · b(j, n) over n
template <class T> __device__ T dot(int64_t depth, const Strided<const T>& a, int64_t a0, int64_t i, int64_t length, const Strided<const T>& b, int64_t b0, int64_t j) {
  T sum = 0;
  for (int64_t n = 0; n < depth; ++n) sum += a.at(a0, i, length, n) * b.data[b0 + j * b.row + n * b.column];
  return sum;
}

template <class T> struct Delta {
  global<Sum<T>> to;
  __device__ void operator()(const Problem<T>& p, const int64_t* at, int64_t head, int64_t r, int64_t) const {
    Sum<T> sum = 0;
    for (int64_t c = 0; c < p.values; ++c) sum += wide(p.g.at(at[G], r, p.length, c)) * wide(p.y.at(at[Y], r, p.length, c));
    to[head * p.rows + r] = sum;
  }
};

// LINES x WIDTH numbers read(line, column) to tile[line * STEP + column].
template <int LINES, int WIDTH, int STEP, int THREADS, class M, class F> __device__ __forceinline__ void fill(M& tile, const F& read) {
#pragma unroll 4
  for (int e = int(threadIdx.x); e < LINES * WIDTH; e += THREADS) tile[e / WIDTH * STEP + e % WIDTH] = read(e / WIDTH, e % WIDTH);
}

// Lines of an operand from `first` on, 0 outside of it.
template <class T> struct Lines {
  Strided<const T> x;
  int64_t start, first, count, length, width;
  __device__ __forceinline__ T operator()(int i, int64_t c) const {
    return first + i < count && c < width ? x.at(start, first + i, length, c) : T{};
  }
};

template <class T> __device__ __forceinline__ Lines<T> queries(const Problem<T>& p, const int64_t* at, int64_t row0) { return {p.q, at[Q], row0, p.rows, p.length, p.width}; }
template <class T> __device__ __forceinline__ Lines<T> grads(const Problem<T>& p, const int64_t* at, int64_t row0) { return {p.g, at[G], row0, p.rows, p.length, p.values}; }
template <class T> __device__ __forceinline__ Lines<T> keys(const Problem<T>& p, const int64_t* at, int64_t key0) { return {p.k, at[K], key0, p.keys, p.keys, p.width}; }
template <class T> __device__ __forceinline__ Lines<T> values(const Problem<T>& p, const int64_t* at, int64_t key0) { return {p.v, at[V], key0, p.keys, p.keys, p.values}; }

template <class F> __device__ __forceinline__ void each_head(int64_t heads, const F& f) {
  for (int64_t head = blockIdx.y; head < heads; head += gridDim.y) f(head);
}
// Defines attention_<name> and attention_dx_<name> from forward(problem, y, lse) and derivative(gradients), for calls whose dtype
// fits; rung `other` takes the rest.
#define FN_ATTENTION_PART_RUNG(name, other, fits, forward, derivative)                                                                     \
  void attention_##other(Out y, PackedOut lse, In q, In k, In v, In mask, PackedIn dropout, double scale, bool causal, double p);          \
  void attention_dx_##other(Out dq, Out dk, Out dv, Out dmask, In g, In y, PackedIn lse, In q, In k, In v, In mask, PackedIn dropout,      \
                            double scale, bool causal, double p);                                                                          \
  void attention_##name(Out y, PackedOut lse, In q, In k, In v, In mask, PackedIn dropout, double scale, bool causal, double p) {          \
    if (!fits(q.dtype)) return attention_##other(y, lse, q, k, v, mask, dropout, scale, causal, p);                                        \
    with_floats("attention", q, [&]<class T>(T) {                                                                                          \
      const Problem<T> a = problem_of<T>(q, k, v, mask, dropout, scale, causal, p, nullptr, nullptr, &y, false, nullptr, false);           \
      if (a.heads > 0 && a.rows > 0) forward(a, strided<T>(y), out<T>(lse));                                                               \
    });                                                                                                                                    \
  }                                                                                                                                        \
  void attention_dx_##name(Out dq, Out dk, Out dv, Out dmask, In g, In y, PackedIn lse, In q, In k, In v, In mask, PackedIn dropout,       \
                           double scale, bool causal, double p) {                                                                          \
    if (!fits(q.dtype)) return attention_dx_##other(dq, dk, dv, dmask, g, y, lse, q, k, v, mask, dropout, scale, causal, p);               \
    with_floats("attention_dx", q, [&]<class T>(T) {                                                                                       \
      Gradients<T> d{problem_of<T>(q, k, v, mask, dropout, scale, causal, p, &g, &y, &dq, false, &dmask, false),                           \
                     problem_of<T>(q, k, v, mask, dropout, scale, causal, p, &g, &y, &dk, true, &dv, true),                                \
                     wanted<T>(dq), wanted<T>(dmask), wanted<T>(dk), wanted<T>(dv), in<T>(lse), {}};                                       \
      Scratch<T> delta(d.rows.heads * d.rows.rows);                                                                                        \
      each_of("attention_dx", d.rows, d.rows.rows, 1, Delta<T>{delta});                                                                    \
      d.delta = delta.read();                                                                                                              \
      if (d.rows.heads > 0) derivative(d);                                                                                                 \
    });                                                                                                                                    \
  }
#define FN_ATTENTION_RUNG(name, forward, derivative) FN_ATTENTION_PART_RUNG(name, name, [](DType) { return true; }, forward, derivative)

}  // namespace fastnn::cuda
