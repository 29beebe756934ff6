// attention/rungs/core_gradients.cuh: rung 4's derivative: weights again from lse, on tensor cores, and from their registers into sums.
#pragma once
#include "cores.cuh"

namespace fastnn::cuda {

// KEYS: dk and dv of 64 keys, from all rows; else dq and dmask of 64 rows, from all keys that they see.
template <bool KEYS> __global__ void __launch_bounds__(CORE_THREADS) core_gradients(Gradients<float> d) {
  SHARED(float, left, OWN * APART);
  SHARED(float, right, OTHERS * COLUMNS_APART);
  const Problem<float>& p = KEYS ? d.keys : d.rows;
  const int64_t first = int64_t(blockIdx.x) * OWN, column0 = int64_t(blockIdx.z) * COLUMNS;
  each_head(p.heads, [&](int64_t head) {
    int64_t at[8];
    p.starts.find(head, at);
    Sums sum = {}, sum_v = {};
    for (int64_t other = 0; other < (KEYS ? p.rows : p.most_seen(first, first + OWN)); other += OTHERS) {
      if (KEYS && p.most_seen(other, other + OTHERS) <= first) continue;
      const Lines<float> q = queries(p, at, KEYS ? other : first), k = keys(p, at, KEYS ? first : other), g = grads(p, at, KEYS ? other : first),
                         v = values(p, at, KEYS ? first : other);
      Scores s, grad;
      dots(s, left, right, KEYS ? k : q, KEYS ? q : k);
      dots(grad, left, right, KEYS ? v : g, KEYS ? g : v);
      each_number<OTHERS>([&](int n, int i, int line, int j) {
        const int64_t r = KEYS ? other + j : first + line, key = KEYS ? first + line : other + j;
        const Weight<float> both = weigh(p, head, at, r, key, p.scale * s[n][i], grad[n][i], r < p.rows ? d.lse[head * p.rows + r] : 0, r < p.rows ? d.delta[head * p.rows + r] : 0);
        s[n][i] = both.p, grad[n][i] = both.slope;
        if (!KEYS && d.dmask.data && blockIdx.z == 0 && r < p.rows && key < p.keys) d.dmask.at(at[OUT2], r, p.length, key) = both.slope;
      });
      add_lines(sum, grad, right, KEYS ? q : k, column0);
      if (KEYS) add_lines(sum_v, s, right, g, column0);
    }
    const auto write = [&](const Sums& from, const Strided<float>& to, int start, int64_t width, float scale) {
      each_number<COLUMNS>([&](int n, int i, int line, int c) {
        if (to.data && first + line < (KEYS ? p.keys : p.rows) && column0 + c < width) to.at(at[start], first + line, KEYS ? p.keys : p.length, column0 + c) = scale * from[n][i];
      });
    };
    write(sum, KEYS ? d.dk : d.dq, OUT, p.width, p.scale);
    if (KEYS) write(sum_v, d.dv, OUT2, p.values, 1);
  });
}

}  // namespace fastnn::cuda
