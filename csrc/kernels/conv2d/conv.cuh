// conv2d/conv.cuh: the sizes of a convolution on a GPU, where its numbers lie, and the way from the arguments to them.
//
//    y[n, o, i, j] = Σ x[n, c, s·i + d·p − P, s·j + d·q − P] · w[o, c, p, q]   over c, p, q
#pragma once
#include "../../core/cuda/each.cuh"

namespace fastnn::cuda {

template <class T> struct Conv {
  global<const T> x, w, g, bias;
  global<T> out;
  int64_t N, C, H, W, O, P, Q, I, J, groups;  // C, O: of one group
  Conv2d s;

  __device__ __forceinline__ int64_t row(int64_t i, int64_t p) const { return i * s.stride[0] + p * s.dilation[0] - s.padding[0]; }
  __device__ __forceinline__ int64_t column(int64_t j, int64_t q) const { return j * s.stride[1] + q * s.dilation[1] - s.padding[1]; }
  // z = n·groups + group; zero outside of the image
  __device__ __forceinline__ T pixel(int64_t z, int64_t c, int64_t h, int64_t v) const {
    return h >= 0 && h < H && v >= 0 && v < W ? x[((z * C + c) * H + h) * W + v] : T{};
  }
  __device__ __forceinline__ T weight(int64_t group, int64_t o, int64_t c, int64_t p, int64_t q) const {
    return w[(((group * O + o) * C + c) * P + p) * Q + q];
  }
  __device__ __forceinline__ T slope(int64_t z, int64_t o, int64_t i, int64_t j) const { return g[((z * O + o) * I + i) * J + j]; }
  // g where tap (p, q) of its window lies on (h, v) of x; zero where there is none
  __device__ __forceinline__ T slope_under(int64_t z, int64_t o, int64_t h, int64_t v, int64_t p, int64_t q) const {
    const int64_t a = h + s.padding[0] - p * s.dilation[0], b = v + s.padding[1] - q * s.dilation[1], i = a / s.stride[0], j = b / s.stride[1];
    return a >= 0 && b >= 0 && i * s.stride[0] == a && j * s.stride[1] == b && i < I && j < J ? slope(z, o, i, j) : T{};
  }
  __device__ __forceinline__ T start(int64_t group, int64_t channel, int64_t channels) const { return bias ? bias[group * channels + channel] : T{}; }
};

// f(conv, T{}) for y = x * w, of which `out` is to be made: y, dx or dw; nothing to do where it is empty.
template <class T, class F>
void with_conv_of(const View& out, const View& x, const View& w, const View& y, const View* bias, const Conv2d& s, const F& f) {
  if (out.numel() == 0) return;
  Conv<T> v{};
  v.s = s, v.groups = s.groups, v.N = x.shape[0], v.C = x.shape[1] / s.groups, v.H = x.shape[2], v.W = x.shape[3];
  v.O = w.shape[0] / s.groups, v.P = w.shape[2], v.Q = w.shape[3], v.I = y.shape[2], v.J = y.shape[3];
  v.out = cuda::out<T>(out);
  if (&out != &x) v.x = in<T>(x);
  if (&out != &w) v.w = in<T>(w);
  if (&out != &y) v.g = in<T>(y);
  if (bias && bias->ndim >= 0) v.bias = in<T>(*bias);
  f(v, T{});
}
template <class F> void with_conv(const View& out, const View& x, const View& w, const View& y, const View* bias, const Conv2d& s, const F& f) {
  with_floats("conv2d", out, [&]<class T>(T) { with_conv_of<T>(out, x, w, y, bias, s, f); });
}

}  // namespace fastnn::cuda
