// reduce/pass.h: the arithmetic of a reduction, on one block that lies in L1. An op says three things:
//
//    map(x, p)    what happens to an element before it is joined:  x,  (x − p)²,  exp(x − p),  x ≠ 0 ...
//    join(a, b)   + × max min |                                     associative, done in any fixed order
//    init()       join's neutral element
//
//    across(row) → vector    8 accumulators, so that the latency of join is hidden     bound by loads
//    down(8 rows) → totals   8 rows are joined in registers, then once into the totals
//
// Rounding: a float sum is plain for 16 steps a lane, then it goes into a total (hi, lo) by an exact two-sum, which costs
// 6 operations every 16 vectors. The error is that of about 20 additions for any length; NumPy's pairwise sum has
// 16 + log2(n / 128) across and n down.
#pragma once
#include "../../core/constant.h"
#include "../../core/quads.h"
#include "plan.h"

namespace fastnn::FN_ISA {

template <class A, class B> constexpr bool is_same = false;
template <class A> constexpr bool is_same<A, A> = true;

template <class S, int N> struct Narrow {  // N elements of S in memory, at any address
  typedef S type __attribute__((vector_size(N * sizeof(S)), aligned(alignof(S)), may_alias));
};
template <class S, class T> FN vec<T> load_as(const S* p) {
  if constexpr (is_same<S, T>) return load(p);
  else return __builtin_convertvector(*reinterpret_cast<const typename Narrow<S, lanes<T>>::type*>(p), vec<T>);
}
template <class S, class T> static __attribute__((noinline)) vec<T> load_padded(const S* p, int64_t n) {
  vec<T> v = {};
  T* q = reinterpret_cast<T*>(&v);
  for (int64_t i = 0; i < n; ++i) q[i] = T(p[i]);
  return v;
}
template <class S, class T> FN vec<T> load_as_n(const S* p, int64_t n) {
  if constexpr (is_same<S, T> && VECTOR_BYTES >= 32 && sizeof(T) >= 4) return load_n(p, n);
  else return load_padded<S, T>(p, n);
}
template <class E> struct Total {
  vec<E> hi, lo;
};
template <class Op> FN void flush(const Op& op, Total<typename Op::E>& t, vec<typename Op::E> s) {
  if constexpr (Op::WIDE) {
    const auto sum = t.hi + s, z = sum - t.hi;
    t.lo += (t.hi - (sum - z)) + (s - z);
    t.hi = sum;
  } else {
    t.hi = op.join(t.hi, s);
  }
}
// hi + lo, where hi is finite: an infinite hi makes lo NaN.
template <class E, bool WIDE> FN vec<E> total_value(vec<E> hi, vec<E> lo) {
  if constexpr (WIDE) return (hi - hi == 0) ? hi + lo : hi;
  else return hi;
}

// Lanes rotated by half of the vector, a quarter, ...
template <int HALF, class V> FN V rotate(V v) {
  if constexpr (HALF == 8) return __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
  else if constexpr (sizeof(V) / sizeof(v[0]) == 16) {
    if constexpr (HALF == 4) return __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3);
    else if constexpr (HALF == 2) return __builtin_shufflevector(v, v, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1);
    else return __builtin_shufflevector(v, v, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0);
  } else if constexpr (sizeof(V) / sizeof(v[0]) == 8) {
    if constexpr (HALF == 4) return __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3);
    else if constexpr (HALF == 2) return __builtin_shufflevector(v, v, 2, 3, 0, 1, 2, 3, 0, 1);
    else return __builtin_shufflevector(v, v, 1, 0, 1, 0, 1, 0, 1, 0);
  } else if constexpr (sizeof(V) / sizeof(v[0]) == 4) {
    if constexpr (HALF == 2) return __builtin_shufflevector(v, v, 2, 3, 0, 1);
    else return __builtin_shufflevector(v, v, 1, 0, 1, 0);
  } else return __builtin_shufflevector(v, v, 1, 0);
}

// The lanes of v joined: halves are folded until one is left, in the same order on every run.
template <class Op> FN typename Op::E fold(const Op& op, vec<typename Op::E> v) {
  using E = typename Op::E;
  using Wide = vec<int64_t>;
  if constexpr (sizeof(E) == 1) {  // 8 bytes at a time, then by shifts within them
    if constexpr (lanes<E> >= 64) v = op.join(v, (vec<E>)rotate<4>((Wide)v));
    if constexpr (lanes<E> >= 32) v = op.join(v, (vec<E>)rotate<2>((Wide)v));
    v = op.join(v, (vec<E>)rotate<1>((Wide)v));
    for (int shift = 32; shift >= 8; shift /= 2) v = op.join(v, (vec<E>)((Wide)v >> shift));
  } else {
    if constexpr (lanes<E> >= 16) v = op.join(v, rotate<8>(v));
    if constexpr (lanes<E> >= 8) v = op.join(v, rotate<4>(v));
    if constexpr (lanes<E> >= 4) v = op.join(v, rotate<2>(v));
    v = op.join(v, rotate<1>(v));
  }
  return v[0];
}

