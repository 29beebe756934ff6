// batch_norm.cpp: every channel to mean 0 and variance 1 over the batch and all places.  x (N, C, S), S places, M = N·S.
//
//    x̂ = (x - mean)·r    r = 1/√(var + ε)    y = x̂·w + b                        mean, var over n and s, var divides by M
//    dx = w·r·(g - Σg/M - x̂·Σ(g·x̂)/M)       dw = Σ g·x̂      db = Σ g
//
// Three ways through memory, chosen by the shape alone:
//    few places (S < 16)     x is a matrix (N, C·S): lanes run along its rows, sums are kept per column and block of rows
//    channel fits in L2      one channel after the other, N runs of S numbers: statistics, then y while x is still there
//    larger, or short runs   statistics of all channels, then y, each walking through memory in order: N is cut into blocks
//                            (runs of 49 numbers, 100 KB apart, cost a page each when taken channel by channel)
//
// Statistics of a channel are taken in one pass about a pivot, the mean of its first run: that run is at least 1/N of
// the numbers, so (mean - pivot)² ≤ N·var and cancellation costs at most log2 N bits, in practice none.
#include "../declare.h"
#include "../../core/parallel.h"
#include "moments.h"

namespace fastnn::FN_ISA {

struct Batch {
  int64_t N, C, S;
  FN int64_t M() const { return N * S; }
};
FN Batch batch_of(const View& x) {
  Batch s{x.shape[0], x.shape[1], 1};
  for (int d = 2; d < x.ndim; ++d) s.S *= x.shape[d];
  return s;
}
constexpr int64_t FEW_PLACES = 16, LONG_RUN = 512, CACHED = 1 << 18, PIECE = 1 << 15;  // numbers

template <class T> FN const T* given(const View& v) { return v.ndim < 0 ? nullptr : v.ptr<const T>(); }

struct Sums {
  double a, b;
};

// ---- many places: runs of S numbers --------------------------------------------------------------------------------

// Σ (x - pivot) and Σ (x - pivot)² over runs n0..n1 of a channel; the accumulators are emptied every BLOCK numbers.
template <class T> FN Sums spread_about(const T* x, Batch s, int64_t c, int64_t n0, int64_t n1, T pivot) {
  Sums sum{0, 0};
  vec<T> a[4] = {}, b[4] = {};
  int64_t held = 0;
  for (int64_t n = n0; n < n1; ++n)
    for (int64_t at = 0; at < s.S; at += BLOCK) {
      int64_t count = s.S - at < BLOCK ? s.S - at : BLOCK;
      const T* p = x + (n * s.C + c) * s.S + at;
      sweep<T>(count, [&](int64_t i, int k, int64_t l) FN_LAMBDA {
        vec<T> d = load_part(p + i, l, pivot) - pivot;
        a[k] += d;
        b[k] += d * d;
      });
      if ((held += count) < BLOCK && (n + 1 < n1 || at + count < s.S)) continue;
      sum.a += sum_of<T>(a), sum.b += sum_of<T>(b), held = 0;
      for (int k = 0; k < 4; ++k) a[k] = b[k] = vec<T>{};
    }
  return sum;
}

// Σ g and Σ g·(x - mean)
template <class T> FN Sums sums_of(const T* g, const T* x, Batch s, int64_t c, int64_t n0, int64_t n1, T mean) {
  Sums sum{0, 0};
  vec<T> a[4] = {}, b[4] = {};
  int64_t held = 0;
  for (int64_t n = n0; n < n1; ++n)
    for (int64_t at = 0; at < s.S; at += BLOCK) {
      int64_t count = s.S - at < BLOCK ? s.S - at : BLOCK, from = (n * s.C + c) * s.S + at;
      sweep<T>(count, [&](int64_t i, int k, int64_t l) FN_LAMBDA {
        vec<T> v = load_part(g + from + i, l);
        a[k] += v;
        b[k] += v * (load_part(x + from + i, l, mean) - mean);
      });
      if ((held += count) < BLOCK && (n + 1 < n1 || at + count < s.S)) continue;
      sum.a += sum_of<T>(a), sum.b += sum_of<T>(b), held = 0;
      for (int k = 0; k < 4; ++k) a[k] = b[k] = vec<T>{};
    }
  return sum;
}

// For every channel: first(c, n0, n1) gives a Sums; finish(c, pair) uses their sum; second(c, n0, n1) writes.
template <class First, class Finish, class Second>
static void over_channels(Batch s, const First& first, const Finish& finish, const Second& second) {
  if (s.M() <= CACHED && s.S >= LONG_RUN) {
    parallel_for(s.C, s.M() < PIECE / 4 ? PIECE / 4 / s.M() : 1, [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) {
        finish(c, first(c, int64_t(0), s.N));
        second(c, int64_t(0), s.N);
      }
    });
    return;
  }
  // A task is a block of samples and a group of channels, about PIECE numbers of each.
  int64_t group = s.S < PIECE ? PIECE / s.S : 1, groups = ceil_div(s.C, group);
  int64_t rows = group > s.C ? group / s.C : 1, blocks = ceil_div(s.N, rows);
  auto tasks = [&](auto f) FN_LAMBDA {
    parallel_for(blocks * groups, 1, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        int64_t n = t / groups * rows, c0 = t % groups * group, c1 = c0 + group < s.C ? c0 + group : s.C;
        for (int64_t c = c0; c < c1; ++c) f(c, n, n + rows < s.N ? n + rows : s.N, t / groups);
      }
    });
  };
  Scratch<Sums> partial(s.C * blocks);
  tasks([&](int64_t c, int64_t n0, int64_t n1, int64_t k) FN_LAMBDA { partial[k * s.C + c] = first(c, n0, n1); });
  for (int64_t c = 0; c < s.C; ++c) {
    Sums sum{0, 0};
    for (int64_t k = 0; k < blocks; ++k) sum.a += partial[k * s.C + c].a, sum.b += partial[k * s.C + c].b;
    finish(c, sum);
  }
  tasks([&](int64_t c, int64_t n0, int64_t n1, int64_t) FN_LAMBDA { second(c, n0, n1); });
}

