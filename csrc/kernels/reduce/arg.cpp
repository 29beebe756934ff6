// reduce/arg.cpp: argmax and argmin along one axis, with the value found there.
//
//    index[o] = the first r with x[o, r] = y[o] = max_r x[o, r]          NaN counts as larger (smaller) than all others
//
// across   a row is read once for the maximum of each block of 2048; the best block, still in L1, is searched for the place;
//          many rows of one block have a loop of their own
// down     (value, row) pairs are carried lane by lane: one comparison and two blends an element
// A long axis with few outputs is cut into parts; a later part wins only if it is strictly better.
#include "../../core/error.h"
#include "../../core/shuffle.h"
#include "pass.h"

namespace fastnn::FN_ISA {
namespace {

template <class T> struct LaneOf { using type = T; };
template <> struct LaneOf<uint8_t> { using type = int32_t; };

template <class S_, bool MAX> struct Best {
  using S = S_;
  using T = typename LaneOf<S>::type;
  using E = T;
  static constexpr bool WIDE = false, USES_P = false, BYTES = false, FLOAT = T(0.5) != T(0);
  static constexpr int UNROLL = 4;
  FN T init() const {
    if constexpr (FLOAT) return MAX ? -__builtin_inff() : __builtin_inff();
    else return T(uint64_t(1) << (8 * sizeof(T) - 1)) ^ (MAX ? T(0) : T(-1));
  }
  FN vec<T> map(vec<T> x, vec<T>) const { return x; }
  template <class V> FN static auto beats(V x, V best) {  // strictly, so that the first of equals stays
    if constexpr (FLOAT) return (MAX ? !(x <= best) : !(x >= best)) & (best == best);
    else return MAX ? x > best : x < best;
  }
  FN vec<T> join(vec<T> a, vec<T> b) const { return beats(b, a) ? b : a; }
  static constexpr bool MOST = MAX;
};
template <class Op> struct Extreme {  // where there is no NaN
  using T = typename Op::T;
  using E = T;
  FN vec<T> join(vec<T> a, vec<T> b) const { return Op::MOST ? max(a, b) : min(a, b); }
};

constexpr int64_t BLOCK = 2048, TASK = 65536, PACK_TILE = 256;

// The best of rows r0 .. r1 of one output.
template <class Op> void best_across(const typename Op::S* x, int64_t stride, int64_t r0, int64_t r1, typename Op::S& value, int64_t& index) {
  using S = typename Op::S;
  using T = typename Op::T;
  S buffer[BLOCK];
  auto block_at = [&](int64_t r, int64_t n) {
    if (stride == 1) return x + r;
    for (int64_t i = 0; i < n; ++i) buffer[i] = x[(r + i) * stride];
    return static_cast<const S*>(buffer);
  };
  T best = T(0);
  int64_t at = r0;
  for (int64_t r = r0; r < r1; r += BLOCK) {
    const int64_t n = r1 - r < BLOCK ? r1 - r : BLOCK;
    const T m = fold(Op{}, across<Op>(block_at(r, n), n, vec<T>{}));
    if (r == r0 || Op::beats(m, best)) best = m, at = r;
    if (best != best) break;
  }
  const int64_t n = r1 - at < BLOCK ? r1 - at : BLOCK;
  const S* block = block_at(at, n);
  int64_t i = 0;
  for (; i + lanes<T> <= n; i += lanes<T>) {
    const vec<T> v = load_as<S, T>(block + i);
    const auto found = (v == splat(best)) | ((v != v) & (splat(best) != splat(best)));
    if (any_lane(reinterpret_cast<bits<float>>(found))) break;
  }
  while (i < n - 1 && !(T(block[i]) == best || (best != best && block[i] != block[i]))) ++i;
  value = block[i];
  index = at + i;
}

// `rows` short rows of n: the maximum of each, then the first place where it is, four vectors at a time. The last vectors end
// with the row and may read some of it again. Up to 4 vectors, no branch depends on what is found: (512, 512, 64) along the
// last axis 7.5 ms by best_across, 1.5 so, at the speed of memory (Zen 5). Rows with a NaN are left to best_across.
template <class Op>
static void best_of_short(const typename Op::S* x, int64_t step, int64_t rows, int64_t n, typename Op::S* value, int64_t* index, int64_t y_step) {
  using S = typename Op::S;
  using T = typename Op::T;
  constexpr int W = lanes<T>;
  const Extreme<Op> op;
  int64_t offset[4];
  for (int u = 0; u < 4; ++u) offset[u] = n >= 4 * W || u * W <= n - W ? u * W : n - W;
  const int64_t last = n > 4 * W ? n - 4 * W : 0;
  for (int64_t row = 0; row < rows; ++row, x += step, value += y_step, index += y_step) {
    vec<T> most[4];
    bits<T> odd = {};
#pragma GCC unroll 1
    for (int64_t i = 0; i < n; i += 4 * W) {
      const S* from = x + (i < last ? i : last);
#pragma GCC unroll 4
      for (int u = 0; u < 4; ++u) {
        const vec<T> v = load_as<S, T>(from + offset[u]);
        most[u] = i == 0 ? v : op.join(most[u], v);
        if constexpr (Op::FLOAT) odd |= v != v;
      }
    }
    if (Op::FLOAT && __builtin_expect(lane_bits<T>(odd) != 0, 0)) {
      best_across<Op>(x, 1, 0, n, *value, *index);
      continue;
    }
    const vec<T> m = splat(fold(op, op.join(op.join(most[0], most[1]), op.join(most[2], most[3]))));
    for (int64_t i = 0;; i += 4 * W) {
      const int64_t from = i < last ? i : last;
      uint64_t found = 0;
#pragma GCC unroll 4
      for (int u = 0; u < 4; ++u) found |= lane_bits<T>(bits<T>(load_as<S, T>(x + from + offset[u]) == m)) << u * W;
      if (found == 0) continue;
      const int lane = __builtin_ctzll(found);
      *index = from + offset[lane / W] + lane % W;
      *value = x[*index];
      break;
    }
  }
}

// The same for rows shorter than a vector: the lanes behind a row repeat its first number.
template <class Op>
static void best_of_tiny(const typename Op::S* x, int64_t step, int64_t rows, int64_t n, typename Op::S* value, int64_t* index, int64_t y_step) {
  using S = typename Op::S;
  using T = typename Op::T;
  const auto inside = first_lanes<T>(n);
  for (int64_t row = 0; row < rows; ++row, x += step, value += y_step, index += y_step) {
    const vec<T> some = load_as_n<S, T>(x, n), v = inside ? some : splat(T(x[0]));
    if (Op::FLOAT && __builtin_expect(lane_bits<T>(bits<T>(v != v)) != 0, 0)) {
      best_across<Op>(x, 1, 0, n, *value, *index);
      continue;
    }
    *index = __builtin_ctzll(lane_bits<T>(bits<T>(v == splat(fold(Extreme<Op>{}, v)))));
    *value = x[*index];
  }
}

template <class Op, int ROWS>
FN void compare_rows(const typename Op::S* x, int64_t stride, int64_t n, int64_t row, typename Op::T* best, typename Op::T* place) {
  using S = typename Op::S;
  using T = typename Op::T;
  using I = __typeof__(bits<T>{}[0] + bits<T>{}[0]);
#pragma GCC unroll 1
  for (int64_t c = 0; c < n; c += lanes<T>) {
    vec<T> b = load(best + c);
    bits<T> at = to_bits<T>(load(place + c));
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; ++r) {
      const S* from = x + c + r * stride;
      const vec<T> v = c + lanes<T> <= n ? load_as<S, T>(from) : load_as_n<S, T>(from, n - c);
      const auto better = Op::beats(v, b);
      b = better ? v : b;
      at = better ? I(row + r) - bits<T>{} : at;
    }
    store(best + c, b);
    store(place + c, from_bits<T>(at));
  }
}

// The best of rows r0 .. r1 for n columns, `k` elements apart.
template <class Op>
void best_down(const typename Op::S* x, int64_t stride, int64_t k, int64_t n, int64_t r0, int64_t r1, typename Op::S* value, int64_t* index) {
  using S = typename Op::S;
  using T = typename Op::T;
  using I = __typeof__(bits<T>{}[0] + bits<T>{}[0]);
  alignas(64) T best[TILE + 64], place[TILE + 64];
  S buffer[8 * PACK_TILE];
  for (int64_t r = r0; r < r1;) {
    const int64_t rows = r1 - r >= 8 && r > r0 ? 8 : 1;
    const S* from = x + r * stride;
    int64_t pitch = stride;
    if (k != 1) {
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t c = 0; c < n; ++c) buffer[i * PACK_TILE + c] = from[i * stride + c * k];
      from = buffer;
      pitch = PACK_TILE;
    }
    if (r == r0) {
      for (int64_t c = 0; c < n; ++c) best[c] = T(from[c]), reinterpret_cast<I*>(place)[c] = 0;
    } else if (rows == 8) {
      compare_rows<Op, 8>(from, pitch, n, r - r0, best, place);
    } else {
      compare_rows<Op, 1>(from, pitch, n, r - r0, best, place);
    }
    r += rows;
  }
  for (int64_t c = 0; c < n; ++c) value[c] = S(best[c]), index[c] = r0 + reinterpret_cast<I*>(place)[c];
}

