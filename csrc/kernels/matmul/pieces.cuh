// matmul/pieces.cuh: a small C with a long k: pieces of k in parallel, each into memory of its own, added in order by a second launch.
#pragma once
#include "product.cuh"

namespace fastnn::cuda {

constexpr int64_t PIECE = 256;  // of k, at least

struct Pieces { int64_t count, depth; };
template <class S, class T> Pieces pieces_of(const Product<T>& p) {  // one, of everything, where that is enough
  int64_t pieces = p.batch.count > 1 ? 1 : BUSY / (ceil_div(p.n, S::BN) * ceil_div(p.m, S::BM));
  if (pieces > p.k / PIECE) pieces = p.k / PIECE;
  if (pieces < 2) return {1, p.k};
  const int64_t depth = ceil_div(ceil_div(p.k, pieces), S::BK) * S::BK;
  return {ceil_div(p.k, depth), depth};
}

template <class T> __global__ void add_pieces(Product<T> p, global<const Sum<T>> partial, int64_t pieces) {
  for (int64_t e = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; e < p.m * p.n; e += int64_t(gridDim.x) * blockDim.x) {
    Sum<T> sum = partial[e];
    for (int64_t q = 1; q < pieces; ++q) sum += partial[q * p.m * p.n + e];
    put(p, e / p.n, e % p.n, sum);
  }
}
template <class T> void add_up(const Product<T>& p, global<const Sum<T>> partial, int64_t pieces) {
  launch("matmul", &add_pieces<T>, blocks_for(p.m * p.n, 256), 256, p, partial, pieces);
}

}  // namespace fastnn::cuda
