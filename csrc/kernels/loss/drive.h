// loss/drive.h: a loss of formulas.h over whole arrays: inputs of any strides are fetched in blocks, sums kept per block in double.
#pragma once
#include "../../core/error.h"
#include "../../core/math.h"
#include "../../core/parallel.h"
#include "../../core/sweep.h"
#include "../declare.h"
#include "formulas.h"

namespace fastnn::FN_ISA {

// ---- fetching --------------------------------------------------------------------------------------------------------

constexpr int64_t FETCH = 1024, LOSS_CHUNK = 16384;

template <class T> struct Stream {  // numbers of a view in C order, a block at a time
  const View* v;
  bool packed, fixed;
  FN explicit Stream(const View& view) : v(&view), packed(view.packed()), fixed(true) {
    for (int d = 0; d < view.ndim; ++d) fixed &= view.shape[d] == 1 || view.strides[d] == 0;
  }
  // Elements at..at+n, in place or copied to `buffer`. `filled` remembers that a buffer already holds a fixed value.
  FN const T* fetch(int64_t at, int64_t n, T* buffer, bool& filled) const {
    const T* p = v->ptr<const T>();
    if (packed) return p + at;
    if (fixed) {
      for (int64_t i = 0; i < FETCH && !filled; ++i) buffer[i] = *p;
      filled = true;
      return buffer;
    }
    int64_t index[MAX_DIMS], last = v->ndim - 1, rest = at, inner = v->shape[last], step = v->strides[last];
    for (int64_t d = last; d >= 0; --d) index[d] = rest % v->shape[d], rest /= v->shape[d];
    for (int64_t done = 0; done < n;) {
      const T* q = p;
      for (int64_t d = 0; d <= last; ++d) q += index[d] * v->strides[d];
      int64_t run = inner - index[last] < n - done ? inner - index[last] : n - done;
      for (int64_t i = 0; i < run; ++i) buffer[done + i] = q[i * step];
      done += run, index[last] += run;
      for (int64_t d = last; d > 0 && index[d] == v->shape[d]; --d) index[d] = 0, ++index[d - 1];
    }
    return buffer;
  }
};

template <class T> static void check_probabilities(const T* x, int64_t n, const char* what) {
  bits<T> bad = {};
  vec<T> one = splat(T(1)), zero = splat(T(0));
  sweep<T>(n, [&](int64_t i, int, int64_t c) FN_LAMBDA {
    vec<T> v = load_part(x + i, c);
    bad |= ~((v >= zero) & (v <= one));
  });
  if (any_lane(bad)) raise_error(ErrorKind::runtime, "all elements of %s should be between 0 and 1", what);
}

// begin(at, n, block) is called for every block with the K inputs; weights not given are 1.
template <int K, bool CHECK, class T, class F>
FN void over_blocks(const View* const* inputs, int64_t begin, int64_t end, const F& f) {
  alignas(64) T buffer[K][FETCH];
  bool filled[K] = {};
  for (int64_t at = begin; at < end; at += FETCH) {
    int64_t n = end - at < FETCH ? end - at : FETCH;
    const T* p[K];
    for (int k = 0; k < K; ++k) {
      if (inputs[k]->ndim < 0) {
        for (int64_t i = 0; i < FETCH && !filled[k]; ++i) buffer[k][i] = 1;
        filled[k] = true;
        p[k] = buffer[k];
      } else {
        p[k] = Stream<T>(*inputs[k]).fetch(at, n, buffer[k], filled[k]);
      }
    }
    if constexpr (CHECK) {
      check_probabilities(p[0], n, "input");
      check_probabilities(p[1], n, "target");
    }
    f(at, n, p);
  }
}

template <class Loss, int K, bool CHECK, class T>
static void forward(const View& y, const View* const* inputs, int64_t n, int64_t reduction, T parameter) {
  T* out = y.ptr<T>();
  Scratch<double> partial(ceil_div(n, LOSS_CHUNK) + 1);
  parallel_for(n, LOSS_CHUNK, [&](int64_t begin, int64_t end) {
    double sum = 0;
    over_blocks<K, CHECK, T>(inputs, begin, end, [&](int64_t at, int64_t count, const T* const* p) FN_LAMBDA {
      vec<T> s[4] = {};
      sweep<T>(count, [&](int64_t i, int k, int64_t c) FN_LAMBDA {
        vec<T> in[K];
        for (int j = 0; j < K; ++j) in[j] = load_part(p[j] + i, c);
        vec<T> l = Loss::value(in, parameter);
        if (reduction == 0) store_part(out + at + i, l, c);
        else if (c == lanes<T>) s[k] += l;
        else for (int64_t j = 0; j < c; ++j) s[k][j] += l[j];  // what stands in the missing lanes need not be 0
      });
      sum += sum_of<T>(s);
    });
    partial[begin / LOSS_CHUNK] = sum;
  });
  if (reduction == 0) return;
  double total = 0;
  for (int64_t k = 0; k < ceil_div(n, LOSS_CHUNK); ++k) total += partial[k];
  *out = T(reduction == 1 ? total / double(n) : total);
}

template <class Loss, int K, class T>
static void derivative(const View& dx, const View* const* inputs, int64_t n, int64_t reduction, T parameter) {
  T* out = dx.ptr<T>();
  T scale = reduction == 1 ? T(1) / T(n) : T(1);
  parallel_for(n, LOSS_CHUNK, [&](int64_t begin, int64_t end) {
    over_blocks<K + 1, false, T>(inputs, begin, end, [&](int64_t at, int64_t count, const T* const* p) FN_LAMBDA {
      sweep<T>(count, [&](int64_t i, int, int64_t c) FN_LAMBDA {
        vec<T> in[K];
        for (int j = 0; j < K; ++j) in[j] = load_part(p[j] + i, c);
        store_part(out + at + i, Loss::slope(in, parameter) * (load_part(p[K] + i, c) * scale), c);
      });
    });
  });
}

template <class Loss, int K, bool CHECK = false>
static void run(const View& y, const View& x, const View& t, const View& w, const View& v, int64_t reduction,
                double parameter) {
  const View* inputs[] = {&x, &t, &w, &v};
  if (x.dtype == DType::f32) forward<Loss, K, CHECK, float>(y, inputs, x.numel(), reduction, float(parameter));
  else forward<Loss, K, CHECK, double>(y, inputs, x.numel(), reduction, parameter);
}
template <class Loss, int K>
static void run_dx(const View& dx, const View& g, const View& x, const View& t, const View& w, const View& v,
                   int64_t reduction, double parameter) {
  const View* inputs[] = {&x, &t, &w, &v, nullptr};
  inputs[K] = &g;
  if (x.dtype == DType::f32) derivative<Loss, K, float>(dx, inputs, x.numel(), reduction, float(parameter));
  else derivative<Loss, K, double>(dx, inputs, x.numel(), reduction, parameter);
}

}  // namespace fastnn::FN_ISA
