// matmul/halves.cu: products of float16 and bfloat16. Here: which kernel when.
//
//    128 x 128, wgmma    compute capability 9.0, enough tiles to occupy the GPU, at most one batch axis (halves_hopper.cu)
//    128 x 128, mma      where C has enough of them to occupy the GPU        64 x 64     otherwise
//    pieces              a small C with a long k, as matmul.cu
//
// Operands that do not lie at multiples of 16 bytes along either axis (odd sizes, slices) are copied first: one pass over them.
//
// cost     2mnk flops. Read halves.cuh first.
#include "halves.cuh"
#include "pieces.cuh"

namespace fastnn::cuda {

bool multiply_on_hopper(const Product<Half>& p);
bool multiply_on_hopper(const Product<BFloat>& p);

namespace {

using Large = HalfTile<128, 128, 64, 32>;
using Small = HalfTile<64, 64, 32, 32>;

// The sums of a piece of k, `depth` long, go to `partial`, where it is given; the grid's z is a piece then.
template <class H, class S, bool A_BY_K, bool B_BY_K>
__global__ void __launch_bounds__(S::THREADS) half_tiles(Product<H> all, global<float> partial, int64_t depth) {
  TILES(H, tiles, S::SIZE);
  const int64_t column0 = int64_t(blockIdx.x) * S::BN;
  for (int64_t z = blockIdx.z; z < (partial ? int64_t(gridDim.z) : all.batch.count); z += gridDim.z)
    for (int64_t row0 = int64_t(blockIdx.y) * S::BM; row0 < all.m; row0 += int64_t(gridDim.y) * S::BM) {
      Product<H> p = partial ? all : all.at(z);
      const int64_t begin = partial ? z * depth : 0;
      if (partial && begin + depth < p.k) p.k = begin + depth;
      multiply_halves<S, H, A_BY_K, B_BY_K>(
          tiles, begin, p.k, [&](int to, int64_t k0) { copy_slice<S::BM, S::BK, A_BY_K, S::THREADS>(tiles, to, left(p), row0, k0); },
          [&](int to, int64_t k0) { copy_slice<S::BN, S::BK, B_BY_K, S::THREADS>(tiles, to, right(p), column0, k0); },
          [&](int i, int j, const float* sums) {
            if (!partial) return put_pair(p, row0 + i, column0 + j, sums);
            for (int q = 0; q < 2; ++q)
              if (row0 + i < p.m && column0 + j + q < p.n) partial[(z * p.m + row0 + i) * p.n + column0 + j + q] = sums[q];
          });
    }
}

template <class S, class H> void run(const Product<H>& p) {
  const Pieces cut = pieces_of<S>(p);
  Scratch<float> partial(cut.count > 1 ? cut.count * p.m * p.n : 0);
  by_layout(p, [&](auto a, auto b) {
    launch_with(S::SIZE * int(sizeof(H)), "matmul", &half_tiles<H, S, a.value, b.value>,
                grid_of(ceil_div(p.n, S::BN), ceil_div(p.m, S::BM), cut.count > 1 ? cut.count : p.batch.count), S::THREADS, p,
                cut.count > 1 ? global<float>(partial) : global<float>(), cut.depth);
  });
  if (cut.count > 1) add_up(p, partial.read(), cut.count);
}

template <class H> void multiply(Product<H> p) {
  const Straight<H> a(p, 0), b(p, 1);
  if (runtime::is_hopper() && multiply_on_hopper(p)) return;
  if (occupy(ceil_div(p.m, Large::BM) * ceil_div(p.n, Large::BN) * p.batch.count)) run<Large>(p);
  else run<Small>(p);
}

}  // namespace

void multiply_halves(const View& c, const View& a, const View& b, const View* d) {
  with_halves(c.dtype, [&]<class H>(H) { each_product<H>(c, a, b, d, multiply<H>); });
}

}  // namespace fastnn::cuda
