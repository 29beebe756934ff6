// core/cache.h: the sizes of this machine's caches. They decide where numbers lie while a kernel works, never what it computes.
#pragma once
#include <stdint.h>

namespace fastnn {

extern const int64_t l2_bytes, l3_bytes;  // of a core; of those that share it. As the system tells, else 1 and 32 MiB

}  // namespace fastnn
