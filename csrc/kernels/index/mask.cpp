// index/mask.cpp: selecting by a mask. Two passes: count the ones of each chunk, then every chunk knows where it writes.
//
//    mask_starts     start[c] = ones before chunk c;  start[last] = all of them (Python reads it to allocate)
//    nonzero         y[:, s] = coordinates of the s-th one
//    masked_select   y[s] = x at the s-th one
//    masked_put      y at the s-th one = x[s], elsewhere unchanged, or zero
//
// The filling loops have no branch on the mask: every value is written and the position moves on by 0 or 1, which costs
// about a cycle an element at any density; a branch costs 10 times that where the mask is random. A chunk stops when
// it has written its last one, so it never touches its neighbour's place.
#include "nest.h"

namespace fastnn::FN_ISA {
namespace {

int64_t count_ones(const uint8_t* m, int64_t n) {
  int64_t total = 0, i = 0;
  while (i + 64 <= n) {  // eight lanes of bytes hold at most 255 each before they are added up
    uint64_t lanes8[8] = {};
    int64_t stop = i + 64 * 255 < n ? i + 64 * 255 : n;
    for (; i + 64 <= stop; i += 64)
      for (int k = 0; k < 8; ++k) {
        uint64_t w;
        __builtin_memcpy(&w, m + i + 8 * k, 8);
        lanes8[k] += w;
      }
    for (int k = 0; k < 8; ++k) {
      uint64_t pairs = (lanes8[k] & 0x00ff00ff00ff00ffull) + (lanes8[k] >> 8 & 0x00ff00ff00ff00ffull);
      total += int64_t(pairs * 0x0001000100010001ull >> 48);
    }
  }
  for (; i < n; ++i) total += m[i];
  return total;
}

// Eight mask bytes at once; false when all are zero.
FN bool any_of_8(const uint8_t* m) {
  uint64_t w;
  __builtin_memcpy(&w, m, 8);
  return w != 0;
}

template <class F> FN void for_chunks(const View& mask, int64_t chunk, const F& f) {
  const int64_t n = mask.numel(), chunks = ceil_div(n, chunk);
  parallel_for(chunks, 1, [&](int64_t c0, int64_t c1) {
    for (int64_t c = c0; c < c1; ++c) f(c, c * chunk, (c + 1) * chunk < n ? (c + 1) * chunk : n);
  });
}

}  // namespace

void mask_starts(PackedOut start, PackedIn mask, int64_t chunk) {
  int64_t* const s = start.ptr<int64_t>();
  for_chunks(mask, chunk, [&](int64_t c, int64_t begin, int64_t end) __attribute__((always_inline)) {
    s[c + 1] = count_ones(mask.ptr<uint8_t>() + begin, end - begin);
  });
  s[0] = 0;
  for (int64_t c = 1; c < start.shape[0]; ++c) s[c] += s[c - 1];
}

void nonzero(Out y, PackedIn mask, PackedIn start, int64_t chunk) {
  const int64_t axes = y.shape[0], sa = y.strides[0], ss = y.strides[1];
  const uint8_t* const m = mask.ptr<uint8_t>();
  const int64_t width = mask.ndim ? mask.shape[mask.ndim - 1] : 1;
  for_chunks(mask, chunk, [&](int64_t c, int64_t begin, int64_t end) __attribute__((always_inline)) {
    int64_t s = start.ptr<int64_t>()[c];
    const int64_t last = start.ptr<int64_t>()[c + 1];
    for (int64_t i = begin; i < end && s < last;) {  // one row of the last axis at a time
      const int64_t row = i / width, row_end = (row + 1) * width < end ? (row + 1) * width : end, first = s;
      int64_t* const out = y.ptr<int64_t>() + (axes - 1) * sa;
      for (; i < row_end && s < last; ++i) {
        while (i + 8 <= row_end && !any_of_8(m + i)) i += 8;
        if (i >= row_end) break;
        out[s * ss] = i - row * width;
        s += m[i];
      }
      i = row_end;
      int64_t rest = row;
      for (int64_t d = axes - 2; d >= 0; --d) {
        const int64_t k = rest % mask.shape[d];
        rest /= mask.shape[d];
        for (int64_t t = first; t < s; ++t) y.ptr<int64_t>()[d * sa + t * ss] = k;
      }
    }
  });
}

void masked_select(PackedOut y, PackedIn x, PackedIn mask, PackedIn start, int64_t chunk) {
  const uint8_t* const m = mask.ptr<uint8_t>();
  by_size(y.dtype, [&](auto t) __attribute__((always_inline)) {
    using T = decltype(t);
    for_chunks(mask, chunk, [&](int64_t c, int64_t begin, int64_t end) __attribute__((always_inline)) {
      T* out = y.ptr<T>() + start.ptr<int64_t>()[c];
      T* const last = y.ptr<T>() + start.ptr<int64_t>()[c + 1];
      const T* const in = x.ptr<T>();
      int64_t i = begin;
      for (; i + 8 <= end && last - out >= 8; i += 8)
#pragma GCC unroll 8
        for (int k = 0; k < 8; ++k) {
          *out = in[i + k];
          out += m[i + k];
        }
      for (; out < last; ++i) {
        *out = in[i];
        out += m[i];
      }
    });
  });
}

void masked_put(PackedOut y, PackedIn x, PackedIn mask, PackedIn start, int64_t chunk, int64_t clear) {
  const uint8_t* const m = mask.ptr<uint8_t>();
  by_size(y.dtype, [&](auto t) __attribute__((always_inline)) {
    using T = decltype(t);
    for_chunks(mask, chunk, [&](int64_t c, int64_t begin, int64_t end) __attribute__((always_inline)) {
      const T* in = x.ptr<T>() + start.ptr<int64_t>()[c];
      const T* const last = x.ptr<T>() + start.ptr<int64_t>()[c + 1];
      T* const out = y.ptr<T>();
      int64_t i = begin;
      for (; i < end && in < last; ++i) {
        out[i] = m[i] ? *in : clear ? T(0) : out[i];
        in += m[i];
      }
      if (clear && i < end) __builtin_memset(out + i, 0, size_t(end - i) * sizeof(T));
    });
  });
}

}  // namespace fastnn::FN_ISA
