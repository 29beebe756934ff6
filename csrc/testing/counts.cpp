#include "counts.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "shim.h"
#include "streams.h"

namespace fastnn::cuda::shim {

bool counting = false;

namespace {
struct Access {
  const void* place;
  int occurrence, lane;
  uintptr_t address;
  uint32_t bytes;
  bool shared;
};
std::map<std::string, std::vector<int64_t>> kernels;
int64_t* counters = nullptr;  // of the kernel that runs
int threads;
std::vector<std::vector<Access>> warps;
std::map<std::pair<int, const void*>, int> passed;  // how often a thread has passed a place

// Cycles of one request of shared memory beyond those it needs: words of the same bank (32 of 4 bytes) come one after another, equal
// ones at once. The halves of a warp that reads 8 bytes a lane, and the quarters of one that reads 16, come one after another anyway.
int64_t conflicts(const Access* begin, const Access* end) {
  const int lanes = std::max(1, 128 / std::max(4, int(begin->bytes)));
  int64_t more = 0;
  for (int first = 0; first < 32; first += lanes) {
    std::vector<uintptr_t> banks[32];
    for (const Access* a = begin; a < end; ++a)
      for (uintptr_t word = a->address / 4; word <= (a->address + a->bytes - 1) / 4; ++word) {
        auto& bank = banks[word % 32];
        if (a->lane / lanes == first / lanes && std::find(bank.begin(), bank.end(), word) == bank.end()) bank.push_back(word);
      }
    size_t most = 1;
    for (auto& bank : banks) most = std::max(most, bank.size());
    more += int64_t(most) - 1;
  }
  return more;
}
void add_request(const Access* a, const Access* end, int lanes) {
  if (end - a < lanes) ++counters[DIVERGENT];
  if (a->shared) {
    ++counters[SHARED_REQUESTS];
    counters[CONFLICTS] += conflicts(a, end);
    return;
  }
  std::vector<uintptr_t> sectors;
  int64_t bytes = 0;
  for (; a < end; ++a) {
    bytes += a->bytes;
    for (uintptr_t s = a->address / 32; s <= (a->address + a->bytes - 1) / 32; ++s) sectors.push_back(s);
  }
  std::sort(sectors.begin(), sectors.end());
  ++counters[REQUESTS];
  const int64_t moved = std::unique(sectors.begin(), sectors.end()) - sectors.begin();
  counters[SECTORS] += moved;
  counters[IDEAL] += std::min(moved, (bytes + 31) / 32);
}
}  // namespace

void begin_kernel(const char* name) {
  if (!counting) return;
  auto& c = kernels[name];
  c.resize(COUNTERS);
  counters = c.data();
  ++counters[LAUNCHES];
}
void begin_block(int n) {
  threads = n;
  if (counting) warps.assign(size_t(n + 31) / 32, {}), passed.clear();
}
void count_access(int thread, const void* place, const void* address, size_t bytes, bool shared) {
  warps[size_t(thread / 32)].push_back(
      {place, passed[{thread, place}]++, thread % 32, reinterpret_cast<uintptr_t>(address), uint32_t(bytes), shared});
}
void count_barrier() {
  if (counting) ++counters[BARRIERS];
}
void count_copy(int64_t sectors) {
  if (counting) ++counters[REQUESTS], counters[SECTORS] += sectors, counters[IDEAL] += sectors;
}
void end_block() {
  if (!counting) return;
  for (size_t w = 0; w < warps.size(); ++w) {
    auto& list = warps[w];
    const int lanes = std::min(32, threads - int(w) * 32);
    std::sort(list.begin(), list.end(), [](const Access& a, const Access& b) {
      return a.place != b.place ? a.place < b.place : a.occurrence < b.occurrence;
    });
    for (size_t i = 0; i < list.size();) {
      size_t j = i;
      while (j < list.size() && list[j].place == list[i].place && list[j].occurrence == list[i].occurrence) ++j;
      add_request(&list[i], list.data() + j, lanes);
      i = j;
    }
  }
}

void reach_shared(const void* address, size_t bytes) {
  if (counting) count_access(now->number, __builtin_return_address(0), address, bytes, true);
}

void counts(void (*each)(void*, const char*, const int64_t*), void* context) {
  finish_all();
  for (auto& [name, c] : kernels) each(context, name.c_str(), c.data());
  kernels.clear();
  counting = true;
}

}  // namespace fastnn::cuda::shim
