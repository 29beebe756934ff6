// reduce/reduce.cpp: sum, mean, prod, max, min, any, all, count_nonzero, logsumexp, var, std, norm over any set of axes.
//
//    y = ⊕ map(x) over `axes`          y has x's rank (axes kept with size 1) or lacks the reduced axes
//
// Every reduction is a program of one or two ops (drive.h) named below; the loops are the same for all of them.
// Cost: one read of x (two for logsumexp, var, std, the second from L2 when a result's elements fit there): bound by
// memory bandwidth outside the caches, by two loads a cycle inside. Read on: plan.h → pass.h → drive.h; order-dependent
// reductions (argmax, cumsum) are in arg.cpp and scan.cpp.
#include "../../core/error.h"
#include "../../core/math.h"
#include "drive.h"

namespace fastnn::FN_ISA {
namespace {

template <class T> constexpr bool floating = T(0.5) != T(0);
template <class T> constexpr T lowest() {
  if constexpr (floating<T>) return -__builtin_inff();
  else if constexpr (T(-1) > T(0)) return T(0);
  else return T(uint64_t(1) << (8 * sizeof(T) - 1));
}
template <class T> constexpr T highest() {
  if constexpr (floating<T>) return __builtin_inff();
  else return T(~lowest<T>());
}

// ---- ops: what is done to an element, and how two results are joined ------------------------------------------------

template <class S_, class T_, class E_ = T_> struct OpTypes {
  using S = S_;  // in memory
  using T = T_;  // in a lane of the input
  using E = E_;  // in a lane of the result
  static constexpr bool WIDE = false, USES_P = false, STOPS = false, BYTES = false;
  static constexpr bool AGAIN = false;  // results may be joined by the same op once more
  static constexpr int UNROLL = 8;
};
template <class S, class T> struct Adding : OpTypes<S, T> {
  static constexpr bool WIDE = floating<T>;
  FN T init() const { return T(0); }
  FN vec<T> join(vec<T> a, vec<T> b) const { return a + b; }
};
template <class S, class T> struct Sum : Adding<S, T> {
  static constexpr bool AGAIN = is_same<S, T>;
  FN vec<T> map(vec<T> x, vec<T>) const { return x; }
};
template <class T> struct SumAbs : Adding<T, T> {
  FN vec<T> map(vec<T> x, vec<T>) const { return abs(x); }
};
template <class T> struct SumSquare : Adding<T, T> {
  FN vec<T> map(vec<T> x, vec<T>) const { return x * x; }
};
template <class T> struct SumSquareAbout : Adding<T, T> {
  static constexpr bool USES_P = true;
  FN vec<T> map(vec<T> x, vec<T> p) const { return (x - p) * (x - p); }
};
template <class T> struct SumExpAbout : Adding<T, T> {
  static constexpr bool USES_P = true;
  static constexpr int UNROLL = 4;
  FN vec<T> map(vec<T> x, vec<T> p) const { return exp(x - p); }
};
template <class S, class T> struct Count : OpTypes<S, T, int64_t> {
  FN int64_t init() const { return 0; }
  FN vec<int64_t> map(vec<T> x, vec<T>) const { return -(vec<int64_t>)(x != 0); }
  FN vec<int64_t> join(vec<int64_t> a, vec<int64_t> b) const { return a + b; }
};
struct CountBytes : Count<uint8_t, int64_t> {
  static constexpr bool BYTES = true;
};
template <class S, class T> struct Prod : OpTypes<S, T> {
  FN T init() const { return T(1); }
  FN vec<T> map(vec<T> x, vec<T>) const { return x; }
  FN vec<T> join(vec<T> a, vec<T> b) const { return a * b; }
};
template <class T> struct Max : OpTypes<T, T> {
  static constexpr bool AGAIN = true;
  FN T init() const { return lowest<T>(); }
  FN vec<T> map(vec<T> x, vec<T>) const { return x; }
  FN vec<T> join(vec<T> a, vec<T> b) const {
    if constexpr (floating<T>) return select(a != a, a, max(a, b));  // max gives b where b is NaN
    else return max(a, b);
  }
};
template <class T> struct Min : OpTypes<T, T> {
  static constexpr bool AGAIN = true;
  FN T init() const { return highest<T>(); }
  FN vec<T> map(vec<T> x, vec<T>) const { return x; }
  FN vec<T> join(vec<T> a, vec<T> b) const {
    if constexpr (floating<T>) return select(a != a, a, min(a, b));
    else return min(a, b);
  }
};
template <class T> struct MaxAbs : Max<T> {
  FN T init() const { return T(0); }
  FN vec<T> map(vec<T> x, vec<T>) const { return abs(x); }
};
template <class T> struct MinAbs : Min<T> {
  FN vec<T> map(vec<T> x, vec<T>) const { return abs(x); }
};
template <class T> struct Mask;
template <> struct Mask<float> { using type = int32_t; };
template <> struct Mask<int32_t> { using type = int32_t; };
template <> struct Mask<double> { using type = int64_t; };
template <> struct Mask<int64_t> { using type = int64_t; };
template <> struct Mask<uint8_t> { using type = uint8_t; };
template <class T, bool ZERO> struct Any : OpTypes<T, T, typename Mask<T>::type> {  // is any x ≠ 0 (or x = 0)?
  using E = typename Mask<T>::type;
  static constexpr bool STOPS = true;
  FN E init() const { return 0; }
  FN vec<E> map(vec<T> x, vec<T>) const { return ZERO ? (vec<E>)(x == 0) : (vec<E>)(x != 0); }
  FN vec<E> join(vec<E> a, vec<E> b) const { return a | b; }
};

// ---- programs: the ops, and what is made of their totals ------------------------------------------------------------

// Totals → results, a vector at a time; f(total, p, a) is the formula. Arrays are padded to whole vectors.
template <class Op, class R, class F>
FN void finish_with(int64_t n, const void* hi, const void* lo, const void* p, void* out, const F& f) {
  using E = typename Op::E;
  auto *h = static_cast<const E*>(hi), *l = static_cast<const E*>(lo), *q = static_cast<const E*>(p);
  for (int64_t i = 0; i < n; i += lanes<E>) {
    const vec<E> total = total_value<E, Op::WIDE>(load(h + i), Op::WIDE ? load(l + i) : vec<E>{});
    const vec<E> result = f(total, q == nullptr ? vec<E>{} : load(q + i));
    if constexpr (is_same<E, R>) {
      store(static_cast<R*>(out) + i, result);
    } else {
      for (int j = 0; j < lanes<E>; ++j) static_cast<R*>(out)[i + j] = R(result[j]);
    }
  }
}
#define FN_FORMULA(name, ops, Op, R, expression)                                                              \
  template <ops> void name(double number, int64_t n, const void* hi, const void* lo, const void* p, void* out) { \
    using E = typename Op::E;                                                                                 \
    [[maybe_unused]] const vec<E> a = splat(E(number));                                                       \
    finish_with<Op, R>(n, hi, lo, p, out, [&](vec<E> t, [[maybe_unused]] vec<E> p) __attribute__((always_inline)) { return expression; }); \
  }
FN_FORMULA(total, class Op, Op, E, t)
FN_FORMULA(divided, class Op, Op, E, t / a)
FN_FORMULA(root, class Op, Op, E, sqrt(t))
FN_FORMULA(root_of_divided, class Op, Op, E, sqrt(t / a))
FN_FORMULA(log_plus_p, class Op, Op, E, p + log(t))
FN_FORMULA(finite, class Op, Op, E, select(t - t == 0, t, vec<E>{}))
FN_FORMULA(is_set, class Op, Op, uint8_t, select(t != 0, splat(E(1)), vec<E>{}))
FN_FORMULA(is_clear, class Op, Op, uint8_t, select(t == 0, splat(E(1)), vec<E>{}))
#undef FN_FORMULA

double length_of(const View& x, const Ints& axes) {
  int64_t n = 1;
  for (int64_t i = 0; i < axes.n; ++i) n *= x.shape[axes[i]];
  return double(n);
}
// x (.., r, k, c) over r and c, c short: first r, whose rows k · c lie side by side, then c. At once, every result is a walk
// over short pieces of c far apart, a call for each: (512, 512, 64) over axes 0 and 2 3.2 ms, in two steps 1.4.
bool in_two_steps(const View& x, const Ints& axes, View& rows, Ints& outer) {
  bool is_reduced[MAX_DIMS] = {};
  int inner = -1, neighbour = -1;
  for (int64_t i = 0; i < axes.n; ++i) is_reduced[axes[i]] = true;
  for (int d = 0; d < x.ndim; ++d)
    if (is_reduced[d] && x.strides[d] == 1 && x.shape[d] > 1 && x.shape[d] <= TILE) inner = d;
  if (inner < 0) return false;
  for (int d = 0; d < x.ndim; ++d)
    if (!is_reduced[d] && x.strides[d] == x.shape[inner] && x.shape[d] * x.shape[inner] >= 512) neighbour = d;
  if (neighbour < 0) return false;
  rows = x, outer.n = 0;
  int64_t joined = 1, stride = 1;
  for (int d = 0; d < x.ndim; ++d)
    if (is_reduced[d] && d != inner) joined *= x.shape[d], rows.shape[d] = 1, outer.v[outer.n++] = d;
  for (int d = x.ndim - 1; d >= 0; --d)
    if (d != inner && d != neighbour) rows.strides[d] = stride * x.shape[inner] * x.shape[neighbour], stride *= rows.shape[d];
  return joined >= 16;
}
template <class Op, class R> void one(Out y, In x, Ints axes, Formula finish, double a = 0) {
  View rows;
  Ints outer;
  if constexpr (Op::AGAIN)
    if (in_two_steps(x, axes, rows, outer)) {
      Scratch<typename Op::E> sums(rows.numel());
      rows.data = sums;
      reduce({&steps<Op>, nullptr, sizeof(typename Op::E), nullptr, total<Op>, 0, 0}, Out{rows}, x, outer);
      return reduce({&steps<Op>, nullptr, sizeof(R), nullptr, finish, 0, a}, y, In{rows}, axes);
    }
  reduce({&steps<Op>, nullptr, sizeof(R), nullptr, finish, 0, a}, y, x, axes);
}
template <class T> struct Lane { using type = int64_t; };  // sums, products and counts of integers are int64
template <> struct Lane<float> { using type = float; };
template <class T> struct Lane64 { using type = int64_t; };
template <> struct Lane64<float> { using type = double; };
template <> struct Lane64<double> { using type = double; };
template <> struct Lane<double> { using type = double; };

}  // namespace

// Dispatch on the input's type, once.
#define FN_FLOATS(...)                                             \
  switch (x.dtype) {                                               \
    case DType::f32: { using T = float; __VA_ARGS__; break; }      \
    case DType::f64: { using T = double; __VA_ARGS__; break; }     \
    default: raise_error("expected a floating point tensor");      \
  }
#define FN_ALL(...)                                                \
  switch (x.dtype) {                                               \
    case DType::f32: { using T = float; __VA_ARGS__; break; }      \
    case DType::f64: { using T = double; __VA_ARGS__; break; }     \
    case DType::i64: { using T = int64_t; __VA_ARGS__; break; }    \
    case DType::i32: { using T = int32_t; __VA_ARGS__; break; }    \
    case DType::u8: case DType::b8: { using T = uint8_t; __VA_ARGS__; break; } \
    default: break; /* types that are stored only do not come here (bind/stored.h) */ \
  }

void sum(Out y, In x, Ints axes) {
  if (x.dtype == DType::b8) return one<CountBytes, int64_t>(y, x, axes, total<CountBytes>);
  FN_ALL(using L = typename Lane<T>::type; using Op = Sum<T, L>; one<Op, L>(y, x, axes, total<Op>))
}
void prod(Out y, In x, Ints axes) {
  FN_ALL(using L = typename Lane<T>::type; using Op = Prod<T, L>; one<Op, L>(y, x, axes, total<Op>))
}
void mean(Out y, In x, Ints axes) {
  FN_FLOATS(using Op = Sum<T, T>; one<Op, T>(y, x, axes, divided<Op>, length_of(x, axes)))
}
void max(Out y, In x, Ints axes) { FN_ALL(one<Max<T>, T>(y, x, axes, total<Max<T>>)) }
void min(Out y, In x, Ints axes) { FN_ALL(one<Min<T>, T>(y, x, axes, total<Min<T>>)) }
void any(Out y, In x, Ints axes) { FN_ALL(using Op = Any<T, false>; one<Op, uint8_t>(y, x, axes, is_set<Op>)) }
void all(Out y, In x, Ints axes) { FN_ALL(using Op = Any<T, true>; one<Op, uint8_t>(y, x, axes, is_clear<Op>)) }
void count_nonzero(Out y, In x, Ints axes) {
  if (itemsize(x.dtype) == 1) return one<CountBytes, int64_t>(y, x, axes, total<CountBytes>);
  FN_ALL(using Op = Count<T, typename Lane64<T>::type>; one<Op, int64_t>(y, x, axes, total<Op>))
}
void logsumexp(Out y, In x, Ints axes) {  // m + log Σ exp(x − m), m the maximum where it is finite
  FN_FLOATS(using A = Max<T>; using B = SumExpAbout<T>;
            reduce({&steps<A>, &steps<B>, sizeof(T), finite<A>, log_plus_p<B>, 0, 0}, y, x, axes))
}
static void variance(Out y, In x, Ints axes, double correction, bool is_std) {  // Σ(x − mean)² / (n − correction)
  const double n = length_of(x, axes);
  FN_FLOATS(using A = Sum<T, T>; using B = SumSquareAbout<T>;
            reduce({&steps<A>, &steps<B>, sizeof(T), divided<A>, is_std ? root_of_divided<B> : divided<B>, n,
                    n > correction ? n - correction : 0}, y, x, axes))
}
void var(Out y, In x, Ints axes, double correction) { variance(y, x, axes, correction, false); }
void std(Out y, In x, Ints axes, double correction) { variance(y, x, axes, correction, true); }

// p = 1, 2, ∞, −∞; other powers are composed in Python.
void norm(Out y, In x, Ints axes, double p) {
  FN_FLOATS(if (p == 1) one<SumAbs<T>, T>(y, x, axes, total<SumAbs<T>>);
            else if (p == 2) one<SumSquare<T>, T>(y, x, axes, root<SumSquare<T>>);
            else if (p > 0) one<MaxAbs<T>, T>(y, x, axes, total<MaxAbs<T>>);
            else one<MinAbs<T>, T>(y, x, axes, total<MinAbs<T>>))
}

}  // namespace fastnn::FN_ISA
