// copy.cpp: y = x for any strides and any pair of types. It makes arrays contiguous, converts dtypes, and carries every
// view assignment.
//
//    y, x     same shape; equal neighbouring axes are merged first, the axis with the smallest strides goes inside
//    cost     one read and one write per element: bound by memory; a transpose additionally by cache lines
//
// Where x is contiguous along one axis and y along another (a transpose), tiles of both are walked, so that a cache line
// fetched on either side is used whole before it leaves; full blocks are turned in registers. Read on: lines.h.
#include "lines.h"

namespace fastnn::FN_ISA {
void copy(Out y, In x);

namespace {

constexpr int64_t TILE = 64;           // columns of x, four cache lines of floats
constexpr int64_t GRAIN = 1 << 15;     // elements a chunk

struct Axis {
  int64_t size, y, x;
};
struct Axes {  // outermost first; the last one is the line
  int n;
  Axis a[MAX_DIMS];
};
FN int64_t magnitude(int64_t s) { return s < 0 ? -s : s; }

// Drops axes of length 1, makes y's strides positive, sorts by them (largest first) and merges what is contiguous in both.
Axes simplify(View& y, View& x) {
  Axes s{0, {}};
  for (int d = 0; d < y.ndim; ++d) {
    Axis a{y.shape[d], y.strides[d], x.strides[d]};
    if (a.size == 1) continue;
    if (a.y < 0) {  // from the other end
      y.data = y.ptr<char>() + (a.size - 1) * a.y * itemsize(y.dtype);
      x.data = x.ptr<char>() + (a.size - 1) * a.x * itemsize(x.dtype);
      a.y = -a.y, a.x = -a.x;
    }
    int i = s.n++;
    for (; i > 0 && s.a[i - 1].y < a.y; --i) s.a[i] = s.a[i - 1];
    s.a[i] = a;
  }
  if (s.n == 0) return {1, {{1, 1, 1}}};
  int k = 0;
  for (int d = 1; d < s.n; ++d) {
    const Axis& a = s.a[d];
    if (s.a[k].y == a.size * a.y && s.a[k].x == a.size * a.x) s.a[k] = {s.a[k].size * a.size, a.y, a.x};
    else s.a[++k] = a;
  }
  s.n = k + 1;
  return s;
}

// y[c·sy + l] = x[l·sx + c], c < columns, l < rows.
template <class To, class From>
FN void turn_tile(To* y, int64_t sy, const From* x, int64_t sx, int64_t columns, int64_t rows) {
  int64_t c = 0;
  if constexpr (__is_same(To, From) && sizeof(To) > 2) {
    constexpr int L = lanes<To>;
    for (; c + L <= columns; c += L) {
      int64_t l = 0;
      for (; l + L <= rows; l += L) {
        vec<To> v[L];
#pragma GCC unroll 16
        for (int i = 0; i < L; ++i) v[i] = load(x + (l + i) * sx + c);
        transpose<To>(v);
#pragma GCC unroll 16
        for (int i = 0; i < L; ++i) store(y + (c + i) * sy + l, v[i]);
      }
      for (; l < rows; ++l) strided_line(y + c * sy + l, sy, x + l * sx + c, 1, L);
    }
  }
  if (columns - c < rows)
    for (; c < columns; ++c) strided_line(y + c * sy, 1, x + c, sx, rows);
  else
    for (int64_t l = 0; l < rows; ++l) strided_line(y + c * sy + l, sy, x + l * sx + c, 1, columns - c);
}

// The line (y contiguous) against axis `turn` (x contiguous).
template <class To, class From> void turned(To* y, const From* x, const Axes& s, int turn) {
  const Axis line = s.a[s.n - 1], across = s.a[turn];
  Nest<2> outer;
  for (int d = 0; d < s.n - 1; ++d)
    if (d != turn) outer.add(s.a[d].size, {s.a[d].y, s.a[d].x});
  const int64_t high = across.size < TILE ? TILE * TILE / across.size : TILE;  // of a tile, along the line
  const int64_t wide = line.size < TILE ? TILE * TILE / line.size : TILE;      // across it
  const int64_t downs = ceil_div(line.size, high), strips = ceil_div(across.size, wide), tiles = downs * strips;
  parallel_for(outer.count() * tiles, GRAIN / (TILE * TILE), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end;) {
      const int64_t o = t / tiles, stop = (o + 1) * tiles < end ? (o + 1) * tiles : end;
      for_runs(outer, o, o + 1, [&](const int64_t* at, int64_t) __attribute__((always_inline)) {
        for (; t < stop; ++t) {
          const int64_t k = t - o * tiles, l = k % downs * high, c = k / downs * wide;
          const int64_t rows = l + high < line.size ? high : line.size - l;
          const int64_t columns = c + wide < across.size ? wide : across.size - c;
          turn_tile(y + at[0] + c * across.y + l, across.y, x + at[1] + l * line.x + c, line.x, columns, rows);
        }
      });
    }
  });
}

