// random/draw.cu: distributions over the Philox stream, the CPU's numbers bit for bit (random.cpp says how each is made).
//
//    uniform, normal, randint, bernoulli    a thread has a counter, whose words go to elements 16 apart
//    permutation    drawn by the host, where the stream's state lies, and sent: Fisher and Yates' way is one step after another
//    multinomial    with replacement: a running sum in order, then a search for each draw; without: the k smallest of e / p, sorted
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "../../core/cuda/each.cuh"
#include "../sort/radix.cuh"
#include "draw.cuh"

namespace fastnn::cuda {
namespace {

// y = shift + scale · value, what rounding lifts to the open end of an interval cut back to `limit`
template <class T, class Draw> struct Fill {
  Stream s;
  int64_t n;
  global<T> y;
  T scale, shift, limit;
  bool plain;
  Draw draw;
  __device__ void operator()(int64_t c) const {
    constexpr int EACH = 16 / sizeof(T);
    T v[EACH];
    draw(at(s, s.first + uint64_t(c)), v);
    for (int w = 0; w < EACH; ++w) {
      const int64_t i = c / TILE * TILE * EACH + w * TILE + c % TILE;
      if (!plain) v[w] = min(plus(times(scale, v[w]), shift), limit);
      if (i < n) y[i] = v[w];
    }
  }
};
template <class T, class Draw> void fill(const char* name, const View& y, const View& state, T scale, T shift, T limit) {
  const int64_t n = y.numel(), tiles = ceil_div(n, TILE * (16 / int64_t(sizeof(T))));
  launch_each(name, tiles * TILE, Fill<T, Draw>{claimed(state, tiles), n, out<T>(y), scale, shift, limit, scale == 1 && shift == 0, {}});
}
template <class T> void uniform_of(const View& y, const View& state, double low, double high) {
  const T a = T(low), b = T(high);
  fill<T, Uniform>("uniform", y, state, b - a, a, a < b ? std::nextafter(b, -std::numeric_limits<T>::infinity()) : b);
}

__device__ __forceinline__ uint64_t high_product(uint64_t a, uint64_t b) {  // the top 64 of 128 bits
#if defined(__CUDA_ARCH__)
  return __umul64hi(a, b);
#else
  return uint64_t((unsigned __int128)a * b >> 64);
#endif
}
template <class T> struct Integers {  // element i of a pair of tiles takes words i and i + 64
  Stream s;
  int64_t n, low;
  uint64_t range;
  global<T> y;
  __device__ void operator()(int64_t c) const {
    const uint64_t counter = s.first + uint64_t(c / TILE * 2 * TILE + c % TILE);
    const Block a = at(s, counter), b = at(s, counter + TILE);
    for (int w = 0; w < 4; ++w) {
      const int64_t i = c / TILE * WORDS + w * TILE + c % TILE;
      if (i < n) y[i] = T(int64_t(uint64_t(low) + high_product(uint64_t(a.w[w]) << 32 | b.w[w], range)));
    }
  }
};

template <class T, class P> struct Bernoulli {
  Stream s;
  int64_t n;
  global<T> y;
  global<const P> p;
  bool one;
  __device__ void operator()(int64_t c) const {
    const Block b = at(s, s.first + uint64_t(c));
    for (int w = 0; w < 4; ++w) {
      const int64_t i = c / TILE * WORDS + w * TILE + c % TILE;
      if (i >= n) continue;
      const double chance = double(p[one ? 0 : i]);
      if (!(chance >= 0 && chance <= 1)) fault(Fault::probability, "bernoulli", 0, 0);
      const double threshold = chance * 0x1p32;
      y[i] = T(one ? threshold >= 0x1p32 || b.w[w] < uint32_t(int64_t(threshold)) : double(b.w[w]) < threshold);
    }
  }
};

// ---- permutation, on the host -------------------------------------------------------------------------------------------------

uint32_t word(const Stream& s, uint64_t counter, int64_t i) {  // word i of the tile that begins at counter
  return at(s, counter + uint64_t(i % TILE)).w[i / TILE];
}
void shuffle(int64_t* a, int64_t n, const Stream& s, uint64_t counter) {
  for (int64_t top = n - 1; top > 0; top -= WORDS, counter += 2 * TILE)
    for (int64_t i = 0; i < (top < WORDS ? top : WORDS); ++i) {
      const uint64_t u = uint64_t(word(s, counter, i)) << 32 | word(s, counter + TILE, i);
      std::swap(a[top - i], a[int64_t((unsigned __int128)u * uint64_t(top - i + 1) >> 64)]);
    }
}
int64_t shuffle_tiles(int64_t n) { return 2 * ceil_div(n, WORDS) + 2; }
std::vector<int64_t> permuted(int64_t n, const View& state) {
  constexpr int64_t BUCKET = 1 << 15;
  std::vector<int64_t> y(static_cast<size_t>(n));
  if (n <= 2 * BUCKET) {
    const Stream s = claimed(state, shuffle_tiles(n));
    for (int64_t i = 0; i < n; ++i) y[size_t(i)] = i;
    return shuffle(y.data(), n, s, s.first), y;
  }
  int bits = 1;
  while (bits < 16 && n >> bits > BUCKET) ++bits;
  const int64_t buckets = int64_t(1) << bits, drawing = ceil_div(n, WORDS);
  const Stream s = claimed(state, drawing + shuffle_tiles(n) + 4 * buckets);
  const auto bucket = [&](int64_t i) { return size_t(word(s, s.first + uint64_t(i / WORDS * TILE), i % WORDS) >> (32 - bits)); };
  std::vector<int64_t> first(size_t(buckets + 1), 0);
  for (int64_t i = 0; i < n; ++i) ++first[bucket(i) + 1];
  for (int64_t b = 0; b < buckets; ++b) first[size_t(b + 1)] += first[size_t(b)];
  std::vector<int64_t> next(first);
  for (int64_t i = 0; i < n; ++i) y[size_t(next[bucket(i)]++)] = i;
  for (int64_t b = 0; b < buckets; ++b) {
    const int64_t from = first[size_t(b)];
    shuffle(y.data() + from, first[size_t(b + 1)] - from, s, s.first + uint64_t((drawing + shuffle_tiles(from) + 4 * b) * TILE));
  }
  return y;
}

// ---- multinomial ----------------------------------------------------------------------------------------------------------------

// A row's running sum, in order, by one thread: the CPU's, to the last bit. The block fetches the row into shared memory for it.
template <class T> __global__ void __launch_bounds__(256) sums_in_order(int64_t rows, int64_t m, int64_t k, bool replacement, global<double> sum, global<const T> p) {
  SHARED(double, part, 256);
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    double total = 0;
    int64_t positive = 0;
    for (int64_t i = 0; i < m; i += 256) {
      const int64_t j = i + threadIdx.x;
      part[threadIdx.x] = j < m ? double(p[row * m + j]) : 0;
      __syncthreads();
      if (threadIdx.x == 0)
        for (int e = 0; e < 256 && i + e < m; ++e) {
          const double v = part[e];
          if (!(v >= 0 && v - v == 0)) fault(Fault::probability, "multinomial", 0, 0);
          positive += v > 0;
          total += v;
          part[e] = total;
        }
      __syncthreads();
      if (j < m) sum[row * m + j] = part[threadIdx.x];
      __syncthreads();
    }
    if (threadIdx.x == 0 && (positive == 0 || (!replacement && positive < k))) fault(Fault::probability, "multinomial", 0, 0);
  }
}
__device__ __forceinline__ double uniform_at(const Stream& s, uint64_t counter, int64_t i) {  // number i of tiles from counter on
  double u[2];
  Uniform{}(at(s, counter + uint64_t(i / (2 * TILE) * TILE + i % TILE)), u);
  return u[i / TILE % 2];
}
struct Draws {
  Stream s;
  int64_t m, k, tiles;
  global<int64_t> y;
  global<const double> sum;
  __device__ void operator()(int64_t e) const {
    const int64_t row = e / k, i = e % k;
    const double target = uniform_at(s, s.first + uint64_t(row * tiles * TILE), i) * sum[row * m + m - 1];
    int64_t low = 0, high = m - 1;  // the first category whose running sum exceeds the target: never one with p = 0
    while (low < high) {
      const int64_t middle = (low + high) / 2;
      if (sum[row * m + middle] > target) high = middle;
      else low = middle + 1;
    }
    while (low > 0 && sum[row * m + low] == sum[row * m + low - 1]) --low;
    y[e] = low;
  }
};
template <class T> struct Race {  // exponential / p; the first to arrive is drawn first
  Stream s;
  int64_t m, tiles;
  global<uint64_t> key;
  global<const T> p;
  __device__ void operator()(int64_t e) const {
    const int64_t row = e / m, i = e % m;
    const double arrival = -log_positive(plus(1.0, -uniform_at(s, s.first + uint64_t(row * tiles * TILE), i)));
    key[e] = same_bits<uint64_t>(p[e] > T(0) ? arrival / double(p[e]) : Limits<double>::INF);  // numbers >= 0 are in the order of their bits
  }
};
struct First {
  int64_t m, k;
  global<int64_t> y;
  global<const int> index;
  __device__ void operator()(int64_t e) const { y[e] = index[e / k * m + e % k]; }
};

}  // namespace