template <class S, bool MAX> void arg(const View& index_view, const View& y_view, const View& x_view, int64_t axis) {
  using Op = Best<S, MAX>;
  const Ints axes = {x_view.ndim > 0, {axis}};
  const Plan p = make_plan(y_view, x_view, axes, true);
  if (p.outputs == 0 || p.length == 0) return;
  const Axis k = p.kept[p.nk - 1], r = p.reduced[0];
  const S* x = x_view.ptr<S>() + p.x_start;
  S* y = y_view.ptr<S>() + p.y_start;
  int64_t* index = index_view.ptr<int64_t>() + p.y_start;

  const int64_t tile = k.x == 1 ? TILE : PACK_TILE;
  const int64_t width = !p.down ? 1 : k.size < tile ? k.size : tile, tiles = p.down ? ceil_div(k.size, width) : 1;
  const int64_t units = p.down ? p.outputs / k.size * tiles : p.outputs, unit_work = width * p.length;
  const int64_t task_units = unit_work >= TASK ? 1 : TASK / unit_work;
  int64_t parts = 1, share = p.length;
  if (units * unit_work > TASK && (ceil_div(units, task_units) < 8 || p.length > (1 << 30))) {
    parts = ceil_div(unit_work, TASK) < 128 ? ceil_div(unit_work, TASK) : 128;
    share = p.down ? ceil_div(ceil_div(p.length, parts), 8) * 8 : ceil_div(ceil_div(p.length, parts), BLOCK) * BLOCK;
    if (share > (1 << 30)) share = 1 << 30;
    parts = ceil_div(p.length, share);
  }
  auto find = [&](int64_t u, int64_t part, S* value, int64_t* place) {
    const int64_t r0 = part * share, r1 = r0 + share < p.length ? r0 + share : p.length;
    if (!p.down) return best_across<Op>(x + Walk(p.kept, p.nk, u).x, r.x, r0, r1, *value, *place);
    const int64_t c0 = u % tiles * width;
    best_down<Op>(x + Walk(p.kept, p.nk - 1, u / tiles).x + c0 * k.x, r.x, k.x, k.size - c0 < width ? k.size - c0 : width, r0, r1, value, place);
  };
  auto put = [&](int64_t u, const S* value, const int64_t* place) {
    const int64_t c0 = p.down ? u % tiles * width : 0, n = !p.down ? 1 : k.size - c0 < width ? k.size - c0 : width;
    const int64_t at = p.down ? Walk(p.kept, p.nk - 1, u / tiles).y + c0 * k.y : Walk(p.kept, p.nk, u).y;
    for (int64_t c = 0; c < n; ++c) y[at + c * k.y] = value[c], index[at + c * k.y] = place[c];
  };
  if (parts == 1) {
    parallel_for(units, task_units, [&](int64_t begin, int64_t end) {
      S value[TILE];
      int64_t place[TILE];
      const bool is_short = r.x == 1 && p.length <= BLOCK;
      for (int64_t u = begin, n = 1; u < end && !p.down && is_short; u += n) {
        const Walk at(p.kept, p.nk, u);
        n = k.size - u % k.size < end - u ? k.size - u % k.size : end - u;
        (p.length < lanes<typename Op::T> ? best_of_tiny<Op> : best_of_short<Op>)(x + at.x, k.x, n, p.length, y + at.y, index + at.y, k.y);
      }
      Walk unit(p.kept, p.nk, begin);
      for (int64_t u = begin; u < end && !p.down && !is_short; ++u, unit.next())
        best_across<Op>(x + unit.x, r.x, 0, p.length, y[unit.y], index[unit.y]);
      for (int64_t u = begin; u < end && p.down; ++u) {
        find(u, 0, value, place);
        put(u, value, place);
      }
    });
    return;
  }
  Scratch<S> values(units * parts * width);
  Scratch<int64_t> places(units * parts * width);
  parallel_for(units * parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) find(i / parts, i % parts, values + i * width, places + i * width);
  });
  for (int64_t u = 0; u < units; ++u) {
    S* v = values + u * parts * width;
    int64_t* at = places + u * parts * width;
    const int64_t c0 = u % tiles * width, n = !p.down ? 1 : k.size - c0 < width ? k.size - c0 : width;
    for (int64_t part = 1; part < parts; ++part)
      for (int64_t c = 0; c < n; ++c)
        if (Op::beats(v[part * width + c], v[c])) v[c] = v[part * width + c], at[c] = at[part * width + c];
    put(u, v, at);
  }
}

template <bool MAX> void arg_of(const View& index, const View& y, const View& x, int64_t axis) {
  switch (x.dtype) {
    case DType::f32: return arg<float, MAX>(index, y, x, axis);
    case DType::f64: return arg<double, MAX>(index, y, x, axis);
    case DType::i64: return arg<int64_t, MAX>(index, y, x, axis);
    case DType::i32: return arg<int32_t, MAX>(index, y, x, axis);
    case DType::u8: case DType::b8: return arg<uint8_t, MAX>(index, y, x, axis);
    default: break;  // types that are stored only do not come here (bind/stored.h)
  }
}

}  // namespace

void argmax(PackedOut index, PackedOut y, In x, int64_t axis) { arg_of<true>(index, y, x, axis); }
void argmin(PackedOut index, PackedOut y, In x, int64_t axis) { arg_of<false>(index, y, x, axis); }

}  // namespace fastnn::FN_ISA
