// cross_entropy.cpp: negative log-likelihood of class indices, from logits (cross_entropy) or log-probabilities (nll_loss).
//
//    cross_entropy     l = (1-ε)·w[t]·(lse - x[t]) + ε/C·Σ w[c]·(lse - x[c])         lse = log Σ exp x
//    its derivative    dx[c] = G·(A·softmax(x)[c] - q[c])      q[c] = (1-ε)·w[t]·[c = t] + ε/C·w[c]      A = Σ q
//                      G = g, or g / Σ w[t] for the mean
//
// Probabilities are never stored: forward needs the maximum, the sum of exp and one element; the derivative recomputes
// both while the row is in cache. So one read forward, one read and one write back, where log_softmax + nll_loss move
// seven times the row.
// read on  ../softmax/axis.h (why rows of 10 classes are turned into lanes)  →  targets.h
#include "../declare.h"
#include "../softmax/axis.h"
#include "../softmax/lse.h"
#include "targets.h"

namespace fastnn::FN_ISA {

template <class T> struct Smoothed {  // what is the same for every sample
  T keep, share, W;                   // 1-ε, ε/C, Σ w
};
template <class T> static Smoothed<T> smoothed(const Targets<T>& t, double smoothing) {
  double W = double(t.C);
  if (t.weight) W = blockwise_sum(t.weight, t.C);
  return {T(1 - smoothing), T(smoothing / double(t.C)), T(W)};
}

// The samples of a tile: `rows` of them; class c of sample r lies at x[c·stride + r] (turned or strided lanes).
template <class T> struct Tile {
  T* x;
  int64_t stride, rows, first;  // first: the number of sample r = 0
};

// f(tile in place or turned) for tiles of up to R samples, row(sample) for long contiguous rows.
// x is read; where `dx` is given the tile is written back to it.
template <class T, class Lanes, class Row>
static void over_samples(T* dx, const T* x, const Targets<T>& t, const Lanes& in_lanes, const Row& row) {
  constexpr int R = ROWS<T>;
  Axis s{t.N, t.C, t.S};
  if (s.inner > 1) {
    int64_t tiles = ceil_div(s.inner, R);
    parallel_for(s.outer * tiles, grain_of(s.n * (s.inner < R ? s.inner : R)), [&](int64_t begin, int64_t end) {
      for (int64_t k = begin; k < end; ++k) {
        int64_t i = k % tiles * R, at = k / tiles * s.n * s.inner + i, rows = s.inner - i < R ? s.inner - i : R;
        in_lanes(dx ? dx + at : nullptr, x + at, s.inner, rows, k / tiles * s.inner + i);
      }
    });
  } else if (worth_turning<T>(s, 2)) {
    parallel_for(ceil_div(s.outer, R), grain_of(R * s.n), [&](int64_t begin, int64_t end) {
      alignas(64) T turned[TURNED<T>];
      for (int64_t k = begin; k < end; ++k) {
        int64_t rows = s.outer - k * R < R ? s.outer - k * R : R;
        rows_to_lanes(turned, x + k * R * s.n, rows, s.n);
        in_lanes(static_cast<T*>(turned), static_cast<const T*>(turned), int64_t(R), rows, k * R);
        if (dx) lanes_to_rows(dx + k * R * s.n, turned, rows, s.n);
      }
    });
  } else {
    parallel_for(s.outer, grain_of(s.n), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) row(i);
    });
  }
}

// Maximum and Σ exp of `rows` <= R samples side by side, into arrays.
template <class T> FN void tile_stats(T* m, T* s, const T* x, int64_t n, int64_t stride, int64_t rows) {
  constexpr int L = lanes<T>;
  if (rows == ROWS<T> || stride == ROWS<T>) {  // a turned tile is always whole
    vec<T> mv[4], sv[4];
    column_max<4>(mv, x, n, stride, L);
    column_sum_exp<4>(sv, mv, x, n, stride, L);
    for (int u = 0; u < 4; ++u) store(m + u * L, mv[u]), store(s + u * L, sv[u]);
    return;
  }
  for (int64_t i = 0; i < rows; i += L) {
    vec<T> mv[1], sv[1];
    int64_t c = rows - i < L ? rows - i : L;
    column_max<1>(mv, x + i, n, stride, c);
    column_sum_exp<1>(sv, mv, x + i, n, stride, c);
    store(m + i, mv[0]), store(s + i, sv[0]);
  }
}

