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
//        for each NC of the columns:               B block [KC, NC] is packed, lies in L2
//          for each row block (<= MR rows):        A panel [rows, KC] is packed when first needed and kept, lies in L1 or L3
//            for each NR columns: one tile         what comes next of A, and the tile's C, are prefetched before it
//
// Every store of one tile happens in order of k, `first` marks the first one. Pieces and blocks depend on m, n, k only and k
// is never split between threads: the result is the same for any number of threads.
// Packing cost 10-13 % on Zen 5 (1024^3, pieces of 256 x 512 that packed A twice and B four times), fetching C at a tile's end
// 3-4 %; now 1024^3 takes 8 % less, 2048^3 6 %, 784x4096.4096x256 20 % (one core).
// Tried and lost: one packed copy of B (and A) for all threads. Packing less is worth little (an element costs 0.1-0.3 ns),
// but a line that the other core packed costs 100 ns: 192^3 147 us instead of 68, 32x784.784x512 600 instead of 150.
#pragma once
#include "../../core/cache.h"
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

// k in blocks of equal length, at most KC: a sum over k is that of its blocks
template <class T> FN int64_t block_depth(int64_t k) { return k == 0 ? 1 : k <= KC<T> ? k : ceil_div(k, ceil_div(k, KC<T>)); }

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

struct Nothing {
  FN void operator()(int64_t) const {}
};