template <class T>
static void runs_forward(T* y, T* mean, T* var, const T* x, const T* w, const T* b, Batch s, double eps) {
  double M = double(s.M());
  Scratch<T> pivot(s.C);
  parallel_for(s.C, 1 + PIECE / s.S, [&](int64_t begin, int64_t end) {
    int64_t count = s.S < BLOCK ? s.S : BLOCK;
    for (int64_t c = begin; c < end; ++c) pivot[c] = total_of(x + c * s.S, count) / T(count);
  });
  over_channels(
      s, [&](int64_t c, int64_t n0, int64_t n1) FN_LAMBDA { return spread_about(x, s, c, n0, n1, pivot[c]); },
      [&](int64_t c, Sums sum) FN_LAMBDA {
        mean[c] = T(double(pivot[c]) + sum.a / M);
        double v = (sum.b - sum.a * sum.a / M) / M;
        var[c] = T(v < 0 ? 0 : v);
      },
      [&](int64_t c, int64_t n0, int64_t n1) FN_LAMBDA {
        T scale = T(rsqrt1(double(var[c]) + eps) * (w ? w[c] : 1)), shift = b ? b[c] : T(0);
        for (int64_t n = n0; n < n1; ++n) {
          int64_t at = (n * s.C + c) * s.S;
          affine(y + at, x + at, s.S, mean[c], scale, shift);
        }
      });
}

template <class T>
static void runs_derivative(T* dx, T* dw, T* db, const T* g, const T* x, const T* w, const T* mean, const T* var, Batch s,
                            double eps) {
  double M = double(s.M());
  over_channels(
      s, [&](int64_t c, int64_t n0, int64_t n1) FN_LAMBDA { return sums_of(g, x, s, c, n0, n1, mean[c]); },
      [&](int64_t c, Sums sum) FN_LAMBDA {
        dw[c] = T(sum.b * rsqrt1(double(var[c]) + eps));
        db[c] = T(sum.a);
      },
      [&](int64_t c, int64_t n0, int64_t n1) FN_LAMBDA {
        double r = rsqrt1(double(var[c]) + eps), k1 = w ? w[c] * r : r;
        for (int64_t n = n0; n < n1; ++n) {
          int64_t at = (n * s.C + c) * s.S;
          combine(dx + at, g + at, x + at, s.S, mean[c], T(k1), T(k1 * db[c] / M), T(k1 * r * dw[c] / M));
        }
      });
}

