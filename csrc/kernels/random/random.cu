// random/random.cu: the Philox stream on a GPU: the same numbers as on the CPU, for every seed and offset (stream.h says which
// element gets which word). Here are the words and the masks of dropout, equal bit for bit.
//
// The state [seed, offset] lies on the host: a launch takes its part of the stream along, and the offset is advanced at once.
#include "../../core/cuda/scalar.h"

namespace fastnn::cuda {
namespace {

constexpr int TILE = 16, WORDS = 4 * TILE;  // counters of a tile, and their 32-bit words

struct Stream {
  uint32_t k0, k1;
  uint64_t first;
};
Stream stream_at(const int64_t* state) {
  const auto seed = uint64_t(state[0]);
  return {uint32_t(seed), uint32_t(seed >> 32), uint64_t(state[1])};
}
Stream claimed(const View& state, int64_t tiles) {
  int64_t* s = state.ptr<int64_t>();
  Stream stream = stream_at(s);
  stream.first = uint64_t(__atomic_fetch_add(&s[1], tiles * TILE, __ATOMIC_RELAXED));  // two threads never share numbers
  return stream;
}

struct Block { uint32_t w[4]; };
FN Block rounds(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint32_t k0, uint32_t k1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t(c0) * 0xD2511F53u, b = uint64_t(c2) * 0xCD9E8D57u;
    const uint32_t n0 = uint32_t(b >> 32) ^ c1 ^ k0, n2 = uint32_t(a >> 32) ^ c3 ^ k1;
    c0 = n0, c1 = uint32_t(b), c2 = n2, c3 = uint32_t(a);
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}
FN Block at(const Stream& s, uint64_t counter) { return rounds(uint32_t(counter), uint32_t(counter >> 32), 0, 0, s.k0, s.k1); }

// A thread has one counter: its four words go to four elements, 16 apart, and neighbours write next to each other.
template <class F> __device__ __forceinline__ void each_word(const Stream& s, int64_t n, const F& f) {
  const int64_t counters = ceil_div(n, WORDS) * TILE;
  for (int64_t c = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; c < counters; c += int64_t(gridDim.x) * blockDim.x) {
    const Block b = at(s, s.first + uint64_t(c));
    for (int w = 0; w < 4; ++w) {
      const int64_t i = c / TILE * WORDS + w * TILE + c % TILE;
      if (i < n) f(i, b.w[w]);
    }
  }
}

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

void dropout(PackedOut y, PackedOut saved, State state, PackedIn x, double p) {
  run_drop(y, x, claimed(state, ceil_div(y.numel(), WORDS)), p, saved, false);
}
void dropout_dx(PackedOut dx, PackedIn g, PackedIn saved, double p) {
  run_drop(dx, g, {}, p, saved, true);
}

}  // namespace fastnn::cuda