// One row block of C, columns [j, end): all its tiles from left to right, `before(j)` before each. `b` starts at column j.
template <int M, class T, class Rows, class Store, class Before = Nothing>
__attribute__((noinline)) static void row_block(Rows a, Panels<T> b, int64_t depth, int64_t i, int64_t j, int64_t end, bool first,
                      const Store& store, Before before = {}) {
  for (; j < end; j += NR<T>, b.data += b.stride) {
    int64_t cols = end - j < NR<T> ? end - j : NR<T>;
    before(j);
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

// C as rows x columns pieces, each of whole row blocks and whole panels. Two pieces a thread, as one of them may be late
// (fewer where the product is short); of all such grids the one whose largest piece costs least, tiles and packing. How often A
// and B are packed depends on the number of threads: no result does.
template <class T> struct Pieces {
  int64_t rows = 1, columns = 1;
  FN Pieces(int64_t m, int64_t n, int64_t k, int64_t blocks, bool packs_a, bool packs_b) {
    constexpr double PACK = 40, READ = 27;  // operations that take as long as packing, reading an element: 0.15 ns, 0.1 ns, Zen 5
    double flops = 2.0 * double(m) * double(n) * double(k), least = 0;
    int64_t threads = threads_here(), wanted = 2 * threads, panels = ceil_div(n, NR<T>);
    if (threads == 1 || flops < SPLIT_FLOPS) return;
    if (flops < double(wanted * SPLIT_FLOPS / 2)) wanted = ceil_div(int64_t(flops), SPLIT_FLOPS / 2);
    for (int64_t c = 1; c <= wanted && c <= panels; ++c) {
      int64_t r = ceil_div(wanted, c) < blocks ? ceil_div(wanted, c) : blocks;
      double height = double(ceil_div(blocks, r) * MR), width = double(ceil_div(panels, c) * NR<T>);
      double cost = double(ceil_div(r * c, threads)) * (2 * height * width + (packs_a ? PACK : READ) * height + (packs_b ? PACK : READ) * width);
      if (c == 1 || cost < least) least = cost, rows = r, columns = c;
    }
  }
};

// Lines of A that the next row block reads, a few before each tile of this one. Without: 1-3 % slower (1024^3, 2048^3).
struct Ahead {
  const char* data = nullptr;
  int64_t row = 0, length = 0, lines = 0, at = 0;  // rows of `length` bytes, `row` bytes apart; `lines` at a time
  FN void operator()() {
    for (int64_t q = 0; q < lines; ++q, at += 64) {
      if (at >= length) at = 0, data += row;
      __builtin_prefetch(data + at, 0, 2);
    }
  }
};

template <class T, class Left, class Right, class Store>
static void gemm(int64_t m, int64_t n, int64_t k, const Left& left, const Right& right, const Store& store) {
  if (m == 0 || n == 0) return;
  constexpr int64_t W = lanes<T>;
  RowBlocks blocks(m);
  Pieces<T> pieces(m, n, k, blocks.count, Left::packs, Right::packs);
  int64_t depth = block_depth<T>(k), panels = ceil_div(n, NR<T>);
  FN_NOTE("tiles of %d x %d; A %s, B %s; C in %d x %d pieces, k by %d", MR, int(NR<T>), Left::packs ? "packed" : "in place",
          Right::packs ? "packed" : "in place", int(pieces.rows), int(pieces.columns), int(depth));
  auto edge = [&](int64_t x) __attribute__((always_inline)) {  // where piece x of a row of pieces begins
    int64_t j = x * panels / pieces.columns * NR<T>;
    return j >= n ? n : j > 0 && !Right::packs && n - j < W ? j - W : j;
  };
  const int64_t panel = Left::packs ? MR * depth : 0;
  int64_t block = n;  // columns of B at a time
  if constexpr (Right::packs) block = right.most < n ? right.most : panels * NR<T>;
  parallel_for(pieces.rows * pieces.columns, 1, [&](int64_t begin, int64_t stop) {
    Scratch<T> a(panel ? panel * ceil_div(blocks.count, pieces.rows) + W : 0), b(Right::packs ? block * depth + W : 0);
    for (int64_t piece = begin; piece < stop; ++piece) {
      int64_t x = piece % pieces.columns, y = piece / pieces.columns, left_end = edge(x), right_end = edge(x + 1);
      int64_t top = y * blocks.count / pieces.rows, bottom = (y + 1) * blocks.count / pieces.rows;
      for (int64_t p = 0; p == 0 || p < k; p += depth) {
        int64_t d = k - p < depth ? k - p : depth;
        for (int64_t from = left_end, to; from < right_end; from = to) {
          to = right_end - from < block ? right_end : from + block;
          bool fresh = from == left_end;  // A's panels of this block of k are still to be packed
          right.pack(b, from, to, p, d);
          for (int64_t r = top; r < bottom; ++r) {
            int64_t i = blocks.start(r);
            with_constant<MR>(blocks.rows(r), [&](auto height) __attribute__((always_inline)) {
              constexpr int M = decltype(height)::value;
              T* packed = a + (r - top) * panel;
              auto rows = left.template rows<M>(packed, i, p, d, fresh);
              if constexpr (Right::packs) {
                Ahead ahead = r + 1 < bottom ? left.ahead(packed + panel, i + M, p, d, fresh, ceil_div(to - from, NR<T>)) : Ahead{};
                row_block<M, T>(rows, Panels<T>{b, NR<T> * d, NR<T>}, d, i, from, to, p == 0, store, [&](int64_t j) __attribute__((always_inline)) {
                  ahead();
                  store.template fetch<M>(i, j);
                });
              } else {
                row_direct<M, T>(rows, right.b.data + p * right.b.rs, right.b.rs, d, i, from, to, p == 0, store);
              }
            });
          }
        }
      }
    }
  }, 2 * m * n * k < GRAIN_FLOPS);
}

// Rows i .. i + MR of A at columns p .. p + depth, a `times`-th part at a time.
template <class T> static Ahead rows_ahead(const Matrix<T>& a, int64_t i, int64_t p, int64_t depth, int64_t times) {
  constexpr int64_t size = sizeof(T);
  auto from = reinterpret_cast<const char*>(a.data + i * a.rs + p * a.cs);
  int64_t rows = a.cs == 1 ? MR : depth, length = size * (a.cs == 1 ? depth : MR);
  return {from, size * (a.cs == 1 ? a.rs : a.cs), length, ceil_div(rows * ceil_div(length, 64), times), 0};
}
template <class T> struct PackRows {  // of A
  static constexpr bool packs = true;
  Matrix<T> a;
  FN Ahead ahead(const T* packed, int64_t i, int64_t p, int64_t depth, bool fresh, int64_t times) const {
    if (fresh) return rows_ahead<T>(a, i, p, depth, times);
    return rows_ahead<T>({packed, MR * depth, 1}, 0, 0, MR * depth, times * MR);  // one row: the panel
  }
  template <int M> FN PackedRows<M, T> rows(T* to, int64_t i, int64_t p, int64_t depth, bool fresh = true) const {
    if (fresh) pack_panel<T>(to, M, {a.data + i * a.rs + p * a.cs, a.rs, a.cs}, M, depth);
    return {to};
  }
};
// Rows a stride apart whose lines fall into few sets of L1: nearly a multiple of 1 KiB, with AVX-512's larger L1s of 2.
template <class T> FN bool crowded(int64_t stride) {
  constexpr int64_t few = VECTOR_BYTES == 64 ? 2048 : 1024;
  const int64_t bytes = (stride < 0 ? -stride : stride) * int64_t(sizeof(T));
  return bytes > 512 && (bytes + 64) % few <= 128;
}

// Tried and lost where it applies: packing A always (192..768: 5 %). Rows a multiple of 4 KiB apart must be packed: they
// fall into one set of L1 (1024^3: 89 GFLOP/s on one core instead of 106). Zen 3: a transposed A is packed for 1024^3 in 0.68 of
// the time, for 512^3 in 0.63, for 784x128.128x512 in 0.81, but 64^3 takes 1.4 times as long and 128^3 as long. Emerald Rapids:
// 1024^3 0.80, 512^3 0.92, 784x4096.4096x256 0.94, 728x3308.3308x226 0.90, but 256^3 1.08, 384^3 1.07, 784x512.512x256 as long.
template <class T> struct RowsInPlace {
  static constexpr bool packs = false;
  Matrix<T> a;
  FN Ahead ahead(const T*, int64_t i, int64_t p, int64_t depth, bool, int64_t times) const { return rows_ahead<T>(a, i, p, depth, times); }
  static FN bool suits(const Matrix<T>& a, int64_t m, int64_t n, int64_t k) {
    if (a.rs == 1) return n < (m * k * int64_t(sizeof(T)) > l2_bytes ? 160 : crowded<T>(a.cs) ? 256 : 512);
    return a.cs == 1 && a.rs * int64_t(sizeof(T)) % 4096 != 0;
  }
  template <int M> FN StridedRows<T> rows(T*, int64_t i, int64_t p, int64_t, bool) const {
    return StridedRows<T>(a.data + i * a.rs + p * a.cs, a.rs, a.cs);
  }
};
template <class T> struct PackColumns {  // of B
  static constexpr bool packs = true;
  Matrix<T> b;
  int64_t most = NC<T>;  // columns at a time
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
