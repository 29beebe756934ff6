// core/cuda/hopper.cuh: what compute capability 9.0 has of its own, behind small functions. Everything here is asynchronous: it happens
// some time between the call and the wait for it. On the host shim (testing/hopper.h) it happens at the wait, and until then what it
// is to write is NaN: a missing wait, or memory given away too early, gives wrong numbers.
//
//    copy engine     copies a box of a matrix, 16 floats or 64 halves wide, into shared memory; outside of the matrix it writes zeros
//    Arrival         a barrier (mbarrier) that opens when as many threads have arrived as it was started for, and all bytes that they
//                    have announced have been copied; then its phase, 0 or 1, changes. wait(arrival, phase): until that phase is over
//    wgmma           4 warps: 64 x 64 numbers of D += A·Bᵀ, A and B 8 wide, TF32, read from shared memory by the tensor cores;
//                    64 x 128 of halves, 16 wide, A and B as they lie: along k, or along their other axis
//
// The engine writes rows of 64 bytes (floats) with their 16-byte pieces exchanged: piece q of row r goes to q ^ (r / 2 % 4), so that
// tensor cores, which read 8 rows of a piece at once, find them in 32 banks; of 128 bytes (halves), to q ^ (r % 8). Tiles begin at
// multiples of 1,024 bytes.
//
// Not run on a GPU yet.
#pragma once
#include "halves.cuh"

#if !defined(FN_SHIM)
#include <cuda.h>  // types; the driver's function is looked up when it is needed
#endif

namespace fastnn::cuda {

constexpr int BOX = 16, HALF_BOX = 64;  // numbers of a row
constexpr int LEADING = 64 * HALF_BOX * 2;  // bytes from 64 rows of halves to the next 64

#if defined(FN_SHIM)
}  // namespace fastnn::cuda
#include "../../testing/hopper.h"
namespace fastnn::cuda {
#else

#define SHARED_TILES(T, name, n) __shared__ __align__(1024) T name[n]
#define TILES(T, name, n)                                      \
  extern __shared__ __align__(1024) unsigned char tile_memory[]; \
  T* const name = reinterpret_cast<T*>(tile_memory)  // the kernel's one, more than 48 KiB: launch_with(n * sizeof(T), ...)
using BoxMap = CUtensorMap;
struct Arrival { uint64_t word; };

// `count` matrices of rows x depth numbers, rows `step` and matrices `apart` from each other: multiples of 16 bytes, as x is
template <class T> BoxMap box_map(const T* x, int64_t rows, int64_t depth, int64_t step, int box_rows, int64_t count = 1, int64_t apart = 0) {
  constexpr bool HALVES = sizeof(T) == 2;
  static const auto encode = [] {
    void* found = nullptr;
    cudaDriverEntryPointQueryResult how;
#if CUDART_VERSION >= 12050
    const cudaError_t e = cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, 12000, cudaEnableDefault, &how);
#else
    const cudaError_t e = cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &found, cudaEnableDefault, &how);
#endif
    if (e != cudaSuccess || !found) raise_error(ErrorKind::runtime, "cuda: the driver has no cuTensorMapEncodeTiled");
    return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(found);
  }();
  BoxMap map;
  if (count == 1) apart = rows * step;
  const cuuint64_t size[] = {cuuint64_t(depth), cuuint64_t(rows), cuuint64_t(count)}, stride[] = {cuuint64_t(step) * sizeof(T), cuuint64_t(apart) * sizeof(T)};
  const cuuint32_t box[] = {cuuint32_t(HALVES ? HALF_BOX : BOX), cuuint32_t(box_rows), 1}, every[] = {1, 1, 1};
  const CUresult e = encode(&map, HALVES ? CU_TENSOR_MAP_DATA_TYPE_UINT16 : CU_TENSOR_MAP_DATA_TYPE_FLOAT32, 3, const_cast<T*>(x), size, stride, box, every,
                            CU_TENSOR_MAP_INTERLEAVE_NONE, HALVES ? CU_TENSOR_MAP_SWIZZLE_128B : CU_TENSOR_MAP_SWIZZLE_64B,
                            CU_TENSOR_MAP_L2_PROMOTION_L2_128B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (e != CUDA_SUCCESS) raise_error(ErrorKind::runtime, "cuda: cuTensorMapEncodeTiled: error %d", int(e));
  return map;
}

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define FN_HOPPER(...) __VA_ARGS__
#else
#define FN_HOPPER(...) __trap()  // the host does not launch such kernels elsewhere
#endif

