// index/group.h: which indices go to the same place, in their order: sums then do not depend on who adds them.
#pragma once
#include "../../core/view.h"

namespace fastnn::FN_ISA {

// Groups b = 0 … n-1 by group(b), keeping their order: order[start[g]] … order[start[g + 1] - 1] are group g's.
template <class I, class G> static void group_by(int64_t n, int64_t groups, I* start, int32_t* order, const G& group) {
  for (int64_t g = 0; g <= groups; ++g) start[g] = 0;
  for (int64_t b = 0; b < n; ++b) {
    int64_t g = group(b);
    if (g >= 0) ++start[g];
  }
  I total = 0;
  for (int64_t g = 0; g <= groups; ++g) start[g] = total += start[g];  // where the group ends
  for (int64_t b = n - 1; b >= 0; --b) {                              // from the last, so that each end moves to its group's start
    int64_t g = group(b);
    if (g >= 0) order[--start[g]] = int32_t(b);
  }
}

}  // namespace fastnn::FN_ISA
