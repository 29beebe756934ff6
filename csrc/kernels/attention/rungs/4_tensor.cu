// attention on a GPU, rung 4, tensor: tensor cores multiply, three TF32 products for one; weights stay in registers between products.
//
//    a warp    16 rows: scores with 32 keys, what belongs to a row (its largest score, its sum), and 64 columns of y, in registers
//    P · v     the lane that has a weight gives it to the next product itself, by counting keys in another order (../cores.cuh)
//
// A row's four lanes join by two shuffles. In the derivative (../core_gradients.cuh) dk and dv have keys in the place of rows. Compute
// capability 8.0 or newer, and float32; others take rung 3. (An infinite number has no low part: it comes out as NaN.)
//
// cost     rows go through shared memory again for every 32 keys; loads wait for products, and products for loads
// counted  1x1x128x32 causal: 912 requests of global memory, 4,112 sectors; 3,648 of shared memory, 0 conflicts
//          derivative:        5,060 requests of global memory, 24,336 sectors; 12,672 of shared memory, 0 conflicts
// read on  ../attention.cu
#include "../core_forward.cuh"
#include "../core_gradients.cuh"

namespace fastnn::cuda {
namespace {

bool fits(DType t) { return t == DType::f32 && runtime::has_tensor_cores(); }
template <class T> void forward(const Problem<T>& p, const Strided<T>& y, const global<T>& lse) {
  if constexpr (sizeof(T) == 4) launch_core_forward<64>(p, y, lse);
}
template <class T> void derivative(const Gradients<T>& d) {
  if constexpr (sizeof(T) == 4) launch_core_gradients(d);
}

}  // namespace

FN_ATTENTION_PART_RUNG(tensor, online, fits, forward, derivative)

}  // namespace fastnn::cuda
