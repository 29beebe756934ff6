// optimizer/arena.h: all tensors of a group as one long array, cut into equal chunks.
//
//    tensor     |0        |1 |2|3              |4   |        a ResNet has 62, most of them tiny
//    chunk      [0      )[1      )[2      )[3      )          GRAIN elements each, whatever lies inside
//    segment    ---------)(-- -- - ---)(--------)( ...        the part of one tensor that lies in one chunk
//
// An optimizer step is bound by memory (Adam moves 28 bytes a float32 parameter and does a dozen flops on them), so
// it has to be one pass, and it has to be shared evenly: one parallel loop per tensor would pay one barrier for
// every bias. Chunks depend on the sizes only, so every thread count gives the same bits.
#pragma once
#include "../../core/error.h"
#include "../../core/parallel.h"
#include "../../core/simd.h"

namespace fastnn::FN_ISA {

constexpr int64_t GRAIN = 1 << 14;  // elements: about 40 us of Adam on one core
constexpr int64_t STAGE = 256;      // elements of a tensor with strides that are packed at a time

// f(tensor, begin, end, chunk) for every segment; begin and end count elements of that tensor.
template <class F> FN void for_each_segment(const Ins& list, const F& f) {
  Scratch<int64_t> scratch(list.n + 1);
  int64_t* ends = scratch;
  int64_t total = 0;
  for (int64_t i = 0; i < list.n; ++i) ends[i] = total += list[i].numel();
  parallel_for(total, GRAIN, [&](int64_t begin, int64_t end) {
    const int64_t chunk = begin / GRAIN;
    int64_t low = 0, high = list.n - 1;  // the tensor holding `begin`: the first whose end lies beyond it
    while (low < high) {
      int64_t middle = (low + high) / 2;
      if (ends[middle] > begin) high = middle;
      else low = middle + 1;
    }
    for (int64_t i = low; begin < end; ++i) {
      const int64_t start = i ? ends[i - 1] : 0, stop = ends[i] < end ? ends[i] : end;
      if (begin < stop) f(i, begin - start, stop - start, chunk);
      if (begin < stop) begin = stop;
    }
  });
}
FN int64_t count_chunks(const Ins& list) {
  int64_t total = 0;
  for (int64_t i = 0; i < list.n; ++i) total += list[i].numel();
  return ceil_div(total, GRAIN);
}

// Elements [begin, begin + n) of v, in row-major order, to or from a packed buffer. Gradients of transposed weights
// arrive with strides; everything else takes the packed path in apply().
template <class T, bool to_view> static void move(T* buffer, const View& v, int64_t begin, int64_t n) {
  int64_t index[MAX_DIMS];
  const int last = v.ndim - 1;
  for (int d = last; d >= 0; --d) {
    index[d] = begin % v.shape[d];
    begin /= v.shape[d];
  }
  while (n > 0) {
    T* p = v.ptr<T>();
    for (int d = 0; d <= last; ++d) p += index[d] * v.strides[d];
    const int64_t left = v.shape[last] - index[last], run = left < n ? left : n, stride = v.strides[last];
    for (int64_t i = 0; i < run; ++i) {
      if (to_view) p[i * stride] = buffer[i];
      else buffer[i] = p[i * stride];
    }
    buffer += run;
    n -= run;
    index[last] += run;
    for (int d = last; d > 0 && index[d] == v.shape[d]; --d) index[d] = 0, ++index[d - 1];
  }
}

// One pass: rule(x) for each vector of the N arrays in step. It may change all of x but the last, the gradient.
template <int N, class T, class Rule> FN void sweep(T* const (&a)[N], int64_t n, const Rule& rule) {
  constexpr int L = lanes<T>;
  int64_t i = 0;
  vec<T> x[N];
  for (; i + L <= n; i += L) {
#pragma GCC unroll 8
    for (int k = 0; k < N; ++k) x[k] = load(a[k] + i);
    rule(x);
#pragma GCC unroll 8
    for (int k = 0; k < N - 1; ++k) store(a[k] + i, x[k]);
  }
  if (i == n) return;
#pragma GCC unroll 8
  for (int k = 0; k < N; ++k) x[k] = load_n(a[k] + i, n - i);
  rule(x);
#pragma GCC unroll 8
  for (int k = 0; k < N - 1; ++k) store_n(a[k] + i, x[k], n - i);
}

// Sweep one segment of the arrays v, which all have the shape and type of the parameter v[0].
template <int N, class T, class Rule> static void apply(const View* const (&v)[N], int64_t begin, int64_t end, const Rule& rule) {
  T stage[N][STAGE];
  T* a[N];
  bool packed = true;
  for (int k = 0; k < N; ++k) packed = packed && v[k]->packed();
  const int64_t block = packed ? end - begin : STAGE;
  for (; begin < end; begin += block) {
    const int64_t n = end - begin < block ? end - begin : block;
    for (int k = 0; k < N; ++k) {
      const View& view = *v[k];
      a[k] = packed ? view.ptr<T>() + begin : stage[k];
      if (!packed) move<T, false>(stage[k], view, begin, n);
    }
    sweep<N, T>(a, n, rule);
    for (int k = 0; k < N - 1 && !packed; ++k) move<T, true>(stage[k], *v[k], begin, n);
  }
}

// f(T{}) for the type T of v: one switch a segment.
template <class F> FN void with_type(const View& v, const F& f) { v.dtype == DType::f32 ? f(float{}) : f(double{}); }

FN void check_float(const char* op, const Ins& list) {
  for (int64_t i = 0; i < list.n; ++i)
    if (!is_float(list[i].dtype)) raise_error(op);
}
// Every list that is not empty holds one array for each parameter, alike in type and shape.
FN void check_alike(const char* op, const Ins& params, const Ins& list) {
  bool alike = list.n == params.n;
  for (int64_t i = 0; alike && i < list.n; ++i) {
    alike = list[i].dtype == params[i].dtype && list[i].ndim == params[i].ndim;
    for (int d = 0; alike && d < params[i].ndim; ++d) alike = list[i].shape[d] == params[i].shape[d];
  }
  if (!alike) raise_error(op);
}

}  // namespace fastnn::FN_ISA
