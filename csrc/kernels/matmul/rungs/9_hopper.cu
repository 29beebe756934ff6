// matmul on a GPU, rung 9, hopper: the copy engine fetches tiles while tensor cores multiply those before, from shared memory.
//
//    one thread         asks the engine for step p + 1 of A [128 rows, 16] and B [64 columns, 16]
//    all 256            wait for step p (an Arrival), and split its numbers: high stays in place, low beside it (rung 8)
//    each 128           64 x 64 numbers of C by wgmma: low·high + high·low + high·high; operands do not pass through registers
//
// Both operands must lie along k, at multiples of 16 bytes: others are copied first (engine.cuh), as the CPU's rung 5 does.
// Single products of float32, compute capability 9.0 (core/cuda/hopper.cuh); others take rung 7.
//
// cost     every tile waits for its split: two barriers a step
// counted  128 x 128 x 128: 1,568 requests of global memory, 14,336 sectors; 5,844 of shared memory, 0 conflicts
//          derivative:      3,136 requests of global memory, 28,672 sectors; 11,688 of shared memory, 0 conflicts
// read on  ../matmul.cu: smaller tiles and pieces of k for products that would leave multiprocessors idle
#include "engine.cuh"

namespace fastnn::cuda {

namespace {

constexpr int BM = 128, BN = 64, BK = BOX, THREADS = 256, A = BM * BK, B = BN * BK;

__global__ void __launch_bounds__(THREADS) hopper(Product<float> p, const __grid_constant__ BoxMap a_map, const __grid_constant__ BoxMap b_map) {
  SHARED_TILES(float, a, 2 * A);
  SHARED_TILES(float, b, 2 * B);
  SHARED_TILES(float, a_low, A);
  SHARED_TILES(float, b_low, B);
  SHARED(Arrival, full, 2);
  const int thread = int(threadIdx.x), rows = thread / 128 * 64 * BK;
  const int64_t row0 = int64_t(blockIdx.y) * BM, column0 = int64_t(blockIdx.x) * BN, steps = ceil_div(p.k, BK);
  const auto fetch = [&](int64_t step) {
    const int s = int(step % 2);
    announce(full[s], unsigned(A + B) * sizeof(float));
    copy_box(a, s * A, a_map, row0, step * BK, full[s]);
    copy_box(b, s * B, b_map, column0, step * BK, full[s]);
  };
  if (thread == 0) start(full[0]), start(full[1]), hand_over();
  __syncthreads();
  if (thread == 0) fetch(0);
  float sum[32] = {};
  for (int64_t step = 0; step < steps; ++step) {
    const int s = int(step % 2);
    if (thread == 0 && step + 1 < steps) fetch(step + 1);
    wait(full[s], unsigned(step / 2 % 2));
    split<THREADS>(a, a_low, s * A, A);
    split<THREADS>(b, b_low, s * B, B);
    hand_over();
    __syncthreads();
    wgmma_begin(sum);
#pragma unroll
    for (int k = 0; k < BK; k += 8) {
      const Rows x = rows_at(a, s * A + rows + k), y = rows_at(b, s * B + k);
      wgmma(sum, rows_at(a_low, rows + k), y);
      wgmma(sum, x, rows_at(b_low, k));
      wgmma(sum, x, y);
    }
    wgmma_wait(sum);
    __syncthreads();  // this step's tiles may be overwritten
  }
  const int row = thread / WARP * 16 + thread % WARP / 4, column = thread % 4 * 2;
#pragma unroll
  for (int i = 0; i < 32; ++i) put(p, row0 + row + i / 2 % 2 * 8, column0 + column + i / 4 * 8 + i % 2, sum[i]);
}

}  // namespace

void matmul_bias_hopper(Out c, In a, In b, In bias) {
  if (c.dtype != DType::f32 || !runtime::is_hopper()) return matmul_bias_warps(c, a, b, bias);
  each_product<float>(c, a, b, bias.ndim < 0 ? nullptr : &bias, [&](const Product<float>& p) {
    if (p.batch.count > 1 || p.k == 0 || p.m > 65535 * BM) return matmul_bias_warps(c, a, b, bias);
    const AlongK x(left(p)), y(right(p));
    launch("matmul", hopper, grid_of(ceil_div(p.n, BN), ceil_div(p.m, BM), 1), THREADS, p, x.map(BM), y.map(BN));
  });
}
void matmul_hopper(Out c, In a, In b) { matmul_bias_hopper(c, a, b, In{View{nullptr, {}, {}, -1, c.dtype}}); }

}  // namespace fastnn::cuda
