// max_pool2d on a GPU, rung 1, naive: a thread has a plane, and goes through its windows as one does on a CPU.
//
//    y[i, j] = max over (a, b) of x[i·s + a·d - p, j·s + b·d - p]      offset = a·Q + b of the first largest; the last NaN
//    dx      = 0, then dx[the place of the offset] += g                no other thread adds to this plane
//
// cost     lanes read whole planes apart: 32 sectors a request, of which 4 bytes each are used; as many threads as planes
// counted  2x16x56x56 k3 s2 p1: 7,673 requests of global memory, 245,536 sectors; 0 of shared memory, 0 conflicts
//          derivative:          5,488 requests of global memory, 175,616 sectors; 0 of shared memory, 0 conflicts
// read on  2_outputs.cu
#include "planes.cuh"

namespace fastnn::cuda {
namespace {

template <class T, class O> struct Plane {
  Pooling<T, O> s;
  __device__ void operator()(int64_t plane) const {
    for (int64_t i = 0; i < s.I; ++i)
      for (int64_t j = 0; j < s.J; ++j) {
        Largest<T> largest;
        for (int64_t a = 0; a < s.p.kernel[0]; ++a)
          for (int64_t b = 0; b < s.p.kernel[1]; ++b) {
            const int64_t h = s.row(i, a), w = s.column(j, b);
            if (s.inside(h, w)) largest.take(s.in[(plane * s.H + h) * s.W + w], int(a * s.p.kernel[1] + b));
          }
        largest.put(s, (plane * s.I + i) * s.J + j);
      }
  }
};
template <class T, class O> struct PlaneDx {
  Pooling<T, O> s;
  __device__ void operator()(int64_t plane) const {
    for (int64_t e = 0; e < s.H * s.W; ++e) s.out[plane * s.H * s.W + e] = T(0);
    for (int64_t e = 0; s.offsets && e < s.I * s.J; ++e) {
      const int64_t k = plane * s.I * s.J + e, at = s.offsets[k], h = s.row(e / s.J, at / s.p.kernel[1]), w = s.column(e % s.J, at % s.p.kernel[1]);
      if (s.inside(h, w)) s.out[(plane * s.H + h) * s.W + w] += s.in[k];
    }
  }
};

template <class T, class O> void forward(const Pooling<T, O>& s) { launch_each("max_pool2d", s.planes, Plane<T, O>{s}); }
template <class T, class O> void derivative(const Pooling<T, O>& s) { launch_each("max_pool2d_dx", s.planes, PlaneDx<T, O>{s}); }

}  // namespace

FN_MAX_POOL2D_RUNG(naive, forward, derivative)

}  // namespace fastnn::cuda