// The lanes of four vectors joined, in fold's order: they share the shuffles.
template <int H, int Upper, int... I> FN auto halves(auto a, auto b, Sequence<I...>) {  // of each 2.H lanes of a, then of b
  return __builtin_shufflevector(a, b, (I / H * 2 * H + I % H + Upper * H)...);
}
template <class Op> FN void fold_four(const Op& op, typename Op::E* to, vec<typename Op::E> a, vec<typename Op::E> b,
                                      vec<typename Op::E> c, vec<typename Op::E> d) {
  using E = typename Op::E;
  constexpr int W = lanes<E>;
  if constexpr (sizeof(E) == 1 || W < 4) {
    to[0] = fold(op, a), to[1] = fold(op, b), to[2] = fold(op, c), to[3] = fold(op, d);
  } else {
    const typename MakeSequence<W>::type s;
    const auto pair = [&](auto half, vec<E> x, vec<E> y) __attribute__((always_inline)) {
      constexpr int H = decltype(half)::value;
      return op.join(halves<H, 0>(x, y, s), halves<H, 1>(x, y, s));
    };
    vec<E> v = pair(Constant<W / 4>{}, pair(Constant<W / 2>{}, a, b), pair(Constant<W / 2>{}, c, d));  // W / 4 lanes of each
    if constexpr (W >= 16) v = pair(Constant<W / 8>{}, v, v);
    if constexpr (W >= 8) v = pair(Constant<1>{}, v, v);
    E all[W];
    store(all, v);
    for (int i = 0; i < 4; ++i) to[i] = all[i];
  }
}

// Counting in bytes: 128 rows of 0 and 1 fit in a byte, then pairs of bytes, of 16 bits and of 32 bits are added.
FN vec<int64_t> sum_bytes(vec<uint8_t> v) {
  vec<int64_t> w = (vec<int64_t>)v;
  w = (w & 0x00ff00ff00ff00ff) + (w >> 8 & 0x00ff00ff00ff00ff);
  w = (w & 0x0000ffff0000ffff) + (w >> 16 & 0x0000ffff0000ffff);
  return (w & 0xffffffff) + (w >> 32 & 0xffffffff);
}
FN vec<uint8_t> ones_where_set(vec<uint8_t> x) { return (vec<uint8_t>)(x != 0) & 1; }

// n adjacent elements → one vector of partial results. n <= ROW_BLOCK, so that 16 joins a lane are the most.
template <class Op> constexpr int64_t ROW_BLOCK = Op::BYTES ? 8192 / 64 * VECTOR_BYTES : int64_t(16) * Op::UNROLL * lanes<typename Op::T>;

// v joined with elements i .. n
template <class Op>
FN vec<typename Op::E> across_rest(vec<typename Op::E> v, const typename Op::S* x, int64_t i, int64_t n, vec<typename Op::T> p) {
  using S = typename Op::S;
  using T = typename Op::T;
  using E = typename Op::E;
  const Op op;
#pragma GCC unroll 1
  for (; i + lanes<T> <= n; i += lanes<T>) v = op.join(v, op.map(load_as<S, T>(x + i), p));
  if (i < n) {
    const vec<E> last = op.map(load_as_n<S, T>(x + i, n - i), p);
    v = op.join(v, select(first_lanes<E>(n - i), last, splat(op.init())));
  }
  return v;
}
template <class Op> constexpr int64_t FEW = Op::BYTES ? 0 : Op::UNROLL * lanes<typename Op::T>;  // elements, and more
template <class Op> FN vec<typename Op::E> across_few(const typename Op::S* x, int64_t n, vec<typename Op::T> p) {
  using T = typename Op::T;
  const Op op;
  const bool one = n >= lanes<T>;
  return across_rest<Op>(one ? op.map(load_as<typename Op::S, T>(x), p) : splat(op.init()), x, one ? lanes<T> : 0, n, p);
}

