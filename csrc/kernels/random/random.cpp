// random/random.cpp: distributions, dropout, permutations and categorical draws over the Philox stream.
//
//    philox       words of given counters and keys (known-answer tests)
//    uniform      low + u (high - low), u of 24 bits (float32) or 53 (float64): below high
//    normal       mean + std z
//    randint      low + floor(u64 · range / 2^64): bias below range / 2^64
//    bernoulli    1 where u < p
//    claim        `saved` receives [seed, offset] of n words that nobody else will draw: a dropout done elsewhere
//    dropout      x / (1 - p) where word >= p 2^32, else 0; `saved` receives [seed, offset] of the mask, and
//    dropout_dx   draws the same mask again: linear in g, so it is its own derivative, of every order
//    permutation  Fisher-Yates, in buckets that fit the cache
//    multinomial  with replacement: a binary search in the running sum; without: the k smallest of e / p, e exponential
//
// Bound by memory from about 1 cycle a word on. Read on: philox.h, stream.h, normal.h.
#include "../declare.h"
#include "normal.h"

namespace fastnn::FN_ISA {

// ---- words ----------------------------------------------------------------------------------------------------------

void philox(PackedOut words, PackedIn counter, PackedIn key) {
  int64_t n = counter.shape[0];
  const int64_t *c = counter.ptr<int64_t>(), *k = key.ptr<int64_t>();
  int64_t* y = words.ptr<int64_t>();
  parallel_for(n, 4096, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      Words in{};
      in.w0[0] = uint64_t(c[4 * i]), in.w1[0] = uint64_t(c[4 * i + 1]);
      in.w2[0] = uint64_t(c[4 * i + 2]), in.w3[0] = uint64_t(c[4 * i + 3]);
      Words r = philox_rounds(in, {uint32_t(k[0]), uint32_t(k[1])});
      y[4 * i] = uint32_t(r.w0[0]), y[4 * i + 1] = uint32_t(r.w1[0]);
      y[4 * i + 2] = uint32_t(r.w2[0]), y[4 * i + 3] = uint32_t(r.w3[0]);
    }
  });
}

// ---- floating numbers -----------------------------------------------------------------------------------------------

// y = shift + scale · value, with pass(out, counter, key) making the numbers of one vector of counters. The scaling runs
// over the tile while it is in registers or L1; limit cuts what rounding lifts to the open end of an interval.
template <class T, class Pass>
FN void fill(PackedOut y, State state, T scale, T shift, T limit, const Pass& pass) {
  constexpr int PER = per_tile<T>;
  constexpr int STEP = sizeof(T) == 8 ? LANES : HALF_LANES;
  int64_t n = y.numel();
  T* out = y.ptr<T>();
  Stream stream = claim(state, ceil_div(n, PER));
  bool plain = scale == 1 && shift == 0;
  for_tiles<PER>(n, stream, [&](int64_t start, int64_t count, uint64_t counter) {
    T tail[PER];
    T* tile = count == PER ? out + start : tail;
    for (int l = 0; l < TILE; l += STEP) pass(tile + l, counter + uint64_t(l), stream.key);
    if (!plain)
      for (int i = 0; i < PER; i += lanes<T>) {
        vec<T> v = rounded(scale * load(tile + i)) + shift;
        store(tile + i, min(v, splat(limit)));
      }
    if (count < PER)
      for (int64_t i = 0; i < count; ++i) out[start + i] = tail[i];
  });
}

template <class T> static void uniform_of(PackedOut y, State state, double low, double high) {
  T a = T(low), b = T(high), limit = b;
  if (a < b) {
    typename Series<T>::Unsigned i;  // the number just below b
    __builtin_memcpy(&i, &b, sizeof i);
    if (b == 0) i = ~(~decltype(i)(0) >> 1);  // 0 -> -0, then away from it
    i = b > 0 ? i - 1 : i + 1;
    __builtin_memcpy(&limit, &i, sizeof i);
  }
  fill<T>(y, state, b - a, a, limit, [](T* out, uint64_t c, Key k) __attribute__((always_inline)) { uniform_pass(out, c, k); });
}

void uniform(PackedOut y, State state, double low, double high) {
  y.dtype == DType::f32 ? uniform_of<float>(y, state, low, high) : uniform_of<double>(y, state, low, high);
}

template <class T> static void normal_of(PackedOut y, State state, double mean, double std) {
  fill<T>(y, state, T(std), T(mean), T(__builtin_inf()), [](T* out, uint64_t c, Key k) __attribute__((always_inline)) { normal_pass(out, c, k); });
}

