// matmul.cu: C[..., m, n] = A[..., m, k] . B[..., k, n] (+ bias) on a GPU, any strides, batches broadcast. Here: which tile when.
//
//    128 x 128    where C has enough of them to occupy the GPU        64 x 64    otherwise, and for doubles and integers
//    pieces       a small C with a long k (pieces.cuh)
//
//    tensor cores      float32, where set_float32_matmul_precision allows it ("high": 3xTF32, "medium": TF32), tiles of 128 x 128
//                      float16, bfloat16: halves.cu
//
// cost     2mnk flops. Read tile.cuh first, then tensor.cuh.
#include "pieces.cuh"
#include "tensor.cuh"

namespace fastnn::cuda {

void multiply_halves(const View& c, const View& a, const View& b, const View* d);  // halves.cu

namespace {

using Large = Tile<128, 128, 8, 8, 8>;
using Small = Tile<64, 64, 16, 4, 4>;

template <class T, class S> __device__ __forceinline__ void product_tile(const Product<T>& p, int64_t row0, int64_t column0, int64_t begin) {
  if constexpr (on_tensor_cores<S>) multiply_on_tensor_cores<S>(p, row0, column0, begin);
  else multiply_tile<T, S>(p, row0, column0, begin);
}

template <class T, class S> __global__ void __launch_bounds__(S::THREADS) tiles(Product<T> all) {
  for (int64_t z = blockIdx.z; z < all.batch.count; z += gridDim.z)
    for (int64_t y = blockIdx.y; y * S::BM < all.m; y += gridDim.y) product_tile<T, S>(all.at(z), y * S::BM, int64_t(blockIdx.x) * S::BN, 0);
}

template <class T, class S> __global__ void __launch_bounds__(S::THREADS) tiles_of_pieces(Product<T> p, global<T> partial, int64_t depth) {
  const int64_t begin = int64_t(blockIdx.z) * depth;
  if (begin + depth < p.k) p.k = begin + depth;
  p.c = partial + blockIdx.z * p.m * p.n, p.c_rs = p.n, p.c_cs = 1, p.d = global<const T>();
  for (int64_t y = blockIdx.y; y * S::BM < p.m; y += gridDim.y) product_tile<T, S>(p, y * S::BM, int64_t(blockIdx.x) * S::BN, begin);
}
template <class T, class S> void run(const Product<T>& p) {
  const Pieces cut = pieces_of<S>(p);
  if (cut.count == 1)
    return launch("matmul", &tiles<T, S>, grid_of(ceil_div(p.n, S::BN), ceil_div(p.m, S::BM), p.batch.count), S::THREADS, p);
  Scratch<T> partial(cut.count * p.m * p.n);
  launch("matmul", &tiles_of_pieces<T, S>, grid_of(ceil_div(p.n, S::BN), ceil_div(p.m, S::BM), cut.count), S::THREADS, p,
         global<T>(partial), cut.depth);
  add_up<T>(p, partial.read(), cut.count);
}

template <class T> void multiply(const Product<T>& p) {
  if constexpr (sizeof(T) == 4 && T(0.5) != T(0)) {
    const int precision = runtime::matmul_precision();
    if (precision > 0 && p.m > 16 && p.n > 16) return precision == 1 ? run<T, TensorTile<true>>(p) : run<T, TensorTile<false>>(p);
    if (ceil_div(p.m, Large::BM) * ceil_div(p.n, Large::BN) * p.batch.count >= BUSY) return run<T, Large>(p);
  }
  run<T, Small>(p);
}

void multiply_any(const View& c, const View& a, const View& b, const View* d) {
  switch (c.dtype) {
    case DType::f32: return each_product<float>(c, a, b, d, multiply<float>);
    case DType::f64: return each_product<double>(c, a, b, d, multiply<double>);
    case DType::i64: return each_product<int64_t>(c, a, b, d, multiply<int64_t>);
    case DType::i32: return each_product<int32_t>(c, a, b, d, multiply<int32_t>);
    case DType::u8: return each_product<uint8_t>(c, a, b, d, multiply<uint8_t>);
    case DType::f16:
    case DType::bf16: return multiply_halves(c, a, b, d);
    default: raise_error(ErrorKind::dtype, "\"matmul\" not implemented for 'Bool'");
  }
}

}  // namespace

void matmul(Out c, In a, In b) { multiply_any(c, a, b, nullptr); }
void matmul_bias(Out c, In a, In b, In bias) { multiply_any(c, a, b, bias.ndim < 0 ? nullptr : &bias); }
void matmul_rows(Out c, In a, In b, In bias) { matmul_bias(c, a, b, bias); }

}  // namespace fastnn::cuda
