// join/pad.cpp: y reads x through one map for each axis.
//
//    pad      y[i] = x[m(i - before)]           m:  constant    outside: value
//    pad_dx   dx[j] = Σ g[i] over m(i) = j          reflect     c b | a b c d | c b
//                                                   replicate   a a | a b c d | d d
//                                                   circular    c d | a b c d | a b
//
// The axes' sizes come from y and x, so one kernel serves F.pad, roll (circular, y as large as x) and tile (circular, y
// larger). The axes after the last one that changes are one block of neighbours, moved together. Rows are copied whole
// in the middle; only edges go through m. pad_dx gathers: each row of dx adds up the rows of g that read it, in order,
// so it needs neither zero-filling nor atomics. Bound by memory.
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

struct Shape {  // outer axes, the row axis, and the block of axes behind it
  int outer;
  int64_t rows_y = 1, rows_x = 1, ny, nx, block = 1, before;
};

Shape shape_of(const View& y, const View& x, const Ints& before) {
  Shape s;
  int row = y.ndim - 1;
  while (row > 0 && y.shape[row] == x.shape[row] && before[row] == 0) s.block *= y.shape[row--];
  s.outer = row > 0 ? row : 0;
  for (int d = 0; d < s.outer; ++d) s.rows_y *= y.shape[d], s.rows_x *= x.shape[d];
  s.ny = y.ndim ? y.shape[row] : 1;
  s.nx = y.ndim ? x.shape[row] : 1;
  s.before = y.ndim ? before[row] : 0;
  return s;
}

template <class T> FN void fill_run(T* y, int64_t n, T value) {
  for (int64_t i = 0; i < n; ++i) y[i] = value;
}

