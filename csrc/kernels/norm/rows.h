// norm/rows.h: normalise rows of n contiguous numbers, with a weight and a bias for every place in the row.
//
//    layer   x̂ = (x - mean)·r     r = 1/√(Σ(x - mean)²/n + ε)        y = x̂·w + b
//    rms     x̂ = x·r              r = 1/√(Σx²/n + ε)                 y = x̂·w
//
//    dx = r·(γ - mean(γ) - x̂·mean(γ·x̂))    γ = g·w     (rms: without mean(γ))        dw = Σ_rows g·x̂     db = Σ_rows g
//
// The derivative recomputes mean and r: the row is in the first-level cache by then, and an op that saved them could
// not be differentiated again. Large results are streamed while the rows to come are fetched (8192x768, Zen 5: 0.74 -> 0.59 ms,
// the derivative 1.29 -> 0.84; from memory, asked for in two of layer norm's passes instead of one, 0.66 -> 0.60). dw and db are summed
// per chunk of rows, the chunks in order: the same on any number of threads. `period` rows have weights of their own (group norm: the
// groups); layer norm has period 1.
#pragma once
#include "../../core/note.h"
#include "../../core/parallel.h"
#include "../../core/stream.h"
#include "short.h"

namespace fastnn::FN_ISA {

FN int64_t rows_grain(int64_t n) { return n < 16384 ? 16384 / (n < 1 ? 1 : n) : 1; }

template <bool CENTRE, class T, class F = Fetch<false>> FN void row_stats(T& mean, T& r, const T* x, int64_t n, double eps, F fetch = {}) {
  if constexpr (CENTRE) {
    Moments m = moments(x, n, fetch);
    mean = T(m.mean);
    r = T(rsqrt1(m.m2 / double(n) + eps));
  } else {
    mean = 0;
    r = T(rsqrt1(sum_squares(x, n) / double(n) + eps));
  }
}

template <bool CENTRE, class T>
static void normalise_rows(T* y, const T* x, const T* w, const T* b, int64_t rows, int64_t n, int64_t period, double eps) {
  if (n == 0) return;
  const int64_t moved = 2 * rows * n * int64_t(sizeof(T));
  if (period == 1 && n <= SHORT) {
    FN_NOTE("short rows, four at a time");
    return parallel_for(rows, rows_grain(n), [&](int64_t begin, int64_t end) {
      by_fours(begin, end, [&](int64_t row, auto count) FN_LAMBDA {
        short_forward<CENTRE, decltype(count)::value>(y + row * n, x + row * n, w, b, n, eps);
      });
    });
  }
  FN_NOTE("row by row%s", past_cache(n, moved) ? "; results larger than the cache are written past it" : "");
  parallel_for(rows, rows_grain(n), [&](int64_t begin, int64_t end) {
    rows_to(y, begin, end, n, moved, [&](T* yr, int64_t row, auto fetch) FN_LAMBDA {
      const T *xr = x + row * n, *wr = w + row % period * n, *br = b + row % period * n;
      T mean, r;
      row_stats<CENTRE>(mean, r, xr, n, eps, fetch);
      if (w && b) {
        sweep<T>(n, [&](int64_t i, int k, int64_t c) FN_LAMBDA {
          if (!CENTRE || k % 2 == 0) fetch(xr + i);
          vec<T> v = (load_part(xr + i, c) - mean) * r;
          store_part(yr + i, v * load_part(wr + i, c) + load_part(br + i, c), c);
        });
      } else if (w) {
        sweep<T>(n, [&](int64_t i, int k, int64_t c) FN_LAMBDA {
          if (!CENTRE || k % 2 == 0) fetch(xr + i);
          store_part(yr + i, (load_part(xr + i, c) - mean) * r * load_part(wr + i, c), c);
        });
      } else {
        sweep<T>(n, [&](int64_t i, int k, int64_t c) FN_LAMBDA {
          if (!CENTRE || k % 2 == 0) fetch(xr + i);
          vec<T> v = (load_part(xr + i, c) - mean) * r;
          store_part(yr + i, b ? v + load_part(br + i, c) : v, c);
        });
      }
    });
  });
}

// One row's dx, and its terms of dw and db added to aw, ab.
template <bool CENTRE, bool W, class T, class F>
FN void row_dx(T* dx, T* aw, T* ab, const T* g, const T* x, const T* w, int64_t n, double eps, F fetch) {
  T mean, r;
  row_stats<CENTRE>(mean, r, x, n, eps);
  vec<T> s[4] = {}, d[4] = {};
  sweep<T>(n, [&](int64_t i, int k, int64_t c) FN_LAMBDA {
    fetch.second(g + i), fetch.second(x + i);
    vec<T> gv = load_part(g + i, c), v = (load_part(x + i, c, mean) - mean) * r, t = gv;
    if constexpr (W) t = t * load_part(w + i, c);
    if constexpr (CENTRE) s[k] += t;
    d[k] += t * v;
    if (aw) store_part(aw + i, load_part(aw + i, c) + gv * v, c);
    if (ab) store_part(ab + i, load_part(ab + i, c) + gv, c);
  });
  T shift = CENTRE ? sum_of<T>(s) / T(n) : T(0), slope = sum_of<T>(d) / T(n);
  sweep<T>(n, [&](int64_t i, int, int64_t c) FN_LAMBDA {
    vec<T> t = load_part(g + i, c), v = (load_part(x + i, c) - mean) * r;
    if constexpr (W) t = t * load_part(w + i, c);
    store_part(dx + i, (t - shift - v * slope) * r, c);
  });
}

// dw and db may be null. Any chunking is right; this one gives 16 to 64 chunks of at least 16384 elements.
template <bool CENTRE, class T>
static void rows_dx(T* dx, T* dw, T* db, const T* g, const T* x, const T* w, int64_t rows, int64_t n, int64_t period,
                    double eps) {
  int64_t width = period * n;
  if (rows == 0 || n == 0) {
    for (int64_t i = 0; i < width && dw; ++i) dw[i] = 0;
    for (int64_t i = 0; i < width && db; ++i) db[i] = 0;
    return;
  }
  int64_t grain = rows_grain(n), most = ceil_div(rows, 64);
  if (grain < most) grain = most;
  int64_t chunks = ceil_div(rows, grain), sums = (dw ? 1 : 0) + (db ? 1 : 0);
  Scratch<T> partial(sums * chunks * width + 1);
  parallel_for(rows, grain, [&](int64_t begin, int64_t end) {
    T* aw = partial + begin / grain * sums * width;
    T* ab = aw + (dw ? width : 0);
    for (int64_t i = 0; i < sums * width; ++i) aw[i] = 0;
    if (period == 1 && n <= SHORT)
      return by_fours(begin, end, [&](int64_t row, auto count) FN_LAMBDA {
        const int64_t at = row * n;
        short_dx<CENTRE, decltype(count)::value>(dx + at, dw ? aw : nullptr, db ? ab : nullptr, g + at, x + at, w, n, eps);
      });
    rows_to(dx, begin, end, n, 3 * rows * n * int64_t(sizeof(T)), [&](T* to, int64_t row, auto fetch) FN_LAMBDA {
      int64_t at = row * n, p = row % period * n;
      T *awr = dw ? aw + p : nullptr, *abr = db ? ab + p : nullptr;
      if (w) row_dx<CENTRE, true>(to, awr, abr, g + at, x + at, w + p, n, eps, fetch);
      else row_dx<CENTRE, false>(to, awr, abr, g + at, x + at, w, n, eps, fetch);
    });
  });
  parallel_for(sums * width, 1024, [&](int64_t begin, int64_t end) {
    T total[1024];
    const T* from = partial + begin;  // sum s = 0, 1 lies at partial[chunk][s][width]
    for (int64_t i = 0; i < end - begin; ++i) total[i] = from[i];
    for (int64_t k = 1; k < chunks; ++k) {
      from += sums * width;
      for (int64_t i = 0; i < end - begin; ++i) total[i] += from[i];
    }
    for (int64_t i = begin; i < end; ++i) {
      T* out = dw && i < width ? dw : db;  // by name: indexed in place, GCC 12's sanitizer forgets i % width in one branch
      out[i % width] = total[i - begin];
    }
  });
}

}  // namespace fastnn::FN_ISA
