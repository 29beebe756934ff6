// conv2d/gather.cuh: a convolution as a product C = A·B of which B is gathered by two small tables: one says where a column lies,
// the other where k does, and a number of B lies at the sum of both, if that is in the image. No division is left in the loop.
//
//                 rows    columns          k                   A        B
//    forward      o       (i, j)           (c, p, q)           w        x         for each image and group
//    dx           c       (u, v)           (o, taps that fit)  w        g         ... and phase: h = a + s·u, u = 0, 1 ...; a < s
//    dw           o       (c, p, q)        (n, i, j)           g        x         for each group and piece of k
//
// A tap p lies on rows of one phase only, those with h + P - d·p a multiple of s: so each phase has taps of its own, and nothing is
// multiplied by zeros that a stride would insert.
#pragma once
#include "../matmul/halves.cuh"
#include "../matmul/tensor.cuh"
#include "conv.cuh"

namespace fastnn::cuda {

struct alignas(16) Place {
  int32_t h, w;
  int64_t plane;
};
constexpr Place NOWHERE = {-(1 << 30), 0, 0};  // twice of it is negative, too

template <class T> struct Gathered {
  Product<T> p;  // its b is the image; a, b and c of the first image or piece, and the first group
  int64_t H, W;
  global<const Place> columns, depths;
  global<const int64_t> a_at, c_at;  // where k lies in a row of A, a column in a row of C; null: side by side
  bool b_by_k;                       // neighbours of the image lie along k
  int64_t groups, outer, piece;      // outer: images, or pieces of k, each `piece` long
  int64_t a_step[2], b_step[2], c_step[2], d_step;  // from one of `outer`, and from one group, to the next
  global<float> partial = {};  // of halves: where the sums of a piece go, if to no c

  __device__ Gathered at(int64_t z) const {
    Gathered g = *this;
    const int64_t n = z / groups, group = z % groups;
    g.p.a += n * a_step[0] + group * a_step[1], g.p.b += n * b_step[0] + group * b_step[1], g.p.c += n * c_step[0] + group * c_step[1];
    if (p.d) g.p.d += group * d_step;
    if (partial) g.partial += n * c_step[0] + group * c_step[1];
    return g;
  }
  __device__ __forceinline__ T at(const Place& column, const Place& depth) const {
    const int32_t h = column.h + depth.h, w = column.w + depth.w;
    return uint32_t(h) < uint32_t(H) && uint32_t(w) < uint32_t(W) ? p.b[column.plane + depth.plane + h * W + w] : T{};
  }
};

// The columns that a thread gathers are the same in every slice of k: it looks them up once. BY_K: its neighbours' lie along k.
template <class T, class S, bool BY_K> struct Columns {
  static constexpr int SECTOR = Spot<S::BN, 1, T>::SECTOR, APART = BY_K ? S::THREADS / SECTOR : S::THREADS, COUNT = S::BN > APART ? S::BN / APART : 1;
  Place column[COUNT];
  __device__ __forceinline__ Columns(const Gathered<T>& v, int64_t column0) {
#pragma unroll
    for (int n = 0; n < COUNT; ++n) {
      const int64_t j = column0 + Spot<S::BN, 1, T>(int(threadIdx.x) + n * S::THREADS, BY_K).i;
      column[n] = j < v.p.n ? v.columns[j] : NOWHERE;
    }
  }
  // put(i, k, number) for all numbers of the slice
  template <class D, class F> __device__ __forceinline__ void each(const Gathered<T>& v, const D& depth, const F& put) const {
#pragma unroll
    for (int n = 0; n < S::BN * S::BK / S::THREADS; ++n) {
      const Spot<S::BN, 1, T> at(int(threadIdx.x) + n * S::THREADS, BY_K);
      put(at.i, at.k, v.at(column[n % COUNT], depth(at.k)));
    }
  }
};

// A slice's part of the other table is in shared memory; the next slice's is fetched beside, so that no barrier waits for it.
template <class T, class S, bool BY_K>
__device__ __forceinline__ void gathered_tile(const Gathered<T>& v, int64_t row0, int64_t column0, int64_t begin, int64_t end) {
  SHARED(Place, depths, 2 * S::BK);
  SHARED(int64_t, a_at, 2 * S::BK);
  const auto fetch = [&](int64_t k0) {
    const int64_t k = k0 + int(threadIdx.x), slot = k0 / S::BK % 2 * S::BK + int(threadIdx.x);
    if (threadIdx.x >= S::BK) return;
    depths[slot] = k < end ? v.depths[k] : NOWHERE;
    if (v.a_at) a_at[slot] = k < end ? v.a_at[k] : -1;
  };
  fetch(begin);
  __syncthreads();
  const Columns<T, S, BY_K> columns(v, column0);
  const auto copy_a = [&](auto& tile, int64_t k0) {
    fetch(k0 + S::BK);
    if (!v.a_at) return copy_operand<S::BM, S::BK, S::AS, S::THREADS>(tile, left(v.p), row0, k0);
    copy_numbers<T, S::BM, S::BK, S::AS, S::THREADS>(tile, true, [&](int i, int k) {
      const int64_t at = a_at[k0 / S::BK % 2 * S::BK + k];
      return row0 + i < v.p.m && at >= 0 ? v.p.a[(row0 + i) * v.p.a_rs + at] : T(0);
    });
  };
  const auto copy_b = [&](auto& tile, int64_t k0) {
    columns.each(v, [&](int k) { return depths[k0 / S::BK % 2 * S::BK + k]; }, [&](int i, int k, T number) { tile[k * S::BS + i] = number; });
  };
  const auto store = [&](int i, int j, const T* sums) {
    constexpr int N = on_tensor_cores<S> ? 2 : Wide<T>::N;
    if (!v.c_at && N == Wide<T>::N) return put_wide(v.p, row0 + i, column0 + j, sums);
#pragma unroll
    for (int q = 0; q < N; ++q)
      if (column0 + j + q < v.p.n && row0 + i < v.p.m)
        v.p.c[(row0 + i) * v.p.c_rs + (v.c_at ? v.c_at[column0 + j + q] : column0 + j + q)] = sums[q] + v.p.start(row0 + i, 0);
  };
  if constexpr (on_tensor_cores<S>) multiply_on_tensor_cores<S>(begin, end, copy_a, copy_b, store);
  else multiply_tile<T, S>(begin, end, copy_a, copy_b, store);
}
// The same of halves. A slice is fetched STAGES - 1 steps ahead, and its part of the table as many before that.
template <class H, class S, bool BY_K, class M>
__device__ __forceinline__ void gathered_halves(M& tiles, const Gathered<H>& v, int64_t row0, int64_t column0, int64_t begin, int64_t end) {
  constexpr int AHEAD = S::STAGES - 1, SLOTS = S::STAGES + 1;
  SHARED(Place, depths, SLOTS * S::BK);
  SHARED(int64_t, a_at, SLOTS * S::BK);
  const auto slot = [&](int64_t k0) { return int((k0 - begin) / S::BK % SLOTS) * S::BK; };
  const auto look_up = [&](int64_t k0) {
    if (threadIdx.x >= S::BK) return;
    const int64_t k = k0 + int(threadIdx.x);
    depths[slot(k0) + int(threadIdx.x)] = k < end ? v.depths[k] : NOWHERE;
    if (v.a_at) a_at[slot(k0) + int(threadIdx.x)] = k < end ? v.a_at[k] : -1;
  };
  for (int n = 0; n < AHEAD; ++n) look_up(begin + n * S::BK);
  __syncthreads();
  const Columns<H, S, BY_K> columns(v, column0);
  Operand<H> a = left(v.p);
  a.depth = end;
  const bool a_wide = !v.a_at && lies_by_k(a) && aligned(a.x, 16);
  const auto copy_a = [&](int to, int64_t k0) {
    look_up(k0 + AHEAD * S::BK);
    if (a_wide) return copy_slice<S::BM, S::BK, true, S::THREADS>(tiles, to, a, row0, k0);
#pragma unroll 4
    for (int e = int(threadIdx.x); e < S::BM * S::BK; e += S::THREADS) {
      const Spot<S::BM, 1, H> spot(e, true);
      const int64_t at = v.a_at ? a_at[slot(k0) + spot.k] : k0 + spot.k < end ? k0 + spot.k : -1;
      tiles[to + place_of<S::BM, S::BK, true>(spot.i, spot.k)] = row0 + spot.i < v.p.m && at >= 0 ? v.p.a[(row0 + spot.i) * v.p.a_rs + at] : H{};
    }
  };
  const auto copy_b = [&](int to, int64_t k0) {
    columns.each(v, [&](int k) { return depths[slot(k0) + k]; }, [&](int i, int k, H number) { tiles[to + place_of<S::BN, S::BK, BY_K>(i, k)] = number; });
  };
  multiply_halves<S, H, true, BY_K>(tiles, begin, end, copy_a, copy_b, [&](int i, int j, const float* sums) {
    for (int q = 0; q < 2; ++q) {
      const int64_t row = row0 + i, column = column0 + j + q;
      if (row >= v.p.m || column >= v.p.n) continue;
      const int64_t at = row * v.p.c_rs + (v.c_at ? v.c_at[column] : column);
      if (v.partial) v.partial[at] = sums[q];
      else v.p.c[at] = narrow<H>(sums[q] + v.p.start(row, 0));
    }
  });
}
template <class T, class S, bool BY_K> __global__ void __launch_bounds__(S::THREADS) gathered(Gathered<T> all) {
  for (int64_t z = blockIdx.z; z < all.outer * all.groups; z += gridDim.z)
    for (int64_t y = blockIdx.y; y * S::BM < all.p.m; y += gridDim.y) {
      const int64_t begin = z / all.groups * all.piece, end = all.piece && begin + all.piece < all.p.k ? begin + all.piece : all.p.k;
      if constexpr (is_half<T>) {
        TILES(T, tiles, S::SIZE);
        gathered_halves<T, S, BY_K>(tiles, all.at(z), y * S::BM, int64_t(blockIdx.x) * S::BN, begin, end);
      } else gathered_tile<T, S, BY_K>(all.at(z), y * S::BM, int64_t(blockIdx.x) * S::BN, begin, end);
    }
}
template <class S, class T> void launch_gathered(const char* name, const Gathered<T>& v) {
  int memory = 0;
  if constexpr (is_half<T>) memory = S::SIZE * int(sizeof(T));
  launch_with(memory, name, v.b_by_k ? &gathered<T, S, true> : &gathered<T, S, false>,
         grid_of(ceil_div(v.p.n, S::BN), ceil_div(v.p.m, S::BM), v.outer * v.groups), S::THREADS, v);
}

// ---- the tables -----------------------------------------------------------------------------------------------------------------

struct FillTaps {  // (c, p, q)
  int64_t P, Q, plane;
  Conv2d s;
  global<Place> to;
  __device__ void operator()(int64_t e) const {
    to[e] = {int32_t(e / Q % P * s.dilation[0]), int32_t(e % Q * s.dilation[1]), e / (P * Q) * plane};
  }
};
struct FillPlaces {  // (n, i, j), of windows
  int64_t I, J, image, image_of_g;
  Conv2d s;
  global<Place> to;
  global<int64_t> in_g;
  __device__ void operator()(int64_t e) const {
    const int64_t ij = e % (I * J), n = e / (I * J);
    to[e] = {int32_t(ij / J * s.stride[0] - s.padding[0]), int32_t(ij % J * s.stride[1] - s.padding[1]), n * image};
    if (in_g) in_g[e] = n * image_of_g + ij;
  }
};
struct Phase {  // along one axis: h = first + stride·u, u < count, and the taps on them, tap + step·r, r < taps; the r-th lies on row u + shift - turn·r of g
  int64_t first, stride, count, tap = 0, step = 1, taps = 0, shift = 0, turn = 0;
  Phase(const Conv2d& s, int d, int64_t first, int64_t size, int64_t kernel) : first(first), stride(s.stride[d]), count(ceil_div(size - first, stride)) {
    const auto fits = [&](int64_t p) { return (first + s.padding[d] - p * s.dilation[d]) % stride == 0; };
    while (tap < kernel && !fits(tap)) ++tap;
    if (tap >= kernel) return;
    while (tap + step < kernel && !fits(tap + step)) ++step;
    taps = ceil_div(kernel - tap, step), shift = (first + s.padding[d] - tap * s.dilation[d]) / stride, turn = step * s.dilation[d] / stride;
  }
};
struct FillPhase {  // the columns, if `in_dx` is given, else k
  Phase y, x;
  int64_t W, P, Q, C, plane;
  global<Place> to;
  global<int64_t> in_dx, in_w;
  __device__ void operator()(int64_t e) const {
    if (in_dx) {
      const int64_t u = e / x.count, v = e % x.count;
      to[e] = {int32_t(u), int32_t(v), 0}, in_dx[e] = (y.first + u * y.stride) * W + x.first + v * x.stride;
    } else {
      const int64_t q = e % x.taps, p = e / x.taps % y.taps, o = e / (x.taps * y.taps);
      to[e] = {int32_t(y.shift - p * y.turn), int32_t(x.shift - q * x.turn), o * plane};
      in_w[e] = (o * C * P + y.tap + p * y.step) * Q + x.tap + q * x.step;
    }
  }
};

// ---- from a convolution to products: run(product) -----------------------------------------------------------------------------------

template <class T, class Run> void gather_forward(const Conv<T>& v, const Run& run) {
  const int64_t places = v.I * v.J, taps = v.C * v.P * v.Q;
  Scratch<Place> columns(places), depths(taps);
  launch_each("conv2d", places, FillPlaces{v.I, v.J, 0, 0, v.s, columns, {}});
  launch_each("conv2d", taps, FillTaps{v.P, v.Q, v.H * v.W, v.s, depths});
  const Product<T> p{v.O, places, taps, v.w, v.x, v.bias, v.out, taps, 1, 0, 0, places, 1, 1, 0, {}};
  run(Gathered<T>{p, v.H, v.W, columns.read(), depths.read(), {}, {}, false, v.groups, v.N, 0, {0, v.O * taps}, {v.groups * v.C * v.H * v.W, v.C * v.H * v.W},
                  {v.groups * v.O * places, v.O * places}, v.O});
}
template <class T, class Run> void gather_to_input(const Conv<T>& v, const Run& run) {
  const int64_t size = v.H * v.W, places = v.I * v.J;
  const bool dense = v.s.stride[0] == 1 && v.s.stride[1] == 1;
  for (int64_t a = 0; a < v.s.stride[0] && a < v.H; ++a)
    for (int64_t b = 0; b < v.s.stride[1] && b < v.W; ++b) {
      const Phase y(v.s, 0, a, v.H, v.P), x(v.s, 1, b, v.W, v.Q);
      const int64_t n = y.count * x.count, k = v.O * y.taps * x.taps;
      Scratch<Place> columns(n), depths(k);
      Scratch<int64_t> in_dx(n), in_w(k);
      launch_each("conv2d_dx", n, FillPhase{y, x, v.W, v.P, v.Q, v.C, places, columns, in_dx, {}});
      launch_each("conv2d_dx", k, FillPhase{y, x, v.W, v.P, v.Q, v.C, places, depths, {}, in_w});
      const Product<T> p{v.C, n, k, v.w, v.g, v.bias, v.out, v.P * v.Q, 1, 0, 0, size, 1, 1, 0, {}};
      run(Gathered<T>{p, v.I, v.J, columns.read(), depths.read(), in_w.read(), dense ? global<const int64_t>() : in_dx.read(), false, v.groups, v.N, 0,
                      {0, v.O * v.C * v.P * v.Q}, {v.groups * v.O * places, v.O * places}, {v.groups * v.C * size, v.C * size}, v.C});
    }
}
template <class T, class Run> void gather_to_weights(const Conv<T>& v, const Run& run) {
  const int64_t places = v.I * v.J, taps = v.C * v.P * v.Q, size = v.H * v.W;
  Scratch<Place> columns(taps), depths(v.N * places);
  Scratch<int64_t> in_g(v.N * places);
  launch_each("conv2d_dw", v.N * places, FillPlaces{v.I, v.J, v.groups * v.C * size, v.groups * v.O * places, v.s, depths, in_g});
  launch_each("conv2d_dw", taps, FillTaps{v.P, v.Q, size, v.s, columns});
  const Product<T> p{v.O, taps, v.N * places, v.g, v.x, {}, v.out, places, 1, 0, 0, taps, 1, 0, 0, {}};
  run(Gathered<T>{p, v.H, v.W, columns.read(), depths.read(), in_g.read(), {}, true, v.groups, 1, 0, {0, v.O * places}, {0, v.C * size},
                  {0, v.O * taps}, 0});
}

}  // namespace fastnn::cuda
