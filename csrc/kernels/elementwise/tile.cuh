// elementwise/tile.cuh: y[i] = f(a[i], b[i], c[i]) over whole arrays on a GPU, once for every formula in ops.h and activation.h.
//
// The .cu files of this family are the .cpp files: the same formulas, the same list of kernels. What differs is here.
//
//    all contiguous, or one number    element i is at i; four elements a thread, `threads` apart, so that each warp reads 128
//                                     contiguous bytes at a time and four loads are under way before the first is used
//    any other strides                axes are merged on the host; a thread finds its coordinates by dividing
//                                     (core/cuda/loops.cuh)
//    one number on the host           travels among the arguments of the launch
//
//    cost    (inputs + 1) x bytes over the bandwidth of memory. Read on: pointwise.cuh, ../../core/cuda/loops.cuh.
#pragma once
#include "../../core/cuda/scalar.h"
#include "pointwise.cuh"

namespace fastnn::cuda {

constexpr int64_t CHEAP = 0, COSTLY = 0;  // grains of the CPU
struct Flag { uint8_t v; };
template <class Y, class V> FN Y as(V v) {
  if constexpr (__is_same(Y, Flag)) return {uint8_t(v != V(0))};
  else return Y(v);
}

#if defined(FN_SHIM) || defined(__CUDA_ARCH__)
#define FN_FAULT(kind) fault(kind, nullptr, 0, 0)
#else
#define FN_FAULT(kind) (void)0  // the host's half of a formula is never called
#endif
#define FN_RAISES FN int
FN int raise_zero_division() {
  FN_FAULT(Fault::zero_division);
  return 0;
}
FN int raise_negative_power() {
  FN_FAULT(Fault::negative_power);
  return 0;
}

template <class T> FN T fetch(const Operand& x, int64_t i) {
  if (x.on_host) return *reinterpret_cast<const T*>(x.number);
  return view_as<const T>(x.data)[i];
}

template <class F, class Y, class A, class B, class C, int N> __global__ void pointwise(Pointwise p) {
  const int64_t step = int64_t(gridDim.x) * blockDim.x * PER_THREAD;
  for (int64_t first = int64_t(blockIdx.x) * blockDim.x * PER_THREAD + threadIdx.x; first < p.n; first += step) {
#pragma unroll
    for (int k = 0; k < PER_THREAD; ++k) {
      const int64_t i = first + int64_t(k) * blockDim.x;
      if (i >= p.n) break;
      int64_t at[1 + MAX_OPERANDS] = {i, i, i, i};
      if (!p.flat) p.loops.find(i, at);
      else
        for (int j = 0; j < N; ++j)
          if (!p.in[j].step) at[1 + j] = 0;
      Y y;
      if constexpr (N == 1) y = as<Y>(F{}(fetch<A>(p.in[0], at[1])));
      if constexpr (N == 2) y = as<Y>(F{}(fetch<A>(p.in[0], at[1]), fetch<B>(p.in[1], at[2])));
      if constexpr (N == 3) y = as<Y>(F{}(fetch<A>(p.in[0], at[1]), fetch<B>(p.in[1], at[2]), fetch<C>(p.in[2], at[3])));
      view_as<Y>(p.y)[at[0]] = y;
    }
  }
}

template <class F, class Y, class A, class B, class C, int N> void run(const char* op, const View& y, const View* const* in) {
  const Pointwise p = pointwise_of(y, in, N);
  if (p.n == 0) return;
  launch(op, &pointwise<F, Y, A, B, C, N>, blocks_for(p.n, THREADS * PER_THREAD), THREADS, p);
}

[[noreturn]] inline void not_for(const char* op, DType t) {
  static const char* const NAMES[] = {"float32", "float64", "int64", "int32", "uint8", "bool"};
  raise_error(ErrorKind::dtype, "\"%s\" not implemented for '%s'", op, NAMES[int(t)]);
}

// ---- from a kernel's arguments to its instance: the same doors as tile.h's ----------------------------------------------
template <class F, class... I> void on_floats(const char* op, const View& y, const I&... in) {
  const View* p[] = {&in...};
  constexpr int N = sizeof...(I);
  if (y.dtype == DType::f32) return run<F, float, float, float, float, N>(op, y, p);
  if (y.dtype == DType::f64) return run<F, double, double, double, double, N>(op, y, p);
  not_for(op, y.dtype);
}
template <class G, class... I> void on_integers(const char* op, bool bools, const View& y, const I&... in) {
  const View* p[] = {&in...};
  constexpr int N = sizeof...(I);
  switch (y.dtype) {
    case DType::i64: return run<G, int64_t, int64_t, int64_t, int64_t, N>(op, y, p);
    case DType::i32: return run<G, int32_t, int32_t, int32_t, int32_t, N>(op, y, p);
    case DType::u8: return run<G, uint8_t, uint8_t, uint8_t, uint8_t, N>(op, y, p);
    case DType::b8:
      if (bools) return run<G, Flag, uint8_t, uint8_t, uint8_t, N>(op, y, p);
      break;
    default: break;
  }
  not_for(op, y.dtype);
}
template <class F, class G, class... I> void on_numbers(const char* op, bool bools, const View& y, const I&... in) {
  if (is_float(y.dtype)) return on_floats<F>(op, y, in...);
  on_integers<G>(op, bools, y, in...);
}
template <class F, class... I> void on_bits(const View& y, const I&... in) {
  const View* p[] = {&in...};
  switch (itemsize(y.dtype)) {
    case 8: return run<F, int64_t, uint8_t, int64_t, int64_t, 3>("where", y, p);
    case 4: return run<F, int32_t, uint8_t, int32_t, int32_t, 3>("where", y, p);
    default: return run<F, uint8_t, uint8_t, uint8_t, uint8_t, 3>("where", y, p);
  }
}
template <class F, class A, class... I> void to_flags(const View& y, const A& a, const I&... in) {  // any dtype to bool
  const View* p[] = {&a, &in...};
  constexpr int N = 1 + sizeof...(I);
  switch (a.dtype) {
    case DType::f32: return run<F, Flag, float, float, float, N>("compare", y, p);
    case DType::f64: return run<F, Flag, double, double, double, N>("compare", y, p);
    case DType::i64: return run<F, Flag, int64_t, int64_t, int64_t, N>("compare", y, p);
    case DType::i32: return run<F, Flag, int32_t, int32_t, int32_t, N>("compare", y, p);
    default: return run<F, Flag, uint8_t, uint8_t, uint8_t, N>("compare", y, p);
  }
}

}  // namespace fastnn::cuda
