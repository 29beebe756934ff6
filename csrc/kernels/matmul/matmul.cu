// matmul.cu: C[..., m, n] = A[..., m, k] . B[..., k, n] (+ bias) on a GPU, any strides, batches broadcast. Here: which tile when.
//
//    128 x 128    where C has enough of them to occupy the GPU        64 x 64    otherwise, and for doubles and integers
//    pieces       a small C with a long k: pieces of k in parallel, each into memory of its own, added in order by a second launch
//
//    tensor cores      float32, where set_float32_matmul_precision allows it ("high": 3xTF32, "medium": TF32), tiles of 128 x 128
//
// cost     2mnk flops. Read tile.cuh first, then tensor.cuh.
#include "tensor.cuh"

namespace fastnn::cuda {
namespace {

using Large = Tile<128, 128, 8, 8, 8>;
using Small = Tile<64, 64, 16, 4, 4>;
constexpr int64_t PIECE = 256;  // of k, at least

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
template <class T> __global__ void add_pieces(Product<T> p, global<const T> partial, int64_t pieces) {
  for (int64_t e = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; e < p.m * p.n; e += int64_t(gridDim.x) * blockDim.x) {
    T sum = partial[e];
    for (int64_t q = 1; q < pieces; ++q) sum += partial[q * p.m * p.n + e];
    const int64_t i = e / p.n, j = e % p.n;
    p.c[i * p.c_rs + j * p.c_cs] = p.d ? sum + p.start(i, j) : sum;
  }
}

template <class T, class S> void run(const Product<T>& p) {
  const int64_t blocks = ceil_div(p.n, S::BN) * ceil_div(p.m, S::BM);
  int64_t pieces = p.batch.count > 1 ? 1 : BUSY / blocks;
  if (pieces > p.k / PIECE) pieces = p.k / PIECE;
  if (pieces < 2)
    return launch("matmul", &tiles<T, S>, grid_of(ceil_div(p.n, S::BN), ceil_div(p.m, S::BM), p.batch.count), S::THREADS, p);
  const int64_t depth = ceil_div(ceil_div(p.k, pieces), S::BK) * S::BK;
  pieces = ceil_div(p.k, depth);
  Scratch<T> partial(pieces * p.m * p.n);
  launch("matmul", &tiles_of_pieces<T, S>, grid_of(ceil_div(p.n, S::BN), ceil_div(p.m, S::BM), pieces), S::THREADS, p,
         global<T>(partial), depth);
  launch("matmul", &add_pieces<T>, blocks_for(p.m * p.n, 256), 256, p, partial.read(), pieces);
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
    default: raise_error(ErrorKind::dtype, "\"matmul\" not implemented for 'Bool'");
  }
}

}  // namespace

void matmul(Out c, In a, In b) { multiply_any(c, a, b, nullptr); }
void matmul_bias(Out c, In a, In b, In bias) { multiply_any(c, a, b, bias.ndim < 0 ? nullptr : &bias); }

}  // namespace fastnn::cuda