void normal(PackedOut y, State state, double mean, double std) {
  y.dtype == DType::f32 ? normal_of<float>(y, state, mean, std) : normal_of<double>(y, state, mean, std);
}

// ---- integers and masks ---------------------------------------------------------------------------------------------

template <class F> FN void with_type(DType t, const F& f) {
  switch (t) {
    case DType::f32: return f(float{});
    case DType::f64: return f(double{});
    case DType::i64: return f(int64_t{});
    case DType::i32: return f(int32_t{});
    default: return f(uint8_t{});
  }
}

// Element i of a pair of tiles takes words i and i + 64: 64 random bits times range, the top 64 of the 128 kept.
FN void tile_below(uint64_t* y, uint64_t range, uint64_t counter, Key key) {
  uint32_t words[2 * WORDS];
  tile_words(words, counter, key);
  tile_words(words + WORDS, counter + TILE, key);
  if (range <= uint64_t(1) << 32) {  // two 32 x 32 products, vectorised
    for (int i = 0; i < WORDS; ++i)
      y[i] = (words[i] * range + (words[WORDS + i] * range >> 32)) >> 32;
  } else {
    for (int i = 0; i < WORDS; ++i) {
      uint64_t u = uint64_t(words[i]) << 32 | words[WORDS + i];
      y[i] = uint64_t((unsigned __int128)u * range >> 64);
    }
  }
}

void randint(PackedOut y, State state, int64_t low, int64_t high) {
  int64_t n = y.numel();
  uint64_t range = uint64_t(high) - uint64_t(low);
  Stream stream = claim(state, 2 * ceil_div(n, WORDS));
  with_type(y.dtype, [&](auto zero) {
    using T = decltype(zero);
    T* out = y.ptr<T>();
    for_tiles<WORDS>(n, stream, [&](int64_t start, int64_t count, uint64_t counter) {
      uint64_t r[WORDS];
      tile_below(r, range, 2 * counter - stream.first, stream.key);
      for (int64_t i = 0; i < count; ++i) out[start + i] = T(int64_t(uint64_t(low) + r[i]));
    });
  });
}

template <class P> static void check_probabilities(const P* p, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    if (!(p[i] >= 0 && p[i] <= 1)) raise_error("bernoulli: Expected p_in >= 0 && p_in <= 1 to be true, but got false.");
}

template <class T, class P> static void bernoulli_of(T* out, const P* p, bool scalar, int64_t n, const Stream& stream) {
  for_tiles<WORDS>(n, stream, [&](int64_t start, int64_t count, uint64_t counter) {
    uint32_t words[WORDS];
    tile_words(words, counter, stream.key);
    T* y = out + start;
    if (scalar) {
      double threshold = double(p[0]) * 0x1p32;
      if (threshold >= 0x1p32)
        for (int64_t i = 0; i < count; ++i) y[i] = T(1);
      else
        for (int64_t i = 0, t = int64_t(threshold); i < count; ++i) y[i] = T(words[i] < uint32_t(t));
    } else {
      for (int64_t i = 0; i < count; ++i) y[i] = T(double(words[i]) < double(p[start + i]) * 0x1p32);
    }
  });
}

void bernoulli(PackedOut y, State state, PackedIn p) {
  int64_t n = y.numel();
  bool scalar = p.ndim == 0, single = p.dtype == DType::f32;
  single ? check_probabilities(p.ptr<float>(), p.numel()) : check_probabilities(p.ptr<double>(), p.numel());
  Stream stream = claim(state, ceil_div(n, WORDS));
  with_type(y.dtype, [&](auto zero) {
    using T = decltype(zero);
    single ? bernoulli_of(y.ptr<T>(), p.ptr<float>(), scalar, n, stream)
           : bernoulli_of(y.ptr<T>(), p.ptr<double>(), scalar, n, stream);
  });
}

// ---- dropout --------------------------------------------------------------------------------------------------------

template <class T> static void drop(T* y, const T* x, int64_t n, const Stream& stream, double p) {
  double t = p * 0x1p32;
  if (t >= 0x1p32) {
    parallel_for(n, 1 << 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) y[i] = T(0);
    });
    return;
  }
  auto threshold = uint32_t(int64_t(t));
  T scale = T(1 / (1 - p));
  for_tiles<WORDS>(n, stream, [&](int64_t start, int64_t count, uint64_t counter) {
    uint32_t words[WORDS];
    tile_words(words, counter, stream.key);
    if (count == WORDS) {
#pragma GCC unroll 4
      for (int i = 0; i < WORDS; i += lanes<T>) store(y + start + i, keep(scale * load(x + start + i), words + i, threshold));
    } else {
      for (int64_t i = 0; i < count; ++i) y[start + i] = words[i] >= threshold ? x[start + i] * scale : T(0);
    }
  });
}

