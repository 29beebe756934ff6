// random/random.cu: the words of the Philox stream, and the masks of dropout: equal to the CPU's bit for bit.
// read on  stream.cuh  →  draw.cu (distributions)
#include "stream.cuh"

namespace fastnn::cuda {
namespace {

// [seed, offset] of the mask go to or come from `saved`, on the GPU: the derivative does not wait to read them.
template <class T>
__global__ void drop(Stream s, int64_t n, global<T> y, global<const T> x, uint32_t threshold, T scale, global<int64_t> saved, bool again) {
  if (again) {
    s = {uint32_t(saved[0]), uint32_t(uint64_t(saved[0]) >> 32), uint64_t(saved[1])};
  } else if (blockIdx.x == 0 && threadIdx.x == 0) {
    saved[0] = int64_t(uint64_t(s.k1) << 32 | s.k0);
    saved[1] = int64_t(s.first);
  }
  each_word(s, n, [&](int64_t i, uint32_t word) { y[i] = word >= threshold ? x[i] * scale : T(0); });
}
template <class T> __global__ void drop_all(Stream s, int64_t n, global<T> y, global<int64_t> saved, bool again) {
  if (!again && blockIdx.x == 0 && threadIdx.x == 0) saved[0] = int64_t(uint64_t(s.k1) << 32 | s.k0), saved[1] = int64_t(s.first);
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += int64_t(gridDim.x) * blockDim.x) y[i] = T(0);
}
template <class T> void run_drop(const View& y, const View& x, const Stream& s, double p, const View& saved, bool again) {
  const int64_t n = y.numel();
  const unsigned blocks = n ? blocks_for(n, 4 * 256) : 1;
  if (p * 0x1p32 >= 0x1p32) return launch("dropout", &drop_all<T>, blocks, 256, s, n, out<T>(y), out<int64_t>(saved), again);
  launch("dropout", &drop<T>, blocks, 256, s, n, out<T>(y), in<T>(x), uint32_t(int64_t(p * 0x1p32)), T(1 / (1 - p)),
         out<int64_t>(saved), again);
}
void run_drop(const View& y, const View& x, const Stream& s, double p, const View& saved, bool again) {
  if (y.dtype == DType::f32) run_drop<float>(y, x, s, p, saved, again);
  else run_drop<double>(y, x, s, p, saved, again);
}

__global__ void words_of(int64_t n, global<int64_t> y, global<const int64_t> c, global<const int64_t> k) {
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += int64_t(gridDim.x) * blockDim.x) {
    const Block b = rounds(uint32_t(c[4 * i]), uint32_t(c[4 * i + 1]), uint32_t(c[4 * i + 2]), uint32_t(c[4 * i + 3]), uint32_t(k[0]),
                           uint32_t(k[1]));
    for (int w = 0; w < 4; ++w) y[4 * i + w] = b.w[w];
  }
}

}  // namespace

void philox(PackedOut words, PackedIn counter, PackedIn key) {
  const int64_t n = counter.shape[0];
  launch("philox", words_of, blocks_for(n, 256), 256, n, out<int64_t>(words), in<int64_t>(counter), in<int64_t>(key));
}

void claim(PackedOut saved, State state, int64_t n) {
  const Stream s = claimed(state, ceil_div(n, WORDS));
  const int64_t pair[2] = {int64_t(uint64_t(s.k1) << 32 | s.k0), int64_t(s.first)};
  runtime::to_device(saved.data, pair, sizeof pair);
}
void dropout(PackedOut y, PackedOut saved, State state, PackedIn x, double p) {
  run_drop(y, x, claimed(state, ceil_div(y.numel(), WORDS)), p, saved, false);
}
void dropout_dx(PackedOut dx, PackedIn g, PackedIn saved, double p) {
  run_drop(dx, g, {}, p, saved, true);
}

}  // namespace fastnn::cuda
