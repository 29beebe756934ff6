// reduce/reduce.cu: sum, mean, prod, max, min, any, all, count_nonzero, logsumexp, var, std, norm over any set of axes.
//
//    y = ⊕ map(x) over `axes`          y has x's rank (axes kept with size 1) or lacks the reduced axes
//
// A reduction is an op: a value to begin with, how an element is added, how two values are joined, what comes out. Those that the
// CPU makes in two passes (logsumexp: the maximum, then the sum; var: the mean, then squares about it) take one here: their value
// is a pair, and pairs can be joined. Read on: drive.cuh, moments.cuh.
#include "drive.cuh"
#include "moments.cuh"

namespace fastnn::cuda {
namespace {

template <class T> constexpr bool floating = T(0.5) != T(0);
template <class T> FN T lowest() {
  if constexpr (floating<T>) return -T(Limits<float>::INF);
  else if constexpr (T(-1) > T(0)) return T(0);
  else return T(uint64_t(1) << (8 * sizeof(T) - 1));
}
template <class T> FN T highest() {
  if constexpr (floating<T>) return T(Limits<float>::INF);
  else return T(~lowest<T>());
}
template <class T> struct Lane { using type = int64_t; };  // sums, products and counts of integers are int64
template <> struct Lane<float> { using type = float; };
template <> struct Lane<double> { using type = double; };

enum class Finish { total, divided, root };

template <class L> struct Add {
  using A = L;
  using R = L;
  Finish finish;
  double number;
  FN A init() const { return A(0); }
  FN A join(A a, A b) const { return a + b; }
  FN R result(A a) const {
    if constexpr (floating<L>) return finish == Finish::divided ? a / L(number) : finish == Finish::root ? sqrt(a) : a;
    else return a;
  }
};
template <class L> struct Sum : Add<L> {
  template <class T> FN L add(L a, T x, int64_t) const { return a + L(x); }
};
template <class L> struct CountNonzero : Add<L> {
  template <class T> FN L add(L a, T x, int64_t) const { return a + L(x != T(0)); }
};
template <class T> struct SumAbs : Add<T> {
  FN T add(T a, T x, int64_t) const { return a + abs(x); }
};
template <class T> struct SumSquare : Add<T> {
  FN T add(T a, T x, int64_t) const { return fma(x, x, a); }
};
template <class L> struct Prod {
  using A = L;
  using R = L;
  FN A init() const { return A(1); }
  template <class T> FN A add(A a, T x, int64_t) const { return a * L(x); }
  FN A join(A a, A b) const { return a * b; }
  FN R result(A a) const { return a; }
};
template <class T, bool ABS = false> struct Max {
  using A = T;
  using R = T;
  FN A init() const { return ABS ? T(0) : lowest<T>(); }
  FN A add(A a, T x, int64_t) const {
    if constexpr (ABS) return max_nan(a, abs(x));
    else return max_nan(a, x);
  }
  FN A join(A a, A b) const { return b != b ? b : max_nan(a, b); }
  FN R result(A a) const { return a; }
};
template <class T, bool ABS = false> struct Min {
  using A = T;
  using R = T;
  FN A init() const { return highest<T>(); }
  FN A add(A a, T x, int64_t) const {
    if constexpr (ABS) return min_nan(a, abs(x));
    else return min_nan(a, x);
  }
  FN A join(A a, A b) const { return b != b ? b : min_nan(a, b); }
  FN R result(A a) const { return a; }
};
template <bool ZERO> struct Any {  // is any x ≠ 0 (or x = 0)?
  using A = uint8_t;
  using R = uint8_t;
  FN A init() const { return 0; }
  template <class T> FN A add(A a, T x, int64_t) const { return a | uint8_t((x == T(0)) == ZERO); }
  FN A join(A a, A b) const { return a | b; }
  FN R result(A a) const { return ZERO ? !a : a; }
};

// log Σ exp(x) as m + log s,  s = Σ exp(x - m),  m the maximum so far where it is finite
template <class T> struct LogSumExp {
  struct A { T m, s; };
  using R = T;
  FN A init() const { return {lowest<T>(), T(0)}; }
  FN static T weight(T x, T m) { return x == m ? T(1) : exp(x - m); }  // also of infinities
  FN A join(A a, A b) const {
    const T m = a.m != a.m ? a.m : b.m != b.m ? b.m : max(a.m, b.m);
    return {m, (a.s == T(0) ? T(0) : a.s * weight(a.m, m)) + (b.s == T(0) ? T(0) : b.s * weight(b.m, m))};
  }
  FN A add(A a, T x, int64_t) const { return join(a, {x, T(1)}); }
  FN R result(A a) const { return a.s == T(0) ? lowest<T>() : a.m == lowest<T>() ? a.m : a.m + log(a.s); }
};

template <class T> struct Variance : MomentsOf<T> {
  using typename MomentsOf<T>::A;
  using R = T;
  double divisor;
  bool root;
  Variance(double divisor, bool root) : divisor(divisor), root(root) {}
  FN R result(const A& a) const {
    const T v = a.squares() / T(divisor);
    return root ? sqrt(v) : v;
  }
};

double length_of(const View& x, const Ints& axes) {
  int64_t n = 1;
  for (int64_t i = 0; i < axes.n; ++i) n *= x.shape[axes[i]];
  return double(n);
}

}  // namespace

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
    default: raise_error(ErrorKind::dtype, "there are no tensors of this dtype on a GPU"); \
  }

