// jet/block.h: one layer of a network for a block of points.
//
//    row of a unit    | value, P points | ∂x, P points | ∂t, P points | ∂xx, P points | one vector of padding |
//
// Points run along lanes, so no width of a layer wastes any, and the channels of a jet stand side by side, so that the
// linear part of a layer is one product W [units, inputs] · X [inputs, channels·P] on the matmul tile, W packed once a
// call. The padding keeps rows from falling on the same cache sets.
#pragma once
#include "../../core/math.h"
#include "../matmul/gemm.h"
#include "ladder.h"
#include "series.h"

namespace fastnn::FN_ISA {

struct Block {
  int64_t points, channels, row;  // points: a multiple of NR; row: numbers in a row, with padding
  FN int64_t columns() const { return points * channels; }
};

// W of a layer, packed for W·X and for Wᵀ·Z, and its bias.
template <class T> struct Layer {
  int64_t units, inputs;
  T *w, *wt, *bias;  // bias: nullptr for none

  FN static int64_t size(int64_t units, int64_t inputs) { return 2 * units * inputs + units; }
};

// to[rows r of A][p][r]: panels as high as the row blocks of the product
template <class T> static void pack_panels(T* to, int64_t m, int64_t k, const T* a, int64_t rs, int64_t cs) {
  RowBlocks blocks(m);
  for (int64_t r = 0; r < blocks.count; ++r)
    for (int64_t p = 0; p < k; ++p)
      for (int64_t i = 0; i < blocks.rows(r); ++i) *to++ = a[(blocks.start(r) + i) * rs + p * cs];
}

template <class T> struct StoreRows {  // the first `values` columns, channel 0, get the bias
  T* y;
  int64_t row;
  const T* bias;
  int64_t values;
  template <int M, int V> FN void operator()(vec<T> (&acc)[M][V], int64_t i, int64_t j, int64_t, bool) const {
#pragma GCC unroll 16
    for (int r = 0; r < M; ++r) {
      vec<T> b = j < values ? splat(bias[i + r]) : vec<T>{};
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) store(y + (i + r) * row + j + v * lanes<T>, acc[r][v] + b);
    }
  }
};

// y [m, columns] = A [m, k] · x [k, columns] (+ bias)
template <class T> static void product(const Block& b, int64_t m, int64_t k, const T* panels, const T* bias, const T* x, T* y) {
  RowBlocks blocks(m);
  StoreRows<T> store{y, b.row, bias, bias ? b.points : 0};
  for (int64_t r = 0; r < blocks.count; ++r)
    with_constant<MR>(blocks.rows(r), [&](auto height) __attribute__((always_inline)) {
      constexpr int M = decltype(height)::value;
      const T* panel = panels + blocks.start(r) * k;
      row_block<M, T>(PackedRows<M, T>{panel}, Panels<T>{x, NR<T>, b.row}, k, blocks.start(r), 0, b.columns(), true, store);
    });
}

// dw [m, k] += z [m, columns] · x [k, columns]ᵀ, row by row of z a dot product with each row of x; dw row-major
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int DOT_ROWS = 6;  // 6 x 4 accumulators
#else
constexpr int DOT_ROWS = 2;
#endif
template <int M, class T>
__attribute__((noinline)) static void dot_rows(const Block& b, int64_t k, const T* z, const T* x, T* dw) {
  constexpr int64_t W = lanes<T>;
  for (int64_t q = 0; q < k; q += 4) {
    int64_t cols = k - q < 4 ? k - q : 4;
    const T* right[4];
    for (int c = 0; c < 4; ++c) right[c] = x + (q + (c < cols ? c : 0)) * b.row;
    vec<T> acc[M][4] = {};
    for (int64_t p = 0; p < b.columns(); p += W) {
      vec<T> left[M];
#pragma GCC unroll 8
      for (int i = 0; i < M; ++i) left[i] = load(z + i * b.row + p);
#pragma GCC unroll 4
      for (int c = 0; c < 4; ++c) {
        vec<T> v = load(right[c] + p);
#pragma GCC unroll 8
        for (int i = 0; i < M; ++i) acc[i][c] += left[i] * v;
      }
    }
#pragma GCC unroll 8
    for (int i = 0; i < M; ++i) {
      T sums[2 * W];  // sum_four writes whole vectors
      sum_four<T>(sums, acc[i][0], acc[i][1], acc[i][2], acc[i][3]);
      for (int64_t c = 0; c < cols; ++c) dw[i * k + q + c] += sums[c];
    }
  }
}
template <class T> static void add_weight_gradient(const Block& b, int64_t m, int64_t k, const T* z, const T* x, T* dw, T* db) {
  int64_t passes = ceil_div(m, DOT_ROWS);
  for (int64_t pass = 0; pass < passes; ++pass) {
    int64_t i = pass * m / passes, rows = (pass + 1) * m / passes - i;
    with_constant<DOT_ROWS>(rows, [&](auto height) __attribute__((always_inline)) {
      dot_rows<decltype(height)::value, T>(b, k, z + i * b.row, x, dw + i * k);
    });
  }
  for (int64_t i = 0; db && i < m; ++i) {
    vec<T> sum{};
    for (int64_t p = 0; p < b.points; p += lanes<T>) sum += load(z + i * b.row + p);
    db[i] += sum_lanes<T>(sum);
  }
}

// ---- the activation: any order by tables, NV vectors of points at a time ----------------------------------------------
// The triangle of series.h lies in `work`: D_k of channel c at work + (k · channels + c) · NR, a few KB in L1.

