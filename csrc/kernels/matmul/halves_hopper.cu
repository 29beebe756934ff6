// matmul/halves_hopper.cu: products of float16 and bfloat16 on compute capability 9.0: the copy engine fetches tiles while tensor cores
// multiply those before, from shared memory, both operands as they lie (rungs/9_hopper.cu is the same idea for float32, in one page).
//
//    one warp           has the engine fetch A [128·TALL rows, 64] and B [128 columns, 64] of the next steps, as far ahead as four stages reach
//    256 threads        wait for a step (`full`); each 128 make TALL times 64 x 128 numbers of C by wgmma, and give the stage before back
//                       (`empty`) when its products are done: one step's are always under way
//    blocks             go down 8 rows of tiles before the next column, so that those that run at once share operands in the L2 cache
//
// cost     2mnk flops; a number from global memory is used 128 or 256 times. Not measured on a GPU yet.
#include "halves.cuh"

namespace fastnn::cuda {
namespace {

constexpr int BN = 128, BK = HALF_BOX, STAGES = 4, WORKERS = 256, THREADS = WORKERS + WARP, CHUNK = 64 * BK, GROUP = 8;  // CHUNK: 64 rows of a stage
template <int TALL> constexpr int BM = 128 * TALL;
template <int TALL> constexpr int STAGE = (BM<TALL> + BN) * BK;

// LENGTH rows of an operand, BK of k: one box, or one for each 64 of i.
template <int LENGTH, bool BY_K, class M>
__device__ __forceinline__ void fetch(M& tiles, int to, const BoxMap& map, int64_t i0, int64_t k0, Arrival& full, int64_t matrix) {
  if constexpr (BY_K) copy_box(tiles, to, map, i0, k0, full, matrix);
  else
    for (int i = 0; i < LENGTH; i += 64) copy_box(tiles, to + i * BK, map, k0, i0 + i, full, matrix);
}

template <class H, int TALL, bool A_BY_K, bool B_BY_K>
__global__ void __launch_bounds__(THREADS) half_boxes(Product<H> all, const __grid_constant__ BoxMap a_map, const __grid_constant__ BoxMap b_map) {
  TILES(H, tiles, STAGES * STAGE<TALL>);
  SHARED(Arrival, full, STAGES);
  SHARED(Arrival, empty, STAGES);
  const Product<H> p = all.at(blockIdx.z);
  const int64_t rows = ceil_div(p.m, BM<TALL>), columns = ceil_div(p.n, BN), group = blockIdx.x / (GROUP * columns) * GROUP;
  const int64_t high = rows - group < GROUP ? rows - group : GROUP, place = blockIdx.x % (GROUP * columns);
  const int64_t row0 = (group + place % high) * BM<TALL>, column0 = place / high * BN, steps = ceil_div(p.k, BK);
  const int thread = int(threadIdx.x), warp = thread / WARP, lane = thread % WARP, first = warp / 4 * TALL;  // chunks of A before this worker's
  if (thread == 0) {
    for (int s = 0; s < STAGES; ++s) start(full[s]), start(empty[s], WORKERS / WARP);
    hand_over();
  }
  __syncthreads();
  if (thread >= WORKERS) {
    const int64_t a_matrix = all.batch.ndim && all.batch.stride[0][0] ? blockIdx.z : 0, b_matrix = all.batch.ndim && all.batch.stride[1][0] ? blockIdx.z : 0;
    for (int64_t step = 0; thread == WORKERS && step < steps; ++step) {
      const int s = int(step % STAGES), to = s * STAGE<TALL>;
      if (step >= STAGES) wait(empty[s], unsigned(step / STAGES - 1) % 2);
      announce(full[s], unsigned(STAGE<TALL> * sizeof(H)));
      fetch<BM<TALL>, A_BY_K>(tiles, to, a_map, row0, step * BK, full[s], a_matrix);
      fetch<BN, B_BY_K>(tiles, to + BM<TALL> * BK, b_map, column0, step * BK, full[s], b_matrix);
    }
    return;
  }
  float sum[TALL][64] = {};
  for (int64_t step = 0; step < steps; ++step) {
    const int s = int(step % STAGES), at = s * STAGE<TALL>;
    wait(full[s], unsigned(step / STAGES % 2));
#pragma unroll
    for (int h = 0; h < TALL; ++h) wgmma_begin(sum[h]);
#pragma unroll
    for (int k = 0; k < BK; k += 16) {
      const Rows y = half_rows_at(tiles, at + BM<TALL> * BK + (B_BY_K ? k : k * HALF_BOX), B_BY_K);
#pragma unroll
      for (int h = 0; h < TALL; ++h)
        wgmma<H, A_BY_K, B_BY_K>(sum[h], half_rows_at(tiles, at + (first + h) * CHUNK + (A_BY_K ? k : k * HALF_BOX), A_BY_K), y);
    }
    wgmma_close();
#pragma unroll
    for (int h = 0; h < TALL; ++h) wgmma_wait<1>(sum[h]);
    __syncwarp();
    if (step > 0 && lane == 0) arrive(empty[(step - 1) % STAGES]);
  }
#pragma unroll
  for (int h = 0; h < TALL; ++h) wgmma_wait<0>(sum[h]);
#pragma unroll
  for (int h = 0; h < TALL; ++h)
#pragma unroll
    for (int i = 0; i < 64; i += 2)
      put_pair(p, row0 + (first + h) * 64 + warp % 4 * 16 + lane / 4 + i / 2 % 2 * 8, column0 + i / 4 * 8 + lane % 4 * 2, &sum[h][i]);
}

// An operand's rows (its columns, where those are what lies in one piece), as the engine sees them
struct Lines { int64_t count, width, step; };
template <class H> Lines lines_of(const Operand<H>& x) {
  const Lines v = lies_by_k(x) ? Lines{x.length, x.depth, x.step} : Lines{x.depth, x.length, x.k_step};
  return {v.count, v.width, v.count == 1 ? ceil_div(v.width, 8) * 8 : v.step};
}
template <class H> BoxMap map_of(const Operand<H>& x, int length, const Loops<4>& batch, int of) {
  const Lines v = lines_of(x);
  const int64_t apart = batch.ndim ? batch.stride[of][0] : 0;
  return box_map(x.x, v.count, v.width, v.step, lies_by_k(x) ? length : HALF_BOX, apart ? batch.count : 1, apart);
}
template <int TALL, class H> void run(const Product<H>& p) {
  by_layout(p, [&](auto a, auto b) {
    launch_with(STAGES * STAGE<TALL> * int(sizeof(H)), "matmul", &half_boxes<H, TALL, a.value, b.value>,
                dim3(unsigned(ceil_div(p.m, BM<TALL>) * ceil_div(p.n, BN)), 1, unsigned(p.batch.count)), THREADS, p,
                map_of(left(p), BM<TALL>, p.batch, 0), map_of(right(p), BN, p.batch, 1));
  });
}

// What the engine takes: rows that do not overlap, and sizes of 31 bits. (A step of 0 is one row for all.)
template <class H> bool is_matrix(const Operand<H>& x) {
  constexpr int64_t MOST = (int64_t(1) << 31) - 1;
  const Lines v = lines_of(x);
  return v.count <= MOST && v.width <= MOST && v.step >= v.width;
}
template <class H> bool multiply(const Product<H>& p) {
  const int64_t columns = ceil_div(p.n, BN), tiles = ceil_div(p.m, BM<1>) * columns;
  if (p.k == 0 || p.batch.ndim > 1 || p.batch.count > 65535 || tiles > (1 << 30) || !occupy(tiles * p.batch.count) || !is_matrix(left(p)) || !is_matrix(right(p)))
    return false;
  if (occupy(ceil_div(p.m, BM<2>) * columns * p.batch.count)) run<2>(p);
  else run<1>(p);
  return true;
}

}  // namespace

bool multiply_on_hopper(const Product<Half>& p) { return multiply(p); }
bool multiply_on_hopper(const Product<BFloat>& p) { return multiply(p); }

}  // namespace fastnn::cuda
