// conv2d on a GPU, rung 2, shared: a block copies what its numbers have in common into shared memory, a channel at a time.
//
//    y      8 x 32 places of 8 channels, a thread a place: the window of x under them, and 8 filters; 9 loads for 8 multiply-adds
//    dx     likewise from g, of which a tap meets every s-th place
//    dw     8 channels and 32 taps, a thread a weight: 32 places of g and of x under each tap, at a time (weights.cuh)
//
// Windows that are too large for shared memory take rung 1.
//
// cost     loads from shared memory, one a multiply-add; a barrier on either side of each channel's few products
// counted  1x16x16x16 32x3x3: 1,920 requests of global memory, 5,792 sectors; 84,736 of shared memory, 0 conflicts
//          derivative:        7,968 requests of global memory, 39,054 sectors; 173,312 of shared memory, 0 conflicts
// read on  3_im2col.cu
#include "rung.cuh"
#include "weights.cuh"
#include "window.cuh"

namespace fastnn::cuda {
namespace {

constexpr int ROWS = 8, COLUMNS = WARP, CHANNELS = 8, THREADS = ROWS * COLUMNS, WINDOW = 4096, TAPS = 121;

// OF_G: dx, from windows of g.
template <bool OF_G, class T> __global__ void __launch_bounds__(THREADS) places(Conv<T> v) {
  SHARED(T, window, WINDOW);
  SHARED(T, weights, CHANNELS * TAPS);
  const Axis y = axis(OF_G, v.s, 0, v.P), x = axis(OF_G, v.s, 1, v.Q);
  const int64_t H = OF_G ? v.H : v.I, W = OF_G ? v.W : v.J, out = OF_G ? v.C : v.O, in = OF_G ? v.O : v.C, across = ceil_div(W, COLUMNS);
  const int64_t h0 = blockIdx.x / across * ROWS, w0 = blockIdx.x % across * COLUMNS, top = y.begin(h0), left = x.begin(w0);
  const int t = int(threadIdx.x), row = t / COLUMNS, column = t % COLUMNS, wide = x.count(COLUMNS), size = y.count(ROWS) * wide;
  const int taps = int(v.P * v.Q);
  for (int64_t z = blockIdx.z; z < v.N * v.groups; z += gridDim.z)
    for (int64_t first = int64_t(blockIdx.y) * CHANNELS; first < out; first += int64_t(gridDim.y) * CHANNELS) {
      T sum[CHANNELS] = {};
      for (int64_t c = 0; c < in; ++c) {
        for (int e = t; e < size; e += THREADS) {
          const int64_t h = top + e / wide, w = left + e % wide;
          window[e] = !OF_G ? v.pixel(z, c, h, w) : h >= 0 && h < v.I && w >= 0 && w < v.J ? v.slope(z, c, h, w) : T(0);
        }
        for (int e = t; e < CHANNELS * taps; e += THREADS) {
          const int64_t o = first + e / taps;
          weights[e] = o < out ? v.weight(z % v.groups, OF_G ? c : o, OF_G ? o : c, 0, e % taps) : T(0);
        }
        __syncthreads();
        for (int tap = 0; tap < taps; ++tap) {
          const int h = y.cell(h0, row, tap / int(v.Q)), w = x.cell(w0, column, tap % int(v.Q));
          const T number = h < 0 || w < 0 ? T(0) : window[h * wide + w];
#pragma unroll
          for (int o = 0; o < CHANNELS; ++o) sum[o] += number * weights[o * taps + tap];
        }
        __syncthreads();
      }
#pragma unroll
      for (int o = 0; o < CHANNELS; ++o)
        if (h0 + row < H && w0 + column < W && first + o < out)
          v.out[((z * out + first + o) * H + h0 + row) * W + w0 + column] = sum[o] + v.start(z % v.groups, first + o, out);
    }
}

bool fits(const View& w, const Conv2d& s) {
  for (bool of_g : {false, true})
    if (axis(of_g, s, 0, w.shape[2]).count(ROWS) * int64_t(axis(of_g, s, 1, w.shape[3]).count(COLUMNS)) > WINDOW) return false;
  return w.shape[2] * w.shape[3] <= TAPS;
}
template <class T> void forward(const Conv<T>& v) {
  launch("conv2d", &places<false, T>, grid_of(ceil_div(v.I, ROWS) * ceil_div(v.J, COLUMNS), ceil_div(v.O, CHANNELS), v.N * v.groups), THREADS, v);
}
template <class T> void to_input(const Conv<T>& v) {
  launch("conv2d_dx", &places<true, T>, grid_of(ceil_div(v.H, ROWS) * ceil_div(v.W, COLUMNS), ceil_div(v.C, CHANNELS), v.N * v.groups), THREADS, v);
}
template <class T> void to_weights(const Conv<T>& v) {
  launch("conv2d_dw", &weights_by_places<CHANNELS, T>, grid_of(ceil_div(v.C * v.P * v.Q, WARP), ceil_div(v.O, CHANNELS), v.groups), THREADS, v);
}

}  // namespace

FN_CONV2D_PART_RUNG(shared, naive, fits, forward, to_input, to_weights)

}  // namespace fastnn::cuda