// ---- few places: a matrix (N, C·S) -----------------------------------------------------------------------------------

// Rows of a block: at least 16, so that the partial sums (two rows a block) stay small beside x.
FN int64_t rows_of_block(Batch s) {
  int64_t rows = 16384 / (s.C * s.S);
  return rows < 16 ? 16 : rows;
}

// Column sums of rows n0..n1:  a = Σ p,  b = Σ q, where f(index, column, lanes, p, q) gives the two terms.
template <class T, class F> FN void column_sums(T* a, T* b, int64_t J, int64_t n0, int64_t n1, const F& f) {
  constexpr int L = lanes<T>;
  for (int64_t j = 0; j < J; j += L) {
    int64_t c = J - j < L ? J - j : L;
    vec<T> p[2] = {}, q[2] = {};
    int64_t n = n0;
    if (c == L) {
      for (; n + 2 <= n1; n += 2) {
        f(n * J + j, j, int64_t(L), p[0], q[0]);
        f((n + 1) * J + j, j, int64_t(L), p[1], q[1]);
      }
    }
    for (; n < n1; ++n) f(n * J + j, j, c, p[0], q[0]);
    store_part(a + j, p[0] + p[1], c);
    if (b) store_part(b + j, q[0] + q[1], c);
  }
}

template <class T>
static void matrix_rows(T* y, const T* x, const T* mean, const T* scale, const T* shift, Batch s) {
  int64_t J = s.C * s.S;
  parallel_for(s.N, 1 + 16384 / J, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n)
      sweep<T>(J, [&](int64_t i, int, int64_t c) FN_LAMBDA {
        vec<T> v = (load_part(x + n * J + i, c) - load_part(mean + i, c)) * load_part(scale + i, c);
        store_part(y + n * J + i, v + load_part(shift + i, c), c);
      });
  });
}

template <class T>
static void spread_channels(T* mean_j, T* scale_j, T* shift_j, const T* mean, const T* var, const T* w, const T* b, Batch s,
                            double eps) {
  for (int64_t c = 0; c < s.C; ++c) {
    T scale = T(rsqrt1(double(var[c]) + eps) * (w ? w[c] : 1));
    for (int64_t j = c * s.S; j < (c + 1) * s.S; ++j) mean_j[j] = mean[c], scale_j[j] = scale, shift_j[j] = b ? b[c] : T(0);
  }
}

template <class T>
static void matrix_forward(T* y, T* mean, T* var, const T* x, const T* w, const T* b, Batch s, double eps) {
  int64_t J = s.C * s.S, R = rows_of_block(s), blocks = ceil_div(s.N, R);
  Scratch<T> partial(2 * blocks * J), table(3 * J);  // [block][mean, M2][J]
  parallel_for(blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      int64_t n0 = k * R, n1 = n0 + R < s.N ? n0 + R : s.N;
      T *m = partial + 2 * k * J, *m2 = m + J;
      column_sums(m, static_cast<T*>(nullptr), J, n0, n1,
                  [&](int64_t i, int64_t, int64_t c, vec<T>& p, vec<T>&) FN_LAMBDA { p += load_part(x + i, c); });
      for (int64_t j = 0; j < J; ++j) m[j] /= T(n1 - n0);
      column_sums(m2, static_cast<T*>(nullptr), J, n0, n1,
                  [&](int64_t i, int64_t j, int64_t c, vec<T>& p, vec<T>&) FN_LAMBDA {
                    vec<T> d = load_part(x + i, c) - load_part(m + j, c);
                    p += d * d;
                  });
    }
  });
  parallel_for(s.C, 1 + 16384 / (blocks * s.S), [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {  // blocks of n rows: mean = Σ n·m / M, then M2 = Σ m2 + n·(m - mean)²
      double M = double(s.M()), total = 0, m2 = 0;
      for (int64_t k = 0; k < blocks; ++k) {
        double n = double(k * R + R < s.N ? R : s.N - k * R);
        for (int64_t j = c * s.S; j < (c + 1) * s.S; ++j) total += n * partial[2 * k * J + j];
      }
      total /= M;
      for (int64_t k = 0; k < blocks; ++k) {
        double n = double(k * R + R < s.N ? R : s.N - k * R);
        for (int64_t j = c * s.S; j < (c + 1) * s.S; ++j) {
          double d = partial[2 * k * J + j] - total;
          m2 += partial[(2 * k + 1) * J + j] + n * d * d;
        }
      }
      mean[c] = T(total);
      var[c] = T(m2 / M);
    }
  });
  spread_channels<T>(table, table + J, table + 2 * J, mean, var, w, b, s, eps);
  matrix_rows<T>(y, x, table, table + J, table + 2 * J, s);
}