// exp(x - maximum) of `rows` <= R samples side by side to d, which may be x, and their sums to s.
template <class T> FN void tile_exp(T* d, T* s, const T* x, int64_t n, int64_t stride, int64_t rows) {
  constexpr int L = lanes<T>;
  if (rows == ROWS<T> || stride == ROWS<T>) {
    vec<T> m[4], sum[4];
    column_max<4>(m, x, n, stride, L);
    column_exp<4>(d, sum, m, x, n, stride, L);
    for (int u = 0; u < 4; ++u) store(s + u * L, sum[u]);
    return;
  }
  for (int64_t i = 0; i < rows; i += L) {
    vec<T> m[1], sum[1];
    int64_t c = rows - i < L ? rows - i : L;
    column_max<1>(m, x + i, n, stride, c);
    column_exp<1>(d + i, sum, m, x + i, n, stride, c);
    store(s + i, sum[0]);
  }
}

template <class T> static void losses(T* loss, const T* x, const Targets<T>& t, double smoothing) {
  Smoothed<T> z = smoothed(t, smoothing);
  bool smooth = smoothing > 0;
  over_samples<T>(
      nullptr, x, t,
      [&](T*, const T* tile, int64_t stride, int64_t rows, int64_t first) FN_LAMBDA {
        alignas(64) T m[ROWS<T>], s[ROWS<T>];
        tile_stats(m, s, tile, t.C, stride, rows);
        for (int64_t r = 0; r < ROWS<T>; r += lanes<T>) store(s + r, log(r < rows ? load(s + r) : vec<T>{}));
        for (int64_t r = 0; r < rows; ++r) {
          int64_t i = first + r;
          if (t.ignored(i)) {
            loss[i] = 0;
            continue;
          }
          T l = t.weight_of(i) * (m[r] - tile[t.index[i] * stride + r] + s[r]);
          if (smooth) {
            T rest = 0;
            for (int64_t c = 0; c < t.C; ++c) rest += (t.weight ? t.weight[c] : 1) * (m[r] - tile[c * stride + r]);
            l = z.keep * l + z.share * (rest + z.W * s[r]);
          }
          loss[i] = l;
        }
      },
      [&](int64_t i) FN_LAMBDA {
        loss[i] = 0;
        if (t.ignored(i)) return;
        const T* p = x + i * t.C;
        T m, s;
        row_stats(m, s, p, t.C);
        T lse = log1(s);
        T l = t.weight_of(i) * (m - p[t.index[i]] + lse);
        if (smooth) {
          vec<T> d[4] = {};
          sweep<T>(t.C, [&](int64_t c, int k, int64_t l) FN_LAMBDA {
            vec<T> v = m - load_part(p + c, l, m);
            d[k] += t.weight ? v * load_part(t.weight + c, l) : v;
          });
          l = z.keep * l + z.share * (sum_of<T>(d) + z.W * lse);
        }
        loss[i] = l;
      });
}

template <class T>
static void forward(const View& y, const View& x, const View& target, const View& weight, double smoothing, int64_t ignore,
                    int64_t reduction) {
  Targets<T> t = targets_of<T>(x, target, weight, ignore);
  double total = check_and_weigh(t);
  int64_t n = t.N * t.S;
  if (reduction == NONE) return losses(y.ptr<T>(), x.ptr<const T>(), t, smoothing);
  Scratch<T> loss(n + 1);
  losses<T>(loss, x.ptr<const T>(), t, smoothing);
  double sum = blockwise_sum<T>(loss, n);
  *y.ptr<T>() = T(reduction == MEAN ? sum / total : sum);
}