void sum(Out y, In x, Ints axes) {
  if (x.dtype == DType::b8) return reduce<CountNonzero<int64_t>, uint8_t>("sum", y, x, axes, {});
  FN_ALL(using L = typename Lane<T>::type; reduce<Sum<L>, T>("sum", y, x, axes, Sum<L>{{Finish::total, 0}}))
}
void prod(Out y, In x, Ints axes) { FN_ALL(using L = typename Lane<T>::type; reduce<Prod<L>, T>("prod", y, x, axes, {})) }
void mean(Out y, In x, Ints axes) {
  FN_FLOATS(reduce<Sum<T>, T>("mean", y, x, axes, Sum<T>{{Finish::divided, length_of(x, axes)}}))
}
void max(Out y, In x, Ints axes) { FN_ALL(reduce<Max<T>, T>("max", y, x, axes, {})) }
void min(Out y, In x, Ints axes) { FN_ALL(reduce<Min<T>, T>("min", y, x, axes, {})) }
void any(Out y, In x, Ints axes) { FN_ALL(reduce<Any<false>, T>("any", y, x, axes, {})) }
void all(Out y, In x, Ints axes) { FN_ALL(reduce<Any<true>, T>("all", y, x, axes, {})) }
void count_nonzero(Out y, In x, Ints axes) { FN_ALL(reduce<CountNonzero<int64_t>, T>("count_nonzero", y, x, axes, {})) }
void logsumexp(Out y, In x, Ints axes) { FN_FLOATS(reduce<LogSumExp<T>, T>("logsumexp", y, x, axes, {})) }
void var(Out y, In x, Ints axes, double correction) {
  const double n = length_of(x, axes), divisor = n > correction ? n - correction : 0;
  FN_FLOATS(reduce<Variance<T>, T>("var", y, x, axes, {divisor, false}))
}
void std(Out y, In x, Ints axes, double correction) {
  const double n = length_of(x, axes), divisor = n > correction ? n - correction : 0;
  FN_FLOATS(reduce<Variance<T>, T>("std", y, x, axes, {divisor, true}))
}
void norm(Out y, In x, Ints axes, double p) {  // p = 1, 2, ∞, −∞; other powers are composed in Python
  FN_FLOATS(if (p == 1) reduce<SumAbs<T>, T>("norm", y, x, axes, SumAbs<T>{{Finish::total, 0}});
            else if (p == 2) reduce<SumSquare<T>, T>("norm", y, x, axes, SumSquare<T>{{Finish::root, 0}});
            else if (p > 0) reduce<Max<T, true>, T>("norm", y, x, axes, {});
            else reduce<Min<T, true>, T>("norm", y, x, axes, {}))
}

}  // namespace fastnn::cuda
