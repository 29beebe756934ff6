// max_pool2d on a GPU, rung 3, shared: a block copies what 8 x 32 results need of a plane into shared memory, and works from there.
//
//    y       the piece of x under its windows        dx      g and offsets of the windows that cover it
//
// A number comes from global memory once a block, whole rows at a time. Pieces too large for shared memory take rung 2.
//
// cost     borders of the pieces, twice; a barrier; lanes that are 2 apart (stride 2) meet in pairs. (GPUs keep what rung 2 asks for again
//          in L1: there, this must be measured)
// counted  2x16x56x56 k3 s2 p1: 4,672 requests of global memory, 21,056 sectors; 11,840 of shared memory, 8,064 conflicts
//          derivative:          7,040 requests of global memory, 24,272 sectors; 24,222 of shared memory, 323 conflicts
// read on  ../pool.cu: rung 2 with taps outside of the image left out beforehand, and multiplications for divisions
#include "../../conv2d/rungs/window.cuh"
#include "planes.cuh"

namespace fastnn::cuda {
namespace {

constexpr int ROWS = 8, COLUMNS = WARP, THREADS = ROWS * COLUMNS, PIECE = 4096;

FN Axis axis_of(bool back, const Pool2d& p, int d) { return {back, p.stride[d], p.padding[d], p.dilation[d], p.kernel[d]}; }

// f(first row, first column, plane) for every tile of `planes` of h x w.
template <class F> __device__ __forceinline__ void each_tile(int64_t planes, int64_t h, int64_t w, const F& f) {
  const int64_t down = ceil_div(h, ROWS), across = ceil_div(w, COLUMNS);
  for (int64_t n = blockIdx.x; n < planes * down * across; n += gridDim.x) f(n / across % down * ROWS, n % across * COLUMNS, n / (across * down));
}

template <class T, class O> __global__ void __launch_bounds__(THREADS) windows(Pooling<T, O> s) {
  SHARED(T, piece, PIECE);
  const Axis y = axis_of(false, s.p, 0), x = axis_of(false, s.p, 1);
  const int t = int(threadIdx.x), row = t / COLUMNS, column = t % COLUMNS, wide = x.count(COLUMNS), size = y.count(ROWS) * wide;
  each_tile(s.planes, s.I, s.J, [&](int64_t i0, int64_t j0, int64_t plane) {
    const int64_t top = y.begin(i0), left = x.begin(j0), i = i0 + row, j = j0 + column;
    for (int e = t; e < size; e += THREADS)
      if (s.inside(top + e / wide, left + e % wide)) piece[e] = s.in[(plane * s.H + top + e / wide) * s.W + left + e % wide];
    __syncthreads();
    Largest<T> largest;
    for (int a = 0; a < s.p.kernel[0]; ++a)
      for (int b = 0; b < s.p.kernel[1]; ++b)
        if (s.inside(s.row(i, a), s.column(j, b))) largest.take(piece[y.cell(i0, row, a) * wide + x.cell(j0, column, b)], int(a * s.p.kernel[1]) + b);
    if (i < s.I && j < s.J) largest.put(s, (plane * s.I + i) * s.J + j);
    __syncthreads();
  });
}
template <class T, class O> __global__ void __launch_bounds__(THREADS) covering(Pooling<T, O> s) {
  SHARED(T, g, PIECE);
  SHARED(O, offsets, PIECE);
  const Axis y = axis_of(true, s.p, 0), x = axis_of(true, s.p, 1);
  const int t = int(threadIdx.x), row = t / COLUMNS, column = t % COLUMNS, wide = x.count(COLUMNS), size = y.count(ROWS) * wide;
  each_tile(s.planes, s.H, s.W, [&](int64_t h0, int64_t w0, int64_t plane) {
    const int64_t top = y.begin(h0), left = x.begin(w0);
    for (int e = t; e < size; e += THREADS) {
      const int64_t i = top + e / wide, j = left + e % wide, k = (plane * s.I + i) * s.J + j;
      const bool there = s.offsets && i >= 0 && i < s.I && j >= 0 && j < s.J;
      g[e] = there ? s.in[k] : T(0), offsets[e] = there ? s.offsets[k] : O(0);  // 0 is added where there is none
    }
    __syncthreads();
    T sum = 0;
    for (int a = 0; a < s.p.kernel[0]; ++a)
      for (int b = 0; b < s.p.kernel[1]; ++b) {
        const int i = y.cell(h0, row, a), j = x.cell(w0, column, b);
        if (i >= 0 && j >= 0 && int64_t(offsets[i * wide + j]) == a * s.p.kernel[1] + b) sum += g[i * wide + j];
      }
    if (h0 + row < s.H && w0 + column < s.W) s.out[(plane * s.H + h0 + row) * s.W + w0 + column] = sum;
    __syncthreads();
  });
}

bool small(const Pool2d& p, bool back) { return axis_of(back, p, 0).count(ROWS) * int64_t(axis_of(back, p, 1).count(COLUMNS)) <= PIECE; }
bool fits(const Pool2d& p) { return small(p, false) && small(p, true); }
unsigned blocks(int64_t planes, int64_t h, int64_t w) { return blocks_for(planes * ceil_div(h, ROWS) * ceil_div(w, COLUMNS), 1); }
template <class T, class O> void forward(const Pooling<T, O>& s) { launch("max_pool2d", &windows<T, O>, blocks(s.planes, s.I, s.J), THREADS, s); }
template <class T, class O> void derivative(const Pooling<T, O>& s) { launch("max_pool2d_dx", &covering<T, O>, blocks(s.planes, s.H, s.W), THREADS, s); }

}  // namespace

FN_MAX_POOL2D_PART_RUNG(shared, outputs, fits, forward, derivative)

}  // namespace fastnn::cuda
