// pool/max.h: max pooling.
//
//    y[i, j] = max over taps (a, b) of x[i·s + a·d - p, j·s + b·d - p]        offset = a·kw + b of the first largest
//
//    any       each input row is reduced across the taps b once (rows.h), into a ring of the last kh rows; an output row
//              is then a vertical max of ring rows. Order of comparison = row-major order of the window, so ties go to
//              the first and, as in PyTorch, the last NaN wins. The offset is one byte: 1/8 of an int64 index.
//    2x2       stride 2 runs on its own loop, at the speed of memory; rows shorter than a vector too, as a part of one (12 wide, 16
//              lanes: 64x64x24x24: 580 us by `any`, 130 here)
//    whole     one window that is the whole plane: lanes run along it
//
//    cost      (kh + rows·kw) compare-and-selects for a vector of outputs. Read on: max_dx.h, pool.cpp.
#pragma once
#include "rows.h"

namespace fastnn::FN_ISA {

template <class T> FN void take_larger(vec<T> v, bits<T> at, vec<T>& best, bits<T>& where) {
  auto larger = v > best, nan = v != v;
  where = larger ? at : where;
  best = larger ? v : best;
  where = nan ? at : where;
  best = nan ? v : best;
}

template <class T> FN vec<T> larger(vec<T> v, vec<T> best) {  // no offset wanted: one maxps, and a NaN of v wins
  vec<T> m = v > best ? v : best;
  return v != v ? v : m;
}

template <class T> FN void store_offsets(uint8_t* p, bits<T> v, int64_t n) {
  auto b = to_bytes<T>(v);
  if (n >= lanes<T>) {
    __builtin_memcpy(p, &b, sizeof b);
    return;
  }
  auto* q = reinterpret_cast<const uint8_t*>(&b);
  if constexpr (lanes<T> > 8)
    if (n & 8) __builtin_memcpy(p, q, 8), p += 8, q += 8;
  if constexpr (lanes<T> > 4)
    if (n & 4) __builtin_memcpy(p, q, 4), p += 4, q += 4;
  for (int64_t i = 0; i < (n & 3); ++i) p[i] = q[i];
}
FN uint64_t first_bytes(const uint8_t* p, int64_t n) {  // n of eight
  uint64_t v = 0;
  if (n >= 8) {
    __builtin_memcpy(&v, p, 8);
    return v;
  }
  int64_t at = n & 4;
  if (uint32_t w; at) __builtin_memcpy(&w, p, 4), v = w;
  for (; at < n; ++at) v |= uint64_t(p[at]) << 8 * at;
  return v;
}
// n: what may be read; the rest is junk. Put together in registers: a vector that is read from what narrow stores have just
// written waits for all of them (rows of 12: 0.12 ns an element of dx, so 0.046).
template <class T> FN bits<T> load_offsets(const uint8_t* p, int64_t n) {
  Bytes<T> b{};
  if (n >= lanes<T>) {
    __builtin_memcpy(&b, p, sizeof b);
  } else if constexpr (sizeof b == 16) {
    typedef uint64_t Pair __attribute__((vector_size(16)));
    b = reinterpret_cast<Bytes<T>>(Pair{first_bytes(p, n), n > 8 ? first_bytes(p + 8, n - 8) : 0});
  } else {
    uint64_t v = first_bytes(p, n);
    __builtin_memcpy(&b, &v, sizeof b);
  }
  return from_bytes<T>(b);
}
template <class T> FN void store_offsets(int32_t* p, bits<T> v, int64_t n) {  // windows of more than 256 taps
  for (int64_t i = 0; i < n && i < lanes<T>; ++i) p[i] = int32_t(v[i]);
}
template <class T> FN bits<T> load_offsets(const int32_t* p, int64_t n) {
  bits<T> v{};
  for (int64_t i = 0; i < n && i < lanes<T>; ++i) v[i] = p[i];
  return v;
}
template <class T> FN void store_head(T* p, vec<T> v, int64_t n) { n >= lanes<T> ? store(p, v) : store_n(p, v, n); }
template <class T> FN vec<T> load_head(const T* p, int64_t n) { return n >= lanes<T> ? load(p) : load_n(p, n); }

// j = 0, L, 2L, ... and at last outs - L: a vector that overlaps the one before it needs no tail.
template <class T, class F> FN void for_vectors(int64_t outs, const F& f) {
  int64_t j = 0;
  for (; j + lanes<T> <= outs; j += lanes<T>) f(j);
  if (j < outs) f(outs - lanes<T>);
}

// f(j, how many) for the vectors of a row of outputs; a shorter row is one part of a vector.
template <class T, class F> FN void for_row(int64_t outs, const F& f) {
  if (outs >= lanes<T>) for_vectors<T>(outs, [&](int64_t j) __attribute__((always_inline)) { f(j, lanes<T>); });
  else f(0, outs);
}

// ---- any geometry ---------------------------------------------------------------------------------------------------

template <bool WHERE, class T, class O>
static void max_any(T* y, O* offsets, const T* x, Image in, Image out, const Pool2d& p) {
  using I = lane<bits<T>>;
  int64_t kh = p.kernel[0], kw = p.kernel[1], wide = round_up<T>(out.w), ring = (kh - 1) * p.dilation[0] + 1;
  Phases phases = Phases::of<T>(in.w, out.w, kw, p.stride[1], p.padding[1], p.dilation[1]);
  const T lowest = -T(__builtin_inf());
  if (ring > in.h) ring = in.h;
  for_bands(in.planes, out.h, (p.stride[0] + kh) * wide + p.stride[0] * in.w, [&](const auto& each) {
    Scratch<T> split(phases.size()), value(ring * wide);
    Scratch<I> where(ring * wide), first(wide);
    Scratch<int64_t> at(kw), slots(kh);
    phases.fill(split.data, lowest);
    for (int64_t b = 0; b < kw; ++b) at[b] = phases.at(b);
    for (int64_t j = 0; j < wide; ++j) {  // the first tap inside the row: where a window of -inf points
      int64_t left = p.padding[1] - j * p.stride[1], b = left > 0 ? ceil_div(left, p.dilation[1]) : 0;
      first[j] = I(b < kw ? b : kw - 1);
    }
    each([&](int64_t plane, int64_t begin, int64_t end) {
      const T* source = x + plane * in.h * in.w;
      int64_t next = 0;  // rows before it are reduced or no longer needed
      for (int64_t i = begin; i < end; ++i) {
        int64_t top = i * p.stride[0] - p.padding[0], a0 = top < 0 ? ceil_div(-top, p.dilation[0]) : 0, a1 = a0;
        while (a1 < kh && top + a1 * p.dilation[0] < in.h) ++a1;
        if (next < top) next = top;
        for (; a1 > a0 && next <= top + (a1 - 1) * p.dilation[0]; ++next) {
          phases.split(split.data, source + next * in.w, lowest);
          T* v = value + next % ring * wide;
          I* w = where + next % ring * wide;
          for (int64_t j = 0; j < wide; j += lanes<T>) {
            vec<T> best = splat(lowest);
            bits<T> tap = load(first + j);
            for (int64_t b = 0; b < kw; ++b) {
              vec<T> c = load(split + at[b] + j);
              if constexpr (WHERE) take_larger<T>(c, splat(I(b)), best, tap);
              else best = larger<T>(c, best);
            }
            store(v + j, best);
            if constexpr (WHERE) store(w + j, tap);
          }
        }
        int64_t row = (plane * out.h + i) * out.w;
        for (int64_t a = a0; a < a1; ++a) slots[a] = (top + a * p.dilation[0]) % ring * wide;  // not once a vector
        auto column = [&](int64_t j, int64_t n) __attribute__((always_inline)) {
          vec<T> best = splat(lowest);
          bits<T> tap = load(first + j) + I(a0 < kh ? a0 * kw : 0);
          for (int64_t a = a0; a < a1; ++a) {
            int64_t slot = slots[a] + j;
            if constexpr (WHERE) take_larger<T>(load(value + slot), load(where + slot) + I(a * kw), best, tap);
            else best = larger<T>(load(value + slot), best);
          }
          store_head(y + row + j, best, n);
          if constexpr (WHERE) store_offsets<T>(offsets + row + j, tap, n);
        };
        for_row<T>(out.w, column);
      }
    });
  });
}

// ---- 2x2, stride 2: windows that do not overlap ---------------------------------------------------------------------

FN bool is_two_by_two(Image in, Image out, const Pool2d& p) {
  for (int d = 0; d < 2; ++d)
    if (p.kernel[d] != 2 || p.stride[d] != 2 || p.padding[d] != 0 || p.dilation[d] != 1) return false;
  return 2 * out.w <= in.w && 2 * out.h <= in.h;
}

// Two vectors of one row of x, from p on, of which 2 * outs elements are there.
template <class T> FN void load_pair(const T* p, int64_t outs, vec<T>& even, vec<T>& odd) {
  constexpr int64_t L = lanes<T>;
  if (outs >= L) split2<T>(load(p), load(p + L), even, odd);
  else split2<T>(load_head(p, 2 * outs), 2 * outs > L ? load_n(p + L, 2 * outs - L) : vec<T>{}, even, odd);
}
template <class T> FN void store_pair(T* p, int64_t outs, vec<T> even, vec<T> odd) {
  constexpr int64_t L = lanes<T>;
  vec<T> a, b;
  join2<T>(even, odd, a, b);
  store_head(p, a, 2 * outs);
  if (outs >= L) store(p + L, b);
  else if (2 * outs > L) store_n(p + L, b, 2 * outs - L);
}

template <class T> static void max_2x2(T* y, uint8_t* offsets, const T* x, Image in, Image out) {
  using I = lane<bits<T>>;
  for_planes(in.planes, out.h, 2 * in.w, [&](int64_t plane, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const T *upper = x + (plane * in.h + 2 * i) * in.w, *lower = upper + in.w;
      int64_t row = (plane * out.h + i) * out.w;
      for_row<T>(out.w, [&](int64_t j, int64_t n) __attribute__((always_inline)) {
        vec<T> best, b, c, d;
        load_pair<T>(upper + 2 * j, n, best, b);
        load_pair<T>(lower + 2 * j, n, c, d);
        bits<T> at{};
        take_larger<T>(b, splat(I(1)), best, at);
        take_larger<T>(c, splat(I(2)), best, at);
        take_larger<T>(d, splat(I(3)), best, at);
        store_head(y + row + j, best, n);
        if (offsets) store_offsets<T>(offsets + row + j, at, n);
      });
    }
  });
}

