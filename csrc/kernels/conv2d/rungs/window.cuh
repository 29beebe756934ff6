// conv2d/rungs/window.cuh: which cells a row of places needs, along one axis, of x, or, for dx, of g: for rung 2, and for max_pool2d's.
#pragma once
#include "../conv.cuh"

namespace fastnn::cuda {

struct Axis {
  bool of_g;
  int64_t stride, padding, dilation, taps;

  FN int count(int places) const {
    return int(of_g ? (places - 1 + (taps - 1) * dilation) / stride + 2 : (places - 1) * stride + (taps - 1) * dilation + 1);
  }
  FN int64_t begin(int64_t at) const {  // the first cell that places from `at` on need
    const int64_t from = at + padding - (taps - 1) * dilation;
    return !of_g ? at * stride - padding : from < 0 ? -ceil_div(-from, stride) : from / stride;
  }
  FN int cell(int64_t at, int place, int tap) const {  // of the place and tap, counted from begin(at); -1: there is none
    if (!of_g) return int(place * stride + tap * dilation);
    const int from = int(at + place + padding - tap * dilation - begin(at) * stride);
    return from % int(stride) ? -1 : from / int(stride);
  }
};
FN Axis axis(bool of_g, const Conv2d& s, int d, int64_t taps) { return {of_g, s.stride[d], s.padding[d], s.dilation[d], taps}; }

}  // namespace fastnn::cuda