template <class T>
static void matrix_derivative(T* dx, T* dw, T* db, const T* g, const T* x, const T* w, const T* mean, const T* var, Batch s,
                              double eps) {
  int64_t J = s.C * s.S, R = rows_of_block(s), blocks = ceil_div(s.N, R);
  Scratch<T> partial(2 * blocks * J), table(4 * J);
  T *mean_j = table, *k1 = mean_j + J, *k2 = k1 + J, *k3 = k2 + J;
  spread_channels<T>(mean_j, k1, k2, mean, var, w, nullptr, s, eps);
  parallel_for(blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k)
      column_sums(partial + 2 * k * J, partial + (2 * k + 1) * J, J, k * R, k * R + R < s.N ? k * R + R : s.N,
                  [&](int64_t i, int64_t j, int64_t c, vec<T>& p, vec<T>& q) FN_LAMBDA {
                    vec<T> v = load_part(g + i, c);
                    p += v;
                    q += v * (load_part(x + i, c) - load_part(mean_j + j, c));
                  });
  });
  double M = double(s.M());
  for (int64_t c = 0; c < s.C; ++c) {
    double sum = 0, dot = 0, r = rsqrt1(double(var[c]) + eps);
    for (int64_t k = 0; k < blocks; ++k)
      for (int64_t j = c * s.S; j < (c + 1) * s.S; ++j) sum += partial[2 * k * J + j], dot += partial[(2 * k + 1) * J + j];
    db[c] = T(sum);
    dw[c] = T(dot * r);
    for (int64_t j = c * s.S; j < (c + 1) * s.S; ++j) k2[j] = T(k1[j] * sum / M), k3[j] = T(k1[j] * r * r * dot / M);
  }
  parallel_for(s.N, 1 + 16384 / J, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n)
      sweep<T>(J, [&](int64_t i, int, int64_t c) FN_LAMBDA {
        vec<T> v = (load_part(x + n * J + i, c) - load_part(mean_j + i, c)) * load_part(k3 + i, c) + load_part(k2 + i, c);
        store_part(dx + n * J + i, load_part(g + n * J + i, c) * load_part(k1 + i, c) - v, c);
      });
  });
}

// ---- entries -------------------------------------------------------------------------------------------------------

template <class T>
static void forward(const View& y, const View& mean, const View& var, const View& x, const View& w, const View& b,
                    double eps) {
  Batch s = batch_of(x);
  if (s.M() * s.C == 0) {  // the mean of nothing
    for (int64_t c = 0; c < s.C; ++c) mean.ptr<T>()[c] = var.ptr<T>()[c] = T(__builtin_nan(""));
    return;
  }
  auto run = s.S < FEW_PLACES ? matrix_forward<T> : runs_forward<T>;
  run(y.ptr<T>(), mean.ptr<T>(), var.ptr<T>(), x.ptr<T>(), given<T>(w), given<T>(b), s, eps);
}