template <class Op>
static __attribute__((noinline)) vec<typename Op::E> across(const typename Op::S* x, int64_t n, vec<typename Op::T> p) {
  using T = typename Op::T;
  using E = typename Op::E;
  constexpr int W = lanes<T>, U = Op::UNROLL;
  const Op op;
  if constexpr (Op::BYTES) {
    constexpr int B = VECTOR_BYTES;
    vec<uint8_t> acc = {}, more = {};
    int64_t i = 0;
    for (; i + 2 * B <= n; i += 2 * B) {
      acc += ones_where_set(load(x + i));
      more += ones_where_set(load(x + i + B));
    }
    vec<int64_t> total = sum_bytes(acc) + sum_bytes(more);
    for (; i < n; i += B) total += sum_bytes(ones_where_set(n - i < B ? load_as_n<uint8_t, uint8_t>(x + i, n - i) : load(x + i)));
    return total;
  }
  auto at = [&](int64_t i) __attribute__((always_inline)) { return op.map(load_as<typename Op::S, T>(x + i), p); };
  if (n < U * W) return across_few<Op>(x, n, p);
  vec<E> acc[U];
#pragma GCC unroll 8
  for (int u = 0; u < U; ++u) acc[u] = at(u * W);
  int64_t i = U * W;
  for (; i + U * W <= n; i += U * W)
#pragma GCC unroll 8
    for (int u = 0; u < U; ++u) acc[u] = op.join(acc[u], at(i + u * W));
#pragma GCC unroll 4
  for (int half = U / 2; half > 0; half /= 2)
#pragma GCC unroll 8
    for (int u = 0; u < half; ++u) acc[u] = op.join(acc[u], acc[u + half]);
  return across_rest<Op>(acc[0], x, i, n, p);
}

// ROWS rows of n columns, `stride` elements apart, joined into the totals hi (and lo) of the n columns.
template <class Op, int ROWS>
static void down(const void* x_bytes, int64_t stride, int64_t n, const void* p_bytes, void* hi_bytes, void* lo_bytes, bool first) {
  using S = typename Op::S;
  using T = typename Op::T;
  using E = typename Op::E;
  constexpr int W = lanes<T>;
  const Op op;
  auto *x = static_cast<const S*>(x_bytes);
  auto *p = static_cast<const T*>(p_bytes);
  auto *hi = static_cast<E*>(hi_bytes), *lo = static_cast<E*>(lo_bytes);
  vec<T> pc = {};
  int64_t c = 0;
  if constexpr (Op::BYTES && ROWS > 1) {
    for (; c + VECTOR_BYTES <= n; c += VECTOR_BYTES) {
      vec<uint8_t> a = ones_where_set(load(x + c));
#pragma GCC unroll 8
      for (int r = 1; r < ROWS; ++r) a += ones_where_set(load(x + c + r * stride));
      uint8_t counts[VECTOR_BYTES];
      store(counts, a);
#pragma GCC unroll 8
      for (int i = 0; i < VECTOR_BYTES; i += W)
        store(hi + c + i, (first ? vec<E>{} : load(hi + c + i)) + load_as<uint8_t, E>(counts + i));
    }
  }
  auto into = [&](int64_t at, vec<E> a) __attribute__((always_inline)) {
    Total<E> t = {a, vec<E>{}};
    if (!first) {
      t = {load(hi + at), Op::WIDE ? load(lo + at) : vec<E>{}};
      flush(op, t, a);
    }
    store(hi + at, t.hi);
    if constexpr (Op::WIDE) store(lo + at, t.lo);
  };
  // Four vectors of a row before the next row: memory is read in runs of 256 bytes. max of (512, 512, 64) over axis 1
  // (67 MB) 1.4 ms, vector by vector 2.3; 512-byte runs and prefetching gained nothing more.
#pragma GCC unroll 1
  for (; c + 4 * W <= n; c += 4 * W) {
    vec<E> a[4];
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        const int64_t at = c + j * W;
        if constexpr (Op::USES_P) pc = load(p + at);
        const vec<E> v = op.map(load_as<S, T>(x + at + r * stride), pc);
        a[j] = r == 0 ? v : op.join(a[j], v);
      }
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) into(c + j * W, a[j]);
  }
#pragma GCC unroll 1
  for (; c < n; c += W) {
    if constexpr (Op::USES_P) pc = load(p + c);
    vec<E> a;
    if (c + W <= n) {
      a = op.map(load_as<S, T>(x + c), pc);
#pragma GCC unroll 8
      for (int r = 1; r < ROWS; ++r) a = op.join(a, op.map(load_as<S, T>(x + c + r * stride), pc));
    } else {  // p and the totals are padded to whole vectors; lanes past n stay neutral, a longer row may own them
      a = op.map(load_as_n<S, T>(x + c, n - c), pc);
#pragma GCC unroll 1
      for (int r = 1; r < ROWS; ++r) a = op.join(a, op.map(load_as_n<S, T>(x + c + r * stride, n - c), pc));
      a = select(first_lanes<E>(n - c), a, splat(op.init()));
    }
    into(c, a);
  }
}

