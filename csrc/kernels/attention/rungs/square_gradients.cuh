// attention/rungs/square_gradients.cuh: rung 3's derivative, by squares of 32 x 32 weights that are made again from lse.
#pragma once
#include "squares.cuh"

namespace fastnn::cuda {

// KEYS: dk and dv of 32 keys, from all rows; else dq and dmask of 32 rows, from all keys that they see.
template <bool KEYS, class T> __global__ void __launch_bounds__(SQUARE_THREADS, 1) square_gradients(Gradients<T> d) {
  SHARED(T, left, SQUARE * APART);
  SHARED(T, right, SQUARE * APART);
  SHARED(T, weights, SQUARE * APART);
  SHARED(T, lines, SQUARE * WIDE);
  const Problem<T>& p = KEYS ? d.keys : d.rows;
  const int row = int(threadIdx.x) / PARTS, part = int(threadIdx.x) % PARTS;
  const int64_t first = int64_t(blockIdx.x) * SQUARE, column0 = int64_t(blockIdx.z) * WIDE;
  each_head(p.heads, [&](int64_t head) {
    int64_t at[8];
    p.starts.find(head, at);
    T sum[WIDE / PARTS] = {}, sum_v[WIDE / PARTS] = {};
    for (int64_t other = 0; other < (KEYS ? p.rows : p.most_seen(first, first + SQUARE)); other += SQUARE) {
      const int64_t row0 = KEYS ? other : first, key0 = KEYS ? first : other, r = row0 + row;
      if (KEYS && p.most_seen(row0, row0 + SQUARE) <= key0) continue;
      T dot[SQUARE / PARTS], grad[SQUARE / PARTS];
      Weight<T> w[SQUARE / PARTS];
      dots(dot, left, right, queries(p, at, row0), keys(p, at, key0));
      dots(grad, left, right, grads(p, at, row0), values(p, at, key0));
      const auto add = [&](T (&to)[WIDE / PARTS], T Weight<T>::* member, const Lines<T>& from) {
        for (int n = 0; n < SQUARE / PARTS; ++n) weights[row * APART + part + PARTS * n] = w[n].*member;
        fill<SQUARE, WIDE, WIDE, SQUARE_THREADS>(lines, [&](int i, int c) { return from(i, column0 + c); });
        __syncthreads();
        add_lines<KEYS>(to, weights, lines);
        __syncthreads();
      };
      for (int n = 0; n < SQUARE / PARTS; ++n) {
        const int64_t j = key0 + part + PARTS * n;
        w[n] = weigh(p, head, at, r, j, p.scale * dot[n], grad[n], r < p.rows ? d.lse[head * p.rows + r] : T(0), r < p.rows ? d.delta[head * p.rows + r] : T(0));
        if (!KEYS && d.dmask.data && blockIdx.z == 0 && r < p.rows && j < p.keys) d.dmask.at(at[OUT2], r, p.length, j) = w[n].slope;
      }
      add(sum, &Weight<T>::slope, KEYS ? queries(p, at, row0) : keys(p, at, key0));
      if (KEYS) add(sum_v, &Weight<T>::p, grads(p, at, row0));
    }
    const Strided<T>& to = KEYS ? d.dk : d.dq;
    for (int n = 0; n < WIDE / PARTS; ++n) {
      const int64_t i = first + row, c = column0 + part + PARTS * n;
      if (i >= (KEYS ? p.keys : p.rows)) continue;
      if (to.data && c < p.width) to.at(at[OUT], i, KEYS ? p.keys : p.length, c) = p.scale * sum[n];
      if (KEYS && d.dv.data && c < p.values) d.dv.at(at[OUT2], i, p.keys, c) = sum_v[n];
    }
  });
}

}  // namespace fastnn::cuda
