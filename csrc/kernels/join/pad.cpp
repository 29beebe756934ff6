// join/pad.cpp: y reads x through one map for each axis.
//
//    pad      y[i] = x[m(i - before)]           m:  constant    outside: value
//    pad_dx   dx[j] = Σ g[i] over m(i) = j          reflect     c b | a b c d | c b      (of constant: pad backwards)
//                                                   replicate   a a | a b c d | d d
//                                                   circular    c d | a b c d | a b
//
// The axes' sizes come from y and x, so one kernel serves F.pad, roll (circular, y as large as x) and tile (circular, y
// larger). The axes after the last one that changes are one block of neighbours, moved together. Rows are copied whole
// in the middle; only edges go through m. pad_dx gathers: each row of dx adds up the rows of g that read it, in order,
// so it needs neither zero-filling nor atomics. Bound by memory.
#include "../../core/simd.h"
#include "../index/nest.h"

namespace fastnn::FN_ISA {
namespace {

enum Mode { constant, reflect, replicate, circular };

// Position i (counted from x's first element) to an element of x, or -1.
FN int64_t map(int64_t i, int64_t n, int64_t mode) {
  if (i >= 0 && i < n) return i;
  if (mode == constant) return -1;
  if (mode == replicate) return i < 0 ? 0 : n - 1;
  if (mode == circular) {
    if (i < 0 && i >= -n) return i + n;  // a division costs as much as a short row
    i %= n;
    return i < 0 ? i + n : i;
  }
  if (n == 1) return 0;
  while (i < 0 || i >= n) i = i < 0 ? -i : 2 * n - 2 - i;
  return i;
}

struct Shape {  // outer axes (neighbours that do not change are one), the row axis, and the block of axes behind it
  int outer = 0;
  int64_t y[MAX_DIMS], x[MAX_DIMS], shift[MAX_DIMS];
  int64_t rows_y = 1, rows_x = 1, ny = 1, nx = 1, block = 1, before = 0;
};

Shape shape_of(const View& y, const View& x, const Ints& before) {
  Shape s;
  int row = y.ndim - 1;
  while (row > 0 && y.shape[row] == x.shape[row] && before[row] == 0) s.block *= y.shape[row--];
  bool same = false;
  for (int d = 0; d < row; ++d) {
    const bool as_before = same;
    same = y.shape[d] == x.shape[d] && before[d] == 0;
    if (!(same && as_before)) s.y[s.outer] = s.x[s.outer] = 1, s.shift[s.outer++] = before[d];
    s.y[s.outer - 1] *= y.shape[d], s.x[s.outer - 1] *= x.shape[d];
    s.rows_y *= y.shape[d], s.rows_x *= x.shape[d];
  }
  if (y.ndim) s.ny = y.shape[row], s.nx = x.shape[row], s.before = before[row];
  return s;
}

template <class T> FN void fill_run(T* y, int64_t n, T value) {
  if (n < 16)
    for (int64_t i = 0; i < n; ++i) {
      y[i] = value;
      __asm__("" : "+r"(y));  // an edge is one or two values: no loop of vectors for it
    }
  else
    for (int64_t i = 0; i < n; ++i) y[i] = value;
}

// The row axis: blocks [first, last) of y are x's, from first - before on; `source` maps the edges, left then right.
struct Edges {
  int64_t first, last;
  Scratch<int64_t> source;
  Edges(const Shape& s, int64_t mode)
      : first(clamp(s.before, s.ny)), last(clamp(s.before + s.nx, s.ny)), source(mode == circular ? 0 : s.ny - last + first) {
    if (last < first) last = first;
    if (mode == circular) return;  // whole turns of x: runs are longer than edges
    for (int64_t i = 0; i < first; ++i) source[i] = map(i - s.before, s.nx, mode);
    for (int64_t i = last; i < s.ny; ++i) source[i - last + first] = map(i - s.before, s.nx, mode);
  }
  static FN int64_t clamp(int64_t i, int64_t n) { return i < 0 ? 0 : i < n ? i : n; }
};

enum Edge { filled, elements, blocks, turns };  // how the blocks outside x are made

// Blocks [c0, c1) of one row.
template <Edge E, class T> FN void pad_row(T* y, const T* x, const Shape& s, const Edges& e, T value, int64_t c0, int64_t c1) {
  const int64_t block = E == elements ? 1 : s.block;
  if constexpr (E == turns) {
    const int64_t n = s.nx;
    int64_t k = n > 0 ? map(c0 - s.before, n, circular) : 0;
    while (c0 < c1) {
      const int64_t run = n - k < c1 - c0 ? n - k : c1 - c0;
      copy_run(y + c0 * block, x + k * block, run * block);
      c0 += run;
      k = 0;
    }
  } else {
    auto edge = [&](int64_t stop, const int64_t* source) __attribute__((always_inline)) {
      if (c0 >= stop) return;
      if constexpr (E == filled) fill_run(y + c0 * block, (stop - c0) * block, value);
      else if constexpr (E == elements)
        for (int64_t c = c0; c < stop; ++c) y[c] = x[source[c]];
      else
        for (int64_t c = c0; c < stop; ++c) copy_run(y + c * block, x + source[c] * block, block);
      c0 = stop;
    };
    edge(e.first < c1 ? e.first : c1, e.source.data);
    const int64_t stop = e.last < c1 ? e.last : c1;
    if (c0 < stop) copy_run(y + c0 * block, x + (c0 - s.before) * block, (stop - c0) * block), c0 = stop;
    edge(c1, e.source.data + (e.first - e.last));
  }
}

// The outer axes of y: where each coordinate lies among the rows of x, or NOWHERE.
constexpr int64_t NOWHERE = INT64_MIN / (2 * MAX_DIMS);
struct Outer {
  int n;
  const int64_t* length;
  int64_t* from[MAX_DIMS];
  Scratch<int64_t> memory;

