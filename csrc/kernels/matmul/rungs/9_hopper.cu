// matmul on a GPU, rung 9, hopper: the copy engine fetches tiles while tensor cores multiply those before, from shared memory.
//
//    one warp           asks the engine for A [128 rows, 16] and B [64 columns, 16] of the next steps, as far ahead as four stages reach
//    256 threads        wait for a step (`full`), and split its numbers: high stays in place, low goes elsewhere (rung 8); when all have
//                       (`ready`), each 128 make 64 x 64 numbers of C by wgmma, whose operands do not pass through registers; then the
//                       stage may be filled again (`empty`)
//
// Both operands must lie along k, at multiples of 16 bytes: others are copied first (engine.cuh), as the CPU's rung 5 does.
// Single products of float32, compute capability 9.0 (core/cuda/hopper.cuh); others take rung 7.
//
// cost     every step waits for its split, once; wgmma of one step and split of the next do not overlap
// counted  128 x 128 x 128: 1,568 requests of global memory, 14,336 sectors; 6,252 of shared memory, 0 conflicts
//          derivative:      3,136 requests of global memory, 28,672 sectors; 12,504 of shared memory, 0 conflicts
// read on  ../matmul.cu: smaller tiles and pieces of k for products that would leave multiprocessors idle
#include "engine.cuh"

namespace fastnn::cuda {

namespace {

constexpr int BM = 128, BN = 64, BK = BOX, STAGES = 4, WORKERS = 256, THREADS = WORKERS + WARP, A = BM * BK, B = BN * BK;
constexpr int LOW = STAGES * (A + B), SIZE = LOW + 2 * (A + B);  // A, then B of a stage; two of low halves

__global__ void __launch_bounds__(THREADS) hopper(Product<float> p, const __grid_constant__ BoxMap a_map, const __grid_constant__ BoxMap b_map) {
  TILES(float, tiles, SIZE);
  SHARED(Arrival, full, STAGES);
  SHARED(Arrival, empty, STAGES);
  SHARED(Arrival, ready, 2);
  const int thread = int(threadIdx.x), rows = thread / 128 * 64 * BK;
  const int64_t row0 = int64_t(blockIdx.y) * BM, column0 = int64_t(blockIdx.x) * BN, steps = ceil_div(p.k, BK);
  if (thread == 0) {
    for (int s = 0; s < STAGES; ++s) start(full[s]), start(empty[s], WORKERS);
    start(ready[0], WORKERS), start(ready[1], WORKERS), hand_over();
  }
  __syncthreads();
  if (thread >= WORKERS) {
    for (int64_t step = 0; thread == WORKERS && step < steps; ++step) {
      const int s = int(step % STAGES), at = s * (A + B);
      if (step >= STAGES) wait(empty[s], unsigned(step / STAGES - 1) % 2);
      announce(full[s], unsigned(A + B) * sizeof(float));
      copy_box(tiles, at, a_map, row0, step * BK, full[s]), copy_box(tiles, at + A, b_map, column0, step * BK, full[s]);
    }
    return;
  }
  float sum[32] = {};
  for (int64_t step = 0; step < steps; ++step) {
    const int s = int(step % STAGES), at = s * (A + B), low = LOW + int(step % 2) * (A + B);
    wait(full[s], unsigned(step / STAGES % 2));
    split<WORKERS>(tiles, at, low, A + B);
    hand_over(), arrive(ready[step % 2]);
    wait(ready[step % 2], unsigned(step / 2 % 2));
    wgmma_begin(sum);
#pragma unroll
    for (int k = 0; k < BK; k += 8) {
      const Rows x = rows_at(tiles, at + rows + k), y = rows_at(tiles, at + A + k);
      wgmma(sum, rows_at(tiles, low + rows + k), y);
      wgmma(sum, x, rows_at(tiles, low + A + k));
      wgmma(sum, x, y);
    }
    wgmma_wait(sum);
    arrive(empty[s]);
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
    launch_with(SIZE * int(sizeof(float)), "matmul", hopper, grid_of(ceil_div(p.n, BN), ceil_div(p.m, BM), 1), THREADS, p, x.map(BM), y.map(BN));
  });
}
void matmul_hopper(Out c, In a, In b) { matmul_bias_hopper(c, a, b, In{View{nullptr, {}, {}, -1, c.dtype}}); }

}  // namespace fastnn::cuda