// An op as plain function pointers: the loops of drive.h are then compiled once, not once an op and type.
struct Steps {
  int64_t x_size, e_size, p_size, row_block;
  bool wide, uses_p;
  // one block of a row joined into a Total; true: nothing further can change it
  bool (*across)(const void* x, int64_t n, const void* p, void* total, bool first);
  void (*fold)(const void* total, void* hi, void* lo);
  // `count` rows of one block each, straight to their totals
  void (*rows)(const void* x, int64_t stride, int64_t count, int64_t n, const void* p, void* hi, void* lo);
  void (*rows_into)(const void* x, int64_t stride, int64_t count, int64_t n, const void* p, void* totals, bool first);
  void (*down16)(const void* x, int64_t stride, int64_t n, const void* p, void* hi, void* lo, bool first);
  void (*down8)(const void* x, int64_t stride, int64_t n, const void* p, void* hi, void* lo, bool first);
  void (*down1)(const void* x, int64_t stride, int64_t n, const void* p, void* hi, void* lo, bool first);
  void (*join)(int64_t n, void* hi, void* lo, const void* other_hi, const void* other_lo);
  void (*fill)(int64_t n, void* hi, void* lo);  // with the neutral element
};

template <class Op> struct StepsOf {
  using S = typename Op::S;
  using T = typename Op::T;
  using E = typename Op::E;
  static bool block(const void* x, int64_t n, const void* p, void* total, bool first) {
    auto& t = *static_cast<Total<E>*>(total);
    const vec<E> v = across<Op>(static_cast<const S*>(x), n, Op::USES_P ? splat(*static_cast<const T*>(p)) : vec<T>{});
    if (first) t = {v, vec<E>{}};
    else flush(Op{}, t, v);
    if constexpr (Op::STOPS) return any_lane(reinterpret_cast<bits<float>>(t.hi) != 0);
    return false;
  }
  static void fold_total(const void* total, void* hi, void* lo) {
    auto& t = *static_cast<const Total<E>*>(total);
    *static_cast<E*>(hi) = fold(Op{}, t.hi);
    if constexpr (Op::WIDE) *static_cast<E*>(lo) = fold(Op{}, t.lo);
  }
  static void rows(const void* x, int64_t stride, int64_t count, int64_t n, const void* p, void* hi, void* lo) {
    const auto row = [&](int64_t i) __attribute__((always_inline)) {
      const vec<T> pv = Op::USES_P ? splat(static_cast<const T*>(p)[i]) : vec<T>{};
      const S* const from = static_cast<const S*>(x) + i * stride;
      if (n < FEW<Op>) return across_few<Op>(from, n, pv);
      return across<Op>(from, n, pv);
    };
    auto *h = static_cast<E*>(hi), *l = static_cast<E*>(lo);
    int64_t i = 0;
    for (; i + 4 <= count; i += 4) fold_four(Op{}, h + i, row(i), row(i + 1), row(i + 2), row(i + 3));
    for (; i < count; ++i) h[i] = fold(Op{}, row(i));
    for (i = 0; Op::WIDE && i < count; ++i) l[i] = 0;
  }
  static void rows_into(const void* x, int64_t stride, int64_t count, int64_t n, const void* p, void* totals, bool first) {
    auto* t = static_cast<Total<E>*>(totals);
    for (int64_t i = 0; i < count; ++i) {
      const vec<T> pv = Op::USES_P ? splat(static_cast<const T*>(p)[i]) : vec<T>{};
      const S* const from = static_cast<const S*>(x) + i * stride;
      const vec<E> v = n < FEW<Op> ? across_few<Op>(from, n, pv) : across<Op>(from, n, pv);
      if (first) t[i] = {v, vec<E>{}};
      else flush(Op{}, t[i], v);
    }
  }
  static void join(int64_t n, void* hi, void* lo, const void* other_hi, const void* other_lo) {
    auto *h = static_cast<E*>(hi), *l = static_cast<E*>(lo);
    for (int64_t c = 0; c < n; c += lanes<E>) {
      Total<E> t = {load(h + c), Op::WIDE ? load(l + c) : vec<E>{}};
      flush(Op{}, t, load(static_cast<const E*>(other_hi) + c));
      store(h + c, t.hi);
      if constexpr (Op::WIDE) store(l + c, t.lo + load(static_cast<const E*>(other_lo) + c));
    }
  }
  static void fill(int64_t n, void* hi, void* lo) {
    for (int64_t c = 0; c < n; ++c) static_cast<E*>(hi)[c] = Op{}.init();
    for (int64_t c = 0; Op::WIDE && c < n; ++c) static_cast<E*>(lo)[c] = 0;
  }
};
template <class Op>
constexpr Steps steps = {sizeof(typename Op::S), sizeof(typename Op::E), sizeof(typename Op::T), ROW_BLOCK<Op>, Op::WIDE,
                         Op::USES_P, StepsOf<Op>::block, StepsOf<Op>::fold_total, StepsOf<Op>::rows, StepsOf<Op>::rows_into,
                         down<Op, 16>, down<Op, 8>, down<Op, 1>, StepsOf<Op>::join, StepsOf<Op>::fill};

}  // namespace fastnn::FN_ISA