template <class T>
static void derivative(const View& dx, const View& dw, const View& db, const View& g, const View& x, const View& w,
                       const View& mean, const View& var, double eps) {
  Batch s = batch_of(x);
  if (s.M() * s.C == 0) {
    for (int64_t c = 0; c < s.C; ++c) dw.ptr<T>()[c] = db.ptr<T>()[c] = 0;
    return;
  }
  auto run = s.S < FEW_PLACES ? matrix_derivative<T> : runs_derivative<T>;
  run(dx.ptr<T>(), dw.ptr<T>(), db.ptr<T>(), g.ptr<T>(), x.ptr<T>(), given<T>(w), mean.ptr<T>(), var.ptr<T>(), s, eps);
}

// With the statistics given: inference, and every use of running statistics.
template <class T>
static void eval(const View& yv, const View& xv, const View& meanv, const View& varv, const View& wv, const View& bv,
                 double eps) {
  Batch s = batch_of(xv);
  if (s.M() * s.C == 0) return;
  T* y = yv.ptr<T>();
  const T *x = xv.ptr<T>(), *mean = meanv.ptr<T>(), *var = varv.ptr<T>(), *w = given<T>(wv), *b = given<T>(bv);
  if (s.S < FEW_PLACES) {
    int64_t J = s.C * s.S;
    Scratch<T> table(3 * J);
    spread_channels<T>(table, table + J, table + 2 * J, mean, var, w, b, s, eps);
    return matrix_rows<T>(y, x, table, table + J, table + 2 * J, s);
  }
  parallel_for(s.N * s.C, s.S < PIECE / 4 ? PIECE / 4 / s.S : 1, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      int64_t c = t % s.C;
      T scale = T(rsqrt1(double(var[c]) + eps) * (w ? w[c] : 1));
      affine(y + t * s.S, x + t * s.S, s.S, mean[c], scale, b ? b[c] : T(0));
    }
  });
}

void batch_norm(PackedOut y, PackedOut mean, PackedOut var, PackedIn x, PackedIn w, PackedIn b, double eps) {
  if (x.dtype == DType::f32) forward<float>(y, mean, var, x, w, b, eps);
  else forward<double>(y, mean, var, x, w, b, eps);
}
void batch_norm_dx(PackedOut dx, PackedOut dw, PackedOut db, PackedIn g, PackedIn x, PackedIn w, PackedIn mean,
                   PackedIn var, double eps) {
  if (x.dtype == DType::f32) derivative<float>(dx, dw, db, g, x, w, mean, var, eps);
  else derivative<double>(dx, dw, db, g, x, w, mean, var, eps);
}
void batch_norm_eval(PackedOut y, PackedIn x, PackedIn mean, PackedIn var, PackedIn w, PackedIn b, double eps) {
  if (x.dtype == DType::f32) eval<float>(y, x, mean, var, w, b, eps);
  else eval<double>(y, x, mean, var, w, b, eps);
}

// running = (1 - momentum)·running + momentum·batch, with the variance unbiased (count / (count - 1)) as PyTorch keeps it.
// momentum is a 0-d array: with the cumulative average it changes at every step.
template <class T>
static void running(const View& rm, const View& rv, const View& mean, const View& var, const View& momentum, int64_t count) {
  double m = *momentum.ptr<T>(), unbias = count > 1 ? double(count) / double(count - 1) : 1;
  for (int64_t c = 0; c < mean.shape[0]; ++c) {
    if (rm.ndim >= 0) rm.ptr<T>()[c] = T((1 - m) * rm.ptr<T>()[c] + m * mean.ptr<T>()[c]);
    if (rv.ndim >= 0) rv.ptr<T>()[c] = T((1 - m) * rv.ptr<T>()[c] + m * unbias * var.ptr<T>()[c]);
  }
}
void batch_norm_running(PackedOut running_mean, PackedOut running_var, PackedIn mean, PackedIn var, PackedIn momentum,
                        int64_t count) {
  if (mean.dtype == DType::f32) running<float>(running_mean, running_var, mean, var, momentum, count);
  else running<double>(running_mean, running_var, mean, var, momentum, count);
}

}  // namespace fastnn::FN_ISA
