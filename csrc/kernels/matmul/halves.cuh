// matmul/halves.cuh: the inner loop of C = A·B on tensor cores for float16 and bfloat16 operands, summed in float32. Read tensor.cuh first.
//
//    shared   a ring of slices of k, BK deep: while one is multiplied, the next ones are on their way (core/cuda/halves.cuh: copy_async)
//    a slice  16-byte pieces of 8 numbers, in the order in which they lie in memory: along k (rows of BK), or along i (rows of the tile's
//             length), which load_matrices turns. Pieces of a row are exchanged by the row's number: the 8 that make a matrix are in 32 banks
//    warps    WM x WN numbers of C each, as products of 16 x 8 x 16; two loads of matrices serve as many operands as four of TF32
//
// Not measured on a GPU yet.
#pragma once
#include <type_traits>

#include "../../core/cuda/halves.cuh"
#include "../../core/cuda/hopper.cuh"
#include "wide.cuh"

namespace fastnn::cuda {

template <int M, int N, int WARP_M, int WARP_N, int K = 32> struct HalfTile {
  static constexpr int BM = M, BN = N, BK = K, WM = WARP_M, WN = WARP_N, STAGES = 3, THREADS = M / WARP_M * (N / WARP_N) * WARP;
  static constexpr int A = BM * BK, STAGE = A + BN * BK, SIZE = STAGES * STAGE;  // numbers of shared memory: A, then B of each stage
};

// Where a slice of LENGTH x DEPTH numbers has number (i, k).
template <int LENGTH, int DEPTH, bool BY_K> FN int place_of(int i, int k) {
  if constexpr (BY_K) {
    constexpr int PIECES = DEPTH / 8, ROWS = 8 / PIECES;  // of a row; rows of 128 bytes
    return i * DEPTH + (k / 8 ^ i / ROWS % PIECES) * 8 + k % 8;
  } else {
    return k * LENGTH + (i / 8 ^ k % 8) * 8 + i % 8;
  }
}

// A slice from k0 on of an operand that lies at multiples of 16 bytes, along k or along i.
template <int LENGTH, int DEPTH, bool BY_K, int THREADS, class H, class M>
__device__ __forceinline__ void copy_slice(M& tiles, int to, const Operand<H>& x, int64_t i0, int64_t k0) {
#pragma unroll
  for (int e = int(threadIdx.x); e < LENGTH * DEPTH / 8; e += THREADS) {
    const int i = BY_K ? e / (DEPTH / 8) : e % (LENGTH / 8) * 8, k = BY_K ? e % (DEPTH / 8) * 8 : e / (LENGTH / 8);
    const bool inside = i0 + i < x.length && k0 + k < x.depth;
    const int64_t left = !inside ? 0 : BY_K ? x.depth - k0 - k : x.length - i0 - i;
    copy_async<H>(tiles, to + place_of<LENGTH, DEPTH, BY_K>(i, k), inside ? x.x + ((i0 + i) * x.step + (k0 + k) * x.k_step) : x.x,
                  int(left < 8 ? left : 8));
  }
}

// 16 x 16 numbers from (i, k) on, as operand A of mma_half; as B: r[0] and r[2] the first 8 of i, r[1] and r[3] the others.
template <int LENGTH, int DEPTH, bool BY_K, class M> __device__ __forceinline__ void load_operand(uint32_t (&r)[4], M& tiles, int at, int i, int k) {
  const int lane = int(threadIdx.x) % WARP;
  if constexpr (BY_K) load_matrices<false>(r, tiles, at + place_of<LENGTH, DEPTH, BY_K>(i + lane % 16, k + lane / 16 * 8));
  else load_matrices<true>(r, tiles, at + place_of<LENGTH, DEPTH, BY_K>(i + lane / 8 % 2 * 8, k + lane % 8 + lane / 16 * 8));
}

// One tile of C, summed over k in [begin, end). copy_a(to, k0) and copy_b(to, k0) bring BK of k to tiles[to + place_of(i, k)], zeros
// outside, at once or by copy_async; store(i, j, sums) takes two numbers of row i, from j on.
template <class S, class H, bool A_BY_K, bool B_BY_K, class M, class A, class B, class Store>
__device__ __forceinline__ void multiply_halves(M& tiles, int64_t begin, int64_t end, const A& copy_a, const B& copy_b, const Store& store) {
  constexpr int TM = S::WM / 16, TN = S::WN / 8;
  const int warp = int(threadIdx.x) / WARP, lane = int(threadIdx.x) % WARP;
  const int row = warp / (S::BN / S::WN) * S::WM, column = warp % (S::BN / S::WN) * S::WN;
  const auto fetch = [&](int64_t step) {
    const int to = int(step % S::STAGES) * S::STAGE;
    if (const int64_t k0 = begin + step * S::BK; k0 < end) copy_a(to, k0), copy_b(to + S::A, k0);
    close_copies();  // empty ones count, too
  };
  float sum[TM][TN][4] = {};
  for (int step = 0; step < S::STAGES - 1; ++step) fetch(step);
  for (int64_t step = 0; begin + step * S::BK < end; ++step) {
    await_copies<S::STAGES - 2>();
    __syncthreads();  // everybody's copies are there, and nobody reads what is fetched over now
    fetch(step + S::STAGES - 1);
    const int at = int(step % S::STAGES) * S::STAGE;
#pragma unroll
    for (int k = 0; k < S::BK; k += 16) {
      uint32_t x[TM][4], y[TN / 2][4];
#pragma unroll
      for (int i = 0; i < TM; ++i) load_operand<S::BM, S::BK, A_BY_K>(x[i], tiles, at, row + i * 16, k);
#pragma unroll
      for (int j = 0; j < TN / 2; ++j) load_operand<S::BN, S::BK, B_BY_K>(y[j], tiles, at + S::A, column + j * 16, k);
#pragma unroll
      for (int i = 0; i < TM; ++i)
#pragma unroll
        for (int j = 0; j < TN; ++j) mma_half<H>(sum[i][j], x[i], {y[j / 2][j % 2], y[j / 2][j % 2 + 2]});
    }
  }
  await_copies<0>();
  __syncthreads();  // the next tile's slices go to the same places
#pragma unroll
  for (int i = 0; i < TM; ++i)
#pragma unroll
    for (int j = 0; j < TN; ++j)
#pragma unroll
      for (int e = 0; e < 4; e += 2) store(row + i * 16 + lane / 4 + e / 2 * 8, column + j * 8 + lane % 4 * 2, &sum[i][j][e]);
}

// Two numbers of a row of C from (i, j) on, rounded, in one store where they lie so.
template <class H> __device__ __forceinline__ void put_pair(const Product<H>& p, int64_t i, int64_t j, const float* sums) {
  if (i >= p.m || j >= p.n) return;
  const int64_t at = i * p.c_rs + j * p.c_cs;
  if (p.c_cs == 1 && j + 1 < p.n && aligned(p.c + at, 4)) {
    view_as<uint32_t>(p.c + at)[0] = pack<H>(sums[0] + p.start(i, j), sums[1] + p.start(i, j + 1));
  } else {
    put(p, i, j, sums[0]);
    put(p, i, j + 1, sums[1]);
  }
}

// ---- operands at multiples of 16 bytes, as copies take them -------------------------------------------------------------------------

template <class H> FN bool lies_by_k(const Operand<H>& x) { return (x.k_step == 1 || x.depth == 1) && (x.step % 8 == 0 || x.length == 1); }
template <class H> FN bool lies_by_i(const Operand<H>& x) { return (x.step == 1 || x.length == 1) && (x.k_step % 8 == 0 || x.depth == 1); }

void copy(Out y, In x);

// Where it lies, or a copy along k, with rows of a multiple of 8. of: 0 for A, 1 for B.
template <class H> struct Straight {
  bool fits;
  int64_t count, step;
  Scratch<H> memory;
  Straight(Product<H>& p, int of) : Straight(p, of, of == 0 ? left(p) : right(p)) {}

 private:
  static bool lies(const Product<H>& p, int of, const Operand<H>& x) {
    bool evenly = aligned(x.x, 16) && (lies_by_k(x) || lies_by_i(x));
    for (int d = 0; d < p.batch.ndim; ++d) evenly = evenly && p.batch.stride[of][d] % 8 == 0;
    return evenly;
  }
  static int64_t copies(const Product<H>& p, int of) {
    int64_t n = 1;
    for (int d = 0; d < p.batch.ndim; ++d) n *= p.batch.stride[of][d] ? p.batch.size[d] : 1;
    return n;
  }
  Straight(Product<H>& p, int of, const Operand<H>& x)
      : fits(lies(p, of, x)), count(copies(p, of)), step(ceil_div(x.depth, 8) * 8), memory(fits ? 0 : count * x.length * step) {
    if (fits || x.depth == 0) return;
    View from{}, to{};
    from.dtype = to.dtype = dtype_of<H>(), from.place = to.place = Place::cuda, to.data = memory.data;
    from.data = const_cast<H*>(address_of(x.x));
    int n = 0;
    const auto axis = [&](int64_t size, int64_t stride, int64_t packed) {
      from.shape[n] = to.shape[n] = size, from.strides[n] = stride, to.strides[n++] = packed;
    };
    int64_t apart = count * x.length * step;
    for (int d = 0; d < p.batch.ndim; ++d) {
      int64_t& stride = p.batch.stride[of][d];
      if (!stride) continue;
      apart /= p.batch.size[d];
      axis(p.batch.size[d], stride, apart);
      stride = apart;
    }
    axis(x.length, x.step, step), axis(x.depth, x.k_step, 1);
    from.ndim = to.ndim = n;
    copy(Out{to}, In{from});
    if (of == 0) p.a = memory.read(), p.a_rs = step, p.a_cs = 1;
    else p.b = memory.read(), p.b_cs = step, p.b_rs = 1;
  }
};

// f(true or false, true or false): do A and B lie along k?
template <class H, class F> void by_layout(const Product<H>& p, const F& f) {
  const auto with_b = [&](auto a) { lies_by_k(right(p)) ? f(a, std::bool_constant<true>{}) : f(a, std::bool_constant<false>{}); };
  lies_by_k(left(p)) ? with_b(std::bool_constant<true>{}) : with_b(std::bool_constant<false>{});
}

}  // namespace fastnn::cuda
