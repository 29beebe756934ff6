// matmul/gemm.h: the cache-blocked product C = A.B for operands that are packed, or read where they lie.
//
//    gemm<float>(m, n, k, left, right, store)
//
//    left     PackRows      copies a panel of A before use       RowsInPlace      reads it with its strides
//    right    PackColumns   copies a block of B before use       ColumnsInPlace   reads it: columns contiguous, a vector or more
//    store(acc, i, j, cols, first, last)     a tile is done for this block of k: tile.h, Store
//
//    for each piece of C [rows, columns]:          a thread takes one, and shares nothing that it writes with the others
//      for each KC of k:
//        B block [KC, columns <= NC] is packed, lies in L2
//        for each row block (<= MR rows):          A panel [rows, KC] is packed just before use, lies in L1
//          for each NR columns: one tile
//
// Every store of one tile happens in order of k, `first` marks the first one. Pieces and blocks depend on m, n, k only and k
// is never split between threads: the result is the same for any number of threads.
// Tried and lost: one packed copy of B (and A) for all threads. Packing less is worth little (an element costs 0.1-0.3 ns),
// but a line that the other core packed costs 100 ns: 192^3 147 us instead of 68, 32x784.784x512 600 instead of 150.
#pragma once
#include "../../core/note.h"
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
constexpr int64_t SPLIT_FLOPS = 250'000;     // 2.5 us of work: from here on a loop is shared; meeting a worker costs 0.5 us
constexpr int64_t GRAIN_FLOPS = 1'000'000;   // about 10 us of work a chunk