template <class To, class From> void copy_typed(View yv, View xv) {
  Axes s = simplify(yv, xv);
  To* const y = yv.ptr<To>();
  const From* const x = xv.ptr<From>();
  const Axis last = s.a[s.n - 1];
  if (last.y == 1 && (last.x == 0 ? last.size < 16 : magnitude(last.x) != 1))  // repeated a few times: a transpose, too
    for (int d = s.n - 2; d >= 0; --d)
      if (s.a[d].x == 1) return turned(y, x, s, d);
  // In the order of y: heads of 8 x 512 x 8 x 64 (runs of 256 bytes) 105 us, in the order of x 132; with a loop of its own for the axis
  // before the last 89, and runs of 80 bytes 16 us, not 39 (Zen 5). Only where runs lie 4 KiB apart it loses a sixth.
  Nest<2> nest;
  for (int d = 0; d < s.n - 1; ++d) nest.add(s.a[d].size, {s.a[d].y, s.a[d].x});
  if (last.size > 4096 || nest.ndim == 0) {  // long lines may be cut
    nest.add(last.size, {last.y, last.x});
    return parallel_for(nest.count(), GRAIN, [&](int64_t begin, int64_t end) {
      for_runs(nest, begin, end, [&](const int64_t* at, int64_t n) __attribute__((always_inline)) {
        line(y + at[0], last.y, x + at[1], last.x, n);
      });
    });
  }
  const int64_t sy = nest.inner(0), sx = nest.inner(1), n = last.size;
  auto each = [&](const auto& one) __attribute__((always_inline)) {
    parallel_for(nest.count(), GRAIN / (n < 16 ? 16 : n), [=, &nest](int64_t begin, int64_t end) {
      for_runs(nest, begin, end, [=](const int64_t* at, int64_t lines) __attribute__((always_inline)) {
        To* to = y + at[0];
        const From* from = x + at[1];
        for (int64_t i = 0; i < lines; ++i, to += sy, from += sx) one(to, from);
      });
    });
  };
  if constexpr (__is_same(To, From))
    if (last.y == 1 && last.x == 1) return each([=](To* to, const From* from) __attribute__((always_inline)) { copy_run(to, from, n); });
  each([=](To* to, const From* from) __attribute__((always_inline)) { line(to, last.y, from, last.x, n); });
}

template <class To> void copy_from(const View& y, const View& x) {
  switch (x.dtype) {
    case DType::f32: return copy_typed<To, float>(y, x);
    case DType::f64: return copy_typed<To, double>(y, x);
    case DType::i64: return copy_typed<To, int64_t>(y, x);
    case DType::i32: return copy_typed<To, int32_t>(y, x);
    default: return copy_typed<To, uint8_t>(y, x);
  }
}

// What is stored only is converted where both sides are packed, to and from the type that it is computed in; all else
// goes by way of that.
template <class To, class From> void convert(const View& y, const View& x) {
  parallel_for(x.numel(), GRAIN, [to = y.ptr<To>(), from = x.ptr<From>()](int64_t begin, int64_t end) {
    line(to + begin, 1, from + begin, 1, end - begin);
  });
}

void by_way_of(DType type, const View& y, const View& x) {
  Scratch<char> memory(x.numel() * itemsize(type));
  View between = x;
  between.data = memory.data;
  between.dtype = type;
  int64_t stride = 1;
  for (int d = x.ndim - 1; d >= 0; --d) between.strides[d] = stride, stride *= x.shape[d];
  copy(Out{between}, In{x});
  copy(Out{y}, In{between});
}

void copy_stored(const View& y, const View& x) {
  const DType type = is_stored(x.dtype) ? x.dtype : y.dtype, way = computed(type);
  if (x.one_number() && x.numel() > 1) {
    alignas(8) char number[8];
    View one = x, all = y;
    one.ndim = 0;
    all.data = number;
    for (int d = 0; d < y.ndim; ++d) all.strides[d] = 0;
    View converted = all;
    converted.ndim = 0;
    copy(Out{converted}, In{one});
    return copy(Out{y}, In{all});
  }
  if (!x.packed()) return by_way_of(x.dtype, y, x);
  if (x.dtype != way && y.dtype != way) return by_way_of(way, y, x);
  if (!y.packed()) return by_way_of(y.dtype, y, x);
  const bool from = y.dtype == way;
  switch (type) {
    case DType::i8: return from ? convert<int32_t, int8_t>(y, x) : convert<int8_t, int32_t>(y, x);
    case DType::i16: return from ? convert<int32_t, int16_t>(y, x) : convert<int16_t, int32_t>(y, x);
    case DType::f16: return from ? convert<float, Half>(y, x) : convert<Half, float>(y, x);
    default: return from ? convert<float, BFloat>(y, x) : convert<BFloat, float>(y, x);
  }
}

}  // namespace

void copy(Out y, In x) {
  if (y.numel() == 0) return;
  if (y.dtype == x.dtype) switch (itemsize(y.dtype)) {
      case 1: return copy_typed<uint8_t, uint8_t>(y, x);
      case 2: return copy_typed<int16_t, int16_t>(y, x);
      case 4: return copy_typed<int32_t, int32_t>(y, x);
      default: return copy_typed<int64_t, int64_t>(y, x);
    }
  if (is_stored(y.dtype) || is_stored(x.dtype)) return copy_stored(y, x);
  switch (y.dtype) {
    case DType::f32: return copy_from<float>(y, x);
    case DType::f64: return copy_from<double>(y, x);
    case DType::i64: return copy_from<int64_t>(y, x);
    case DType::i32: return copy_from<int32_t>(y, x);
    case DType::u8: return copy_from<uint8_t>(y, x);
    default: return copy_from<Bool>(y, x);
  }
}

}  // namespace fastnn::FN_ISA
