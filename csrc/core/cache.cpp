#include "cache.h"

#include <unistd.h>

namespace fastnn {

#if defined(_SC_LEVEL3_CACHE_SIZE)
static int64_t size(int name, int64_t otherwise) {
  const int64_t n = sysconf(name);
  return n > 0 ? n : otherwise;
}
const int64_t l2_bytes = size(_SC_LEVEL2_CACHE_SIZE, 1 << 20), l3_bytes = size(_SC_LEVEL3_CACHE_SIZE, 32 << 20);
#else
const int64_t l2_bytes = 1 << 20, l3_bytes = 32 << 20;
#endif

}  // namespace fastnn
