// index/nest.h: one loop nest over the same positions of K arrays, whatever their strides.
//
//    Nest<2> nest;  nest.add(length, {stride in y, stride in x})  outermost axis first; axes that continue each other
//                                                                  in every array are merged, so packed arrays give one
//    for_runs(nest, begin, end, f)                                 f(at, count): offsets of a run of the innermost axis
//
// Positions are numbered in row-major order, so a parallel loop over [0, nest.count()) may cut anywhere.
#pragma once
#include "../../core/error.h"
#include "../../core/parallel.h"
#include "../declare.h"

namespace fastnn::FN_ISA {

template <int K> struct Nest {
  int ndim = 0;
  int64_t length[MAX_DIMS];
  int64_t stride[MAX_DIMS][K];

  FN void add(int64_t n, const int64_t (&s)[K]) {
    if (n == 1) return;
    bool merges = ndim > 0;
    for (int k = 0; k < K; ++k) merges = merges && stride[ndim - 1][k] == s[k] * n;
    if (merges) length[ndim - 1] *= n;
    else length[ndim++] = n;
    for (int k = 0; k < K; ++k) stride[ndim - 1][k] = s[k];
  }
  FN int64_t count() const {
    int64_t n = 1;
    for (int d = 0; d < ndim; ++d) n *= length[d];
    return n;
  }
  FN bool packed() const {  // one run of neighbours in every array
    if (ndim > 1) return false;
    for (int k = 0; k < K; ++k)
      if (ndim && stride[0][k] != 1) return false;
    return true;
  }
  FN int64_t inner(int k) const { return ndim ? stride[ndim - 1][k] : 0; }  // step along a run
};

template <int K, class F> FN void for_runs(const Nest<K>& t, int64_t begin, int64_t end, const F& f) {
  if (begin >= end) return;
  int64_t at[K] = {};
  if (t.ndim == 0) return f(at, int64_t(1));
  int64_t c[MAX_DIMS];
  int64_t rest = begin;
  for (int d = t.ndim - 1; d >= 0; --d) {
    c[d] = rest % t.length[d];
    rest /= t.length[d];
    for (int k = 0; k < K; ++k) at[k] += c[d] * t.stride[d][k];
  }
  const int last = t.ndim - 1;
  for (int64_t i = begin; i < end;) {
    int64_t count = t.length[last] - c[last];
    if (count > end - i) count = end - i;
    f(at, count);
    i += count;
    for (int k = 0; k < K; ++k) at[k] -= c[last] * t.stride[last][k];
    c[last] = 0;
    for (int d = last - 1; d >= 0; --d) {
      for (int k = 0; k < K; ++k) at[k] += t.stride[d][k];
      if (++c[d] < t.length[d]) break;
      for (int k = 0; k < K; ++k) at[k] -= c[d] * t.stride[d][k];
      c[d] = 0;
    }
  }
}

// Moving values needs their size only: kernels that copy are compiled for 1, 4 and 8 bytes.
template <class F> FN void by_size(DType t, const F& f) {
  switch (itemsize(t)) {
    case 1: return f(uint8_t(0));
    case 4: return f(uint32_t(0));
    default: return f(uint64_t(0));
  }
}
template <class F> FN void by_type(DType t, const F& f) {
  switch (t) {
    case DType::f32: return f(float(0));
    case DType::f64: return f(double(0));
    case DType::i64: return f(int64_t(0));
    case DType::i32: return f(int32_t(0));
    case DType::u8: return f(uint8_t(0));
    case DType::b8: return f(bool(0));
    default: break;  // types that are stored only do not come here (bind/stored.h)
  }
}

// n neighbours. Short runs are cheaper as moves that may overlap than as a call or a loop: 7 floats are 16 bytes from the
// front and 16 from the end. No move is wider than 32 bytes: where rows are not aligned, a 64-byte store always crosses a
// cache line (rows of 28 floats, Zen 4: 9 ns in 64s, 6 ns in 32s). Rows of 2 to 4 whole lines mostly are aligned (rows of 64 floats, Zen 5:
// 11.3 us for 4,096 in 32s, 10.4 in 64s).
template <int BYTES> FN void ends(char* y, const char* x, int64_t n) {
  char first[BYTES], last[BYTES];
  __builtin_memcpy(first, x, BYTES);
  __builtin_memcpy(last, x + n - BYTES, BYTES);
  __builtin_memcpy(y, first, BYTES);
  __builtin_memcpy(y + n - BYTES, last, BYTES);
}
template <class T> FN void copy_run(T* to, const T* from, int64_t count) {
  const int64_t n = count * int64_t(sizeof(T));
  char* y = reinterpret_cast<char*>(to);
  const char* x = reinterpret_cast<const char*>(from);
  if (n > 256) __builtin_memcpy(y, x, size_t(n));
#if defined(__AVX512F__)
  else if (n >= 128 && n % 64 == 0) {
    for (int64_t i = 0; i < n; i += 64) __builtin_memcpy(y + i, x + i, 64);
  }
#endif
  else if (n > 64) {
    int64_t i = 0;
    for (; i + 64 < n; i += 32) __builtin_memcpy(y + i, x + i, 32);
    ends<32>(y + i, x + i, n - i);
  } else if (n >= 32) ends<32>(y, x, n);
  else if (n >= 16) ends<16>(y, x, n);
  else if (n >= 8) ends<8>(y, x, n);
  else
    for (int64_t i = 0; i < count; ++i) to[i] = from[i];
}

// Rows of a result that no second-level cache holds. The processor's own copy loop writes whole lines without reading them
// first, which memcpy leaves to runs of 8 KiB and more. (Rows of 1 KiB into 16 MB, Zen 4: 730 -> 440 us; into 1 MB it takes
// twice as long as memcpy. Stores past the caches: 7 ms.)
constexpr int64_t LARGE = 4 << 20;  // bytes
template <class T> FN void copy_row(T* to, const T* from, int64_t count, bool large) {
#if defined(__AVX512F__)
  if (large && count * int64_t(sizeof(T)) >= 1024 && (reinterpret_cast<uint64_t>(to) & 63) == 0) {
    size_t n = size_t(count) * sizeof(T);
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
    return;
  }
#endif
  (void)large;
  copy_run(to, from, count);
}

// Columns for a task, where each task walks all rows of them: stripes of whole pairs of cache lines, or threads write the same ones, and
// wide, or each row is fetched for a part of it. 1,000 rows of 256 into 100 (Zen 5): 44 us in 8 stripes of 33 columns, 31 in 4 of 64;
// scatter_add 4000x512 along its columns (Zen 4): 9.7 ms in stripes of 16, 6 in 4 of 128. `work`: elements a task has at least.
template <class T> FN int64_t stripe(int64_t columns, int64_t rows, int64_t work) {
  constexpr int64_t LINES = 128 / sizeof(T);
  const int64_t least = ceil_div(work, rows), share = ceil_div(columns, 2 * num_threads());
  return ceil_div(least > share ? least : share, LINES) * LINES;
}

}  // namespace fastnn::FN_ISA
