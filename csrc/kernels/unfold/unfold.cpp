// unfold: every window of an image as a column (im2col), and fold, which adds columns back where they came from (col2im).
//
//    unfold   y[n, (c, p, q), (i, j)] = x[n, c, i·stride + p·dilation - padding, j·stride + q·dilation - padding]
//    fold     x[n, c, h, w] = Σ of y over all (p, q, i, j) that land on (h, w)
//
// One is linear and the other its transpose, so each is the other's derivative. Outside the image unfold reads zeros and fold
// writes nothing. x (N, C, H, W), y (N, C·P·Q, H'·W').
//
//    for one (c, p, q) and output row i, neighbours j are neighbours in x, stride apart: a copy, or an addition, of a run
//    cost   one pass over y: bound by memory
#include "../../core/parallel.h"
#include "../../core/simd.h"
#include "../declare.h"

namespace fastnn::FN_ISA {

struct Runs {  // the positions of one tap along one axis that lie inside the image: [begin, end), the first at `at`
  int64_t begin, end, at;
};
static Runs inside(int64_t offset, int64_t stride, int64_t positions, int64_t size) {
  int64_t begin = offset >= 0 ? 0 : ceil_div(-offset, stride), end = offset < size ? ceil_div(size - offset, stride) : 0;
  if (end > positions) end = positions;
  if (begin > end) begin = end;
  return {begin, end, begin * stride + offset};
}

struct Columns {
  Pool2d g;
  int64_t H, W, P, Q, rows, cols;  // image, window, positions
  Columns(const View& x, const Pool2d& geometry)
      : g(geometry), H(x.shape[2]), W(x.shape[3]), P(g.kernel[0]), Q(g.kernel[1]), rows(positions(0, H)),
        cols(positions(1, W)) {}
  FN int64_t positions(int axis, int64_t size) const {
    return (size + 2 * g.padding[axis] - g.dilation[axis] * (g.kernel[axis] - 1) - 1) / g.stride[axis] + 1;
  }
  FN Runs down(int64_t p) const { return inside(p * g.dilation[0] - g.padding[0], g.stride[0], rows, H); }
  FN Runs across(int64_t q) const { return inside(q * g.dilation[1] - g.padding[1], g.stride[1], cols, W); }
};

template <class T> FN void clear(T* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = T(0);
}

template <class T> static void unfold_rows(T* y, const T* x, const Columns& s, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {  // r = (n, c, p, q)
    const Runs h = s.down(r / s.Q % s.P), w = s.across(r % s.Q);
    const T* image = x + r / (s.P * s.Q) * s.H * s.W;
    T* to = y + r * s.rows * s.cols;
    for (int64_t i = 0; i < s.rows; ++i, to += s.cols) {
      if (i < h.begin || i >= h.end) {
        clear(to, s.cols);
        continue;
      }
      const T* from = image + (h.at + (i - h.begin) * s.g.stride[0]) * s.W + w.at;
      clear(to, w.begin);
      if (s.g.stride[1] == 1)
        for (int64_t j = 0; j < w.end - w.begin; ++j) to[w.begin + j] = from[j];
      else
        for (int64_t j = 0; j < w.end - w.begin; ++j) to[w.begin + j] = from[j * s.g.stride[1]];
      clear(to + w.end, s.cols - w.end);
    }
  }
}

template <class T> static void fold_images(T* x, const T* y, const Columns& s, int64_t begin, int64_t end) {
  for (int64_t c = begin; c < end; ++c) {  // c = (n, c)
    T* image = x + c * s.H * s.W;
    clear(image, s.H * s.W);
    for (int64_t t = 0; t < s.P * s.Q; ++t) {
      const Runs h = s.down(t / s.Q), w = s.across(t % s.Q);
      for (int64_t i = h.begin; i < h.end; ++i) {
        const T* from = y + ((c * s.P * s.Q + t) * s.rows + i) * s.cols + w.begin;
        T* to = image + (h.at + (i - h.begin) * s.g.stride[0]) * s.W + w.at;
        if (s.g.stride[1] == 1)
          for (int64_t j = 0; j < w.end - w.begin; ++j) to[j] += from[j];
        else
          for (int64_t j = 0; j < w.end - w.begin; ++j) to[j * s.g.stride[1]] += from[j];
      }
    }
  }
}

template <class F> FN void over(int64_t n, int64_t elements, const F& f) {  // chunks of about 2^16 elements
  parallel_for(n, elements >= 1 << 16 ? 1 : (1 << 16) / (elements + 1) + 1, f);
}

template <class T> static void unfold(PackedOut y, PackedIn x, const Pool2d& geometry) {
  const Columns s(x, geometry);
  over(y.numel() ? y.shape[0] * y.shape[1] : 0, s.rows * s.cols,
       [&](int64_t begin, int64_t end) { unfold_rows(y.ptr<T>(), x.ptr<T>(), s, begin, end); });
}
template <class T> static void fold(PackedOut x, PackedIn y, const Pool2d& geometry) {
  const Columns s(x, geometry);
  over(x.numel() ? x.shape[0] * x.shape[1] : 0, s.P * s.Q * s.rows * s.cols,
       [&](int64_t begin, int64_t end) { fold_images(x.ptr<T>(), y.ptr<T>(), s, begin, end); });
}

void unfold(PackedOut y, PackedIn x, Pool2d geometry) {
  if (y.dtype == DType::f32) unfold<float>(y, x, geometry);
  else unfold<double>(y, x, geometry);
}

void fold(PackedOut x, PackedIn y, Pool2d geometry) {
  if (x.dtype == DType::f32) fold<float>(x, y, geometry);
  else fold<double>(x, y, geometry);
}

}  // namespace fastnn::FN_ISA
