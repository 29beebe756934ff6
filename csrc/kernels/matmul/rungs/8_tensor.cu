// matmul on a GPU, rung 8, tensor: tensor cores multiply, 16 x 8 x 8 numbers at a time, and registers only carry.
//
//    x = high + low, each with TF32's 10 bits:     x·y = low·high + high·low + high·high       three products for float32's accuracy
//
// A warp makes 64 x 32 numbers of C as 4 x 4 such tiles (../tensor.cuh, core/cuda/mma.cuh). One product alone, "medium" of
// set_float32_matmul_precision, has TF32's accuracy. Compute capability 8.0 or newer, and float32; others take rung 7.
// (An infinite number has no low part: it comes out as NaN.)
//
// cost     operands go through registers to shared memory, and from there to registers again
// counted  128 x 128 x 128: 768 requests of global memory, 8,192 sectors; 3,712 of shared memory, 512 conflicts
//          derivative:      1,536 requests of global memory, 16,384 sectors; 7,424 of shared memory, 1,024 conflicts
// read on  9_hopper.cu
#include "../tensor.cuh"
#include "product.cuh"

namespace fastnn::cuda {

namespace {

using Cores = TensorTile<true>;

__global__ void __launch_bounds__(Cores::THREADS) tensor(Product<float> all) {
  each_tile<Cores::BM, Cores::BN>(all, [&](const Product<float>& p, int64_t row0, int64_t column0) {
    multiply_on_tensor_cores<Cores>(p, row0, column0, 0);
  });
}

}  // namespace

void matmul_bias_tensor(Out c, In a, In b, In bias) {
  if (c.dtype != DType::f32 || !runtime::has_tensor_cores()) return matmul_bias_warps(c, a, b, bias);
  climb(c, a, b, bias, [](const auto& p) {
    if constexpr (sizeof p.d[0] == 4) launch_tiles<Cores::BM, Cores::BN>(tensor, Cores::THREADS, p);
  });
}
void matmul_tensor(Out c, In a, In b) { matmul_bias_tensor(c, a, b, In{View{nullptr, {}, {}, -1, c.dtype}}); }

}  // namespace fastnn::cuda