void uniform(PackedOut y, State state, double low, double high) {
  if (y.dtype == DType::f32) uniform_of<float>(y, state, low, high);
  else uniform_of<double>(y, state, low, high);
}
void normal(PackedOut y, State state, double mean, double std) {
  with_floats("normal", y, [&](auto t) {
    using T = decltype(t);
    fill<T, Normal>("normal", y, state, T(std), T(mean), T(Limits<T>::INF));
  });
}
void randint(PackedOut y, State state, int64_t low, int64_t high) {
  const int64_t n = y.numel(), tiles = ceil_div(n, WORDS);
  const Stream s = claimed(state, 2 * tiles);
  by_type(y.dtype, [&](auto t) {
    using T = decltype(t);
    launch_each("randint", tiles * TILE, Integers<T>{s, n, low, uint64_t(high) - uint64_t(low), out<T>(y)});
  });
}
void bernoulli(PackedOut y, State state, PackedIn p) {
  const int64_t n = y.numel(), tiles = ceil_div(n, WORDS);
  const Stream s = claimed(state, tiles);
  by_type(y.dtype, [&](auto t) {
    using T = decltype(t);
    with_floats("bernoulli", p, [&](auto q) {
      using P = decltype(q);
      launch_each("bernoulli", tiles * TILE, Bernoulli<T, P>{s, n, out<T>(y), in<P>(p), p.ndim == 0});
    });
  });
}
void permutation(PackedOut y, State state) {
  const std::vector<int64_t> order = permuted(y.numel(), state);
  runtime::to_device(y.data, order.data(), order.size() * sizeof(int64_t));
}
void multinomial(PackedOut y, State state, PackedIn p, int64_t replacement) {
  const int64_t rows = p.shape[0], m = p.shape[1], k = y.shape[1], tiles = ceil_div(replacement ? k : m, 2 * TILE);
  with_floats("multinomial", p, [&](auto t) {
    using T = decltype(t);
    Scratch<double> sum(rows * m);
    launch("multinomial", &sums_in_order<T>, blocks_for(rows, 1), 256, rows, m, k, replacement != 0, global<double>(sum), in<T>(p));
    const Stream s = claimed(state, rows * tiles);
    if (replacement) return launch_each("multinomial", rows * k, Draws{s, m, k, tiles, out<int64_t>(y), sum.read()});
    Scratch<uint64_t> key(rows * m);
    launch_each("multinomial", rows * m, Race<T>{s, m, tiles, global<uint64_t>(key), in<T>(p)});
    const Radix<uint64_t> sorted("multinomial", key.read(), rows, m, 64);
    launch_each("multinomial", rows * k, First{m, k, out<int64_t>(y), sorted.index});
  });
}

}  // namespace fastnn::cuda
