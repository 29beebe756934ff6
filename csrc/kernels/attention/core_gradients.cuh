// attention/core_gradients.cuh: the derivative on tensor cores: weights again from lse, and from their registers into sums.
#pragma once
#include "cores.cuh"

namespace fastnn::cuda {

// KEYS: dk and dv of 64 keys, from all rows; else dq and dmask of 64 rows, from all keys that they see.
template <class T, bool KEYS> __global__ void __launch_bounds__(CORE_THREADS) core_gradients(Gradients<T> d) {
  constexpr int COLUMNS = 64, N = OTHERS<T, COLUMNS>, W = SLICE<T, COLUMNS>;
  SHARED(T, left, (LEFT<T, COLUMNS>));
  SHARED(T, right, (RIGHT<T, COLUMNS>));
  const Problem<T>& p = KEYS ? d.keys : d.rows;
  const int64_t first = int64_t(blockIdx.x) * OWN, column0 = int64_t(blockIdx.z) * COLUMNS;
  each_head(p.heads, [&](int64_t head) {
    int64_t at[8];
    p.starts.find(head, at);
    Sums<COLUMNS> sum = {}, sum_v = {};
    for (int64_t other = 0; other < (KEYS ? p.rows : p.most_seen(first, first + OWN)); other += N) {
      if (KEYS && p.most_seen(other, other + N) <= first) continue;
      const Lines<T> q = queries(p, at, KEYS ? other : first), k = keys(p, at, KEYS ? first : other), g = grads(p, at, KEYS ? other : first),
                         v = values(p, at, KEYS ? first : other);
      Scores<N> s, grad;
      dots<N, W, T>(s, left, right, KEYS ? k : q, KEYS ? q : k);
      dots<N, W, T>(grad, left, right, KEYS ? v : g, KEYS ? g : v);
      each_number<N>([&](int n, int i, int line, int j) {
        const int64_t r = KEYS ? other + j : first + line, key = KEYS ? first + line : other + j;
        const Weight<float> both = weigh(p, head, at, r, key, p.scale * s[n][i], grad[n][i], r < p.rows ? d.lse[head * p.rows + r] : 0, r < p.rows ? d.delta[head * p.rows + r] : 0);
        s[n][i] = both.p, grad[n][i] = both.slope;
        if (!KEYS && d.dmask.data && blockIdx.z == 0 && r < p.rows && key < p.keys) d.dmask.at(at[OUT2], r, p.length, key) = narrow<T>(both.slope);
      });
      add_lines<N, COLUMNS, T>(sum, grad, right, KEYS ? q : k, column0);
      if (KEYS) add_lines<N, COLUMNS, T>(sum_v, s, right, g, column0);
    }
    const auto write = [&](const Sums<COLUMNS>& from, const Strided<T>& to, int start, int64_t width, float scale) {
      each_number<COLUMNS>([&](int n, int i, int line, int c) {
        if (to.data && first + line < (KEYS ? p.keys : p.rows) && column0 + c < width) to.at(at[start], first + line, KEYS ? p.keys : p.length, column0 + c) = narrow<T>(scale * from[n][i]);
      });
    };
    write(sum, KEYS ? d.dk : d.dq, OUT, p.width, p.scale);
    if (KEYS) write(sum_v, d.dv, OUT2, p.values, 1);
  });
}
template <class T> void launch_core_gradients(const Gradients<T>& d) {
  const Problem<T>& p = d.rows;
  launch("attention_dx", &core_gradients<T, true>, core_grid(p.keys, p.heads, p.width > p.values ? p.width : p.values, 64), CORE_THREADS, d);
  launch("attention_dx", &core_gradients<T, false>, core_grid(p.rows, p.heads, p.width, 64), CORE_THREADS, d);
}

}  // namespace fastnn::cuda