  static FN int64_t words(const Shape& s) {
    int64_t w = 0;
    for (int d = 0; d < s.outer; ++d) w += s.y[d];
    return w;
  }
  Outer(const Shape& s, int64_t mode) : n(s.outer), length(s.y), memory(words(s)) {
    int64_t* next = memory;
    int64_t stride = 1;
    for (int d = n - 1; d >= 0; stride *= s.x[d--]) {
      from[d] = next;
      for (int64_t i = 0; i < s.y[d]; ++i) {
        const int64_t k = map(i - s.shift[d], s.x[d], mode);
        *next++ = k < 0 ? NOWHERE : k * stride;
      }
    }
  }
  template <class F> FN void rows(int64_t begin, int64_t end, const F& f) const {  // f(row of y, row of x: negative for none)
    if (n == 0) return f(int64_t(0), int64_t(0));
    const int64_t* const last = from[n - 1];
    const int64_t m = length[n - 1];
    for (int64_t row = begin; row < end;) {
      int64_t rest = row / m, base = 0, i = row - rest * m;
      for (int d = n - 2; d >= 0; --d) {
        base += from[d][rest % length[d]];
        rest /= length[d];
      }
      for (; i < m && row < end; ++i, ++row) f(row, base + last[i]);
    }
  }
};

// Rows of a few vectors, padded by a number: each vector is some lanes of x and the number elsewhere, the same ones in every row.
// 30,000 rows of 16 from 14 (Zen 4, two threads): 104 us by runs, NUMBER so.
template <class T> constexpr bool HAS_LANES = VECTOR_BYTES >= 32 && sizeof(T) >= 4;
template <class T> struct ShortRows {
  static constexpr int L = lanes<T>, MOST = 4;  // vectors
  SomeLanes<T> on[MOST];
  bits<T> rest[MOST];
  int64_t n, before;
  ShortRows(const Shape& s, T value) : n(s.ny), before(s.before) {
    for (int64_t v = 0; v < MOST; ++v) {
      on[v] = SomeLanes<T>::between(s.before - v * L, s.before + s.nx - v * L);
      rest[v] = ~lanes_between<T>(s.before - v * L, s.before + s.nx - v * L) & to_bits<T>(splat(value));
    }
  }
  FN void put(T* y, const T* x) const {
    const auto at = [&](int64_t v) __attribute__((always_inline)) {
      return from_bits<T>(to_bits<T>(on[v].load(x - before + v * L)) | rest[v]);
    };
    int64_t v = 0;
    for (; (v + 1) * L <= n; ++v) store(y + v * L, at(v));
    if (v * L < n) store_n(y + v * L, at(v), n - v * L);
  }
};

template <Edge E, class T> void pad_rows(const View& y, const View& x, const Shape& s, int64_t mode, T value) {
  const int64_t length = s.ny * s.block, row_bytes = length * int64_t(sizeof(T));
  const Edges edges(s, mode);
  const Outer outer(s, mode);
  int64_t piece = s.ny;  // long rows are cut
  if (row_bytes > (1 << 18)) piece = ceil_div(1 << 17, s.block * int64_t(sizeof(T)));
  const int64_t pieces = ceil_div(s.ny, piece);
  auto put = [&](int64_t row, int64_t from, int64_t c0, int64_t c1) __attribute__((always_inline)) {
    T* const out = y.ptr<T>() + row * length;
    if (from < 0) fill_run(out + c0 * s.block, (c1 - c0) * s.block, value);
    else pad_row<E>(out, x.ptr<T>() + from * s.nx * s.block, s, edges, value, c0, c1);
  };
  parallel_for(s.rows_y * pieces, ceil_div(1 << 16, row_bytes / pieces + 16), [&](int64_t begin, int64_t end) {
    if constexpr (E == filled && HAS_LANES<T>)
      if (s.block == 1 && s.ny <= ShortRows<T>::MOST * lanes<T>) {
        const ShortRows<T> rows(s, value);
        return outer.rows(begin, end, [&](int64_t row, int64_t from) __attribute__((always_inline)) {
          T* const out = y.ptr<T>() + row * length;
          if (from < 0) fill_run(out, length, value);
          else rows.put(out, x.ptr<T>() + from * s.nx);
        });
      }
    if (pieces == 1) {
      outer.rows(begin, end, [&](int64_t row, int64_t from) __attribute__((always_inline)) { put(row, from, 0, s.ny); });
      return;
    }
    for (int64_t u = begin; u < end; ++u) {
      const int64_t c0 = u % pieces * piece, c1 = c0 + piece < s.ny ? c0 + piece : s.ny;
      outer.rows(u / pieces, u / pieces + 1, [&](int64_t row, int64_t from) { put(row, from, c0, c1); });
    }
  });
}

template <class T> void pad_typed(const View& y, const View& x, const Ints& before, int64_t mode, T value) {
  const Shape s = shape_of(y, x, before);
  if (s.rows_y * s.ny * s.block == 0) return;
  if (mode == constant) pad_rows<filled>(y, x, s, mode, value);
  else if (mode == circular) pad_rows<turns>(y, x, s, mode, value);
  else if (s.block == 1) pad_rows<elements>(y, x, s, mode, value);
  else pad_rows<blocks>(y, x, s, mode, value);
}

// The coordinates of consecutive rows, without a division for each.
struct Rows {
  int64_t c[MAX_DIMS];
  int outer;
  const int64_t* shape;
  FN Rows(int64_t row, int outer_axes, const int64_t* lengths) : outer(outer_axes), shape(lengths) {
    for (int d = outer - 1; d >= 0; --d) {
      c[d] = row % shape[d];
      row /= shape[d];
    }
  }
  FN void next() {
    for (int d = outer - 1; d >= 0; --d) {
      if (++c[d] < shape[d]) return;
      c[d] = 0;
    }
  }
};

struct Readers {  // of each element of one axis of x: the positions of y that read it
  int64_t* start;
  int64_t* item;
};

// Splits the bytes of `memory` into start and item lists, axis after axis.
Readers readers_of(int64_t*& memory, int64_t ny, int64_t nx, int64_t before, int64_t mode) {
  Readers r{memory, memory + nx + 1};
  memory += nx + 1 + ny;
  for (int64_t j = 0; j <= nx; ++j) r.start[j] = 0;
  for (int64_t i = 0; i < ny; ++i) {
    const int64_t k = map(i - before, nx, mode);
    if (k >= 0) ++r.start[k + 1];
  }
  for (int64_t j = 0; j < nx; ++j) r.start[j + 1] += r.start[j];
  for (int64_t i = 0; i < ny; ++i) {
    const int64_t k = map(i - before, nx, mode);
    if (k >= 0) r.item[r.start[k]++] = i;
  }
  for (int64_t j = nx; j > 0; --j) r.start[j] = r.start[j - 1];
  r.start[0] = 0;
  return r;
}

// dx row = or += g row, its edges folded back.
template <class T> FN void fold_row(T* dx, const T* g, const Shape& s, const Edges& e, int64_t mode, bool first_one) {
  const int64_t block = s.block, n = (e.last - e.first) * block, all = s.nx * block;
  T* const middle = dx + (e.first - s.before) * block;
  const T* const same = g + e.first * block;
  if (first_one) {
    if (n < all) __builtin_memset(dx, 0, size_t(all) * sizeof(T));  // an x cut short
    if (n) copy_run(middle, same, n);
  } else {
    for (int64_t i = 0; i < n; ++i) middle[i] = T(middle[i] + same[i]);
  }
  auto edge = [&](int64_t i, int64_t stop, const int64_t* source) __attribute__((always_inline)) {
    for (; i < stop; ++i) {
      const int64_t k = mode == circular ? map(i - s.before, s.nx, mode) : source[i];
      for (int64_t c = 0; c < block; ++c) dx[k * block + c] = T(dx[k * block + c] + g[i * block + c]);
    }
  };
  edge(0, e.first, e.source.data);
  edge(e.last, s.ny, e.source.data + (e.first - e.last));
}

template <class T> void pad_dx_typed(const View& dx, const View& g, const Ints& before, int64_t mode) {
  const Shape s = shape_of(g, dx, before);
  const int64_t length = s.nx * s.block;
  if (s.rows_x * length == 0) return;
  int64_t words = 0;
  for (int d = 0; d < s.outer; ++d) words += s.x[d] + 1 + s.y[d];
  Scratch<int64_t> memory(words);
  int64_t* free = memory;
  Readers readers[MAX_DIMS];
  for (int d = 0; d < s.outer; ++d) readers[d] = readers_of(free, s.y[d], s.x[d], s.shift[d], mode);
  const Edges edges(s, mode);
  parallel_for(s.rows_x, ceil_div(16384, s.ny * s.block + 16), [&](int64_t begin, int64_t end) {
    Rows rows(begin, s.outer, s.x);
    for (int64_t row = begin; row < end; ++row, rows.next()) {
      T* const out = dx.ptr<T>() + row * length;
      int64_t pick[MAX_DIMS], stop[MAX_DIMS];
      bool any = s.ny > 0, first_one = true;
      for (int d = 0; d < s.outer; ++d) {
        pick[d] = readers[d].start[rows.c[d]];
        stop[d] = readers[d].start[rows.c[d] + 1];
        any = any && pick[d] < stop[d];
      }
      if (!any) __builtin_memset(out, 0, size_t(length) * sizeof(T));
      while (any) {  // every combination of the outer axes' readers
        int64_t from = 0;
        for (int d = 0; d < s.outer; ++d) from = from * s.y[d] + readers[d].item[pick[d]];
        fold_row(out, g.ptr<T>() + from * s.ny * s.block, s, edges, mode, first_one);
        first_one = false;
        int d = s.outer - 1;
        for (; d >= 0; --d) {
          if (++pick[d] < stop[d]) break;
          pick[d] = readers[d].start[rows.c[d]];
        }
        any = d >= 0;
      }
    }
  });
}

}  // namespace

void pad(PackedOut y, PackedIn x, Ints before, int64_t mode, double value) {
  by_type(y.dtype, [&](auto t) __attribute__((always_inline)) {
    using T = decltype(t);
    pad_typed<T>(y, x, before, mode, T(value));
  });
}

void pad_dx(PackedOut dx, PackedIn g, Ints before, int64_t mode) {
  if (mode == constant) raise_error("pad_dx: of constant padding is pad, by the negative widths");
  if (dx.dtype == DType::f32) pad_dx_typed<float>(dx, g, before, mode);
  else if (dx.dtype == DType::f64) pad_dx_typed<double>(dx, g, before, mode);
  else raise_error("pad_dx: expected float32 or float64");
}

}  // namespace fastnn::FN_ISA
