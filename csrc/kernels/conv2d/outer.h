// conv2d/outer.h: the weight gradient of a block of positions as a matrix product, dw[o, k] += Σ g[o, i] · xᵀ[i, k].
//
// With many filters and taps the tile of matmul/tile.h does more work a load than dots.h can, at the price of transposing
// x: panels of NR taps, in which the taps of one position are neighbours, L1 size.
//
//      slab rows k       ->  panel [positions][NR]        W × W elements in W·log2(W) shuffles, used m times
//      g rows o          ->  read where they are: MR rows side by side, one element of each a step
#pragma once
#include "tile.h"
#include "window.h"

namespace fastnn::FN_ISA {

// Reading stops at `end`.  panel[i, c] = slab[place(i) + offset[c]] for the positions i of a block and `columns` <= NR taps c.
template <class T>
static void pack_taps(T* panel, const T* slab, const T* end, const int64_t* offset, int64_t columns, const Blocks& b, const Block& block) {
  constexpr int W = lanes<T>;
  for (int64_t first = 0; first < columns; first += W, panel += W) {
    const T* tap[W];
    for (int c = 0; c < W; ++c) tap[c] = slab + offset[least(first + c, columns - 1)];
    T* to = panel;
    for (Walk w = walk(block, 0, block.images * block.rows * block.cols); w.left;) {
      const Run r = next(w, block);
      const int64_t place = r.image * b.image + r.row * b.width + r.col;
      for (int64_t i = 0; i < r.length; i += W) {
        vec<T> v[W];
        const bool whole = i + W <= r.length || end - (tap[W - 1] + place + i) >= W;
#pragma GCC unroll 16
        for (int c = 0; c < W; ++c) v[c] = whole ? load(tap[c] + place + i) : load_n(tap[c] + place + i, r.length - i);
        transpose<T>(v);
        if (i + W <= r.length) {
#pragma GCC unroll 16
          for (int q = 0; q < W; ++q) store(to + q * NR<T>, v[q]);
        } else {
          for (int64_t q = 0; q < r.length - i; ++q) store(to + q * NR<T>, v[q]);
        }
        to += least(W, r.length - i) * NR<T>;
      }
    }
  }
}

// dw[o, place[k]] += Σ over n positions of g[o, i] · x[k, i]; g dense, rows g_row apart; panel: n·NR elements.
template <class T>
static void add_outer(const T* g, int64_t g_row, int64_t m, const T* slab, const T* end, const int64_t* offset, int64_t k, const Blocks& b,
                      const Block& block, T* panel, T* dw, int64_t pitch, const int64_t* place) {
  constexpr int W = lanes<T>;
  const int64_t n = block.images * block.rows * block.cols;
  const Even om = evenly(m, MR);
  for (int64_t c = 0; c < k; c += NR<T>) {
    const int64_t columns = least(NR<T>, k - c);
    const bool straight = columns == NR<T> && place[c + columns - 1] == place[c] + columns - 1;
    pack_taps<T>(panel, slab, end, offset + c, columns, b, block);
    for (int64_t o = 0; o < om.parts; ++o) {
      T* to = dw + om.begin(o) * pitch;
      with_constant<MR>(om.size(o), [&](auto rows) __attribute__((always_inline)) {
        constexpr int M = decltype(rows)::value;
        vec<T> acc[M][NV];
        multiply<M, NV>(n, StridedRows<T>(g + om.begin(o) * g_row, g_row, 1), panel, NR<T>, acc);
#pragma GCC unroll 16
        for (int r = 0; r < M; ++r)
#pragma GCC unroll 4
          for (int v = 0; v < NV; ++v) {
            T* at = to + r * pitch + place[c] + v * W;
            if (straight) store(at, load(at) + acc[r][v]);
            else
              for (int64_t q = v * W; q < least(columns, (v + 1) * W); ++q) to[r * pitch + place[c + q]] += acc[r][v][q - v * W];
          }
      });
    }
  }
}

}  // namespace fastnn::FN_ISA
