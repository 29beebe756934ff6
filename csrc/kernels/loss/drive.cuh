// loss/drive.cuh: a loss of formulas.h over whole arrays on a GPU: values (or their sum, in a fixed order), and slopes times g.
#pragma once
#include "../../core/cuda/loops.cuh"
#include "../../core/cuda/scalar.h"

#include "formulas.h"
#include "total.cuh"

namespace fastnn::cuda {

template <class T> struct LossInputs {
  global<const T> in[5];  // null: a weight that is not given, 1
  Loops<5> loops;
  int64_t n;
  T parameter, scale;
  __device__ T operator()(int k, const int64_t* at) const { return in[k] ? in[k][at[k]] : T(1); }
};
template <class T> LossInputs<T> loss_inputs(const View* const* views, int inputs, T parameter) {
  LossInputs<T> l{};
  const View& x = *views[0];
  l.n = x.numel(), l.parameter = parameter;
  for (int k = 0; k < inputs; ++k)
    if (views[k]->ndim >= 0) l.in[k] = in<T>(*views[k]);
  for (int d = 0; d < x.ndim; ++d) {
    int64_t strides[5] = {};
    for (int k = 0; k < inputs; ++k) strides[k] = views[k]->ndim >= 0 ? views[k]->strides[d] : 0;
    l.loops.add(x.shape[d], strides);
  }
  return l;
}

template <class Loss, int K, bool CHECK, class T> __global__ void values(LossInputs<T> l, global<T> y) {
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < l.n; i += int64_t(gridDim.x) * blockDim.x) {
    int64_t at[5];
    l.loops.find(i, at);
    T in[K];
    for (int k = 0; k < K; ++k) in[k] = l(k, at);
    if (CHECK && !(in[0] >= T(0) && in[0] <= T(1))) fault(Fault::probability, nullptr, 0, 0);
    y[i] = Loss::value(in, l.parameter);
  }
}
template <class Loss, int K, class T> __global__ void slopes(LossInputs<T> l, global<T> dx) {
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < l.n; i += int64_t(gridDim.x) * blockDim.x) {
    int64_t at[5];
    l.loops.find(i, at);
    T in[K];
    for (int k = 0; k < K; ++k) in[k] = l(k, at);
    dx[i] = Loss::slope(in, l.parameter) * (l(K, at) * l.scale);
  }
}

template <class Loss, int K, bool CHECK, class T>
void run_values(const View& y, const View* const* inputs, int64_t reduction, T parameter) {
  const LossInputs<T> l = loss_inputs<T>(inputs, K, parameter);
  if (reduction == NONE) return launch("loss", &values<Loss, K, CHECK, T>, blocks_for(l.n, 256), 256, l, out<T>(y));
  Scratch<T> each(l.n);
  launch("loss", &values<Loss, K, CHECK, T>, blocks_for(l.n, 256), 256, l, global<T>(each));
  sum_of<T>(y, each.data, l.n);
  if (reduction == MEAN) divide_by<T>(y, {}, T(l.n));
}

template <class Loss, int K, bool CHECK = false>
void run(const View& y, const View& x, const View& t, const View& w, const View& v, int64_t reduction, double parameter) {
  const View* inputs[] = {&x, &t, &w, &v};
  if (x.dtype == DType::f32) run_values<Loss, K, CHECK, float>(y, inputs, reduction, float(parameter));
  else run_values<Loss, K, CHECK, double>(y, inputs, reduction, parameter);
}
template <class Loss, int K, class T> void run_slopes(const View& dx, const View* const* inputs, int64_t reduction, T parameter) {
  LossInputs<T> l = loss_inputs<T>(inputs, K + 1, parameter);
  l.scale = reduction == MEAN ? T(1) / T(l.n) : T(1);
  launch("loss_dx", &slopes<Loss, K, T>, blocks_for(l.n, 256), 256, l, out<T>(dx));
}
template <class Loss, int K>
void run_dx(const View& dx, const View& g, const View& x, const View& t, const View& w, const View& v, int64_t reduction,
            double parameter) {
  const View* inputs[] = {&x, &t, &w, &v, nullptr};
  inputs[K] = &g;
  if (x.dtype == DType::f32) run_slopes<Loss, K, float>(dx, inputs, reduction, float(parameter));
  else run_slopes<Loss, K, double>(dx, inputs, reduction, parameter);
}

}  // namespace fastnn::cuda
