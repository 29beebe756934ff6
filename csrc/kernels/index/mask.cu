// index/mask.cu: selecting by a mask, in two passes as on the CPU: count the ones of each chunk, then every chunk knows where it writes.
//
//    mask_starts     start[c] = ones before chunk c;  start[last] = all of them (Python reads it to allocate)
//    nonzero         y[:, s] = coordinates of the s-th one
//    masked_select   y[s] = x at the s-th one
//    masked_put      y at the s-th one = x[s], elsewhere unchanged, or zero
//
// A block has a chunk, 256 elements at a time; a ballot of each warp says which ones come before an element's own.
#include "../../core/cuda/each.cuh"
#include "../../core/cuda/team.cuh"

namespace fastnn::cuda {
namespace {

constexpr int MASK_THREADS = 256, MASK_WARPS = MASK_THREADS / WARP;

struct Chunks {
  int64_t n, chunk, count;
  Chunks(const View& mask, int64_t chunk) : n(mask.numel()), chunk(chunk), count(ceil_div(n, chunk)) {}
};

__global__ void __launch_bounds__(MASK_THREADS) count_ones(Chunks c, global<int64_t> start, global<const uint8_t> mask) {
  SHARED(int64_t, memory, MASK_THREADS);
  const Team team(MASK_THREADS, true);
  for (int64_t k = blockIdx.x; k < c.count; k += gridDim.x) {
    const int64_t end = (k + 1) * c.chunk < c.n ? (k + 1) * c.chunk : c.n;
    int64_t ones = 0;
    for (int64_t i = k * c.chunk + threadIdx.x; i < end; i += MASK_THREADS) ones += mask[i] != 0;
    ones = team.join(memory, ones, [](int64_t a, int64_t b) { return a + b; });
    if (threadIdx.x == 0) start[k + 1] = ones;
  }
}
// start[0 ... n) becomes its own running sum; one block
__global__ void __launch_bounds__(MASK_THREADS) running(global<int64_t> start, int64_t n) {
  SHARED(int64_t, sums, 2 * MASK_THREADS);
  const int t = int(threadIdx.x);
  const int64_t each = ceil_div(n, MASK_THREADS), begin = t * each, end = begin + each < n ? begin + each : n;
  int64_t total = 0;
  for (int64_t i = begin; i < end; ++i) total += i ? start[i] : 0;
  int side = 0;
  sums[t] = total;
  __syncthreads();
  for (int s = 1; s < MASK_THREADS; s *= 2, side = 1 - side) {
    sums[(1 - side) * MASK_THREADS + t] = sums[side * MASK_THREADS + t] + (t >= s ? sums[side * MASK_THREADS + t - s] : 0);
    __syncthreads();
  }
  int64_t sum = sums[side * MASK_THREADS + t] - total;
  for (int64_t i = begin; i < end; ++i) start[i] = sum += i ? start[i] : 0;
}

// rule(element, is it a one, ones before it) for every element of every chunk
template <class Rule> __global__ void __launch_bounds__(MASK_THREADS) each_one(Chunks c, Rule rule, global<const int64_t> start, global<const uint8_t> mask) {
  SHARED(int, ones, MASK_WARPS);
  const int t = int(threadIdx.x), lane = t % WARP, warp = t / WARP;
  for (int64_t k = blockIdx.x; k < c.count; k += gridDim.x) {
    const int64_t end = (k + 1) * c.chunk < c.n ? (k + 1) * c.chunk : c.n;
    int64_t next = start[k];
    for (int64_t first = k * c.chunk; first < end; first += MASK_THREADS) {
      const int64_t i = first + t;
      const bool one = i < end && mask[i] != 0;
      const unsigned votes = __ballot_sync(ALL, one);
      if (lane == 0) ones[warp] = __popc(votes);
      __syncthreads();
      int64_t before = next + __popc(votes & ((1u << lane) - 1));
      for (int w = 0; w < MASK_WARPS; ++w) {
        if (w < warp) before += ones[w];
        next += ones[w];
      }
      if (i < end) rule(i, one, before);
      __syncthreads();
    }
  }
}
template <class Rule> void run(const char* name, const View& mask, const View& start, int64_t chunk, const Rule& rule) {
  const Chunks c(mask, chunk);
  if (c.n) launch(name, &each_one<Rule>, blocks_for(c.count, 1), MASK_THREADS, c, rule, in<int64_t>(start), in<uint8_t>(mask));
}

struct Coordinates {
  int axes;
  int64_t shape[MAX_DIMS], axis_stride, stride;
  global<int64_t> y;
  __device__ void operator()(int64_t i, bool one, int64_t s) const {
    if (!one) return;
    for (int d = axes - 1; d >= 0; --d) {
      y[d * axis_stride + s * stride] = i % shape[d];
      i /= shape[d];
    }
  }
};
template <class T> struct Select {
  global<T> y;
  global<const T> x;
  __device__ void operator()(int64_t i, bool one, int64_t s) const {
    if (one) y[s] = x[i];
  }
};
template <class T> struct Put {
  global<T> y;
  global<const T> x;
  int64_t given;  // elements of x
  bool clear;
  __device__ void operator()(int64_t i, bool one, int64_t s) const {
    if (one && s < given) y[i] = x[s];
    else if (clear) y[i] = T(0);
  }
};

}  // namespace

void mask_starts(PackedOut start, PackedIn mask, int64_t chunk) {
  const Chunks c(mask, chunk);
  if (c.n) launch("mask_starts", &count_ones, blocks_for(c.count, 1), MASK_THREADS, c, out<int64_t>(start), in<uint8_t>(mask));
  launch("mask_starts", &running, 1, MASK_THREADS, out<int64_t>(start), start.shape[0]);
}
void nonzero(Out y, PackedIn mask, PackedIn start, int64_t chunk) {
  Coordinates r{mask.ndim, {}, y.strides[0], y.strides[1], out<int64_t>(y)};
  for (int d = 0; d < mask.ndim; ++d) r.shape[d] = mask.shape[d];
  run("nonzero", mask, start, chunk, r);
}
void masked_select(PackedOut y, PackedIn x, PackedIn mask, PackedIn start, int64_t chunk) {
  by_size(y.dtype, [&](auto t) { run("masked_select", mask, start, chunk, Select<decltype(t)>{out<decltype(t)>(y), in<decltype(t)>(x)}); });
}
void masked_put(PackedOut y, PackedIn x, PackedIn mask, PackedIn start, int64_t chunk, int64_t clear) {
  by_size(y.dtype, [&](auto t) {
    run("masked_put", mask, start, chunk, Put<decltype(t)>{out<decltype(t)>(y), in<decltype(t)>(x), x.numel(), clear != 0});
  });
}

}  // namespace fastnn::cuda
