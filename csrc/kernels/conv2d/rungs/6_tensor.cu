// conv2d on a GPU, rung 6, tensor: rung 5's product on tensor cores, three TF32 products for one of float32's accuracy.
//
//    x = high + low:     x·w = low·high + high·low + high·high          (../../matmul/tensor.cuh, core/cuda/mma.cuh)
//
// A block makes 128 x 128 numbers, a warp 64 x 32 of them. Compute capability 8.0 or newer, and float32; others take rung 5.
// (An infinite number has no low part: it comes out as NaN.)
//
// cost     the gathering, which tensor cores wait for; tiles as large as these leave multiprocessors idle for small layers
// counted  1x16x16x16 32x3x3: 1,527 requests of global memory, 10,818 sectors; 10,388 of shared memory, 1,152 conflicts
//          derivative:        4,737 requests of global memory, 31,042 sectors; 43,664 of shared memory, 6,400 conflicts
// read on  ../conv2d.cu: smaller tiles, and pieces of k
#include "../gather.cuh"
#include "rung.cuh"

namespace fastnn::cuda {
namespace {

using Cores = TensorTile<true>;

bool fits(const View& w, const Conv2d&) { return w.dtype == DType::f32 && runtime::has_tensor_cores(); }
template <class T> void run(const char* name, const Gathered<T>& p) {
  if constexpr (sizeof(T) == 4) launch_gathered<Cores>(name, p);
}

template <class T> void forward(const Conv<T>& v) {
  gather_forward(v, [](const Gathered<T>& p) { run("conv2d", p); });
}
template <class T> void to_input(const Conv<T>& v) {
  gather_to_input(v, [](const Gathered<T>& p) { run("conv2d_dx", p); });
}
template <class T> void to_weights(const Conv<T>& v) {
  gather_to_weights(v, [](const Gathered<T>& p) { run("conv2d_dw", p); });
}

}  // namespace

FN_CONV2D_PART_RUNG(tensor, tables, fits, forward, to_input, to_weights)

}  // namespace fastnn::cuda
