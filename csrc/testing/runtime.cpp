// testing/runtime.cpp: device memory of the host shim. A device address is an offset into a range of addresses that the host
// may not touch; what lies there is kept elsewhere, at a fixed distance, where only `reach` and copies look.
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <map>
#include <new>
#include <vector>

#include "../core/cuda/runtime.h"
#include "../core/error.h"
#include "counts.h"
#include "shim.h"

namespace fastnn::cuda {
namespace {

constexpr size_t RANGE = size_t(16) << 30, GUARD = 256, UNIT = 8;
char *device, *memory;   // addresses as kernels see them, and where the bytes are
uint8_t* allocated;      // how many bytes of each UNIT belong to somebody
size_t used = GUARD;
std::map<size_t, std::vector<char*>> cached;  // by rounded size
PoolStats stats;
int64_t words[8];

char* map(size_t bytes, int protection) {
  void* p = mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  return static_cast<char*>(p);
}
void start() {
  if (device) return;
  memory = map(RANGE, PROT_READ | PROT_WRITE);
  allocated = reinterpret_cast<uint8_t*>(map(RANGE / UNIT, PROT_READ | PROT_WRITE));
  device = map(RANGE, PROT_NONE);
  runtime::fault_words = words;
}
size_t rounded(size_t bytes) { return (bytes + GUARD - 1) / GUARD * GUARD + GUARD; }
void mark(const char* p, size_t bytes, bool mine) {
  const size_t first = size_t(p - device) / UNIT;
  for (size_t i = 0; i * UNIT < bytes; ++i)
    allocated[first + i] = mine ? uint8_t(bytes - i * UNIT < UNIT ? bytes - i * UNIT : UNIT) : 0;
}
bool inside(const void* address, size_t bytes) {
  const size_t offset = size_t(static_cast<const char*>(address) - device);
  if (offset >= RANGE - 16) return false;
  for (size_t at = offset, end = offset + bytes; at < end;) {
    const size_t unit = at / UNIT, until = (unit + 1) * UNIT < end ? (unit + 1) * UNIT : end;
    if (until - unit * UNIT > allocated[unit]) return false;
    at = until;
  }
  return true;
}
char* bytes_of(const void* p) { return memory + (static_cast<const char*>(p) - device); }

}  // namespace

void* shim::reach(const void* address, size_t bytes, size_t alignment) {
  if (!device || !inside(address, bytes)) outside_global(address, bytes);
  if (reinterpret_cast<uintptr_t>(address) % alignment) raise_error(ErrorKind::runtime, "shim: %d bytes at %p: not aligned", int(bytes), address);
  if (counting) count_access(now->number, __builtin_return_address(0), address, bytes, false);
  return bytes_of(address);
}

const void* shim::peek(const void* address, size_t bytes) {
  if (!device || !inside(address, bytes)) outside_global(address, bytes);
  return bytes_of(address);
}

bool shim::occupy(int64_t blocks) {
  const char* s = getenv("FASTNN_SHIM_BUSY");
  return blocks >= (s ? atoi(s) : 132);
}

namespace runtime {

int device_count() { return 1; }
const char* why_none() { return ""; }
void describe(char* text, size_t size) { snprintf(text, size, "host shim"); }

void* pool_alloc(size_t bytes) {
  start();
  const size_t size = rounded(bytes);
  char* p;
  if (auto& list = cached[size]; !list.empty()) {
    p = list.back();
    list.pop_back();
    stats.cached_bytes -= int64_t(size);
  } else {
    if (size > RANGE - used || bytes > RANGE) throw std::bad_alloc();
    p = device + used;
    used += size;
  }
  mark(p, bytes, true);
  memset(bytes_of(p), 0xff, bytes);
  stats.live_blocks += 1;
  stats.live_bytes += int64_t(size);
  if (stats.live_bytes > stats.peak_bytes) stats.peak_bytes = stats.live_bytes;
  return p;
}
void pool_free(void* p, size_t bytes) {
  const size_t size = rounded(bytes);
  mark(static_cast<char*>(p), bytes, false);
  cached[size].push_back(static_cast<char*>(p));
  stats.live_blocks -= 1;
  stats.live_bytes -= int64_t(size);
  stats.cached_bytes += int64_t(size);
}
void pool_trim() {}
PoolStats pool_stats() { return stats; }

void to_device(void* to, const void* from, size_t bytes) {
  raise_faults();
  if (bytes && !inside(to, 1)) raise_error("shim: a copy to an address that is not the device's");
  memcpy(bytes_of(to), from, bytes);
}
void to_host(void* to, const void* from, size_t bytes) {
  raise_faults();
  if (bytes && !inside(from, 1)) raise_error("shim: a copy from an address that is not the device's");
  memcpy(to, bytes_of(from), bytes);
}
void* stream() { return nullptr; }
void wait() {}
void drain() {}
void launch_failed(const char*) {}
static int capability() {  // 75, 80 ...: kernels for older GPUs run, too
  const char* s = getenv("FASTNN_SHIM_CAPABILITY");
  return s ? atoi(s) : 90;
}
bool has_tensor_cores() { return capability() >= 80; }
bool is_hopper() { return capability() == 90; }

}  // namespace runtime
}  // namespace fastnn::cuda
