// unfold/unfold.cu: every window of an image as a column (im2col), and fold, which adds columns back where they came from (col2im).
//
//    unfold   y[n, (c, p, q), (i, j)] = x[n, c, i·stride + p·dilation - padding, j·stride + q·dilation - padding]
//    fold     x[n, c, h, w] = Σ of y over all (p, q, i, j) that land on (h, w): a thread looks for them, tap by tap
//
// cost     one pass over y
#include "../../core/cuda/each.cuh"

namespace fastnn::cuda {
namespace {

struct Columns {
  Pool2d g;
  int64_t H, W, rows, cols;
  Columns(const View& x, const Pool2d& geometry) : g(geometry), H(x.shape[2]), W(x.shape[3]), rows(positions(0, H)), cols(positions(1, W)) {}
  int64_t positions(int axis, int64_t size) const {
    return (size + 2 * g.padding[axis] - g.dilation[axis] * (g.kernel[axis] - 1) - 1) / g.stride[axis] + 1;
  }
};

template <class T> struct Unfold {
  Columns s;
  Split place, tap;  // (tap's row, i, j); (image and channel, p, q)
  global<T> y;
  global<const T> x;
  __device__ void operator()(int64_t e) const {
    const auto [row, i, j] = place(e);
    const auto [c, p, q] = tap(row);
    const int64_t h = i * s.g.stride[0] + p * s.g.dilation[0] - s.g.padding[0], w = j * s.g.stride[1] + q * s.g.dilation[1] - s.g.padding[1];
    y[e] = h >= 0 && h < s.H && w >= 0 && w < s.W ? x[(c * s.H + h) * s.W + w] : T(0);
  }
};
template <class T> struct Fold {
  Columns s;
  Split pixel;  // image and channel, h, w
  global<T> x;
  global<const T> y;
  __device__ void operator()(int64_t e) const {
    const auto [c, h, w] = pixel(e);
    T sum = 0;
    for (int64_t p = 0; p < s.g.kernel[0]; ++p) {
      const int64_t down = h + s.g.padding[0] - p * s.g.dilation[0], i = down / s.g.stride[0];
      if (down < 0 || i * s.g.stride[0] != down || i >= s.rows) continue;
      for (int64_t q = 0; q < s.g.kernel[1]; ++q) {
        const int64_t across = w + s.g.padding[1] - q * s.g.dilation[1], j = across / s.g.stride[1];
        if (across < 0 || j * s.g.stride[1] != across || j >= s.cols) continue;
        sum += y[(((c * s.g.kernel[0] + p) * s.g.kernel[1] + q) * s.rows + i) * s.cols + j];
      }
    }
    x[e] = sum;
  }
};

}  // namespace

void unfold(PackedOut y, PackedIn x, Pool2d geometry) {
  with_floats("unfold", y, [&](auto t) {
    using T = decltype(t);
    const Columns s(x, geometry);
    launch_each("unfold", y.numel(), Unfold<T>{s, Split(s.rows, s.cols, y.numel()), Split(geometry.kernel[0], geometry.kernel[1], y.numel()), out<T>(y), in<T>(x)});
  });
}
void fold(PackedOut x, PackedIn y, Pool2d geometry) {
  with_floats("fold", x, [&](auto t) {
    using T = decltype(t);
    const Columns s(x, geometry);
    launch_each("fold", x.numel(), Fold<T>{s, Split(s.H, s.W, x.numel()), out<T>(x), in<T>(y)});
  });
}

}  // namespace fastnn::cuda
