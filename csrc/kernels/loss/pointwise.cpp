// pointwise.cpp: losses that compare two arrays number by number, each with its derivative, the sum or mean included.
//
//    l = loss(x, t, ..)        none: y = l      sum: y = Σ l      mean: y = Σ l / n        dx = g·∂l/∂x  (/ n for the mean)
//
// A loss is a struct with two formulas, generic in the vector; Pointwise does the rest: inputs of any strides, broadcast
// ones included, are fetched in blocks of 1024 (in place where they are contiguous), sums are kept per block in double.
// So a mean loss is one read of its inputs, and its derivative one read and one write.
// read on  targets.h, cross_entropy.cpp (classes)
#include "../declare.h"
#include "../../core/error.h"
#include "../../core/math.h"
#include "../../core/parallel.h"
#include "../../core/sweep.h"

namespace fastnn::FN_ISA {

template <class V, class T> FN V constant(T s) { return s - V{}; }

struct Mse {
  template <class V, class T> FN static V value(const V* in, T) { return (in[0] - in[1]) * (in[0] - in[1]); }
  template <class V, class T> FN static V slope(const V* in, T) { return 2 * (in[0] - in[1]); }
};

template <class V> FN V sign(V d) { return d > 0 ? V{} + 1 : (d < 0 ? V{} - 1 : d); }  // ±0 and NaN stay

struct L1 {
  template <class V, class T> FN static V value(const V* in, T) { return abs(in[0] - in[1]); }
  template <class V, class T> FN static V slope(const V* in, T) { return sign(in[0] - in[1]); }
};

struct SmoothL1 {  // |d| < β: d²/2β, else |d| - β/2
  template <class V, class T> FN static V value(const V* in, T beta) {
    V d = abs(in[0] - in[1]);
    return d < beta ? d * d * (T(0.5) / beta) : d - T(0.5) * beta;
  }
  template <class V, class T> FN static V slope(const V* in, T beta) {
    V d = in[0] - in[1];
    return abs(d) < beta ? d / beta : sign(d);
  }
};

struct Huber {  // |d| <= δ: d²/2, else δ(|d| - δ/2)
  template <class V, class T> FN static V value(const V* in, T delta) {
    V d = abs(in[0] - in[1]);
    return d <= delta ? T(0.5) * d * d : delta * (d - T(0.5) * delta);
  }
  template <class V, class T> FN static V slope(const V* in, T delta) {
    V d = in[0] - in[1];
    return abs(d) <= delta ? d : delta * sign(d);
  }
};

struct BinaryCrossEntropy {  // -(t·log x + (1-t)·log(1-x))·w, the logarithms kept above -100
  template <class V> FN static V log_above(V l) { return l < -100 ? constant<V>(lane<V>(-100)) : l; }
  template <class V, class T> FN static V value(const V* in, T) {
    V x = in[0], t = in[1];
    return ((t - 1) * log_above(log1p(-x)) - t * log_above(log(x))) * in[2];
  }
  template <class V, class T> FN static V slope(const V* in, T) {
    V x = in[0], spread = (1 - x) * x, least = constant<V>(T(1e-12));
    return (x - in[1]) / (spread < T(1e-12) ? least : spread) * in[2];
  }
};

// (1-t)·softplus(x) + p·t·softplus(-x), all times w;  e = exp(-|x|) never overflows and serves both sides:
// softplus(±x) = max(±x, 0) + log1p(e), and sigmoid(|x|) = 1/(1+e), sigmoid(-|x|) = e/(1+e) without cancellation
struct BinaryCrossEntropyWithLogits {
  template <class V, class T> FN static V value(const V* in, T) {
    V x = in[0], t = in[1], l = log1p(exp(-abs(x))), zero{};
    return ((1 - t) * (max(x, zero) + l) + in[3] * t * (max(-x, zero) + l)) * in[2];
  }
  template <class V, class T> FN static V slope(const V* in, T) {
    V x = in[0], t = in[1], e = exp(-abs(x)), big = 1 / (1 + e), small = e * big;
    V up = x < 0 ? small : big, down = x < 0 ? big : small;
    return ((1 - t) * up - in[3] * t * down) * in[2];
  }
};

// ---- fetching --------------------------------------------------------------------------------------------------------

constexpr int64_t FETCH = 1024, LOSS_CHUNK = 16384;

template <class T> struct Stream {  // numbers of a view in C order, a block at a time
  const View* v;
  bool packed, fixed;
  FN explicit Stream(const View& view) : v(&view), packed(view.packed()), fixed(true) {
    for (int d = 0; d < view.ndim; ++d) fixed &= view.shape[d] == 1 || view.strides[d] == 0;
  }
  // Elements at..at+n, in place or copied to `buffer`. `filled` remembers that a buffer already holds a fixed value.
  FN const T* fetch(int64_t at, int64_t n, T* buffer, bool& filled) const {
    const T* p = v->ptr<const T>();
    if (packed) return p + at;
    if (fixed) {
      for (int64_t i = 0; i < FETCH && !filled; ++i) buffer[i] = *p;
      filled = true;
      return buffer;
    }
    int64_t index[MAX_DIMS], last = v->ndim - 1, rest = at, inner = v->shape[last], step = v->strides[last];
    for (int64_t d = last; d >= 0; --d) index[d] = rest % v->shape[d], rest /= v->shape[d];
    for (int64_t done = 0; done < n;) {
      const T* q = p;
      for (int64_t d = 0; d <= last; ++d) q += index[d] * v->strides[d];
      int64_t run = inner - index[last] < n - done ? inner - index[last] : n - done;
      for (int64_t i = 0; i < run; ++i) buffer[done + i] = q[i * step];
      done += run, index[last] += run;
      for (int64_t d = last; d > 0 && index[d] == v->shape[d]; --d) index[d] = 0, ++index[d - 1];
    }
    return buffer;
  }
};

template <class T> static void check_probabilities(const T* x, int64_t n) {
  bits<T> bad = {};
  vec<T> one = splat(T(1)), zero = splat(T(0));
  sweep<T>(n, [&](int64_t i, int, int64_t c) FN_LAMBDA {
    vec<T> v = load_part(x + i, c);
    bad |= ~((v >= zero) & (v <= one));
  });
  if (any_lane(bad)) raise_error(ErrorKind::runtime, "all elements of input should be between 0 and 1");
}

// begin(at, n, block) is called for every block with the K inputs; weights not given are 1.
template <int K, bool CHECK, class T, class F>
FN void over_blocks(const View* const* inputs, int64_t begin, int64_t end, const F& f) {
  alignas(64) T buffer[K][FETCH];
  bool filled[K] = {};
  for (int64_t at = begin; at < end; at += FETCH) {
    int64_t n = end - at < FETCH ? end - at : FETCH;
    const T* p[K];
    for (int k = 0; k < K; ++k) {
      if (inputs[k]->ndim < 0) {
        for (int64_t i = 0; i < FETCH && !filled[k]; ++i) buffer[k][i] = 1;
        filled[k] = true;
        p[k] = buffer[k];
      } else {
        p[k] = Stream<T>(*inputs[k]).fetch(at, n, buffer[k], filled[k]);
      }
    }
    if constexpr (CHECK) check_probabilities(p[0], n);
    f(at, n, p);
  }
}

template <class Loss, int K, bool CHECK, class T>
static void forward(const View& y, const View* const* inputs, int64_t n, int64_t reduction, T parameter) {
  T* out = y.ptr<T>();
  Scratch<double> partial(ceil_div(n, LOSS_CHUNK) + 1);
  parallel_for(n, LOSS_CHUNK, [&](int64_t begin, int64_t end) {
    double sum = 0;
    over_blocks<K, CHECK, T>(inputs, begin, end, [&](int64_t at, int64_t count, const T* const* p) FN_LAMBDA {
      vec<T> s[4] = {};
      sweep<T>(count, [&](int64_t i, int k, int64_t c) FN_LAMBDA {
        vec<T> in[K];
        for (int j = 0; j < K; ++j) in[j] = load_part(p[j] + i, c);
        vec<T> l = Loss::value(in, parameter);
        if (reduction == 0) store_part(out + at + i, l, c);
        else if (c == lanes<T>) s[k] += l;
        else for (int64_t j = 0; j < c; ++j) s[k][j] += l[j];  // what stands in the missing lanes need not be 0
      });
      sum += sum_of<T>(s);
    });
    partial[begin / LOSS_CHUNK] = sum;
  });
  if (reduction == 0) return;
  double total = 0;
  for (int64_t k = 0; k < ceil_div(n, LOSS_CHUNK); ++k) total += partial[k];
  *out = T(reduction == 1 ? total / double(n) : total);
}

template <class Loss, int K, class T>
static void derivative(const View& dx, const View* const* inputs, int64_t n, int64_t reduction, T parameter) {
  T* out = dx.ptr<T>();
  T scale = reduction == 1 ? T(1) / T(n) : T(1);
  parallel_for(n, LOSS_CHUNK, [&](int64_t begin, int64_t end) {
    over_blocks<K + 1, false, T>(inputs, begin, end, [&](int64_t at, int64_t count, const T* const* p) FN_LAMBDA {
      sweep<T>(count, [&](int64_t i, int, int64_t c) FN_LAMBDA {
        vec<T> in[K];
        for (int j = 0; j < K; ++j) in[j] = load_part(p[j] + i, c);
        store_part(out + at + i, Loss::slope(in, parameter) * (load_part(p[K] + i, c) * scale), c);
      });
    });
  });
}

template <class Loss, int K, bool CHECK = false>
static void run(const View& y, const View& x, const View& t, const View& w, const View& v, int64_t reduction,
                double parameter) {
  const View* inputs[] = {&x, &t, &w, &v};
  if (x.dtype == DType::f32) forward<Loss, K, CHECK, float>(y, inputs, x.numel(), reduction, float(parameter));
  else forward<Loss, K, CHECK, double>(y, inputs, x.numel(), reduction, parameter);
}
template <class Loss, int K>
static void run_dx(const View& dx, const View& g, const View& x, const View& t, const View& w, const View& v,
                   int64_t reduction, double parameter) {
  const View* inputs[] = {&x, &t, &w, &v, nullptr};
  inputs[K] = &g;
  if (x.dtype == DType::f32) derivative<Loss, K, float>(dx, inputs, x.numel(), reduction, float(parameter));
  else derivative<Loss, K, double>(dx, inputs, x.numel(), reduction, parameter);
}

// ---- entries: all inputs, g included, expanded to the shape of x -----------------------------------------------------

void mse_loss(PackedOut y, In x, In t, int64_t reduction) { run<Mse, 2>(y, x, t, x, x, reduction, 0); }
void mse_loss_dx(PackedOut dx, In g, In x, In t, int64_t reduction) { run_dx<Mse, 2>(dx, g, x, t, x, x, reduction, 0); }
void l1_loss(PackedOut y, In x, In t, int64_t reduction) { run<L1, 2>(y, x, t, x, x, reduction, 0); }
void l1_loss_dx(PackedOut dx, In g, In x, In t, int64_t reduction) { run_dx<L1, 2>(dx, g, x, t, x, x, reduction, 0); }
void smooth_l1_loss(PackedOut y, In x, In t, int64_t reduction, double beta) {
  run<SmoothL1, 2>(y, x, t, x, x, reduction, beta);
}
void smooth_l1_loss_dx(PackedOut dx, In g, In x, In t, int64_t reduction, double beta) {
  run_dx<SmoothL1, 2>(dx, g, x, t, x, x, reduction, beta);
}
void huber_loss(PackedOut y, In x, In t, int64_t reduction, double delta) {
  run<Huber, 2>(y, x, t, x, x, reduction, delta);
}
void huber_loss_dx(PackedOut dx, In g, In x, In t, int64_t reduction, double delta) {
  run_dx<Huber, 2>(dx, g, x, t, x, x, reduction, delta);
}
void binary_cross_entropy(PackedOut y, In x, In t, In w, int64_t reduction) {
  run<BinaryCrossEntropy, 3, true>(y, x, t, w, x, reduction, 0);
}
void binary_cross_entropy_dx(PackedOut dx, In g, In x, In t, In w, int64_t reduction) {
  run_dx<BinaryCrossEntropy, 3>(dx, g, x, t, w, x, reduction, 0);
}
void binary_cross_entropy_with_logits(PackedOut y, In x, In t, In w, In pos_weight, int64_t reduction) {
  run<BinaryCrossEntropyWithLogits, 4>(y, x, t, w, pos_weight, reduction, 0);
}
void binary_cross_entropy_with_logits_dx(PackedOut dx, In g, In x, In t, In w, In pos_weight, int64_t reduction) {
  run_dx<BinaryCrossEntropyWithLogits, 4>(dx, g, x, t, w, pos_weight, reduction, 0);
}

}  // namespace fastnn::FN_ISA