template <class T>
static void derivative(const View& dxv, const View& gv, const View& xv, const View& target, const View& weight,
                       double smoothing, int64_t ignore, int64_t reduction) {
  constexpr int L = lanes<T>;
  Targets<T> t = targets_of<T>(xv, target, weight, ignore);
  double total = check_and_weigh(t);
  Smoothed<T> z = smoothed(t, smoothing);
  T* dx = dxv.ptr<T>();
  const T *x = xv.ptr<const T>(), *g = gv.ptr<const T>();
  T common = reduction == MEAN ? T(*g / total) : reduction == SUM ? *g : T(0);
  bool smooth = smoothing > 0;
  auto slope = [&](int64_t i) FN_LAMBDA { return reduction == NONE ? g[i] : common; };
  over_samples(
      dx, x, t,
      [&](T* d, const T* tile, int64_t stride, int64_t rows, int64_t first) FN_LAMBDA {
        alignas(64) T s[ROWS<T>], w[ROWS<T>], G[ROWS<T>];
        alignas(64) lane<bits<T>> index[ROWS<T>];
        tile_exp(d, s, tile, t.C, stride, rows);
        bool some_ignored = false;
        for (int64_t r = 0; r < ROWS<T>; ++r) {
          int64_t i = first + (r < rows ? r : 0);
          some_ignored |= t.ignored(i);
          index[r] = lane<bits<T>>(t.index[i]);
          w[r] = t.ignored(i) ? T(0) : t.weight_of(i);
          G[r] = slope(i);
        }
        for (int64_t r = 0; r < rows; r += L) {
          int64_t c = stride == ROWS<T> || rows - r >= L ? L : rows - r;
          vec<T> gv = load(G + r), b = gv * z.share, top = gv * z.keep * load(w + r);
          vec<T> a = gv * (z.keep * load(w + r) + splat(z.share * z.W)) / load(s + r);
          bits<T> at = to_bits<T>(load(reinterpret_cast<const T*>(index) + r));
          for (int64_t j = 0; j < t.C; ++j) {
            vec<T> v = load_part(d + j * stride + r, c) * a;
            if (smooth) v -= b * (t.weight ? t.weight[j] : T(1));
            v -= at == lane<bits<T>>(j) - bits<T>{} ? top : vec<T>{};
            store_part(d + j * stride + r, v, c);
          }
        }
        if (!some_ignored) return;
        for (int64_t r = 0; r < rows; ++r)
          if (t.ignored(first + r))
            for (int64_t j = 0; j < t.C; ++j) d[j * stride + r] = 0;
      },
      [&](int64_t i) FN_LAMBDA {
        const T* p = x + i * t.C;
        T* d = dx + i * t.C;
        if (t.ignored(i)) {
          for (int64_t c = 0; c < t.C; ++c) d[c] = 0;
          return;
        }
        vec<T> rest;
        T s = row_exp(d, rest, p, t.C, row_max(p, t.C)), G = slope(i), w = t.weight_of(i);
        T a = G * (z.keep * w + z.share * z.W) / s, b = G * z.share;
        auto finish = [&](vec<T> e, int64_t c, int64_t l) FN_LAMBDA {
          vec<T> v = e * a;
          if (smooth) v -= t.weight ? b * load_part(t.weight + c, l) : splat(b);
          store_part(d + c, v, l);
        };
        int64_t whole = t.C - t.C % L;
        sweep<T>(whole, [&](int64_t c, int, int64_t l) FN_LAMBDA { finish(load(d + c), c, l); });
        if (whole < t.C) finish(rest, whole, t.C - whole);
        d[t.index[i]] -= G * z.keep * w;
      });
}

void cross_entropy(PackedOut y, PackedIn x, PackedIn target, PackedIn weight, double smoothing, int64_t ignore,
                   int64_t reduction) {
  if (x.dtype == DType::f32) forward<float>(y, x, target, weight, smoothing, ignore, reduction);
  else forward<double>(y, x, target, weight, smoothing, ignore, reduction);
}
void cross_entropy_dx(PackedOut dx, PackedIn g, PackedIn x, PackedIn target, PackedIn weight, double smoothing,
                      int64_t ignore, int64_t reduction) {
  if (x.dtype == DType::f32) derivative<float>(dx, g, x, target, weight, smoothing, ignore, reduction);
  else derivative<double>(dx, g, x, target, weight, smoothing, ignore, reduction);
}