// ---- one window: the whole plane ------------------------------------------------------------------------------------

// Each lane keeps its largest; then the lanes are compared as positions in the plane are: ties to the first, last NaN.
template <bool WHERE, class T, class O> static void max_whole(T* y, O* offsets, const T* x, int64_t planes, int64_t n) {
  using I = lane<bits<T>>;
  constexpr int L = lanes<T>;
  parallel_for(planes, 32768 / (n + 16) + 1, [&](int64_t begin, int64_t end) {
    T value[L];
    I where[L];
    bits<T> count{};
    for (int i = 0; i < L; ++i) count[i] = I(i);
    for (int64_t plane = begin; plane < end; ++plane) {
      const T* const p = x + plane * n;
      vec<T> best = splat(-T(__builtin_inf()));
      bits<T> at = count, position = count;
      int64_t k = 0;
      for (; k + L <= n; k += L, position += I(L)) {
        if constexpr (WHERE) take_larger<T>(load(p + k), position, best, at);
        else best = larger<T>(load(p + k), best);
      }
      store(value, best);
      if constexpr (WHERE) store(where, at);
      T top = value[0];
      I found = WHERE ? where[0] : I(0);
      auto meet = [&](T v, I w) __attribute__((always_inline)) {
        const bool nan = v != v && (top == top || w > found), tie = v == top && w < found;
        if (v > top || nan || (WHERE && tie)) top = v, found = w;
      };
      const int filled = n < L ? int(n) : L;
      if (k > 0)
        for (int i = 1; i < filled; ++i) meet(value[i], WHERE ? where[i] : I(0));
      else top = p[0], found = 0, k = 1;
      for (; k < n; ++k) meet(p[k], I(k));
      y[plane] = top;
      if constexpr (WHERE) offsets[plane] = O(found);
    }
  });
}

}  // namespace fastnn::FN_ISA
