// attention/core_forward.cuh: softmax(scale q kᵀ + mask) v on tensor cores: a warp has 16 rows, and of them scores with some keys, the largest
// score and the sum so far, and COLUMNS columns of y, in registers. Rows of halves that are not wider than a tile stay in shared memory;
// values are on their way while scores are made, and the next keys while these weights meet values (`ahead`).
#pragma once
#include "cores.cuh"

namespace fastnn::cuda {

template <class F> __device__ __forceinline__ float across_row(float v, const F& f) {
  v = f(v, __shfl_xor_sync(ALL, v, 1));
  return f(v, __shfl_xor_sync(ALL, v, 2));
}

template <class T, int COLUMNS> __global__ void __launch_bounds__(CORE_THREADS) forward_rows(Problem<T> p, Strided<T> y, global<float> lse) {
  constexpr int N = OTHERS<T, COLUMNS>, W = SLICE<T, COLUMNS>;
  SHARED(T, left, (LEFT<T, COLUMNS>));
  SHARED(T, right, (RIGHT<T, COLUMNS>));
  SHARED(T, below, (is_half<T> ? RIGHT<T, COLUMNS> : 1));
  const bool ahead = is_half<T> && p.width <= W;
  const int64_t row0 = int64_t(blockIdx.x) * OWN, column0 = int64_t(blockIdx.z) * COLUMNS;
  each_head(p.heads, [&](int64_t head) {
    int64_t at[8];
    p.starts.find(head, at);
    Sums<COLUMNS> sum = {};
    float top[2] = {-Limits<float>::INF, -Limits<float>::INF}, all[2] = {};  // of a lane's two rows
    const int64_t seen = p.most_seen(row0, row0 + OWN);
    if (ahead) {
      fill_lines<OWN, W>(left, queries(p, at, row0), 0);
      if (seen > 0) fill_lines<N, W>(right, keys(p, at, 0), 0);
      close_copies();
    }
    for (int64_t key0 = 0; key0 < seen; key0 += N) {
      Scores<N> s;
      float most[2] = {top[0], top[1]}, part[2] = {}, m[2];
      if (ahead) {
        fill_lines<N, COLUMNS>(below, values(p, at, key0), column0);
        close_copies(), await_copies<1>();
        __syncthreads();  // rows and keys are there
        for (auto& numbers : s)
          for (float& number : numbers) number = 0;
        multiply_slices<N, W, T>(s, left, right);
        __syncthreads();  // nobody reads these keys any more
        if (key0 + N < seen) fill_lines<N, W>(right, keys(p, at, key0 + N), 0);
        close_copies();
      } else {
        dots<N, W, T>(s, left, right, queries(p, at, row0), keys(p, at, key0));
      }
      each_number<N>([&](int n, int i, int line, int j) {
        s[n][i] = p.score(at[MASK], row0 + line, key0 + j, p.scale * s[n][i]), most[i / 2] = max(s[n][i], most[i / 2]);
      });
      for (int h = 0; h < 2; ++h) {
        most[h] = across_row(most[h], [](float a, float b) { return max(a, b); });
        m[h] = most[h] == -Limits<float>::INF ? 0 : most[h];
      }
      each_number<N>([&](int n, int i, int line, int j) {
        s[n][i] = exp(s[n][i] - m[i / 2]), part[i / 2] += s[n][i];
        if (p.drops && row0 + line < p.rows && key0 + j < p.keys) s[n][i] = p.dropped(p.keeps(head, row0 + line, key0 + j), s[n][i]);
      });
      const float shrink[2] = {exp(top[0] - m[0]), exp(top[1] - m[1])};
      each_number<COLUMNS>([&](int n, int i, int, int) { sum[n][i] *= shrink[i / 2]; });
      for (int h = 0; h < 2; ++h) all[h] = all[h] * shrink[h] + across_row(part[h], [](float a, float b) { return a + b; }), top[h] = most[h];
      if (ahead) {
        await_copies<1>();
        __syncthreads();  // values are there
        multiply_weights<N, COLUMNS, T>(sum, s, below);
        __syncthreads();
      } else {
        add_lines<N, COLUMNS, T>(sum, s, right, values(p, at, key0), column0);
      }
    }
    each_number<COLUMNS>([&](int n, int i, int line, int c) {
      const int64_t r = row0 + line;
      const int h = i / 2;
      if (r < p.rows && column0 + c < p.values) y.at(at[OUT], r, p.length, column0 + c) = narrow<T>(all[h] == 0 ? 0 : sum[n][i] / all[h]);
      if (r < p.rows && c == 0 && blockIdx.z == 0) lse[head * p.rows + r] = all[h] == 0 ? Limits<float>::INF : top[h] + log(all[h]);
    });
  });
}
template <int COLUMNS, class T> void launch_core_forward(const Problem<T>& p, const Strided<T>& y, const global<float>& lse) {
  launch("attention", &forward_rows<T, COLUMNS>, core_grid(p.rows, p.heads, p.values, COLUMNS), CORE_THREADS, p, y, lse);
}

}  // namespace fastnn::cuda
