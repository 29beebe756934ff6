// attention on a GPU, rung 3, online: a block has 32 rows, and goes along the keys 32 at a time: scores are never in global memory.
//
//    m' = max(m, max s)      sum' = sum · exp(m - m') + Σ exp(s - m')      y' = y · exp(m - m') + Σ exp(s - m') v
//
// (Milakov and Gimelshein 2018, Dao et al. 2022.) Operands and scores are tiles in shared memory (squares.cuh), y is in registers. The
// derivative (square_gradients.cuh) has P again from lse, rows by rows for dq, keys by keys for dk and dv: no two blocks add to one number.
//
// cost     two loads from shared memory a multiply-add; while one thread goes along a row of scores, seven of its warp wait
// counted  1x1x128x32 causal: 1,092 requests of global memory, 4,368 sectors; 47,000 of shared memory, 960 conflicts
//          derivative:        5,444 requests of global memory, 25,104 sectors; 156,480 of shared memory, 2,880 conflicts
// read on  4_tensor.cu; ../attention.cu: the same with 4 x 4 scores a thread in registers
#include "square_gradients.cuh"

namespace fastnn::cuda {
namespace {

template <class T> __global__ void __launch_bounds__(SQUARE_THREADS) forward_rows(Problem<T> p, Strided<T> y, global<T> lse) {
  SHARED(T, left, SQUARE * APART);
  SHARED(T, right, SQUARE * APART);
  SHARED(T, s, SQUARE * APART);
  SHARED(T, lines, SQUARE * WIDE);
  SHARED(T, shrink, SQUARE);
  SHARED(T, total, SQUARE);
  const int t = int(threadIdx.x), row = t / PARTS, part = t % PARTS;
  const int64_t row0 = int64_t(blockIdx.x) * SQUARE, column0 = int64_t(blockIdx.z) * WIDE, r = row0 + row;
  each_head(p.heads, [&](int64_t head) {
    int64_t at[8];
    p.starts.find(head, at);
    T sum[WIDE / PARTS] = {}, top = -T(Limits<T>::INF), all = 0;  // of row t, in the first 32 threads: top, all
    for (int64_t key0 = 0; key0 < p.most_seen(row0, row0 + SQUARE); key0 += SQUARE) {
      T dot[SQUARE / PARTS];
      dots(dot, left, right, queries(p, at, row0), keys(p, at, key0));
      for (int n = 0; n < SQUARE / PARTS; ++n) s[row * APART + part + PARTS * n] = p.score(at[MASK], r, key0 + part + PARTS * n, p.scale * dot[n]);
      fill<SQUARE, WIDE, WIDE, SQUARE_THREADS>(lines, [&](int j, int c) { return values(p, at, key0)(j, column0 + c); });
      __syncthreads();
      if (t < SQUARE) {
        const T before = top;
        for (int j = 0; j < SQUARE; ++j) top = max(s[t * APART + j], top);
        const T m = top == -T(Limits<T>::INF) ? T(0) : top;
        shrink[t] = exp(before - m), all *= shrink[t];
        for (int j = 0; j < SQUARE; ++j) {
          const T w = exp(s[t * APART + j] - m);
          all += w;
          s[t * APART + j] = p.drops && row0 + t < p.rows && key0 + j < p.keys ? p.dropped(p.keeps(head, row0 + t, key0 + j), w) : w;
        }
      }
      __syncthreads();
      for (T& v : sum) v *= shrink[row];
      add_lines<false>(sum, s, lines);
      __syncthreads();
    }
    if (t < SQUARE) total[t] = all;
    if (t < SQUARE && row0 + t < p.rows && blockIdx.z == 0) lse[head * p.rows + row0 + t] = all == T(0) ? T(Limits<T>::INF) : top + log(all);
    __syncthreads();
    for (int n = 0; n < WIDE / PARTS; ++n)
      if (const int64_t c = column0 + part + PARTS * n; r < p.rows && c < p.values) y.at(at[OUT], r, p.length, c) = total[row] == T(0) ? T(0) : sum[n] / total[row];
    __syncthreads();
  });
}

template <class T> void forward(const Problem<T>& p, const Strided<T>& y, const global<T>& lse) {
  launch("attention", &forward_rows<T>, squares(p.rows, p.heads, p.values), SQUARE_THREADS, p, y, lse);
}
template <class T> void derivative(const Gradients<T>& d) {
  const Problem<T>& p = d.rows;
  launch("attention_dx", &square_gradients<true, T>, squares(p.keys, p.heads, p.width > p.values ? p.width : p.values), SQUARE_THREADS, d);
  launch("attention_dx", &square_gradients<false, T>, squares(p.rows, p.heads, p.width), SQUARE_THREADS, d);
}

}  // namespace

FN_ATTENTION_RUNG(online, forward, derivative)

}  // namespace fastnn::cuda
