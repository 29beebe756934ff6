// conv2d.cu: convolution and its two partial derivatives as products whose operands are gathered on the way into shared memory
// (implicit GEMM): nothing is unfolded in memory.
//
//    y[n, o, i, j] = Σ x[n, c, s·i + d·p − P, s·j + d·q − P] · w[o, c, p, q]   over c, p, q
//
//                 rows         columns        summed over      for each
//    conv2d       o            (i, j)         (c, p, q)        image and group
//    conv2d_dx    c            (h, w)         (o, p, q)        image and group     i = (h + P − d·p) / s where that is whole
//    conv2d_dw    o            (c, p, q)      (n, i, j)        group; the sum is cut into pieces, added in order
//
// cost     2·N·O·H'·W'·C·P·Q flops; each gathered element costs some divisions of its index, the price of any stride and dilation
// read on  ../matmul/tile.cuh
#include "../matmul/tile.cuh"

namespace fastnn::cuda {
namespace {

using Part = Tile<64, 64, 16, 4, 4>;

template <class T> struct Conv {
  global<const T> x, w, g, bias;
  global<T> out;
  int64_t N, C, H, W, O, P, Q, I, J;  // C, O: of one group
  int64_t groups, stride[2], padding[2], dilation[2];

  __device__ T pixel(int64_t n, int64_t group, int64_t c, int64_t h, int64_t v) const {
    return h >= 0 && h < H && v >= 0 && v < W ? x[((n * groups + group) * C + c) * H * W + h * W + v] : T(0);
  }
  __device__ T tap(int64_t n, int64_t group, int64_t k, int64_t ij) const {  // x under tap k = (c, p, q) of place ij
    const int64_t c = k / (P * Q), p = k / Q % P, q = k % Q;
    return pixel(n, group, c, ij / J * stride[0] + p * dilation[0] - padding[0], ij % J * stride[1] + q * dilation[1] - padding[1]);
  }
  __device__ T weight(int64_t group, int64_t o, int64_t cpq) const { return w[(group * O + o) * C * P * Q + cpq]; }
  __device__ T slope(int64_t n, int64_t group, int64_t o, int64_t ij) const { return g[((n * groups + group) * O + o) * I * J + ij]; }
};

template <class T> __global__ void __launch_bounds__(Part::THREADS) forward(Conv<T> v) {
  for (int64_t z = blockIdx.z; z < v.N * v.groups; z += gridDim.z)
    for (int64_t y = blockIdx.y; y * Part::BM < v.O; y += gridDim.y) {
      const int64_t n = z / v.groups, group = z % v.groups;
      multiply_tile<T, Part>(
          v.O, v.I * v.J, y * Part::BM, int64_t(blockIdx.x) * Part::BN, 0, v.C * v.P * v.Q, true, false,
          [&](int64_t o, int64_t k) { return v.weight(group, o, k); }, [&](int64_t k, int64_t ij) { return v.tap(n, group, k, ij); },
          [&](int64_t o, int64_t ij, T sum) {
            v.out[(z * v.O + o) * v.I * v.J + ij] = v.bias ? sum + v.bias[group * v.O + o] : sum;
          });
    }
}

template <class T> __global__ void __launch_bounds__(Part::THREADS) to_input(Conv<T> v) {
  for (int64_t z = blockIdx.z; z < v.N * v.groups; z += gridDim.z)
    for (int64_t y = blockIdx.y; y * Part::BM < v.C; y += gridDim.y) {
      const int64_t n = z / v.groups, group = z % v.groups;
      multiply_tile<T, Part>(
          v.C, v.H * v.W, y * Part::BM, int64_t(blockIdx.x) * Part::BN, 0, v.O * v.P * v.Q, true, false,
          [&](int64_t c, int64_t k) { return v.weight(group, k / (v.P * v.Q), c * v.P * v.Q + k % (v.P * v.Q)); },
          [&](int64_t k, int64_t hw) {
            const int64_t o = k / (v.P * v.Q), p = k / v.Q % v.P, q = k % v.Q;
            const int64_t h = hw / v.W + v.padding[0] - p * v.dilation[0], w = hw % v.W + v.padding[1] - q * v.dilation[1];
            const int64_t i = h / v.stride[0], j = w / v.stride[1];
            const bool whole = h >= 0 && w >= 0 && i * v.stride[0] == h && j * v.stride[1] == w && i < v.I && j < v.J;
            return whole ? v.slope(n, group, o, i * v.J + j) : T(0);
          },
          [&](int64_t c, int64_t hw, T sum) {
            v.out[(z * v.C + c) * v.H * v.W + hw] = v.bias ? sum + v.bias[group * v.C + c] : sum;
          });
    }
}

template <class T> __global__ void __launch_bounds__(Part::THREADS) to_weights(Conv<T> v, global<T> partial, int64_t pieces, int64_t depth) {
  const int64_t columns = v.C * v.P * v.Q, places = v.I * v.J;
  for (int64_t z = blockIdx.z; z < pieces * v.groups; z += gridDim.z)
    for (int64_t y = blockIdx.y; y * Part::BM < v.O; y += gridDim.y) {
      const int64_t piece = z / v.groups, group = z % v.groups, begin = piece * depth;
      const int64_t end = begin + depth < v.N * places ? begin + depth : v.N * places;
      multiply_tile<T, Part>(
          v.O, columns, y * Part::BM, int64_t(blockIdx.x) * Part::BN, begin, end, true, true,
          [&](int64_t o, int64_t k) { return v.slope(k / places, group, o, k % places); },
          [&](int64_t k, int64_t cpq) { return v.tap(k / places, group, cpq, k % places); },
          [&](int64_t o, int64_t cpq, T sum) { partial[((piece * v.groups + group) * v.O + o) * columns + cpq] = sum; });
    }
}
template <class T> __global__ void add(global<T> y, global<const T> partial, int64_t n, int64_t pieces) {
  for (int64_t e = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; e < n; e += int64_t(gridDim.x) * blockDim.x) {
    T sum = partial[e];
    for (int64_t q = 1; q < pieces; ++q) sum += partial[q * n + e];
    y[e] = sum;
  }
}

template <class T> Conv<T> conv_of(const View& x, const View& w, const View& y, const Conv2d& c) {
  Conv<T> v{};
  v.groups = c.groups;
  v.N = x.shape[0], v.C = x.shape[1] / c.groups, v.H = x.shape[2], v.W = x.shape[3];
  v.O = w.shape[0] / c.groups, v.P = w.shape[2], v.Q = w.shape[3], v.I = y.shape[2], v.J = y.shape[3];
  for (int d = 0; d < 2; ++d) v.stride[d] = c.stride[d], v.padding[d] = c.padding[d], v.dilation[d] = c.dilation[d];
  return v;
}
template <class F> void with_floats(const View& v, const F& f) {
  if (v.numel() == 0) return;
  if (v.dtype == DType::f32) f(float{});
  else if (v.dtype == DType::f64) f(double{});
  else raise_error("conv2d: expected floating point tensors");
}

}  // namespace

void conv2d(PackedOut y, PackedIn x, PackedIn w, PackedIn bias, Conv2d geometry) {
  with_floats(y, [&](auto zero) {
    using T = decltype(zero);
    Conv<T> v = conv_of<T>(x, w, y, geometry);
    v.x = in<T>(x), v.w = in<T>(w), v.out = out<T>(y);
    if (bias.ndim >= 0) v.bias = in<T>(bias);
    launch("conv2d", &forward<T>, grid_of(ceil_div(v.I * v.J, Part::BN), ceil_div(v.O, Part::BM), v.N * v.groups), Part::THREADS, v);
  });
}
void conv2d_dx(PackedOut dx, PackedIn g, PackedIn w, PackedIn bias, Conv2d geometry) {
  with_floats(dx, [&](auto zero) {
    using T = decltype(zero);
    Conv<T> v = conv_of<T>(dx, w, g, geometry);
    v.g = in<T>(g), v.w = in<T>(w), v.out = out<T>(dx);
    if (bias.ndim >= 0) v.bias = in<T>(bias);
    launch("conv2d_dx", &to_input<T>, grid_of(ceil_div(v.H * v.W, Part::BN), ceil_div(v.C, Part::BM), v.N * v.groups), Part::THREADS, v);
  });
}
void conv2d_dw(PackedOut dw, PackedIn g, PackedIn x, Conv2d geometry) {
  with_floats(dw, [&](auto zero) {
    using T = decltype(zero);
    Conv<T> v = conv_of<T>(x, dw, g, geometry);
    v.x = in<T>(x), v.g = in<T>(g);
    const int64_t columns = v.C * v.P * v.Q, length = v.N * v.I * v.J, tiles = ceil_div(columns, Part::BN) * ceil_div(v.O, Part::BM) * v.groups;
    int64_t pieces = 4 * BUSY / tiles < length / 512 ? 4 * BUSY / tiles : length / 512;
    if (pieces < 1) pieces = 1;
    const int64_t depth = ceil_div(ceil_div(length, pieces), Part::BK) * Part::BK;
    pieces = depth ? ceil_div(length, depth) : 1;
    Scratch<T> partial(pieces * dw.numel());
    launch("conv2d_dw", &to_weights<T>, grid_of(ceil_div(columns, Part::BN), ceil_div(v.O, Part::BM), pieces * v.groups), Part::THREADS, v,
           global<T>(partial), pieces, depth);
    launch("conv2d_dw", &add<T>, blocks_for(dw.numel(), 256), 256, out<T>(dw), partial.read(), dw.numel(), pieces);
  });
}

}  // namespace fastnn::cuda