// Blocks [c0, c1) of one row.
template <class T> FN void pad_row(T* y, const T* x, const Shape& s, int64_t mode, T value, int64_t c0, int64_t c1) {
  const int64_t block = s.block, n = s.nx;
  auto edge = [&](int64_t stop) __attribute__((always_inline)) {
    for (; c0 < stop; ++c0) {
      const int64_t k = map(c0 - s.before, n, mode);
      if (k < 0) fill_run(y + c0 * block, block, value);
      else if (block == 1) y[c0] = x[k];
      else copy_run(y + c0 * block, x + k * block, block);
    }
  };
  if (mode == circular) {
    int64_t k = n > 0 ? map(c0 - s.before, n, mode) : 0;
    while (c0 < c1) {
      const int64_t run = n - k < c1 - c0 ? n - k : c1 - c0;
      copy_run(y + c0 * block, x + k * block, run * block);
      c0 += run;
      k = 0;
    }
    return;
  }
  edge(s.before < c1 ? s.before : c1);
  if (c0 < c1 && c0 < s.before + n) {
    const int64_t stop = s.before + n < c1 ? s.before + n : c1;
    copy_run(y + c0 * block, x + (c0 - s.before) * block, (stop - c0) * block);
    c0 = stop;
  }
  edge(c1);
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

template <class T> void pad_typed(const View& y, const View& x, const Ints& before, int64_t mode, T value) {
  const Shape s = shape_of(y, x, before);
  const int64_t row_bytes = s.ny * s.block * int64_t(sizeof(T));
  if (s.rows_y * row_bytes == 0) return;
  int64_t piece = s.ny;  // long rows are cut
  if (row_bytes > (1 << 19)) piece = ceil_div(1 << 18, s.block * int64_t(sizeof(T)));
  const int64_t pieces = ceil_div(s.ny, piece);
  parallel_for(s.rows_y * pieces, ceil_div(1 << 16, row_bytes / pieces + 16), [&](int64_t begin, int64_t end) {
    int64_t row = begin / pieces, q = begin - row * pieces;
    Rows rows(row, s.outer, y.shape);
    for (int64_t u = begin; u < end; ++u) {
      const int64_t c0 = q * piece, c1 = c0 + piece < s.ny ? c0 + piece : s.ny;
      int64_t from = 0;
      for (int d = 0; d < s.outer && from >= 0; ++d) {
        const int64_t k = map(rows.c[d] - before[d], x.shape[d], mode);
        from = k < 0 ? -1 : from * x.shape[d] + k;
      }
      T* const out = y.ptr<T>() + row * s.ny * s.block;
      if (from < 0) fill_run(out + c0 * s.block, (c1 - c0) * s.block, value);
      else pad_row(out, x.ptr<T>() + from * s.nx * s.block, s, mode, value, c0, c1);
      if (++q == pieces) {
        q = 0;
        ++row;
        rows.next();
      }
    }
  });
}

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
template <class T> FN void fold_row(T* dx, const T* g, const Shape& s, int64_t mode, bool first_one) {
  const int64_t block = s.block, first = s.before > 0 ? s.before : 0;
  int64_t last = s.before + s.nx < s.ny ? s.before + s.nx : s.ny;
  if (last < first) last = first;
  auto edge = [&](int64_t i, int64_t stop) __attribute__((always_inline)) {
    for (; i < stop; ++i) {
      const int64_t k = map(i - s.before, s.nx, mode);
      for (int64_t c = 0; c < block; ++c) dx[k * block + c] = T(dx[k * block + c] + g[i * block + c]);
    }
  };
  T* const middle = dx + (first - s.before) * block;
  const T* const same = g + first * block;
  const int64_t n = (last - first) * block, all = s.nx * block;
  if (first_one) {
    if (n < all) __builtin_memset(dx, 0, size_t(all) * sizeof(T));
    copy_run(middle, same, n);
  } else {
    for (int64_t i = 0; i < n; ++i) middle[i] = T(middle[i] + same[i]);
  }
  if (mode == constant) return;
  edge(0, first < s.ny ? first : s.ny);
  edge(last, s.ny);
}

template <class T> void pad_dx_typed(const View& dx, const View& g, const Ints& before, int64_t mode) {
  const Shape s = shape_of(g, dx, before);
  const int64_t length = s.nx * s.block;
  if (s.rows_x * length == 0) return;
  int64_t words = 0;
  for (int d = 0; d < s.outer; ++d) words += dx.shape[d] + 1 + g.shape[d];
  Scratch<int64_t> memory(words);
  int64_t* free = memory;
  Readers readers[MAX_DIMS];
  for (int d = 0; d < s.outer; ++d) readers[d] = readers_of(free, g.shape[d], dx.shape[d], before[d], mode);
  parallel_for(s.rows_x, ceil_div(16384, s.ny * s.block + 16), [&](int64_t begin, int64_t end) {
    Rows rows(begin, s.outer, dx.shape);
    for (int64_t row = begin; row < end; ++row, rows.next()) {
      T* const out = dx.ptr<T>() + row * length;
      const int64_t* const j = rows.c;
      int64_t pick[MAX_DIMS];
      bool any = s.ny > 0, first_one = true;
      for (int d = 0; d < s.outer; ++d) {
        pick[d] = readers[d].start[j[d]];
        any = any && pick[d] < readers[d].start[j[d] + 1];
      }
      if (!any) __builtin_memset(out, 0, size_t(length) * sizeof(T));
      while (any) {  // every combination of the outer axes' readers
        int64_t from = 0;
        for (int d = 0; d < s.outer; ++d) from = from * g.shape[d] + readers[d].item[pick[d]];
        fold_row(out, g.ptr<T>() + from * s.ny * s.block, s, mode, first_one);
        first_one = false;
        int d = s.outer - 1;
        for (; d >= 0; --d) {
          if (++pick[d] < readers[d].start[j[d] + 1]) break;
          pick[d] = readers[d].start[j[d]];
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
  if (dx.dtype == DType::f32) pad_dx_typed<float>(dx, g, before, mode);
  else if (dx.dtype == DType::f64) pad_dx_typed<double>(dx, g, before, mode);
  else raise_error("pad_dx: expected float32 or float64");
}

}  // namespace fastnn::FN_ISA
