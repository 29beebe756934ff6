// testing/hopper.h: core/cuda/hopper.cuh on the host shim. What is asynchronous happens when it is waited for.
#pragma once
#include "shim.h"

#define __grid_constant__
#define SHARED_TILES(T, name, n) SHARED(T, name, n)
#define TILES(T, name, n) SHARED(T, name, n)

namespace fastnn::cuda {

struct BoxMap {
  global<const float> x;
  int64_t rows, depth, step;
  int box_rows;
};
struct Arrival { int64_t bytes, phases, arrived, threads; };
struct Rows { const float* tile; int64_t at; };

inline BoxMap box_map(global<const float> x, int64_t rows, int64_t depth, int64_t step, int box_rows) {
  shim::check_map(aligned(x, 16) && step % 4 == 0 && step >= depth && box_rows <= 256);
  return {x, rows, depth, step, box_rows};
}
void start(Arrival& a, int threads = 1);
void arrive(Arrival& a);
void announce(Arrival& a, unsigned bytes);
void wait(Arrival& a, unsigned phase);
namespace shim { void copy_box(float* to, const BoxMap& map, int64_t row, int64_t k, Arrival& a); }
inline void copy_box(const shim::Shared<float>& tile, int at, const BoxMap& map, int64_t row, int64_t k, Arrival& a) {
  (void)tile[at + map.box_rows * 16 - 1];
  shim::copy_box(tile.data + at, map, row, k, a);
}
inline void hand_over() {}
inline Rows rows_at(const shim::Shared<float>& tile, int at) { return {tile.data, at}; }
inline void wgmma_begin(float (&)[32]) {}
void wgmma_wait(float (&d)[32]);
void wgmma(float (&d)[32], Rows a, Rows b);

}  // namespace fastnn::cuda
