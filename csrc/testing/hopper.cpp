#include "../core/cuda/hopper.cuh"

#include <deque>
#include <vector>

#include "../core/error.h"
#include "counts.h"

namespace fastnn::cuda {
namespace {

// Where the copy engine writes a byte of a tile, and tensor cores look for it: 16-byte pieces of rows of 64 or 128 bytes are exchanged.
int64_t place(int64_t byte, int row_bytes) { return byte ^ (byte >> 3 & (row_bytes == 64 ? 0x30 : 0x70)); }

struct Copy {
  Arrival* arrival;
  char* to;
  BoxMap map;
  int64_t row, k, matrix;
};
std::vector<Copy> copies;
std::deque<std::vector<shim::Multiplication>> products[1024];  // of each thread, in groups, the last one open
struct Copy16 {
  char* to;
  const void* from;
  size_t bytes;
};
std::deque<std::vector<Copy16>> asked[1024];  // by each thread, in groups, the last one open

void make(const Copy& c) {
  const BoxMap& m = c.map;
  const int width = m.row_bytes() / m.size;
  int64_t sectors = 0;
  for (int64_t i = 0; i < m.box_rows; ++i)
    for (int64_t j = 0; j < width; ++j) {
      char* to = c.to + place((i * width + j) * m.size, m.row_bytes());
      const bool inside = c.row + i < m.rows && c.k + j < m.depth && c.matrix < m.count;
      if (inside) memcpy(to, shim::peek(m.x + (c.matrix * m.apart + (c.row + i) * m.step + c.k + j) * m.size, size_t(m.size)), size_t(m.size));
      else memset(to, 0, size_t(m.size));
      sectors += inside && j * m.size % 32 == 0;
    }
  c.arrival->bytes -= m.box_rows * m.row_bytes();
  shim::count_copy(sectors);
}
// Number (i, k) of an operand whose descriptor is r.
const char* number_at(const Rows& r, int64_t i, int64_t k, int size) {
  if (size == 4) return r.tile + place(r.at + i * 64 + k * 4, 64);
  const int64_t byte = r.by_k ? r.at + i * 128 + k * 2 : r.at + i / 64 * LEADING + k * 128 + i % 64 * 2;
  return r.tile + place(byte, 128);
}
template <class G> auto& open_group(G& groups) {
  if (groups.empty()) groups.emplace_back();
  return groups.back();
}

}  // namespace

void shim::begin_async() {
  copies.clear();
  for (auto& groups : products)
    if (!groups.empty()) groups.clear();
  for (auto& groups : asked)
    if (!groups.empty()) groups.clear();
}
void shim::copy_async(void* to, const void* from, size_t bytes) {
  memset(to, 0xff, 16);
  open_group(asked[now->number]).push_back({static_cast<char*>(to), from, bytes});
}
void shim::close_copies() { open_group(asked[now->number]), asked[now->number].emplace_back(); }
void shim::await_copies(int n) {
  auto& groups = asked[now->number];
  for (; int(groups.size()) > n + 1; groups.pop_front())
    for (const Copy16& c : groups.front()) {
      memcpy(c.to, c.from, c.bytes);
      memset(c.to + c.bytes, 0, 16 - c.bytes);
    }
}
void shim::check_map(bool good) {
  if (!good) raise_error(ErrorKind::runtime, "shim: a map of boxes that the copy engine does not take");
}

void shim::check_layout(bool good) {
  if (!good) raise_error(ErrorKind::runtime, "shim: wgmma: an operand lies otherwise than the instruction says");
}

void start(Arrival& a, int threads) { a = {0, 0, 0, threads}; }
void arrive(Arrival& a) {
  if (++a.arrived >= a.threads) shim::wake();
}
void announce(Arrival& a, unsigned bytes) {
  a.bytes += bytes;
  arrive(a);
}
void shim::copy_box(char* to, const BoxMap& map, int64_t row, int64_t k, Arrival& a, int64_t matrix) {
  memset(to, 0xff, size_t(map.box_rows * map.row_bytes()));
  copies.push_back({&a, to, map, row, k, matrix});
}
void wait(Arrival& a, unsigned phase) {
  while ((a.phases & 1) == phase) {
    if (a.arrived < a.threads) {
      shim::sleep(__FILE__, __LINE__);
      continue;
    }
    for (size_t i = 0; i < copies.size();)
      if (copies[i].arrival == &a) make(copies[i]), copies.erase(copies.begin() + long(i));
      else ++i;
    if (a.bytes != 0) raise_error(ErrorKind::runtime, "shim: %lld bytes more announced than copied", (long long)a.bytes);
    a.phases += 1, a.arrived -= a.threads;
  }
}

void shim::multiply_later(const Multiplication& m) { open_group(products[now->number]).push_back(m); }
void shim::close_products() { open_group(products[now->number]), products[now->number].emplace_back(); }
void shim::await_products(int n) {
  const int thread = now->number, warp = thread / WARP % 4, g = thread % WARP / 4, t = thread % 4;
  auto& groups = products[thread];
  for (; int(groups.size()) > n + 1; groups.pop_front())
    for (const Multiplication& m : groups.front())
      for (int i = 0; i < m.columns / 2; ++i) {
        const int64_t row = warp * 16 + g + i / 2 % 2 * 8, column = i / 4 * 8 + t * 2 + i % 2;
        const int size = 32 / m.depth;
        for (int64_t k = 0; k < m.depth; ++k) m.d[i] += m.number(number_at(m.a, row, k, size)) * m.number(number_at(m.b, column, k, size));
      }
}

}  // namespace fastnn::cuda
