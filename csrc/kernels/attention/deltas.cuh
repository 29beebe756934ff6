// attention/deltas.cuh: D = Σ g·y of every row, which the derivative of softmax takes off.
#pragma once
#include "../../core/cuda/team.cuh"
#include "problem.cuh"

namespace fastnn::cuda {

template <class T> __global__ void __launch_bounds__(TEAM_THREADS) deltas(Problem<T> p, int parts, global<Sum<T>> delta) {
  SHARED(Sum<T>, memory, TEAM_THREADS);
  const Team team(parts, true);
  const int64_t all = p.heads * p.rows;
  for (int64_t first = int64_t(blockIdx.x) * team.teams; first < all; first += int64_t(gridDim.x) * team.teams) {
    const int64_t n = first + team.team;
    int64_t at[8];
    Sum<T> sum = 0;
    if (n < all) {
      p.starts.find(n / p.rows, at);
      for (int64_t j = team.part; j < p.values; j += team.parts) sum += wide(p.g.at(at[G], n % p.rows, p.length, j)) * wide(p.y.at(at[Y], n % p.rows, p.length, j));
    }
    sum = team.join(memory, sum, [](Sum<T> a, Sum<T> b) { return a + b; });
    if (team.part == 0 && n < all) delta[n] = sum;
  }
}
template <class T> void launch_deltas(const Problem<T>& p, global<Sum<T>> delta) {
  const int parts = team_size(p.values);
  if (p.heads > 0 && p.rows > 0) launch("attention_dx", &deltas<T>, blocks_for(p.heads * p.rows, TEAM_THREADS / parts), TEAM_THREADS, p, parts, delta);
}

}  // namespace fastnn::cuda