__device__ __forceinline__ void start(Arrival& a, int threads = 1) {
  FN_HOPPER(asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(&a)), "r"(threads) : "memory"));
}
__device__ __forceinline__ void arrive(Arrival& a) {
  FN_HOPPER(asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(&a)) : "memory"));
}
// arrives, too
__device__ __forceinline__ void announce(Arrival& a, unsigned bytes) {
  FN_HOPPER(asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(&a)), "r"(bytes) : "memory"));
}
__device__ __forceinline__ void wait(Arrival& a, unsigned phase) {
  FN_HOPPER(asm volatile("{\n.reg .pred done;\nagain:\n"
                         "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n@!done bra again;\n}" ::"r"(shared_address(&a)), "r"(phase)
                         : "memory"));
}
template <class M> __device__ __forceinline__ void copy_box(M& tile, int at, const BoxMap& map, int64_t row, int64_t k, Arrival& a, int64_t matrix = 0) {
  FN_HOPPER(asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %5}], [%4];" ::"r"(
                             shared_address(&tile[at])), "l"(&map), "r"(int(k)), "r"(int(row)), "r"(shared_address(&a)), "r"(int(matrix))
                         : "memory"));
}
// What threads have written to shared memory, engine and tensor cores see; and what they have read may be overwritten. Before a barrier.
__device__ __forceinline__ void hand_over() { FN_HOPPER(asm volatile("fence.proxy.async;" ::: "memory")); }

// Rows of 64 bytes, groups of 8 rows 512 bytes apart, exchanged pieces (3: 32, 2: 64, 1: 128 bytes)
using Rows = uint64_t;
template <class M> __device__ __forceinline__ Rows rows_at(M& tile, int at) {
  return uint64_t(shared_address(&tile[at]) >> 4 & 0x3fff) | uint64_t(1) << 16 | uint64_t(512 >> 4) << 32 | uint64_t(2) << 62;
}
// The sums are an operand of all three, so that the compiler moves nothing of them across.
#define FN_4(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define FN_SUMS FN_4(0), FN_4(4), FN_4(8), FN_4(12), FN_4(16), FN_4(20), FN_4(24), FN_4(28)
__device__ __forceinline__ void wgmma_begin(float (&d)[32]) { FN_HOPPER(asm volatile("wgmma.fence.sync.aligned;" : FN_SUMS::"memory")); }
__device__ __forceinline__ void wgmma_wait(float (&d)[32]) {
  FN_HOPPER(asm volatile("wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;" : FN_SUMS::"memory"));
}
// d[i] of a thread: row 16·warp + lane / 4 + 8·(i / 2 % 2), column 8·(i / 4) + 2·(lane % 4) + i % 2
__device__ __forceinline__ void wgmma(float (&d)[32], Rows a, Rows b) {
  FN_HOPPER(asm volatile("{\n.reg .pred add;\nsetp.eq.u32 add, 0, 0;\n"
                         "wgmma.mma_async.sync.aligned.m64n64k8.f32.tf32.tf32 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, "
                         "%15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, %32, %33, add, 1, 1;\n}"
                         : FN_SUMS
                         : "l"(a), "l"(b)));
}

// Halves: rows of 128 bytes, in groups of 8, 1,024 bytes apart. Along k, a row is a row (or column) of the operand; along i, a row is a k,
// and the next 64 of i lie LEADING further.
template <class M> __device__ __forceinline__ Rows half_rows_at(M& tile, int at, bool) {
  return uint64_t(shared_address(&tile[at]) >> 4 & 0x3fff) | uint64_t(LEADING >> 4) << 16 | uint64_t(1024 >> 4) << 32 | uint64_t(1) << 62;
}
#define FN_16(i) FN_4(i), FN_4(i + 4), FN_4(i + 8), FN_4(i + 12)
#define FN_HALF_SUMS FN_16(0), FN_16(16), FN_16(32), FN_16(48)
__device__ __forceinline__ void wgmma_begin(float (&d)[64]) { FN_HOPPER(asm volatile("wgmma.fence.sync.aligned;" : FN_HALF_SUMS::"memory")); }
__device__ __forceinline__ void wgmma_close() { FN_HOPPER(asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory")); }
template <int N> __device__ __forceinline__ void wgmma_wait(float (&d)[64]) {  // for all groups but the last N
  FN_HOPPER(asm volatile("wgmma.wait_group.sync.aligned %64;" : FN_HALF_SUMS : "n"(N) : "memory"));
}
// d[i] of a thread: row 16·warp + lane / 4 + 8·(i / 2 % 2), column 8·(i / 4) + 2·(lane % 4) + i % 2
template <class H, bool A_BY_K, bool B_BY_K> __device__ __forceinline__ void wgmma(float (&d)[64], Rows a, Rows b) {
#define FN_WGMMA(type)                                                                                                                          \
  FN_HOPPER(asm volatile("{\n.reg .pred add;\nsetp.eq.u32 add, 0, 0;\n"                                                                         \
                         "wgmma.mma_async.sync.aligned.m64n128k16.f32." type "." type " {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, " \
                         "%13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, "   \
                         "%36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, "   \
                         "%59, %60, %61, %62, %63}, %64, %65, add, 1, 1, %66, %67;\n}"                                                          \
                         : FN_HALF_SUMS                                                                                                         \
                         : "l"(a), "l"(b), "n"(int(!A_BY_K)), "n"(int(!B_BY_K))))
  if constexpr (__is_same(H, Half)) FN_WGMMA("f16");
  else FN_WGMMA("bf16");
#undef FN_WGMMA
}
#undef FN_4
#undef FN_16
#undef FN_SUMS
#undef FN_HALF_SUMS
#undef FN_HOPPER
#endif

}  // namespace fastnn::cuda
