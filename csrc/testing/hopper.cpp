#include "../core/cuda/hopper.cuh"

#include <vector>

#include "../core/error.h"
#include "counts.h"

namespace fastnn::cuda {
namespace {

constexpr int64_t WIDTH = 16;
// Where number k of row r lies in a tile: 16-byte pieces of 64-byte rows are exchanged.
int64_t place(int64_t r, int64_t k) {
  const int64_t byte = (r * WIDTH + k) * 4;
  return (byte ^ (byte >> 3 & 0x30)) / 4;
}

struct Copy {
  Arrival* arrival;
  float* to;
  BoxMap map;
  int64_t row, k;
};
std::vector<Copy> copies;
struct Product64 {
  float* d;
  Rows a, b;
};
std::vector<Product64> products[1024];  // of each thread, since its last wait

void make(const Copy& c) {
  int64_t sectors = 0;
  for (int64_t i = 0; i < c.map.box_rows; ++i)
    for (int64_t j = 0; j < WIDTH; ++j) {
      const bool inside = c.row + i < c.map.rows && c.k + j < c.map.depth;
      c.to[place(i, j)] = inside ? *static_cast<const float*>(shim::peek((c.map.x + ((c.row + i) * c.map.step + c.k + j)).address(), 4)) : 0.0f;
      sectors += inside && j % 8 == 0;
    }
  c.arrival->bytes -= c.map.box_rows * WIDTH * 4;
  shim::count_copy(sectors);
}
float tf32(float x) {  // tensor cores do not look at the last 13 bits
  uint32_t b;
  memcpy(&b, &x, 4);
  b &= ~0x1fffu;
  memcpy(&x, &b, 4);
  return x;
}

}  // namespace

void shim::begin_async() {
  copies.clear();
  for (auto& p : products) p.clear();
}
void shim::check_map(bool good) {
  if (!good) raise_error(ErrorKind::runtime, "shim: a map of boxes that the copy engine does not take");
}

void start(Arrival& a, int threads) { a = {0, 0, 0, threads}; }
void arrive(Arrival& a) {
  if (++a.arrived >= a.threads) shim::wake();
}
void announce(Arrival& a, unsigned bytes) {
  a.bytes += bytes;
  arrive(a);
}
void shim::copy_box(float* to, const BoxMap& map, int64_t row, int64_t k, Arrival& a) {
  memset(to, 0xff, size_t(map.box_rows * WIDTH * 4));
  copies.push_back({&a, to, map, row, k});
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

void wgmma(float (&d)[32], Rows a, Rows b) { products[shim::now->number].push_back({d, a, b}); }
void wgmma_wait(float (&)[32]) {
  const int thread = shim::now->number, warp = thread / WARP % 4, g = thread % WARP / 4, t = thread % 4;
  for (const Product64& p : products[thread])
    for (int i = 0; i < 32; ++i) {
      const int64_t row = warp * 16 + g + i / 2 % 2 * 8, column = i / 4 * 8 + t * 2 + i % 2;
      // `at` is a row's begin or its middle; pieces are exchanged by where a number lies in the tile
      const auto at = [&](const Rows& r, int64_t line, int64_t k) { return tf32(r.tile[place(r.at / WIDTH + line, r.at % WIDTH + k)]); };
      for (int64_t k = 0; k < 8; ++k) p.d[i] += at(p.a, row, k) * at(p.b, column, k);
    }
  products[thread].clear();
}

}  // namespace fastnn::cuda