static void drop(const View& y, const View& x, const Stream& stream, double p) {
  y.dtype == DType::f32 ? drop(y.ptr<float>(), x.ptr<float>(), y.numel(), stream, p)
                        : drop(y.ptr<double>(), x.ptr<double>(), y.numel(), stream, p);
}

void claim(PackedOut saved, State state, int64_t n) {
  Stream stream = claim(state, ceil_div(n, WORDS));
  saved.ptr<int64_t>()[0] = state.ptr<int64_t>()[0];
  saved.ptr<int64_t>()[1] = int64_t(stream.first);
}

void dropout(PackedOut y, PackedOut saved, State state, PackedIn x, double p) {
  claim(saved, state, y.numel());
  drop(y, x, stream_at(saved.ptr<int64_t>()), p);
}

void dropout_dx(PackedOut dx, PackedIn g, PackedIn saved, double p) {
  drop(dx, g, stream_at(saved.ptr<int64_t>()), p);
}

// ---- permutation ----------------------------------------------------------------------------------------------------

// Fisher-Yates from the back. The positions of a tile are drawn first, so that their lines are on the way.
template <class T> static void shuffle(T* a, int64_t n, uint64_t counter, Key key) {
  for (int64_t top = n - 1; top > 0; top -= WORDS, counter += 2 * TILE) {
    uint32_t words[2 * WORDS];
    int64_t j[WORDS];
    tile_words(words, counter, key);
    tile_words(words + WORDS, counter + TILE, key);
    int64_t count = top < WORDS ? top : WORDS;
    for (int64_t i = 0; i < count; ++i) {
      uint64_t u = uint64_t(words[i]) << 32 | words[WORDS + i];
      j[i] = int64_t((unsigned __int128)u * uint64_t(top - i + 1) >> 64);
      __builtin_prefetch(a + j[i], 1);
    }
    for (int64_t i = 0; i < count; ++i) {
      T t = a[top - i];
      a[top - i] = a[j[i]];
      a[j[i]] = t;
    }
  }
}

FN int64_t shuffle_tiles(int64_t n) { return 2 * ceil_div(n, WORDS) + 2; }

// Too large for the cache, every swap is a miss. So first each element falls into a bucket by its own word, in order
// (two passes: count, place; the words are drawn twice, not kept), then each bucket is shuffled in L2. Every permutation
// stays equally likely (Rao 1961, Sandelius 1962).
template <class T> static void shuffle_in_buckets(int64_t* y, int64_t n, int bits, const Stream& stream) {
  int64_t buckets = int64_t(1) << bits, drawing = ceil_div(n, WORDS);
  Scratch<T> a(n);
  Scratch<int64_t> next(buckets), first(buckets + 1);
  for (int64_t b = 0; b < buckets; ++b) next[b] = 0;
  auto each = [&](auto f) __attribute__((always_inline)) {
    uint32_t words[WORDS];
    for (int64_t t = 0; t < drawing; ++t) {
      tile_words(words, stream.tile(t), stream.key);
      for (int64_t i = t * WORDS, k = 0; k < WORDS && i < n; ++i, ++k) f(i, words[k] >> (32 - bits));
    }
  };
  each([&](int64_t, uint32_t b) { ++next[b]; });
  first[0] = 0;
  for (int64_t b = 0; b < buckets; ++b) first[b + 1] = first[b] + next[b], next[b] = first[b];
  each([&](int64_t i, uint32_t b) { a[next[b]++] = T(i); });
  parallel_for(buckets, 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      // the tiles of earlier buckets: at most 2 size/WORDS + 2 each, so their sum bounds where this one may start
      shuffle(a + first[b], first[b + 1] - first[b], stream.tile(drawing + shuffle_tiles(first[b]) + 4 * b), stream.key);
      for (int64_t i = first[b]; i < first[b + 1]; ++i) y[i] = int64_t(a[i]);
    }
  });
}

void permutation(PackedOut y, State state) {
  int64_t n = y.numel();
  int64_t* out = y.ptr<int64_t>();
  constexpr int64_t bucket = 1 << 15;
  if (n <= 2 * bucket) {
    Stream stream = claim(state, shuffle_tiles(n));
    for (int64_t i = 0; i < n; ++i) out[i] = i;
    return shuffle(out, n, stream.first, stream.key);
  }
  int bits = 1;
  while (bits < 16 && n >> bits > bucket) ++bits;
  Stream stream = claim(state, ceil_div(n, WORDS) + shuffle_tiles(n) + (int64_t(4) << bits));
  n < int64_t(1) << 31 ? shuffle_in_buckets<int32_t>(out, n, bits, stream) : shuffle_in_buckets<int64_t>(out, n, bits, stream);
}

