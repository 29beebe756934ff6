// attention on a GPU, rung 4, tensor: tensor cores multiply, three TF32 products for one; weights stay in registers between products.
//
//    a warp    16 rows: scores with 32 keys, what belongs to a row (its largest score, its sum), and 64 columns of y, in registers
//    P · v     the lane that has a weight gives it to the next product itself, by counting keys in another order (cores.cuh)
//
// A row's four lanes join by two shuffles. In the derivative (core_gradients.cuh) dk and dv have keys in the place of rows. Compute
// capability 8.0 or newer, and float32; others take rung 3. (An infinite number has no low part: it comes out as NaN.)
//
// cost     rows go through shared memory again for every 32 keys; loads wait for products, and products for loads
// counted  1x1x128x32 causal: 912 requests of global memory, 4,112 sectors; 3,648 of shared memory, 0 conflicts
//          derivative:        5,060 requests of global memory, 24,336 sectors; 12,672 of shared memory, 0 conflicts
// read on  ../attention.cu
#include "core_gradients.cuh"

namespace fastnn::cuda {
namespace {

template <class F> __device__ __forceinline__ float across_row(float v, const F& f) {
  v = f(v, __shfl_xor_sync(ALL, v, 1));
  return f(v, __shfl_xor_sync(ALL, v, 2));
}

__global__ void __launch_bounds__(CORE_THREADS) forward_rows(Problem<float> p, Strided<float> y, global<float> lse) {
  SHARED(float, left, OWN * APART);
  SHARED(float, right, OTHERS * COLUMNS_APART);
  const int64_t row0 = int64_t(blockIdx.x) * OWN, column0 = int64_t(blockIdx.z) * COLUMNS;
  each_head(p.heads, [&](int64_t head) {
    int64_t at[8];
    p.starts.find(head, at);
    Sums sum = {};
    float top[2] = {-Limits<float>::INF, -Limits<float>::INF}, all[2] = {};  // of a lane's two rows
    for (int64_t key0 = 0; key0 < p.most_seen(row0, row0 + OWN); key0 += OTHERS) {
      Scores s;
      float most[2] = {top[0], top[1]}, part[2] = {}, m[2];
      dots(s, left, right, queries(p, at, row0), keys(p, at, key0));
      each_number<OTHERS>([&](int n, int i, int line, int j) {
        s[n][i] = p.score(at[MASK], row0 + line, key0 + j, p.scale * s[n][i]), most[i / 2] = max(s[n][i], most[i / 2]);
      });
      for (int h = 0; h < 2; ++h) {
        most[h] = across_row(most[h], [](float a, float b) { return max(a, b); });
        m[h] = most[h] == -Limits<float>::INF ? 0 : most[h];
      }
      each_number<OTHERS>([&](int n, int i, int line, int j) {
        s[n][i] = exp(s[n][i] - m[i / 2]), part[i / 2] += s[n][i];
        if (p.drops && row0 + line < p.rows && key0 + j < p.keys) s[n][i] = p.dropped(p.keeps(head, row0 + line, key0 + j), s[n][i]);
      });
      const float shrink[2] = {exp(top[0] - m[0]), exp(top[1] - m[1])};
      each_number<COLUMNS>([&](int n, int i, int, int) { sum[n][i] *= shrink[i / 2]; });
      for (int h = 0; h < 2; ++h) all[h] = all[h] * shrink[h] + across_row(part[h], [](float a, float b) { return a + b; }), top[h] = most[h];
      add_lines(sum, s, right, values(p, at, key0), column0);
    }
    each_number<COLUMNS>([&](int n, int i, int line, int c) {
      const int64_t r = row0 + line;
      const int h = i / 2;
      if (r < p.rows && column0 + c < p.values) y.at(at[OUT], r, p.length, column0 + c) = all[h] == 0 ? 0 : sum[n][i] / all[h];
      if (r < p.rows && c == 0 && blockIdx.z == 0) lse[head * p.rows + r] = all[h] == 0 ? Limits<float>::INF : top[h] + log(all[h]);
    });
  });
}

bool fits(DType t) { return t == DType::f32 && runtime::has_tf32(); }
template <class T> void forward(const Problem<T>& p, const Strided<T>& y, const global<T>& lse) {
  if constexpr (sizeof(T) == 4) launch("attention", &forward_rows, core_grid(p.rows, p.heads, p.values), CORE_THREADS, p, y, lse);
}
template <class T> void derivative(const Gradients<T>& d) {
  const Problem<T>& p = d.rows;
  if constexpr (sizeof(T) == 4) {
    launch("attention_dx", &core_gradients<true>, core_grid(p.keys, p.heads, p.width > p.values ? p.width : p.values), CORE_THREADS, d);
    launch("attention_dx", &core_gradients<false>, core_grid(p.rows, p.heads, p.width), CORE_THREADS, d);
  }
}

}  // namespace

FN_ATTENTION_PART_RUNG(tensor, online, fits, forward, derivative)

}  // namespace fastnn::cuda