// The sums of products for NV vectors together: the table's indices are read once for all of them.
template <class T> FN void sum_of_products(const Series<T>& s, typename Series<T>::Sum sum, const T* a, int64_t a_step, const T* b,
                                           int64_t b_step, T* to) {
  vec<T> acc[NV] = {};
  for (int t = sum.begin; t < sum.end; ++t) {
    const auto& term = s.terms[t];
    const T *l = a + term.a * a_step, *r = b + term.b * b_step;
#pragma GCC unroll 4
    for (int v = 0; v < NV; ++v) acc[v] += (term.times * load(l + v * lanes<T>)) * load(r + v * lanes<T>);
  }
#pragma GCC unroll 4
  for (int v = 0; v < NV; ++v) store(to + v * lanes<T>, acc[v]);
}

// D_k for k = last..first at one place; channel 0 of each is s^(k)(z). D_first goes to `to`, its channels `step` apart.
template <class T, class Ladder>
FN void triangle(const Series<T>& s, const Ladder& ladder, const Block& b, const T* z, int first, int last, T* work, T* to,
                 int64_t step) {
#pragma GCC unroll 4
  for (int v = 0; v < NV; ++v) {
    vec<T> d[JET_ORDER + 2];
    ladder(load(z + v * lanes<T>), last > 1 ? last : 1, d);
    store(to + v * lanes<T>, d[first]);
    for (int k = first + 1; k <= last; ++k) store(work + k * s.channels * NR<T> + v * lanes<T>, d[k]);
  }
  for (int k = last - 1; k >= first; --k) {
    T *from = work + (k + 1) * s.channels * NR<T>, *row = k > first ? from - s.channels * NR<T> : to;
    int64_t apart = k > first ? NR<T> : step;
    for (int c = 1; c < s.upto[last - k]; ++c) sum_of_products(s, s.chain[c], from, NR<T>, z, b.points, row + c * apart);
  }
}

// Up to order 2, what nearly all equations ask for, the sums are written out; s1, s2, s3 are the derivatives of s at z:
//
//    y_a = s1 z_a      y_ab = s1 z_ab + s2 z_a z_b
//    ġ_ab = s1 g_ab    ġ_a = s1 g_a + s2 Σ_b z_b g_ab (twice for b = a)    ġ = s1 g + s2 Σ_a z_a g_a + Σ_ab (s2 z_ab + s3 z_a z_b) g_ab
template <class T, class Ladder>
FN void activate_two(const Series<T>& s, const Ladder& ladder, int64_t apart, const T* z, T* y) {
  vec<T> d[JET_ORDER + 2];
  ladder(load(z), 2, d);
  store(y, d[0]);
  for (int c = 1; c < s.upto[1]; ++c) store(y + c * apart, d[1] * load(z + c * apart));
  for (int c = s.upto[1]; c < s.channels; ++c)
    store(y + c * apart, d[1] * load(z + c * apart) + d[2] * load(z + s.factors[c].a * apart) * load(z + s.factors[c].b * apart));
}
template <class T, class Ladder>
FN void differentiate_two(const Series<T>& s, const Ladder& ladder, int64_t apart, const T* z, T* g) {
  vec<T> d[JET_ORDER + 2];
  ladder(load(z), 3, d);
  vec<T> sum = d[1] * load(g);
  for (int c = 1; c < s.upto[1]; ++c) {
    vec<T> of = load(g + c * apart);
    sum += d[2] * load(z + c * apart) * of;
    store(g + c * apart, d[1] * of);
  }
  for (int c = s.upto[1]; c < s.channels; ++c) {
    int64_t a = s.factors[c].a * apart, b = s.factors[c].b * apart;
    vec<T> of = load(g + c * apart), za = load(z + a), zb = load(z + b), bent = d[2] * of;
    sum += bent * load(z + c * apart) + d[3] * za * zb * of;
    store(g + c * apart, d[1] * of);
    store(g + a, load(g + a) + bent * zb);
    store(g + b, load(g + b) + bent * za);
  }
  store(g, sum);
}

// y = s(z): rows of `units` units
template <class T, class Ladder>
static void activate(const Series<T>& s, const Ladder& ladder, const Block& b, int64_t units, const T* z, T* y, T* work) {
  if (s.order <= 2) {
    for (int64_t u = 0; u < units; ++u)
      for (int64_t p = 0; p < b.points; p += lanes<T>) activate_two(s, ladder, b.points, z + u * b.row + p, y + u * b.row + p);
    return;
  }
  for (int64_t u = 0; u < units; ++u)
    for (int64_t p = 0; p < b.points; p += NR<T>)
      triangle(s, ladder, b, z + u * b.row + p, 0, s.order, work, y + u * b.row + p, b.points);
}

// g, the gradient with respect to y = s(z), becomes that with respect to z. In place: channel c reads channels from c on.
template <class T, class Ladder>
static void differentiate(const Series<T>& s, const Ladder& ladder, const Block& b, int64_t units, const T* z, T* g, T* work) {
  if (s.order <= 2) {
    for (int64_t u = 0; u < units; ++u)
      for (int64_t p = 0; p < b.points; p += lanes<T>) differentiate_two(s, ladder, b.points, z + u * b.row + p, g + u * b.row + p);
    return;
  }
  for (int64_t u = 0; u < units; ++u)
    for (int64_t p = 0; p < b.points; p += NR<T>) {
      triangle(s, ladder, b, z + u * b.row + p, 1, s.order + 1, work, work + s.channels * NR<T>, NR<T>);
      T* at = g + u * b.row + p;
      for (int c = 0; c < s.channels; ++c)
        sum_of_products(s, s.adjoint[c], at, b.points, work + s.channels * NR<T>, NR<T>, at + c * b.points);
    }
}

}  // namespace fastnn::FN_ISA