// ---- multinomial ----------------------------------------------------------------------------------------------------

FN void draw_with_replacement(int64_t* y, int64_t k, const double* sum, int64_t m, uint64_t counter, Key key) {
  double u[2 * TILE];
  for (int64_t i = 0; i < k; ++i) {
    if (i % (2 * TILE) == 0)
      for (int l = 0; l < TILE; l += LANES) uniform_pass(u + l, counter + uint64_t(i / 2 + l), key);
    double target = u[i % (2 * TILE)] * sum[m - 1];
    int64_t low = 0, high = m - 1;  // the first category whose running sum exceeds the target: never one with p = 0
    while (low < high) {
      int64_t middle = (low + high) / 2;
      sum[middle] > target ? high = middle : low = middle + 1;
    }
    while (low > 0 && sum[low] == sum[low - 1]) --low;  // rounding took the target to the very end
    y[i] = low;
  }
}

// The k smallest keys, in order, by a heap of k whose largest is on top; equal keys go by position.
FN void k_smallest(int64_t* y, int64_t k, const double* keys, int64_t m) {
  auto after = [&](int64_t a, int64_t b) { return keys[a] > keys[b] || (keys[a] == keys[b] && a > b); };
  auto sink = [&](int64_t root, int64_t n) {
    for (int64_t child; (child = 2 * root + 1) < n; root = child) {
      if (child + 1 < n && after(y[child + 1], y[child])) ++child;
      if (!after(y[child], y[root])) return;
      int64_t t = y[root];
      y[root] = y[child];
      y[child] = t;
    }
  };
  for (int64_t i = 0; i < k; ++i) y[i] = i;
  for (int64_t i = k / 2 - 1; i >= 0; --i) sink(i, k);
  for (int64_t i = k; i < m; ++i)
    if (after(y[0], i)) {
      y[0] = i;
      sink(0, k);
    }
  for (int64_t n = k - 1; n > 0; --n) {
    int64_t t = y[0];
    y[0] = y[n];
    y[n] = t;
    sink(0, n);
  }
}

template <class T>
static void multinomial_of(int64_t* y, const T* p, int64_t rows, int64_t m, int64_t k, bool replacement, View state) {
  int64_t tiles = ceil_div(replacement ? k : m, 2 * TILE);
  for (int64_t i = 0; i < rows * m; ++i)
    if (!(p[i] >= 0 && p[i] - p[i] == 0))
      raise_error("multinomial: probability tensor contains either `inf`, `nan` or element < 0");
  for (int64_t r = 0; r < rows; ++r) {
    int64_t i = 0;
    while (i < m && p[r * m + i] == 0) ++i;
    if (i == m) raise_error("multinomial: invalid multinomial distribution (sum of probabilities <= 0)");
  }
  Stream stream = claim(state, rows * tiles);
  parallel_for(rows, 1 + 20000 / (m + 16 * k), [&](int64_t begin, int64_t end) {
    Scratch<double> work(ceil_div(m, 2 * TILE) * 2 * TILE);
    for (int64_t r = begin; r < end; ++r) {
      const T* row = p + r * m;
      uint64_t counter = stream.tile(r * tiles);
      if (replacement) {
        double sum = 0;
        for (int64_t i = 0; i < m; ++i) work[i] = sum += double(row[i]);
        draw_with_replacement(y + r * k, k, work, m, counter, stream.key);
      } else {
        constexpr int PER = 2 * TILE;
        for (int64_t i = 0; i < m; i += PER)
          for (int l = 0; l < TILE; l += LANES) uniform_pass(work + i + l, counter + uint64_t(i / 2 + l), stream.key);
        for (int64_t i = 0; i < ceil_div(m, PER) * PER; i += LANES)  // 1 - u is in (0, 1]
          store(work + i, vec<double>{} - log_positive<double>(1.0 - load<double>(work + i)));
        for (int64_t i = 0; i < m; ++i) work[i] = row[i] > 0 ? work[i] / double(row[i]) : __builtin_inf();
        k_smallest(y + r * k, k, work, m);
      }
    }
  });
}

void multinomial(PackedOut y, State state, PackedIn p, int64_t replacement) {
  int64_t rows = p.shape[0], m = p.shape[1], k = y.shape[1];
  p.dtype == DType::f32 ? multinomial_of(y.ptr<int64_t>(), p.ptr<float>(), rows, m, k, replacement, state)
                        : multinomial_of(y.ptr<int64_t>(), p.ptr<double>(), rows, m, k, replacement, state);
}

}  // namespace fastnn::FN_ISA
