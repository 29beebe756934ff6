// conv2d on a GPU, rung 1, naive: a thread makes one number, with a loop over all that it is a sum of.
//
//    y[n, o, i, j]  = Σ x[n, c, s·i + d·p − P, s·j + d·q − P] · w[o, c, p, q]    over c, p, q
//    dx[n, c, h, v] = Σ g[n, o, i, j] · w[o, c, p, q]    over o, p, q, where i = (h + P − d·p) / s and j are whole
//    dw[o, c, p, q] = Σ g[n, o, i, j] · x[n, c, s·i + d·p − P, s·j + d·q − P]    over n, i, j
//
// Lanes make neighbours of a row, so they read neighbours of an image, and all the same weight.
//
// cost     two requests of global memory a multiply-add; dw has few threads for long sums
// counted  1x16x16x16 32x3x3: 73,984 requests of global memory, 262,400 sectors; 0 of shared memory, 0 conflicts
//          derivative:        147,728 requests of global memory, 751,616 sectors; 0 of shared memory, 0 conflicts
// read on  2_shared.cu
#include "rung.cuh"

namespace fastnn::cuda {
namespace {

template <class T> struct Forward {
  Conv<T> v;
  __device__ void operator()(int64_t e) const {
    const int64_t j = e % v.J, i = e / v.J % v.I, o = e / (v.I * v.J) % v.O, z = e / (v.I * v.J * v.O);
    T sum = v.start(z % v.groups, o, v.O);
    for (int64_t c = 0; c < v.C; ++c)
      for (int64_t p = 0; p < v.P; ++p)
        for (int64_t q = 0; q < v.Q; ++q) sum += v.pixel(z, c, v.row(i, p), v.column(j, q)) * v.weight(z % v.groups, o, c, p, q);
    v.out[e] = sum;
  }
};
template <class T> struct ToInput {
  Conv<T> v;
  __device__ void operator()(int64_t e) const {
    const int64_t w = e % v.W, h = e / v.W % v.H, c = e / (v.H * v.W) % v.C, z = e / (v.H * v.W * v.C);
    T sum = v.start(z % v.groups, c, v.C);
    for (int64_t o = 0; o < v.O; ++o)
      for (int64_t p = 0; p < v.P; ++p)
        for (int64_t q = 0; q < v.Q; ++q) sum += v.slope_under(z, o, h, w, p, q) * v.weight(z % v.groups, o, c, p, q);
    v.out[e] = sum;
  }
};
template <class T> struct ToWeights {
  Conv<T> v;
  __device__ void operator()(int64_t e) const {
    const int64_t q = e % v.Q, p = e / v.Q % v.P, c = e / (v.P * v.Q) % v.C, o = e / (v.P * v.Q * v.C) % v.O, group = e / (v.P * v.Q * v.C * v.O);
    T sum = 0;
    for (int64_t n = 0; n < v.N; ++n)
      for (int64_t i = 0; i < v.I; ++i)
        for (int64_t j = 0; j < v.J; ++j) sum += v.slope(n * v.groups + group, o, i, j) * v.pixel(n * v.groups + group, c, v.row(i, p), v.column(j, q));
    v.out[e] = sum;
  }
};

template <class T> void forward(const Conv<T>& v) { launch_each("conv2d", v.N * v.groups * v.O * v.I * v.J, Forward<T>{v}); }
template <class T> void to_input(const Conv<T>& v) { launch_each("conv2d_dx", v.N * v.groups * v.C * v.H * v.W, ToInput<T>{v}); }
template <class T> void to_weights(const Conv<T>& v) { launch_each("conv2d_dw", v.groups * v.O * v.C * v.P * v.Q, ToWeights<T>{v}); }

}  // namespace

FN_CONV2D_RUNG(naive, forward, to_input, to_weights)

}  // namespace fastnn::cuda