// q of the head, and the total weight: what the differentiable form of the derivative is written with.
template <class T>
static void target_weights(const View& qv, const View& totalv, const View& target, const View& weight, double smoothing,
                           int64_t ignore) {
  Targets<T> t = targets_of<T>(qv, target, weight, ignore);
  *totalv.ptr<T>() = T(check_and_weigh(t));
  Smoothed<T> z = smoothed(t, smoothing);
  T* q = qv.ptr<T>();
  parallel_for(t.N, grain_of(t.C * t.S), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n)
      for (int64_t c = 0; c < t.C; ++c)
        for (int64_t s = 0; s < t.S; ++s) {
          int64_t i = n * t.S + s;
          T share = z.share * (t.weight ? t.weight[c] : T(1)), hit = t.index[i] == c ? z.keep * t.weight_of(i) : T(0);
          q[(n * t.C + c) * t.S + s] = t.ignored(i) ? T(0) : hit + share;
        }
  });
}
void cross_entropy_target(PackedOut q, PackedOut total, PackedIn target, PackedIn weight, double smoothing,
                          int64_t ignore) {
  if (q.dtype == DType::f32) target_weights<float>(q, total, target, weight, smoothing, ignore);
  else target_weights<double>(q, total, target, weight, smoothing, ignore);
}

// ---- nll_loss: l = -w[t]·x[t] ----------------------------------------------------------------------------------------

template <class T>
static void nll(const View& y, const View& xv, const View& target, const View& weight, int64_t ignore, int64_t reduction) {
  Targets<T> t = targets_of<T>(xv, target, weight, ignore);
  double total = check_and_weigh(t);
  int64_t n = t.N * t.S;
  Scratch<T> scratch(reduction == NONE ? 1 : n + 1);
  T* loss = reduction == NONE ? y.ptr<T>() : static_cast<T*>(scratch);
  const T* x = xv.ptr<const T>();
  parallel_for(n, 8192, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t at = (i / t.S * t.C + (t.ignored(i) ? 0 : t.index[i])) * t.S + i % t.S;
      loss[i] = t.ignored(i) ? T(0) : -t.weight_of(i) * x[at];
    }
  });
  if (reduction == NONE) return;
  double sum = blockwise_sum<T>(loss, n);
  *y.ptr<T>() = T(reduction == MEAN ? sum / total : sum);
}

template <class T>
static void nll_derivative(const View& dxv, const View& gv, const View& target, const View& weight, int64_t ignore,
                           int64_t reduction) {
  Targets<T> t = targets_of<T>(dxv, target, weight, ignore);
  double total = check_and_weigh(t);
  T* dx = dxv.ptr<T>();
  const T* g = gv.ptr<const T>();
  T common = reduction == MEAN ? T(*g / total) : reduction == SUM ? *g : T(0);
  parallel_for(t.N, grain_of(t.C * t.S), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      T* d = dx + n * t.C * t.S;
      for (int64_t k = 0; k < t.C * t.S; ++k) d[k] = 0;
      for (int64_t s = 0; s < t.S; ++s) {
        int64_t i = n * t.S + s;
        if (!t.ignored(i)) d[t.index[i] * t.S + s] = -t.weight_of(i) * (reduction == NONE ? g[i] : common);
      }
    }
  });
}

void nll_loss(PackedOut y, PackedIn x, PackedIn target, PackedIn weight, int64_t ignore, int64_t reduction) {
  if (x.dtype == DType::f32) nll<float>(y, x, target, weight, ignore, reduction);
  else nll<double>(y, x, target, weight, ignore, reduction);
}
void nll_loss_dx(PackedOut dx, PackedIn g, PackedIn target, PackedIn weight, int64_t ignore, int64_t reduction) {
  if (dx.dtype == DType::f32) nll_derivative<float>(dx, g, target, weight, ignore, reduction);
  else nll_derivative<double>(dx, g, target, weight, ignore, reduction);
}

}  // namespace fastnn::FN_ISA
