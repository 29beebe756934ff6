// matmul/gemm.h: the cache-blocked product, for any operands that can be packed. Used by matmul, conv2d, attention.
//
//    gemm<float>(m, n, k, pack_a, pack_b, store)
//
//    pack_a(float* to, int64_t i, int64_t rows, int64_t p, int64_t depth)   to[q * rows + r] = A[i + r, p + q]
//    pack_b(float* to, int64_t j, int64_t cols, int64_t p, int64_t depth)   to[q * NR + c]   = B[p + q, j + c], cols <= NR
//    store(acc, i, j, cols, first)                                          a tile is done for this block of k: tile.h, Store
//
// Functors, so that im2col (or a gather, or a mask) happens while packing. `to` has room for one vector behind the block.
// Functors run on several threads at once; every store of one tile happens in order of k, `first` marks the first one.
//
//    for each KC of k:
//      for each NC columns of C:                   B block [KC, NC] is packed once, lies in L2, shared by all threads
//        for each row block (<= MR rows):          A panel [rows, KC] is packed by its thread just before use, lies in L1
//          for each NR columns: one tile
//
// Row blocks are of nearly equal height (64 rows: 11 11 11 11 10 10, not 14 14 14 14 8), so no ragged tile wastes a pass.
// A is packed up front instead where several blocks of B meet it, or row blocks are so few that threads split the columns
// too. Blocks depend on m, n, k only and k is never split between threads: the result is the same for any number of threads.
#pragma once
#include "pack.h"

