// testing/hopper.h: core/cuda/hopper.cuh on the host shim. What is asynchronous happens when it is waited for.
#pragma once
#include "shim.h"

#define __grid_constant__
#define SHARED_TILES(T, name, n) SHARED(T, name, n)
#define TILES(T, name, n) SHARED(T, name, n)

namespace fastnn::cuda {

struct BoxMap {
  const char* x;  // of the device
  int size;       // of a number, in bytes
  int64_t rows, depth, step, count, apart;
  int box_rows;
  int row_bytes() const { return size == 4 ? BOX * 4 : HALF_BOX * 2; }
};
struct Arrival { int64_t bytes, phases, arrived, threads; };
struct Rows {
  const char* tile;
  int64_t at;  // in bytes
  bool by_k;
};

template <class T> BoxMap box_map(global<const T> x, int64_t rows, int64_t depth, int64_t step, int box_rows, int64_t count = 1, int64_t apart = 0) {
  constexpr int64_t UNIT = 16 / sizeof(T);
  shim::check_map(aligned(x, 16) && step % UNIT == 0 && apart % UNIT == 0 && step >= depth && box_rows <= 256 && rows > 0 && depth > 0);
  return {reinterpret_cast<const char*>(x.address()), int(sizeof(T)), rows, depth, step, count, apart, box_rows};
}
void start(Arrival& a, int threads = 1);
void arrive(Arrival& a);
void announce(Arrival& a, unsigned bytes);
void wait(Arrival& a, unsigned phase);
namespace shim {
void copy_box(char* to, const BoxMap& map, int64_t row, int64_t k, Arrival& a, int64_t matrix);
struct Multiplication {
  float* d;
  Rows a, b;
  int columns, depth;  // 64 x 8 of floats, 128 x 16 of halves
  float (*number)(const void*);
};
void multiply_later(const Multiplication& m);
void close_products();
void await_products(int groups);  // all but the last ones
}  // namespace shim
template <class T> void copy_box(const shim::Shared<T>& tile, int at, const BoxMap& map, int64_t row, int64_t k, Arrival& a, int64_t matrix = 0) {
  (void)tile[at + map.box_rows * map.row_bytes() / map.size - 1];
  shim::copy_box(reinterpret_cast<char*>(tile.data + at), map, row, k, a, matrix);
}
inline void hand_over() {}
inline Rows rows_at(const shim::Shared<float>& tile, int at) { return {reinterpret_cast<const char*>(tile.data), at * 4, true}; }
template <class H> Rows half_rows_at(const shim::Shared<H>& tile, int at, bool by_k) { return {reinterpret_cast<const char*>(tile.data), at * 2, by_k}; }

inline void wgmma_begin(float (&)[32]) {}
inline void wgmma_begin(float (&)[64]) {}
inline void wgmma_wait(float (&)[32]) { shim::close_products(), shim::await_products(0); }
inline void wgmma_close() { shim::close_products(); }
template <int N> void wgmma_wait(float (&)[64]) { shim::await_products(N); }
inline void wgmma(float (&d)[32], Rows a, Rows b) {
  shim::multiply_later({d, a, b, 64, 8, [](const void* x) {  // tensor cores do not look at the last 13 bits
    uint32_t bits;
    memcpy(&bits, x, 4);
    return float_of(bits & ~0x1fffu);
  }});
}
template <class H, bool A_BY_K, bool B_BY_K> void wgmma(float (&d)[64], Rows a, Rows b) {
  shim::check_layout(a.by_k == A_BY_K && b.by_k == B_BY_K);
  shim::multiply_later({d, a, b, 128, 16, [](const void* x) { return to_float(*static_cast<const H*>(x)); }});
}

}  // namespace fastnn::cuda
