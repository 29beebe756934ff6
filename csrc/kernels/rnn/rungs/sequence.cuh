// rnn/rungs/sequence.cuh: rung 3's kernels: all steps of 4 sequences in one block, their states in shared memory.
#pragma once
#include "layer.cuh"

namespace fastnn::cuda {

constexpr int SEQUENCES = 4, MOST = 256, THREADS = 256;

template <class T> struct Run {
  int64_t steps, batch, rows, h;
  bool reverse;
  global<const int64_t> sizes, starts;  // of each step: how many sequences, and its first row
  global<const T> table, bias, g, first_h, first_c;  // table: W_hhᵀ, or W_hh; first_h, first_c: of the beginning, null: 0
  global<T> y, gates, cells, d, dh0, dc0;

  // f(row of the sequence at step t) for the block's sequences n whose step it is, with every unit, or every gate
  template <class F> __device__ __forceinline__ void each(int64_t t, int64_t units, const F& f) const {
    for (int64_t e = threadIdx.x; e < SEQUENCES * units; e += THREADS)
      if (const int64_t b = int64_t(blockIdx.x) * SEQUENCES + e / units; b < sizes[t]) f(starts[t] + b, int(e / units), e % units, b);
  }
};

// sums[n] = Σ over i of x(n, i) · table[i, k]
template <class T, class X> __device__ __forceinline__ void product(T (&sums)[SEQUENCES], int64_t depth, global<const T> table, int64_t step, int64_t k, const X& x) {
  for (T& s : sums) s = 0;
  for (int64_t i = 0; i < depth; ++i) {
    const T w = table[i * step + k];
#pragma unroll
    for (int n = 0; n < SEQUENCES; ++n) sums[n] += x(n, i) * w;
  }
}

template <class T> __global__ void __launch_bounds__(THREADS) all_steps(Run<T> m) {
  SHARED(T, state, SEQUENCES * MOST);
  SHARED(T, cell, SEQUENCES * MOST);
  const int64_t b0 = int64_t(blockIdx.x) * SEQUENCES;
  for (int64_t e = threadIdx.x; e < SEQUENCES * m.h; e += THREADS) {
    const bool there = b0 + e / m.h < m.batch;
    state[e] = there && m.first_h ? m.first_h[b0 * m.h + e] : T(0), cell[e] = there && m.first_c ? m.first_c[b0 * m.h + e] : T(0);
  }
  __syncthreads();
  for (int64_t s = 0; s < m.steps; ++s) {
    const int64_t t = m.reverse ? m.steps - 1 - s : s;
    for (int64_t k = threadIdx.x; k < 4 * m.h; k += THREADS) {
      T sums[SEQUENCES];
      product(sums, m.h, m.table, 4 * m.h, k, [&](int n, int64_t j) { return state[n * m.h + j]; });
#pragma unroll
      for (int n = 0; n < SEQUENCES; ++n)
        if (b0 + n < m.sizes[t]) m.gates[(m.starts[t] + b0 + n) * 4 * m.h + k] += sums[n] + (m.bias ? m.bias[k] : T(0));
    }
    __syncthreads();
    m.each(t, m.h, [&](int64_t row, int n, int64_t j, int64_t) {
      const global<T> a = m.gates + row * 4 * m.h + j;
      const T i = sigmoid(a[0]), f = sigmoid(a[m.h]), g = tanh(a[2 * m.h]), o = sigmoid(a[3 * m.h]), c = f * cell[n * m.h + j] + i * g;
      a[0] = i, a[m.h] = f, a[2 * m.h] = g, a[3 * m.h] = o;
      cell[n * m.h + j] = m.cells[row * m.h + j] = c, state[n * m.h + j] = m.y[row * m.h + j] = o * tanh(c);
    });
    __syncthreads();
  }
  for (int64_t e = threadIdx.x; e < SEQUENCES * m.h; e += THREADS)
    if (b0 + e / m.h < m.batch) m.y[(m.rows + b0) * m.h + e] = state[e], m.y[(m.rows + m.batch + b0) * m.h + e] = cell[e];
}

template <class T> __global__ void __launch_bounds__(THREADS) all_steps_back(Run<T> m) {
  SHARED(T, dh, SEQUENCES * MOST);  // of the state after the step, and of its cell
  SHARED(T, dc, SEQUENCES * MOST);
  SHARED(T, step, SEQUENCES * 4 * MOST);  // d of the step
  const int64_t b0 = int64_t(blockIdx.x) * SEQUENCES;
  for (int64_t e = threadIdx.x; e < SEQUENCES * m.h; e += THREADS) {
    const bool there = b0 + e / m.h < m.batch;
    dh[e] = there ? m.g[(m.rows + b0) * m.h + e] : T(0), dc[e] = there ? m.dc0[b0 * m.h + e] : T(0);
  }
  __syncthreads();
  for (int64_t s = 0; s < m.steps; ++s) {
    const int64_t t = m.reverse ? s : m.steps - 1 - s, before = m.reverse ? t + 1 : t - 1;
    m.each(t, m.h, [&](int64_t row, int n, int64_t j, int64_t b) {
      const global<T> a = m.gates + row * 4 * m.h + j, d = m.d + row * 4 * m.h + j;
      const T i = a[0], f = a[m.h], g = a[2 * m.h], o = a[3 * m.h], tc = tanh(m.cells[row * m.h + j]);
      const bool goes_on = before >= 0 && before < m.steps && b < m.sizes[before];
      const T old = goes_on ? m.cells[(m.starts[before] + b) * m.h + j] : m.first_c ? m.first_c[b * m.h + j] : T(0);
      const T y = dh[n * m.h + j] + m.g[row * m.h + j], c = dc[n * m.h + j] + y * o * (T(1) - tc * tc);
      dc[n * m.h + j] = c * f;
      const T all[4] = {c * g * (i - i * i), c * old * (f - f * f), c * i * (T(1) - g * g), y * tc * (o - o * o)};
#pragma unroll
      for (int k = 0; k < 4; ++k) d[k * m.h] = step[(n * 4 + k) * m.h + j] = all[k];
    });
    __syncthreads();
    for (int64_t j = threadIdx.x; j < m.h; j += THREADS) {
      T sums[SEQUENCES];
      product(sums, 4 * m.h, m.table, m.h, j, [&](int n, int64_t k) { return step[n * 4 * m.h + k]; });
#pragma unroll
      for (int n = 0; n < SEQUENCES; ++n)
        if (b0 + n < m.sizes[t]) dh[n * m.h + j] = sums[n];
    }
    __syncthreads();
  }
  for (int64_t e = threadIdx.x; e < SEQUENCES * m.h; e += THREADS)
    if (b0 + e / m.h < m.batch) {
      m.dc0[b0 * m.h + e] = dc[e];
      if (m.dh0) m.dh0[b0 * m.h + e] = dh[e];
    }
}

}  // namespace fastnn::cuda
