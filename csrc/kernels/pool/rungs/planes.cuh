// pool/rungs/planes.cuh: what the GPU's rungs of max_pool2d share: sizes, which tap wins, and the way from the arguments to them.
#pragma once
#include "../../../core/cuda/each.cuh"
#include "../../../core/cuda/scalar.h"

namespace fastnn::cuda {

template <class T, class O> struct Pooling {
  int64_t planes, H, W, I, J;  // x and dx are planes of H x W, y and g of I x J
  Pool2d p;
  global<T> out;               // y, or dx
  global<const T> in;          // x, or g
  global<O> offsets;           // of a window's largest: a·Q + b for tap (a, b); null: not wanted

  FN int64_t row(int64_t i, int64_t a) const { return i * p.stride[0] + a * p.dilation[0] - p.padding[0]; }
  FN int64_t column(int64_t j, int64_t b) const { return j * p.stride[1] + b * p.dilation[1] - p.padding[1]; }
  FN bool inside(int64_t h, int64_t w) const { return h >= 0 && h < H && w >= 0 && w < W; }
};

template <class T> struct Largest {  // the first of equals, the last NaN
  T v = -T(Limits<T>::INF);
  int at = -1;
  FN void take(T next, int tap) {
    if (at < 0 || next > v || next != next) v = next, at = tap;
  }
  template <class O> __device__ void put(const Pooling<T, O>& s, int64_t k) const {
    s.out[k] = v;
    if (s.offsets) s.offsets[k] = O(at < 0 ? 0 : at);
  }
};

// f(pooling) with out = y, or dx, whose other side is `other`.
template <class F> void with_planes(const char* name, const View& out_, const View& other, const View& offsets, bool back, const Pool2d& p, const F& f) {
  with_floats(name, out_, [&]<class T>(T) {
    const View &x = back ? out_ : other, &y = back ? other : out_;
    const auto run = [&]<class O>(O) {
      const int64_t area = x.shape[x.ndim - 2] * x.shape[x.ndim - 1];
      f(Pooling<T, O>{area ? x.numel() / area : 0, x.shape[x.ndim - 2], x.shape[x.ndim - 1], y.shape[y.ndim - 2], y.shape[y.ndim - 1], p, out<T>(out_), in<T>(other),
                      given<O>(offsets)});
    };
    if (out_.numel() == 0) return;
    if (offsets.dtype == DType::u8) run(uint8_t{});
    else run(int32_t{});
  });
}

// Defines max_pool2d_<name> and max_pool2d_dx_<name>, for geometries that fit; rung `other` takes the rest.
#define FN_MAX_POOL2D_PART_RUNG(name, other, fits, forward, derivative)                                                       \
  void max_pool2d_##other(PackedOut y, PackedOut offsets, PackedIn x, Pool2d p);                                               \
  void max_pool2d_dx_##other(PackedOut dx, PackedIn g, PackedIn offsets, Pool2d p);                                            \
  void max_pool2d_##name(PackedOut y, PackedOut offsets, PackedIn x, Pool2d p) {                                               \
    if (!fits(p)) return max_pool2d_##other(y, offsets, x, p);                                                                 \
    with_planes("max_pool2d", y, x, offsets, false, p, [](const auto& s) { forward(s); });                                     \
  }                                                                                                                            \
  void max_pool2d_dx_##name(PackedOut dx, PackedIn g, PackedIn offsets, Pool2d p) {                                            \
    if (!fits(p)) return max_pool2d_dx_##other(dx, g, offsets, p);                                                             \
    with_planes("max_pool2d_dx", dx, g, offsets, true, p, [](const auto& s) { derivative(s); });                               \
  }
#define FN_MAX_POOL2D_RUNG(name, forward, derivative) FN_MAX_POOL2D_PART_RUNG(name, name, [](const Pool2d&) { return true; }, forward, derivative)

}  // namespace fastnn::cuda
