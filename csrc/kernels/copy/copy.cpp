// copy.cpp: y = x for any strides and any pair of types. It makes arrays contiguous, converts dtypes, and carries every
// view assignment.
//
//    y, x     same shape; equal neighbouring axes are merged first, the axis with the smallest strides goes inside
//    cost     one read and one write per element: bound by memory; a transpose additionally by cache lines
//
// A plain transpose (x contiguous along one axis, y along another) goes block by block, so that each cache line fetched
// on the strided side is used BLOCK times before it leaves.
#include "../../core/parallel.h"
#include "../declare.h"

namespace fastnn::FN_ISA {
namespace {

constexpr int64_t BLOCK = 16;
constexpr int64_t GRAIN = 1 << 16;  // elements a chunk

// float -> integer as C casts it, but NaN and out-of-range values give a defined result instead of a trap.
template <class To, class From> FN To cast(From v) {
  if constexpr (__is_same(From, float) || __is_same(From, double)) {
    if constexpr (__is_same(To, float) || __is_same(To, double)) return To(v);
    else if constexpr (__is_same(To, uint8_t)) return v > -9.2e18 && v < 9.2e18 ? To(int64_t(v)) : To(0);
    else if constexpr (__is_same(To, int32_t)) return v >= From(-2147483648.0) && v < From(2147483648.0) ? To(v) : To(-2147483647 - 1);
    else return v >= From(-9223372036854775808.0) && v < From(9223372036854775808.0) ? To(v) : To(-9223372036854775807LL - 1);
  } else {
    return To(v);
  }
}
struct Bool { uint8_t v; };
template <class From> FN Bool to_bool(From v) { return {uint8_t(v != From(0))}; }

template <class To, class From> FN void put(To* y, From v) {
  if constexpr (__is_same(To, Bool)) *y = to_bool(v);
  else *y = cast<To>(v);
}

template <class To, class From>
void line(To* y, int64_t sy, const From* x, int64_t sx, int64_t n) {
  if (sy == 1 && sx == 1) for (int64_t i = 0; i < n; ++i) put(y + i, x[i]);
  else if (sy == 1 && sx == 0) for (int64_t i = 0; i < n; ++i) put(y + i, x[0]);
  else for (int64_t i = 0; i < n; ++i) put(y + i * sy, x[i * sx]);
}

struct Axes {
  int n;
  int64_t size[MAX_DIMS], y[MAX_DIMS], x[MAX_DIMS];
};
FN int64_t magnitude(int64_t s) { return s < 0 ? -s : s; }

// Drops axes of length 1, sorts by the output's stride (largest first) and merges what is contiguous in both.
Axes simplify(const View& y, const View& x) {
  Axes a{};
  for (int d = 0; d < y.ndim; ++d)
    if (y.shape[d] != 1) a.size[a.n] = y.shape[d], a.y[a.n] = y.strides[d], a.x[a.n] = x.strides[d], ++a.n;
  for (int i = 1; i < a.n; ++i)
    for (int j = i; j > 0 && magnitude(a.y[j - 1]) < magnitude(a.y[j]); --j) {
      int64_t s = a.size[j], p = a.y[j], q = a.x[j];
      a.size[j] = a.size[j - 1], a.y[j] = a.y[j - 1], a.x[j] = a.x[j - 1];
      a.size[j - 1] = s, a.y[j - 1] = p, a.x[j - 1] = q;
    }
  int k = 0;
  for (int d = 1; d < a.n; ++d) {
    if (a.y[k] == a.size[d] * a.y[d] && a.x[k] == a.size[d] * a.x[d]) {
      a.size[k] *= a.size[d], a.y[k] = a.y[d], a.x[k] = a.x[d];
    } else {
      ++k;
      a.size[k] = a.size[d], a.y[k] = a.y[d], a.x[k] = a.x[d];
    }
  }
  if (a.n == 0) a.size[0] = 1, a.y[0] = 1, a.x[0] = 1;
  else a.n = k;  // outer axes; the last one is the line
  return a;
}

template <class To, class From> void copy_typed(const View& yv, const View& xv) {
  Axes a = simplify(yv, xv);
  auto* y = static_cast<To*>(yv.data);
  auto* x = static_cast<const From*>(xv.data);
  int last = a.n;
  int64_t length = a.size[last], sy = a.y[last], sx = a.x[last], rows = 1;
  for (int d = 0; d < last; ++d) rows *= a.size[d];
  if (rows == 1) {
    parallel_for(length, GRAIN, [&](int64_t b, int64_t e) { line(y + b * sy, sy, x + b * sx, sx, e - b); });
    return;
  }
  // Which outer axis is contiguous on the input's side? Then walk (that axis, line) in blocks.
  int turn = -1;
  if (sy == 1 && sx != 1 && sx != 0)
    for (int d = 0; d < last; ++d)
      if (a.x[d] == 1 && a.size[d] > 1) turn = d;
  if (turn >= 0) {
    int64_t across = a.size[turn], step = a.y[turn], outer = rows / across;
    int64_t strips = ceil_div(across, BLOCK);
    parallel_for(outer * strips, GRAIN / (BLOCK * length) + 1, [&](int64_t b, int64_t e) {
      for (int64_t s = b; s < e; ++s) {
        int64_t rest = s / strips, c0 = (s % strips) * BLOCK, c1 = c0 + BLOCK < across ? c0 + BLOCK : across;
        To* yp = y + c0 * step;
        const From* xp = x + c0;
        for (int d = last - 1; d >= 0; --d) {
          if (d == turn) continue;
          int64_t i = rest % a.size[d];
          rest /= a.size[d];
          yp += i * a.y[d], xp += i * a.x[d];
        }
        for (int64_t l0 = 0; l0 < length; l0 += BLOCK) {
          int64_t l1 = l0 + BLOCK < length ? l0 + BLOCK : length;
          for (int64_t c = 0; c < c1 - c0; ++c)
            for (int64_t l = l0; l < l1; ++l) put(yp + c * step + l, xp[l * sx + c]);
        }
      }
    });
    return;
  }
  parallel_for(rows, GRAIN / length + 1, [&](int64_t b, int64_t e) {
    for (int64_t r = b; r < e; ++r) {
      int64_t rest = r, oy = 0, ox = 0;
      for (int d = last - 1; d >= 0; --d) {
        int64_t i = rest % a.size[d];
        rest /= a.size[d];
        oy += i * a.y[d], ox += i * a.x[d];
      }
      line(y + oy, sy, x + ox, sx, length);
    }
  });
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

}  // namespace

void copy(Out y, In x) {
  if (y.numel() == 0) return;
  switch (y.dtype) {
    case DType::f32: return copy_from<float>(y, x);
    case DType::f64: return copy_from<double>(y, x);
    case DType::i64: return copy_from<int64_t>(y, x);
    case DType::i32: return copy_from<int32_t>(y, x);
    case DType::u8: return copy_from<uint8_t>(y, x);
    case DType::b8: return copy_from<Bool>(y, x);
  }
}

}  // namespace fastnn::FN_ISA
