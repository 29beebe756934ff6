// kernels/geometry.h: the numbers that describe a sliding window. Python passes each as one tuple, in this order.
// Plain int64 fields only: bind/cast.h fills them from the tuple one after another.
#pragma once
#include "../core/view.h"

namespace fastnn {

struct Conv2d {  // 1-d convolutions run as height 1
  int64_t stride[2], padding[2], dilation[2], groups;
};
struct Pool2d {
  int64_t kernel[2], stride[2], padding[2], dilation[2];
};

}  // namespace fastnn