namespace fastnn::FN_ISA {

#if defined(__AVX512F__)
constexpr int64_t L1_PANEL = 14 * 384 * 4, L2_BLOCK = 384 * 512 * 4;
#elif defined(__AVX2__)
constexpr int64_t L1_PANEL = 6 * 256 * 4, L2_BLOCK = 256 * 384 * 4;
#else
constexpr int64_t L1_PANEL = 8 * 256 * 4, L2_BLOCK = 256 * 512 * 4;
#endif
template <class T> constexpr int64_t KC = VECTOR_BYTES == 64 ? (sizeof(T) == 4 ? 384 : 256) : 256;
template <class T> constexpr int64_t NC = L2_BLOCK / int64_t(sizeof(T)) / KC<T> / NR<T> * NR<T>;
constexpr int64_t PACK_FLOPS = 25;           // copying an element costs about as much
constexpr int64_t SPLIT_FLOPS = 250'000;     // 2.5 us of work: from here on a loop is shared; meeting a worker costs 0.5 us
constexpr int64_t GRAIN_FLOPS = 1'000'000;   // about 10 us of work a chunk

// Items a chunk. The chunks of a short loop come in fours: 3 equal chunks would keep 2 threads busy 3/4 of the time.
FN int64_t grain(int64_t items, int64_t flops) {
  int64_t total = items * flops;
  if (total < SPLIT_FLOPS) return items + 1;
  int64_t chunks = total < 2 * SPLIT_FLOPS ? 2 : ceil_div(ceil_div(total, GRAIN_FLOPS), 4) * 4;
  return chunks < items ? items / chunks : 1;
}
template <class F> FN void parallel_items(int64_t items, int64_t flops, const F& f) {
  parallel_for(items, grain(items, flops), f, items * flops < GRAIN_FLOPS);
}

// m rows as blocks of nearly equal height, at most MR: an even number of them from 3 on, a multiple of 4 from 16 on, so
// that threads get as many each (512 rows: 40 blocks of 12 or 13 instead of 37 of 13 or 14).
struct RowBlocks {
  int64_t count, height, taller;
  FN explicit RowBlocks(int64_t m) : count(ceil_div(m, MR)) {
    if (count > 2) count = count < 16 ? ceil_div(count, 2) * 2 : ceil_div(count, 4) * 4;
    height = count ? m / count : 0, taller = count ? m % count : 0;
  }
  FN int64_t start(int64_t r) const { return r * height + (r < taller ? r : taller); }
  FN int64_t rows(int64_t r) const { return height + (r < taller); }
};

// Row panels of B side by side: element (p, NR * panel + c) is at data[panel * stride + p * row + c].
template <class T> struct Panels {
  const T* data;
  int64_t stride, row;
};

// One row block of C, columns [j, end): all its tiles from left to right. `b` starts at column j.
template <int M, class T, class Rows, class Store>
__attribute__((noinline)) static void row_block(Rows a, Panels<T> b, int64_t depth, int64_t i, int64_t j, int64_t end, bool first,
                      const Store& store) {
  for (; j < end; j += NR<T>, b.data += b.stride) {
    int64_t cols = end - j < NR<T> ? end - j : NR<T>;
    with_constant<NV>(ceil_div(cols, lanes<T>), [&](auto vectors) __attribute__((always_inline)) {
      vec<T> acc[M][decltype(vectors)::value];
      multiply<M, decltype(vectors)::value, T>(depth, a, b.data, b.row, acc);
      store(acc, i, j, cols, first);
    });
  }
}

template <class T, class PackA, class PackB, class Store>
static void gemm(int64_t m, int64_t n, int64_t k, const PackA& pack_a, const PackB& pack_b, const Store& store) {
  if (m == 0 || n == 0) return;
  constexpr int64_t W = lanes<T>;
  RowBlocks blocks(m);
  int64_t depth = k ? ceil_div(k, ceil_div(k, KC<T>)) : 1;
  int64_t width = ceil_div(ceil_div(n, ceil_div(n, NC<T>)), NR<T>) * NR<T>;
  bool few = blocks.count < 16, up_front = few || (n > width && m * depth * int64_t(sizeof(T)) <= (8 << 20));
  Scratch<T> b((width * depth) + W), a(up_front ? m * depth + W * blocks.count : 0);

  for (int64_t p = 0; p == 0 || p < k; p += depth) {
    int64_t d = k - p < depth ? k - p : depth;
    for (int64_t j = 0; j < n; j += width) {
      int64_t cols = n - j < width ? n - j : width, panels = ceil_div(cols, NR<T>);
      // Few row blocks: groups of columns make enough chunks.
      int64_t group = few ? ceil_div(panels, ceil_div(16, blocks.count)) : panels, groups = ceil_div(panels, group);
      int64_t to_pack = panels + (up_front && j == 0 ? blocks.count : 0);
      parallel_items(to_pack, PACK_FLOPS * NR<T> * d, [&](int64_t begin, int64_t stop) {
        for (int64_t q = begin; q < stop; ++q) {
          int64_t r = q - panels, c = q * NR<T>;
          if (q < panels) pack_b(b + q * NR<T> * d, j + c, cols - c < NR<T> ? cols - c : NR<T>, p, d);
          else pack_a(a + blocks.start(r) * d + r * W, blocks.start(r), blocks.rows(r), p, d);
        }
      });
      parallel_items(blocks.count * groups, 2 * (blocks.height + 1) * group * NR<T> * d, [&](int64_t begin, int64_t stop) {
        alignas(64) T lazy[MR * KC<T> + W];
        for (int64_t item = begin; item < stop; ++item) {
          int64_t g = item / blocks.count, r = item % blocks.count, i = blocks.start(r), rows = blocks.rows(r);
          const T* panel = lazy;
          if (up_front) panel = a + i * d + r * W;
          else pack_a(lazy, i, rows, p, d);
          int64_t from = g * group * NR<T>, to = from + group * NR<T> < cols ? from + group * NR<T> : cols;
          Panels<T> right{b + from * d, NR<T> * d, NR<T>};
          with_constant<MR>(rows, [&](auto height) __attribute__((always_inline)) {
            constexpr int M = decltype(height)::value;
            row_block<M, T>(PackedRows<M, T>{panel}, right, d, i, j + from, j + to, p == 0, store);
          });
        }
      });
    }
  }
}

// Columns [j, end) of one row block, of a B that is read where it lies, at least a vector wide. Only whole vectors are
// loaded: the last one ends at the last column and overlaps the one before.
template <int M, class T, class Rows, class Store>
__attribute__((noinline)) static void row_direct(Rows a, const T* b, int64_t b_row, int64_t depth, int64_t i, int64_t j, int64_t end,
                                                 bool first, const Store& store) {
  constexpr int64_t W = lanes<T>;
  for (int64_t cols; j < end; j += cols) {
    int64_t rest = end - j;
    cols = rest < NR<T> ? rest : rest > NR<T> && rest < NR<T> + W ? NR<T> - W : NR<T>;  // never leave less than a vector
    with_constant<NV>(ceil_div(cols, W), [&](auto vectors) __attribute__((always_inline)) {
      constexpr int V = decltype(vectors)::value;
      vec<T> acc[M][V];
      multiply<M, V, T>(depth, a, b + j, b_row, acc, cols - W);
      store(acc, i, j, cols, first, cols - W);
    });
  }
}

// The same without packing: A is read where it lies, and so is B if its columns are contiguous and at least a vector.
// For a B that fits into L2 beside the rows of A that meet it.
template <class T, class Store>
static void gemm_direct(int64_t m, int64_t n, int64_t k, Matrix<T> a, Matrix<T> b, const Store& store) {
  if (m == 0 || n == 0) return;
  RowBlocks blocks(m);
  bool direct = b.cs == 1 && n >= lanes<T>;
  int64_t panels = ceil_div(n, NR<T>), depth = k ? ceil_div(k, ceil_div(k, KC<T>)) : 1;
  int64_t group = blocks.count >= 4 ? panels : ceil_div(panels, ceil_div(4, blocks.count)), groups = ceil_div(panels, group);
  auto run = [&](const T* packed) {
    parallel_items(blocks.count * groups, 2 * (blocks.height + 1) * group * NR<T> * k, [&](int64_t begin, int64_t stop) {
      for (int64_t item = begin; item < stop; ++item) {
        int64_t r = item % blocks.count, g = item / blocks.count, i = blocks.start(r);
        int64_t from = g * group * NR<T>, to = g + 1 < groups ? from + group * NR<T> : n;
        if (direct && g + 1 < groups && n - to < lanes<T>) to -= lanes<T>;     // the last group gets a whole vector
        if (direct && g + 1 == groups && g > 0 && n - from < lanes<T>) from -= lanes<T>;
        for (int64_t p = 0; p == 0 || p < k; p += depth) {
          int64_t d = k - p < depth ? k - p : depth;
          StridedRows<T> rows(a.data + i * a.rs + p * a.cs, a.rs, a.cs);
          with_constant<MR>(blocks.rows(r), [&](auto height) __attribute__((always_inline)) {
            constexpr int M = decltype(height)::value;
            if (direct) row_direct<M, T>(rows, b.data + p * b.rs, b.rs, d, i, from, to, p == 0, store);
            else row_block<M, T>(rows, Panels<T>{packed + from * k + p * NR<T>, NR<T> * k, NR<T>}, d, i, from, to, p == 0, store);
          });
        }
      }
    });
  };
  if (direct) return run(nullptr);
  Scratch<T> packed(panels * NR<T> * k + lanes<T>);
  parallel_items(panels, PACK_FLOPS * NR<T> * k, [&](int64_t begin, int64_t stop) {
    for (int64_t q = begin; q < stop; ++q) {
      int64_t j = q * NR<T>, cols = n - j < NR<T> ? n - j : NR<T>;
      pack_panel<T>(packed + j * k, NR<T>, Matrix<T>{b.data + j * b.cs, b.cs, b.rs}, cols, k);
    }
  });
  run(packed);
}

// Packing functors for a plain matrix.
template <class T> struct PackRows {  // of A
  Matrix<T> a;
  FN void operator()(T* to, int64_t i, int64_t rows, int64_t p, int64_t depth) const {
    pack_panel<T>(to, rows, {a.data + i * a.rs + p * a.cs, a.rs, a.cs}, rows, depth);
  }
};
template <class T> struct PackColumns {  // of B
  Matrix<T> b;
  FN void operator()(T* to, int64_t j, int64_t cols, int64_t p, int64_t depth) const {
    pack_panel<T>(to, NR<T>, {b.data + p * b.rs + j * b.cs, b.cs, b.rs}, cols, depth);
  }
};

}  // namespace fastnn::FN_ISA
