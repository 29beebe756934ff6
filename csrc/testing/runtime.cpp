// testing/runtime.cpp: device memory of the host shim. A device address is an offset into a range of addresses that the host
// may not touch; what lies there is kept elsewhere, at a fixed distance, where only `reach` and copies look. What the pool hands out
// belongs to nobody before the stream that it is for has come by, and nothing that is read there is a number.
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <map>
#include <mutex>
#include <new>
#include <vector>

#include "../core/cuda/runtime.h"
#include "../core/error.h"
#include "counts.h"
#include "shim.h"
#include "streams.h"

namespace fastnn::cuda {
namespace {

constexpr size_t RANGE = size_t(16) << 30, GUARD = 256, UNIT = 8;
char *device, *memory;   // addresses as kernels see them, and where the bytes are
uint8_t* allocated;      // how many bytes of each UNIT belong to somebody
size_t used = GUARD, held = 0, limit = RANGE;
std::map<char*, size_t> sizes;                // of what raw_alloc has handed out
std::map<size_t, std::vector<char*>> unused;  // by size
int64_t words[8];
std::mutex mutex;

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

// FASTNN_SHIM_CAPABILITY=75, 80, ...: kernels for older GPUs run, too.
static int capability() {
  const char* s = getenv("FASTNN_SHIM_CAPABILITY");
  return s ? atoi(s) : 90;
}
bool has_tensor_cores() { return capability() >= 80; }
bool is_hopper() { return capability() == 90; }

// FASTNN_SHIM_DRIVER=DRIVER,DEVICES,CAPABILITY plays a machine: "0,0,0" without a driver, "12040,1,70" with an old GPU.
static const char* reason() {
  static char text[256];
  int driver = 13000, devices = 1, capability = runtime::capability();
  if (const char* machine = getenv("FASTNN_SHIM_DRIVER")) sscanf(machine, "%d,%d,%d", &driver, &devices, &capability);
  explain_none(text, sizeof text, driver, 12080, devices, "no CUDA-capable device is detected", capability);
  return text;
}
int device_count() { return reason()[0] == 0; }
const char* why_none() { return reason(); }
void describe(char* text, size_t size) { snprintf(text, size, "host shim"); }

void memory_info(size_t* free, size_t* total) {
  std::lock_guard<std::mutex> lock(mutex);
  *total = limit, *free = limit > held ? limit - held : 0;
}
void* raw_alloc(size_t bytes) {
  start();
  std::lock_guard<std::mutex> lock(mutex);
  const size_t size = rounded(bytes);
  auto& list = unused[size];
  if (held + size > limit || (list.empty() && size > RANGE - used)) return nullptr;
  char* p = list.empty() ? device + used : list.back();
  if (list.empty()) used += size;
  else list.pop_back();
  held += size;
  sizes[p] = size;
  return p;
}
void raw_free(void* p) {
  shim::finish_all();  // as cudaFree
  std::lock_guard<std::mutex> lock(mutex);
  const size_t size = sizes[static_cast<char*>(p)];
  sizes.erase(static_cast<char*>(p));
  held -= size;
  unused[size].push_back(static_cast<char*>(p));
}
void* raw_host_alloc(size_t bytes) { return aligned_alloc(64, (bytes + 63) / 64 * 64); }
void raw_host_free(void* p) { free(p); }

void given(void* p, size_t bytes) {
  shim::in_passing(stream_current(), [=] {
    mark(static_cast<char*>(p), bytes, true);
    memset(bytes_of(p), 0xff, bytes);
  });
}
void taken(void* p, size_t bytes, int stream) {
  shim::in_passing(stream, [=] { mark(static_cast<char*>(p), bytes, false); });
}
void host_taken(void* p, size_t bytes) { memset(p, 0xff, bytes); }

void copy_to_device(void* to, const void* from, size_t bytes, bool direct) {
  const auto put = [=](const void* source) {
    if (!inside(to, 1)) raise_error("shim: a copy to an address that is not the device's");
    memcpy(bytes_of(to), source, bytes);
  };
  if (direct) return shim::later(stream_current(), [=] { put(from); });
  std::vector<char> sent(static_cast<const char*>(from), static_cast<const char*>(from) + bytes);
  shim::later(stream_current(), [put, sent = std::move(sent)] { put(sent.data()); });
}
void copy_to_host(void* to, const void* from, size_t bytes, bool direct) {
  shim::later(stream_current(), [=] {
    if (!inside(from, 1)) raise_error("shim: a copy from an address that is not the device's");
    memcpy(to, bytes_of(from), bytes);
  });
  if (!direct) wait();
}

}  // namespace runtime
}  // namespace fastnn::cuda

// Testing: so many bytes of device memory there are from now on; 0: as many as the range has.
extern "C" __attribute__((visibility("default"))) void fastnn_shim_limit(size_t bytes) {
  fastnn::cuda::limit = bytes ? bytes : fastnn::cuda::RANGE;
}
