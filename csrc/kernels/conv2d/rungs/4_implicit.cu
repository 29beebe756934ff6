// conv2d on a GPU, rung 4, implicit: the product of rung 3, whose columns are gathered on their way into shared memory.
//
//                 rows         columns        summed over      for each
//    forward      o            (i, j)         (c, p, q)        image and group
//    dx           c            (h, v)         (o, p, q)        image and group
//    dw           o            (c, p, q)      (n, i, j)        group
//
// The tile is matmul's (../../matmul/tile.cuh): 64 x 64 numbers a block, 4 x 4 a thread, 16 deep. Nothing is unfolded in memory.
//
// cost     four divisions for each gathered number; where the stride is s, s² - 1 of s² products in dx are with zero
// counted  1x16x16x16 32x3x3: 1,984 requests of global memory, 13,446 sectors; 11,520 of shared memory, 0 conflicts
//          derivative:        5,054 requests of global memory, 31,936 sectors; 38,400 of shared memory, 0 conflicts
// read on  5_tables.cu
#include "../../matmul/tile.cuh"
#include "rung.cuh"

namespace fastnn::cuda {
namespace {

using Part = Tile<64, 64, 16, 4, 4>;

// The tile at (row0, column0) of m x n sums over depth: a(i, k) · b(k, j), added to start(i); b_by_k: neighbours lie along k.
template <class T, class A, class B, class Start>
__device__ void tile_of(global<T> c, int64_t m, int64_t n, int64_t depth, bool b_by_k, const A& a, const B& b, const Start& start) {
  for (int64_t row0 = int64_t(blockIdx.y) * Part::BM, column0 = int64_t(blockIdx.x) * Part::BN; row0 < m; row0 += int64_t(gridDim.y) * Part::BM)
    multiply_tile<T, Part>(
        0, depth,
        [&](auto& tile, int64_t k0) {
          copy_numbers<T, Part::BM, Part::BK, Part::AS, Part::THREADS>(tile, true, [&](int i, int k) { return row0 + i < m && k0 + k < depth ? a(row0 + i, k0 + k) : T(0); });
        },
        [&](auto& tile, int64_t k0) {
          copy_numbers<T, Part::BN, Part::BK, Part::BS, Part::THREADS>(tile, b_by_k, [&](int j, int k) { return column0 + j < n && k0 + k < depth ? b(k0 + k, column0 + j) : T(0); });
        },
        [&](int i, int j, const T* sums) {
          for (int q = 0; q < Wide<T>::N; ++q)
            if (row0 + i < m && column0 + j + q < n) c[(row0 + i) * n + column0 + j + q] = sums[q] + start(row0 + i);
        });
}

template <class T> __global__ void __launch_bounds__(Part::THREADS) forward_tiles(Conv<T> v) {
  const int64_t places = v.I * v.J, taps = v.P * v.Q;
  for (int64_t z = blockIdx.z; z < v.N * v.groups; z += gridDim.z)
    tile_of<T>(v.out + z * v.O * places, v.O, places, v.C * taps, false, [&](int64_t o, int64_t k) { return v.weight(z % v.groups, o, 0, 0, k); },
               [&](int64_t k, int64_t ij) { return v.pixel(z, k / taps, v.row(ij / v.J, k / v.Q % v.P), v.column(ij % v.J, k % v.Q)); },
               [&](int64_t o) { return v.start(z % v.groups, o, v.O); });
}
template <class T> __global__ void __launch_bounds__(Part::THREADS) input_tiles(Conv<T> v) {
  const int64_t places = v.H * v.W, taps = v.P * v.Q;
  for (int64_t z = blockIdx.z; z < v.N * v.groups; z += gridDim.z)
    tile_of<T>(v.out + z * v.C * places, v.C, places, v.O * taps, false, [&](int64_t c, int64_t k) { return v.weight(z % v.groups, k / taps, c, 0, k % taps); },
               [&](int64_t k, int64_t hw) { return v.slope_under(z, k / taps, hw / v.W, hw % v.W, k / v.Q % v.P, k % v.Q); },
               [&](int64_t c) { return v.start(z % v.groups, c, v.C); });
}
template <class T> __global__ void __launch_bounds__(Part::THREADS) weight_tiles(Conv<T> v) {
  const int64_t places = v.I * v.J, taps = v.P * v.Q;
  for (int64_t group = blockIdx.z; group < v.groups; group += gridDim.z) {
    const auto z = [&](int64_t k) { return k / places * v.groups + group; };
    tile_of<T>(v.out + group * v.O * v.C * taps, v.O, v.C * taps, v.N * places, true, [&](int64_t o, int64_t k) { return v.slope(z(k), o, 0, k % places); },
               [&](int64_t k, int64_t t) { return v.pixel(z(k), t / taps, v.row(k % places / v.J, t / v.Q % v.P), v.column(k % v.J, t % v.Q)); },
               [](int64_t) { return T(0); });
  }
}

template <class T> void forward(const Conv<T>& v) {
  launch("conv2d", &forward_tiles<T>, grid_of(ceil_div(v.I * v.J, Part::BN), ceil_div(v.O, Part::BM), v.N * v.groups), Part::THREADS, v);
}
template <class T> void to_input(const Conv<T>& v) {
  launch("conv2d_dx", &input_tiles<T>, grid_of(ceil_div(v.H * v.W, Part::BN), ceil_div(v.C, Part::BM), v.N * v.groups), Part::THREADS, v);
}
template <class T> void to_weights(const Conv<T>& v) {
  launch("conv2d_dw", &weight_tiles<T>, grid_of(ceil_div(v.C * v.P * v.Q, Part::BN), ceil_div(v.O, Part::BM), v.groups), Part::THREADS, v);
}

}  // namespace

FN_CONV2D_RUNG(implicit, forward, to_input, to_weights)

}  // namespace fastnn::cuda