// Items a chunk. The chunks of a short loop come in fours: 3 equal chunks would keep 2 threads busy 3/4 of the time.
FN int64_t grain(int64_t items, int64_t flops) {
  int64_t total = items * flops;
  if (total < SPLIT_FLOPS) return items + 1;
  int64_t chunks = total < 2 * SPLIT_FLOPS ? 2 : ceil_div(ceil_div(total, GRAIN_FLOPS), 4) * 4;
  return chunks < items ? items / chunks : 1;
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

// C as rows x columns pieces, each of whole row blocks and whole panels. Pieces are long where C is, at most 512 rows and NC
// columns (B's block of a piece lies in L2), and at least 4 (8 from 16 M operations on) where C is large enough.
template <class T> struct Pieces {
  int64_t rows, columns;
  FN Pieces(int64_t m, int64_t n, int64_t k) : rows(ceil_div(m, 512)), columns(ceil_div(n, NC<T>)) {
    int64_t flops = 2 * m * n * k, wanted = flops < 2 * SPLIT_FLOPS ? 2 : flops < 16 * GRAIN_FLOPS ? 4 : 8;
    while (rows * columns < wanted && flops >= SPLIT_FLOPS) {
      int64_t height = m / rows, width = n / columns;
      if (height >= 2 * MR && (height >= width || width < 2 * NR<T>)) rows *= 2;
      else if (width >= 2 * NR<T>) columns *= 2;
      else break;
    }
    // Few pieces come in fours, or threads get unequal shares: 1536^3 in 9 pieces 195 GFLOP/s, in 12 214.
    while (rows * columns > 1 && rows * columns < 32 && rows * columns % 4 && flops >= 16 * GRAIN_FLOPS && n / (columns + 1) >= 2 * NR<T>) ++columns;
  }
};

template <class T, class Left, class Right, class Store>
static void gemm(int64_t m, int64_t n, int64_t k, const Left& left, const Right& right, const Store& store) {
  if (m == 0 || n == 0) return;
  constexpr int64_t W = lanes<T>;
  RowBlocks blocks(m);
  Pieces<T> pieces(m, n, k);
  int64_t depth = k == 0 ? 1 : k <= KC<T> ? k : ceil_div(k, ceil_div(k, KC<T>)), panels = ceil_div(n, NR<T>);
  FN_NOTE("tiles of %d x %d; A %s, B %s; C in %d x %d pieces, k by %d", MR, int(NR<T>), Left::packs ? "packed" : "in place",
          Right::packs ? "packed" : "in place", int(pieces.rows), int(pieces.columns), int(depth));
  auto edge = [&](int64_t x) __attribute__((always_inline)) {  // where piece x of a row of pieces begins
    int64_t j = x * panels / pieces.columns * NR<T>;
    return j >= n ? n : j > 0 && !Right::packs && n - j < W ? j - W : j;
  };
  parallel_for(pieces.rows * pieces.columns, 1, [&](int64_t begin, int64_t stop) {
    Scratch<T> b(Right::packs ? ceil_div(panels, pieces.columns) * NR<T> * depth + W : 0);
    alignas(64) T a[Left::packs ? MR * KC<T> + W : 1];
    for (int64_t piece = begin; piece < stop; ++piece) {
      int64_t x = piece % pieces.columns, y = piece / pieces.columns, from = edge(x), to = edge(x + 1);
      int64_t top = y * blocks.count / pieces.rows, bottom = (y + 1) * blocks.count / pieces.rows;
      for (int64_t p = 0; p == 0 || p < k; p += depth) {
        int64_t d = k - p < depth ? k - p : depth;
        right.pack(b, from, to, p, d);
        for (int64_t r = top; r < bottom; ++r) {
          int64_t i = blocks.start(r);
          with_constant<MR>(blocks.rows(r), [&](auto height) __attribute__((always_inline)) {
            constexpr int M = decltype(height)::value;
            auto rows = left.template rows<M>(a, i, p, d);
            if constexpr (Right::packs) row_block<M, T>(rows, Panels<T>{b, NR<T> * d, NR<T>}, d, i, from, to, p == 0, store);
            else row_direct<M, T>(rows, right.b.data + p * right.b.rs, right.b.rs, d, i, from, to, p == 0, store);
          });
        }
      }
    }
  }, 2 * m * n * k < GRAIN_FLOPS);
}

template <class T> struct PackRows {  // of A
  static constexpr bool packs = true;
  Matrix<T> a;
  template <int M> FN PackedRows<M, T> rows(T* to, int64_t i, int64_t p, int64_t depth) const {
    pack_panel<T>(to, M, {a.data + i * a.rs + p * a.cs, a.rs, a.cs}, M, depth);
    return {to};
  }
};
// Tried and lost where it applies: packing A always (192..768: 5 %). Rows a multiple of 4 KiB apart must be packed: they
// fall into one set of L1 (1024^3: 89 GFLOP/s on one core instead of 106).
template <class T> struct RowsInPlace {
  static constexpr bool packs = false;
  Matrix<T> a;
  static FN bool suits(const Matrix<T>& a) { return a.rs == 1 || (a.cs == 1 && a.rs * int64_t(sizeof(T)) % 4096 != 0); }
  template <int M> FN StridedRows<T> rows(T*, int64_t i, int64_t p, int64_t) const {
    return StridedRows<T>(a.data + i * a.rs + p * a.cs, a.rs, a.cs);
  }
};
template <class T> struct PackColumns {  // of B
  static constexpr bool packs = true;
  Matrix<T> b;
  void pack(T* to, int64_t from, int64_t end, int64_t p, int64_t depth) const {
    if (b.cs == 1 && end - from >= 2 * NR<T>) {  // row by row, as memory lies: panel by panel 1024^3 costs 3 % more
      for (int64_t q = 0; q < depth; ++q) {
        const T* row = b.data + (p + q) * b.rs;
        T* out = to + q * NR<T>;
        int64_t j = from;
        for (; j + NR<T> <= end; j += NR<T>, out += NR<T> * depth)
#pragma GCC unroll 4
          for (int v = 0; v < NV; ++v) store(out + v * lanes<T>, load(row + j + v * lanes<T>));
        for (; j + lanes<T> <= end; j += lanes<T>, out += lanes<T>) store(out, load(row + j));
        if (j < end) store(out, load_n(row + j, end - j));
      }
      return;
    }
    for (int64_t j = from; j < end; j += NR<T>)
      pack_panel<T>(to + (j - from) * depth, NR<T>, {b.data + p * b.rs + j * b.cs, b.cs, b.rs}, end - j < NR<T> ? end - j : NR<T>, depth);
  }
};
template <class T> struct ColumnsInPlace {  // at least a vector of them
  static constexpr bool packs = false;
  Matrix<T> b;
  FN void pack(T*, int64_t, int64_t, int64_t, int64_t) const {}
};

}  // namespace fastnn::FN_ISA
