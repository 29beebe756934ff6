// attention/rungs/squares.cuh: 32 x 32 scores of a block of 256 threads, for rung 3: thread t has row t / 8, and of it keys t % 8 + 8n.
#pragma once
#include "../heads.cuh"

namespace fastnn::cuda {

constexpr int SQUARE = 32, PARTS = 8, SQUARE_THREADS = SQUARE * PARTS, APART = SQUARE + 1, WIDE = 64;  // WIDE: columns of y, dq ... a block

// dot[n] = Σ a(row, e) · b(part + 8n, e), 32 of e at a time in shared memory.
template <class T, class M> __device__ void dots(T (&dot)[SQUARE / PARTS], M& left, M& right, const Lines<T>& a, const Lines<T>& b) {
  const int row = int(threadIdx.x) / PARTS, part = int(threadIdx.x) % PARTS;
  for (int n = 0; n < SQUARE / PARTS; ++n) dot[n] = 0;
  for (int64_t e = 0; e < a.width; e += SQUARE) {
    fill<SQUARE, SQUARE, APART, SQUARE_THREADS>(left, [&](int i, int c) { return a(i, e + c); });
    fill<SQUARE, SQUARE, APART, SQUARE_THREADS>(right, [&](int i, int c) { return b(i, e + c); });
    __syncthreads();
#pragma unroll
    for (int c = 0; c < SQUARE; ++c)
#pragma unroll
      for (int n = 0; n < SQUARE / PARTS; ++n) dot[n] += left[row * APART + c] * right[(part + PARTS * n) * APART + c];
    __syncthreads();
  }
}

// sum[n] += Σ s(row, j) · lines[j][part + 8n]; s: a square, or the other way round
template <bool FLIPPED, class T, class S, class M> __device__ __forceinline__ void add_lines(T (&sum)[WIDE / PARTS], S& s, M& lines) {
  const int row = int(threadIdx.x) / PARTS, part = int(threadIdx.x) % PARTS;
  for (int j = 0; j < SQUARE; ++j) {
    const T weight = FLIPPED ? s[j * APART + row] : s[row * APART + j];
#pragma unroll
    for (int n = 0; n < WIDE / PARTS; ++n) sum[n] += weight * lines[j * WIDE + part + PARTS * n];
  }
}

inline dim3 squares(int64_t lines, int64_t heads, int64_t columns) {
  return dim3(unsigned(ceil_div(lines, SQUARE)), unsigned(heads < 65535 ? heads : 65535), unsigned(ceil_div(columns > 0 ? columns : 1, WIDE)));
}

}  // namespace fastnn::cuda
