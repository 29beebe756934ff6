// max_pool2d on a GPU, rung 2, outputs: a thread makes one number, neighbours by neighbours.
//
//    y       walks over its window
//    dx      walks over the windows that cover it, and adds g of those that it has won: a gather, so no two threads add to one number
//
// Lanes read numbers of x that are a stride apart, so that a request has sectors for all of its bytes, or for half of them.
//
// cost     each number of x is asked for by every window that covers it, 2.25 of them for 3 x 3 with stride 2
// counted  2x16x56x56 k3 s2 p1: 7,840 requests of global memory, 63,520 sectors; 0 of shared memory, 0 conflicts
//          derivative:          21,551 requests of global memory, 44,838 sectors; 0 of shared memory, 0 conflicts
// read on  3_shared.cu
#include "planes.cuh"

namespace fastnn::cuda {
namespace {

template <class T, class O> struct Window {
  Pooling<T, O> s;
  __device__ void operator()(int64_t k) const {
    const int64_t j = k % s.J, i = k / s.J % s.I, plane = k / (s.I * s.J);
    Largest<T> largest;
    for (int64_t a = 0; a < s.p.kernel[0]; ++a)
      for (int64_t b = 0; b < s.p.kernel[1]; ++b) {
        const int64_t h = s.row(i, a), w = s.column(j, b);
        if (s.inside(h, w)) largest.take(s.in[(plane * s.H + h) * s.W + w], int(a * s.p.kernel[1] + b));
      }
    largest.put(s, k);
  }
};
template <class T, class O> struct WindowDx {
  Pooling<T, O> s;
  __device__ void operator()(int64_t e) const {
    const int64_t w = e % s.W, h = e / s.W % s.H, plane = e / (s.H * s.W);
    T sum = 0;
    for (int64_t a = 0; s.offsets && a < s.p.kernel[0]; ++a)
      for (int64_t b = 0; b < s.p.kernel[1]; ++b) {
        const int64_t down = h - s.row(0, a), right = w - s.column(0, b), i = down / s.p.stride[0], j = right / s.p.stride[1], k = (plane * s.I + i) * s.J + j;
        if (down < 0 || right < 0 || i * s.p.stride[0] != down || j * s.p.stride[1] != right || i >= s.I || j >= s.J) continue;
        if (int64_t(s.offsets[k]) == a * s.p.kernel[1] + b) sum += s.in[k];
      }
    s.out[e] = sum;
  }
};

template <class T, class O> void forward(const Pooling<T, O>& s) { launch_each("max_pool2d", s.planes * s.I * s.J, Window<T, O>{s}); }
template <class T, class O> void derivative(const Pooling<T, O>& s) { launch_each("max_pool2d_dx", s.planes * s.H * s.W, WindowDx<T, O>{s}); }

}  // namespace

FN_MAX_POOL2D_RUNG(outputs, forward, derivative)

}  // namespace fastnn::cuda
