// pool/pool.cpp: pooling over the last two axes: x (..., H, W) -> y (..., H', W'). 1-d pooling runs as height 1.
//
//    max_pool2d            y and, for each window, the offset of its maximum: a byte, int32 for windows above 256 taps,
//                          or an empty array where nobody will ask
//    max_pool2d_dx, _at    derivative, and the derivative of that                                          -> max_dx.h
//    max_pool2d_indices    offsets -> flat index in the H·W plane, as PyTorch counts, when somebody asks
//    avg_pool2d, _dx       linear pair                                                                     -> mean.h
//    adaptive_*            windows of unequal size; equal ones come here as max_pool2d or avg_pool2d       -> adaptive.h
//    max_unpool2d, _dx     y[index] = x (or += x), and dx = g[index]
//
// All are bound by memory. Read on: rows.h (strides on whole vectors).
#include "../../core/note.h"
#include "../declare.h"
#include "adaptive.h"
#include "max_dx.h"

namespace fastnn::FN_ISA {

template <class F> FN void with_float(DType t, const F& f) { t == DType::f32 ? f(float{}) : f(double{}); }

// One window, which is the plane: its positions are the plane's.
FN bool is_whole(Image in, Image out, const Pool2d& p) {
  const bool one = out.h == 1 && out.w == 1 && p.padding[0] == 0 && p.padding[1] == 0 && p.dilation[0] == 1 && p.dilation[1] == 1;
  return one && p.kernel[0] == in.h && p.kernel[1] == in.w && in.h * in.w < (int64_t(1) << 31);
}

void max_pool2d(PackedOut y, PackedOut offsets, PackedIn x, Pool2d p) {
  if (y.numel() == 0) return;
  Image in = Image::of(x), out = Image::of(y);
  with_float(y.dtype, [&](auto zero) {
    using T = decltype(zero);
    bool none = offsets.numel() == 0, bytes = none || offsets.dtype == DType::u8;
    auto* o = none ? nullptr : offsets.ptr<uint8_t>();
    FN_NOTE("%s; %s", is_whole(in, out, p)                             ? "one window, the whole plane: lanes along it"
                      : bytes && is_two_by_two(in, out, p)   ? "2 x 2, stride 2: two rows of x to one of y"
                                                                       : "each row of x reduced along the window once, then down",
            none ? "no offsets, as nobody will differentiate" : bytes ? "offsets of a byte" : "offsets of 4 bytes: more than 256 taps");
    if (is_whole(in, out, p)) {
      if (none) max_whole<false>(y.ptr<T>(), o, x.ptr<T>(), in.planes, in.h * in.w);
      else if (bytes) max_whole<true>(y.ptr<T>(), o, x.ptr<T>(), in.planes, in.h * in.w);
      else max_whole<true>(y.ptr<T>(), offsets.ptr<int32_t>(), x.ptr<T>(), in.planes, in.h * in.w);
    } else if (bytes && is_two_by_two(in, out, p)) max_2x2(y.ptr<T>(), o, x.ptr<T>(), in, out);
    else if (none) max_any<false>(y.ptr<T>(), o, x.ptr<T>(), in, out, p);
    else if (bytes) max_any<true>(y.ptr<T>(), o, x.ptr<T>(), in, out, p);
    else max_any<true>(y.ptr<T>(), offsets.ptr<int32_t>(), x.ptr<T>(), in, out, p);
  });
}

void max_pool2d_dx(PackedOut dx, PackedIn g, PackedIn offsets, Pool2d p) {
  if (dx.numel() == 0) return;
  Image in = Image::of(dx), out = Image::of(g);
  with_float(dx.dtype, [&](auto zero) {
    using T = decltype(zero);
    auto* o = offsets.ptr<uint8_t>();
    if (is_whole(in, out, p)) {
      if (offsets.dtype == DType::u8) max_whole_dx(dx.ptr<T>(), g.ptr<T>(), o, in.planes, in.h * in.w);
      else max_whole_dx(dx.ptr<T>(), g.ptr<T>(), offsets.ptr<int32_t>(), in.planes, in.h * in.w);
    } else if (offsets.dtype != DType::u8) max_any_dx(dx.ptr<T>(), g.ptr<T>(), offsets.ptr<int32_t>(), in, out, p);
    else if (is_two_by_two(in, out, p)) max_2x2_dx(dx.ptr<T>(), g.ptr<T>(), o, in, out);
    else max_any_dx(dx.ptr<T>(), g.ptr<T>(), o, in, out, p);
  });
}

void max_pool2d_at(PackedOut y, PackedIn x, PackedIn offsets, Pool2d p) {
  if (y.numel() == 0) return;
  Image in = Image::of(x), out = Image::of(y);
  with_float(y.dtype, [&](auto zero) {
    using T = decltype(zero);
    if (offsets.dtype == DType::u8) max_at(y.ptr<T>(), x.ptr<T>(), offsets.ptr<uint8_t>(), in, out, p);
    else max_at(y.ptr<T>(), x.ptr<T>(), offsets.ptr<int32_t>(), in, out, p);
  });
}

void max_pool2d_indices(PackedOut indices, PackedIn offsets, Pool2d p, int64_t height, int64_t width) {
  Image out = Image::of(indices);
  auto convert = [&](auto* o) {
    int64_t* y = indices.ptr<int64_t>();
    for_planes(out.planes, out.h, 4 * out.w, [&](int64_t plane, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        for (int64_t j = 0; j < out.w; ++j) {
          int64_t k = (plane * out.h + i) * out.w + j, offset = o[k];
          int64_t h = i * p.stride[0] - p.padding[0] + offset / p.kernel[1] * p.dilation[0];
          int64_t w = j * p.stride[1] - p.padding[1] + offset % p.kernel[1] * p.dilation[1];
          h = h < 0 ? 0 : h < height ? h : height - 1;
          w = w < 0 ? 0 : w < width ? w : width - 1;
          y[k] = h * width + w;
        }
    });
  };
  offsets.dtype == DType::u8 ? convert(offsets.ptr<uint8_t>()) : convert(offsets.ptr<int32_t>());
}

void avg_pool2d(PackedOut y, PackedIn x, Pool2d p, int64_t count_padding, int64_t divisor) {
  if (y.numel() == 0) return;
  with_float(y.dtype, [&](auto zero) {
    using T = decltype(zero);
    mean(y.ptr<T>(), x.ptr<T>(), Image::of(x), Image::of(y), p, count_padding != 0, divisor);
  });
}

void avg_pool2d_dx(PackedOut dx, PackedIn g, Pool2d p, int64_t count_padding, int64_t divisor) {
  if (dx.numel() == 0) return;
  with_float(dx.dtype, [&](auto zero) {
    using T = decltype(zero);
    mean_dx(dx.ptr<T>(), g.ptr<T>(), Image::of(dx), Image::of(g), p, count_padding != 0, divisor);
  });
}

void adaptive_avg_pool2d(PackedOut y, PackedIn x) {
  if (y.numel() == 0) return;
  with_float(y.dtype, [&](auto zero) {
    using T = decltype(zero);
    adaptive_mean(y.ptr<T>(), x.ptr<T>(), Image::of(x), Image::of(y));
  });
}

void adaptive_avg_pool2d_dx(PackedOut dx, PackedIn g) {
  if (dx.numel() == 0) return;
  with_float(dx.dtype, [&](auto zero) {
    using T = decltype(zero);
    adaptive_mean_dx(dx.ptr<T>(), g.ptr<T>(), Image::of(dx), Image::of(g));
  });
}

void adaptive_max_pool2d(PackedOut y, PackedOut indices, PackedIn x) {
  if (y.numel() == 0) return;
  with_float(y.dtype, [&](auto zero) {
    using T = decltype(zero);
    adaptive_max(y.ptr<T>(), indices.ptr<int64_t>(), x.ptr<T>(), Image::of(x), Image::of(y));
  });
}

void max_unpool2d(PackedOut y, PackedIn x, PackedIn indices, int64_t add) {
  Image in = Image::of(x), out = Image::of(y);
  int64_t n = in.h * in.w, size = out.h * out.w;
  const int64_t* at = indices.ptr<int64_t>();
  with_float(y.dtype, [&](auto zero) {
    using T = decltype(zero);
    parallel_for(out.planes, 20000 / (n + size + 1) + 1, [&](int64_t begin, int64_t end) {
      for (int64_t plane = begin; plane < end; ++plane) {
        T* to = y.ptr<T>() + plane * size;
        for (int64_t k = 0; k < size; ++k) to[k] = T(0);
        for (int64_t k = plane * n; k < plane * n + n; ++k) {
          if (uint64_t(at[k]) >= uint64_t(size)) raise_index("max_unpool2d", at[k], size);
          T v = x.ptr<T>()[k];
          to[at[k]] = add ? to[at[k]] + v : v;
        }
      }
    });
  });
}

void max_unpool2d_dx(PackedOut dx, PackedIn g, PackedIn indices) {
  Image in = Image::of(dx), out = Image::of(g);
  int64_t n = in.h * in.w, size = out.h * out.w;
  const int64_t* at = indices.ptr<int64_t>();
  with_float(dx.dtype, [&](auto zero) {
    using T = decltype(zero);
    parallel_for(in.planes * n, 20000, [&](int64_t begin, int64_t end) {
      for (int64_t k = begin; k < end; ++k) {
        if (uint64_t(at[k]) >= uint64_t(size)) raise_index("max_unpool2d_dx", at[k], size);
        dx.ptr<T>()[k] = g.ptr<T>()[k / n * size + at[k]];
      }
    });
  });
}

}  // namespace fastnn::FN_ISA
