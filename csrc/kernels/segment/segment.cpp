// segment: rows that belong together, summed, compared or normalised: pooling over a set, messages along a graph's edges, and
// products with a sparse matrix. All sums are one trilinear form over k = 0 .. n - 1 (edges, entries of the matrix):
//
//    F(g, x, p) = Σ_k Σ_h p[k, h] <g[to[k], h], x[source[k], h]>      g (R, H, D)   x (V, H, D)   p (n, H) or None: 1
//
//    segment_sum   ∂F/∂g    y[r, h] = Σ_{to[k] = r} p[k, h] x[source[k], h]       ∂F/∂x is the same with to and source exchanged
//    segment_dot   ∂F/∂p    dp[k, h] = <g[to[k], h], x[source[k], h]>
//
// to, source: None for k itself, numbers of rows (n) in any order, or, for one of them, where rows begin (R + 1): csr = 1 says that
// of `to`, -1 of `source`. A sparse matrix has to = row, source = column, p = values; sums of segments have to = their ids and
// nothing else; H > 1 gives each part of a row (a head of attention) weights of its own.
//
//    segment_max      the largest of each column over a segment, and where it is; -inf and -1 where a segment is empty
//    segment_softmax  y[k] = exp(x[k] - m) / Σ exp(x - m) over k's segment, column by column
//
// Each row of a result is written by one thread and summed in the order of k: entries are first grouped by row (a count and two
// passes over `to`; only the count when `to` never falls). Bound by memory: the rows x[source[k]], the next ones prefetched.
// Measured (Zen 4, 2 threads): 200,000 entries of a 20,000-row matrix times 32 columns 0.44 ms, MKL 0.59; 100,000 entries times one
// column 66 us, MKL 63; 40,000 entries times 7 columns 60 us, MKL 42 (two accumulators side by side did not help).
#include "../../core/error.h"
#include "../../core/parallel.h"
#include "../declare.h"
#include "../index/group.h"
#include "../softmax/lse.h"
#include "rows.h"

namespace fastnn::FN_ISA {
namespace {

constexpr int64_t GRAIN = 16384;     // numbers read a chunk
constexpr int64_t CACHED = 1 << 19;  // bytes of a table whose rows are not fetched ahead: the second-level cache holds it

// IndexError for a number outside 0 .. rows - 1.
void check_ids(const char* name, const View& ids, int64_t n, int64_t rows) {
  if (ids.dtype != DType::i64 || ids.numel() != n) raise_error(ErrorKind::shape, "%s: expected %lld ids of int64", name, (long long)n);
  const int64_t* at = ids.ptr<int64_t>();
  parallel_for(n, GRAIN, [=](int64_t begin, int64_t end) {
    bool outside = false;
    for (int64_t k = begin; k < end; ++k) outside |= uint64_t(at[k]) >= uint64_t(rows);
    for (int64_t k = begin; outside && k < end; ++k)
      if (at[k] < 0 || at[k] >= rows) raise_index(name, at[k], rows);
  }, true);
}
void check_offsets(const View& offsets, int64_t n, int64_t rows) {
  if (offsets.dtype != DType::i64 || offsets.numel() != rows + 1)
    raise_error(ErrorKind::shape, "csr: expected %lld offsets of int64", (long long)(rows + 1));
  const int64_t* at = offsets.ptr<int64_t>();
  if (at[0] != 0 || at[rows] != n)
    raise_error(ErrorKind::value, "csr: offsets must go from 0 to the number of entries, %lld, got %lld to %lld", (long long)n,
                (long long)at[0], (long long)at[rows]);
  for (int64_t r = 0; r < rows; ++r)
    if (at[r + 1] < at[r])
      raise_error(ErrorKind::value, "csr: offsets must not fall, got %lld after %lld", (long long)at[r + 1], (long long)at[r]);
}

// The row of each k.
struct Ids {
  const int64_t* at;
  Scratch<int64_t> own;

  Ids(const char* name, const View& v, int64_t n, int64_t rows, bool csr) : at(nullptr), own(csr ? n : 0) {
    if (v.ndim < 0) return;
    at = csr ? own.data : v.ptr<int64_t>();
    if (csr) {
      check_offsets(v, n, rows);
      for (int64_t r = 0, *offsets = v.ptr<int64_t>(); r < rows; ++r)
        for (int64_t k = offsets[r]; k < offsets[r + 1]; ++k) own[k] = r;
    } else {
      check_ids(name, v, n, rows);
    }
  }
  FN int64_t operator[](int64_t k) const { return at ? at[k] : k; }
};

// Which k belong to each row, in order: place(i), i in [begin(r), end(r)).
struct Groups {
  int64_t n, rows;
  bool each, sorted;  // each: row r has the one k = r
  const int64_t* offsets;
  Scratch<int64_t> own;
  Scratch<int32_t> order;

  Groups(const char* name, const View& to, int64_t n, int64_t rows, bool csr)
      : n(n), rows(rows), each(to.ndim < 0), sorted(each || csr || rising(name, to, n, rows)), offsets(to.ptr<int64_t>()),
        own(each || csr ? 0 : rows + 1), order(sorted ? 0 : n) {
    if (n >= INT32_MAX || rows >= INT32_MAX) raise_error(ErrorKind::value, "%s: too many rows", name);
    if (csr) check_offsets(to, n, rows);
    if (each || csr) return;
    const int64_t* at = to.ptr<int64_t>();
    offsets = own;
    if (sorted) {
      int64_t r = 0;
      for (int64_t k = 0; k < n; ++k)
        while (r <= at[k]) own[r++] = k;
      while (r <= rows) own[r++] = n;
    } else {
      group_by(n, rows, own.data, order.data, [&](int64_t k) __attribute__((always_inline)) { return at[k]; });
    }
  }
  static bool rising(const char* name, const View& ids, int64_t n, int64_t rows) {
    check_ids(name, ids, n, rows);
    const int64_t* at = ids.ptr<int64_t>();
    bool falls = false;
    for (int64_t k = 1; k < n && !falls; k += 256)
      for (int64_t i = k; i < k + 256 && i < n; ++i) falls |= at[i] < at[i - 1];
    return !falls;
  }
  FN int64_t begin(int64_t r) const { return each ? r : offsets[r]; }
  FN int64_t end(int64_t r) const { return each ? r + 1 : offsets[r + 1]; }
  FN int64_t place(int64_t i) const { return sorted ? i : order[i]; }
  int64_t grain(int64_t width) const { return ceil_div(GRAIN * rows, (n + rows) * (width < 4 ? 4 : width) + 1); }  // rows
};

template <class F> void with_type(const char* name, const View& x, const F& f) {
  if (x.dtype == DType::f32) return f(float{});
  if (x.dtype == DType::f64) return f(double{});
  raise_error(ErrorKind::dtype, "%s: not implemented for integers", name);
}

// Columns of a vector, or fewer: f(first, count).
template <class T, class F> FN void columns(int64_t width, const F& f) {
  for (int64_t j = 0; j < width; j += lanes<T>) f(j, width - j < lanes<T> ? width - j : int64_t(lanes<T>));
}

// Rows of one number: an addition costs less than to find out whose turn it is. 100,000 into 1,000 in any order: 272 us grouped, 149
// so. Where ids rise, a sum stays in a register while its segment lasts: 169 us, 328 through memory.
void add_numbers(const View& y, const View& x, const View& p, const Ids& from, const View& to, int64_t n) {
  const bool sorted = Groups::rising("segment_sum", to, n, y.shape[0]);
  const int64_t* at = to.ptr<int64_t>();
  with_type("segment_sum", y, [&](auto type) {
    using T = decltype(type);
    T* out = y.ptr<T>();
    __builtin_memset(out, 0, size_t(y.bytes()));
    auto term = [&](int64_t k) FN_LAMBDA {
      T v = x.ptr<T>()[from[k]];
      return p.ndim < 0 ? v : p.ptr<T>()[k] * v;
    };
    for (int64_t k = 0; !sorted && k < n; ++k) out[at[k]] += term(k);
    for (int64_t k = 0; sorted && k < n;) {
      int64_t r = at[k];
      T sum = 0;
      while (k < n && at[k] == r) sum += term(k++);
      out[r] = sum;
    }
  });
}

}  // namespace

void segment_sum(PackedOut y, PackedIn x, PackedIn p, PackedIn source, PackedIn to, int64_t entries, int64_t csr) {
  int64_t rows = y.shape[0], heads = y.shape[1], width = y.shape[2], row = heads * width, n = entries;
  Ids from("segment_sum", source, n, x.shape[0], csr < 0);
  if (row == 1 && to.ndim >= 0 && csr <= 0) return add_numbers(y, x, p, from, to, n);
  Groups groups("segment_sum", to, n, rows, csr > 0);
  with_type("segment_sum", y, [&](auto type) {
    using T = decltype(type);
    const T *table = x.ptr<T>(), *weights = p.ndim < 0 ? nullptr : p.ptr<T>();
    const int64_t ahead = x.bytes() > CACHED ? n : 0;
    const int32_t* order = groups.order.data;
    T* out = y.ptr<T>();
    auto sum = [&](bool sorted, const int64_t* at, const T* weights, int64_t first, int64_t last) FN_LAMBDA {
      for (int64_t r = first; r < last; ++r)
        for (int64_t h = 0; h < heads; ++h) {
          T* yrow = out + r * row + h * width;
          int64_t begin = groups.begin(r), end = groups.end(r);
          auto place = [=](int64_t i) FN_LAMBDA { return sorted ? i : int64_t(order[i]); };
          auto term = [=](int64_t i) FN_LAMBDA {
            int64_t k = place(i);
            return table + (at ? at[k] : k) * row + h * width;
          };
          auto weight = [=](int64_t i) FN_LAMBDA { return weights ? weights[place(i) * heads + h] : T(1); };
          if (width == 1) *yrow = sum_numbers<T>(begin, end, [=](int64_t i) FN_LAMBDA { return weight(i) * *term(i); });
          else sum_rows(yrow, width, begin, end, ahead, term, weight, T(1));
        }
    };
    parallel_for(rows, groups.grain(row), [&](int64_t first, int64_t last) {
      if (groups.sorted && from.at && weights) sum(true, from.at, weights, first, last);  // a sparse matrix: no question an entry
      else if (groups.sorted && !from.at && !weights) sum(true, nullptr, nullptr, first, last);  // a sum of segments
      else sum(groups.sorted, from.at, weights, first, last);
    });
  });
}

void segment_dot(PackedOut dp, PackedIn g, PackedIn x, PackedIn to, PackedIn source, int64_t csr) {
  int64_t n = dp.shape[0], heads = g.shape[1], width = g.shape[2], row = heads * width;
  Ids left("segment_dot", to, n, g.shape[0], csr > 0), right("segment_dot", source, n, x.shape[0], csr < 0);
  with_type("segment_dot", g, [&](auto type) {
    using T = decltype(type);
    const T *a = g.ptr<T>(), *b = x.ptr<T>();
    parallel_for(n, ceil_div(GRAIN, 2 * row + 1), [&](int64_t first, int64_t last) {
      for (int64_t k = first; k < last; ++k) {
        if (k + AHEAD < n) __builtin_prefetch(b + right[k + AHEAD] * row), __builtin_prefetch(a + left[k + AHEAD] * row);
        for (int64_t h = 0; h < heads; ++h) {
          const T *u = a + left[k] * row + h * width, *v = b + right[k] * row + h * width;
          vec<T> acc{};
          columns<T>(width, [&](int64_t j, int64_t c) FN_LAMBDA { acc += load_part(u + j, c) * load_part(v + j, c); });
          dp.ptr<T>()[k * heads + h] = sum_lanes<T>(acc);
        }
      }
    });
  });
}

void segment_max(PackedOut y, PackedOut at, PackedIn x, PackedIn ids) {
  int64_t rows = y.shape[0], width = y.shape[1], n = ids.numel();
  Groups groups("segment_max", ids, n, rows, false);
  with_type("segment_max", x, [&](auto type) {
    using T = decltype(type);
    using Index = lane<bits<T>>;
    parallel_for(rows, groups.grain(width), [&](int64_t first, int64_t last) {
      for (int64_t r = first; r < last; ++r)
        columns<T>(width, [&](int64_t j, int64_t c) FN_LAMBDA {
          vec<T> most = splat(NEG_INF<T>);
          bits<T> where = bits<T>{} - 1;
          for (int64_t i = groups.begin(r); i < groups.end(r); ++i) {
            int64_t k = groups.place(i);
            vec<T> v = load_part(x.ptr<T>() + k * width + j, c);
            bits<T> larger = (v > most) | ((v != v) & (most == most)) | (where < 0);  // the first NaN wins
            most = select(larger, v, most);
            where = select(larger, Index(k) - bits<T>{}, where);
          }
          store_part(y.ptr<T>() + r * width + j, most, c);
          for (int64_t l = 0; l < c; ++l) at.ptr<int32_t>()[r * width + j + l] = int32_t(where[l]);
        });
    });
  });
}

void segment_max_dx(PackedOut dx, PackedIn g, PackedIn at, PackedIn ids) {
  int64_t n = dx.shape[0], width = dx.shape[1];
  check_ids("segment_max_dx", ids, n, g.shape[0]);
  with_type("segment_max_dx", g, [&](auto type) {
    using T = decltype(type);
    parallel_for(n, ceil_div(GRAIN, 2 * width + 1), [&](int64_t first, int64_t last) {
      for (int64_t k = first; k < last; ++k) {
        int64_t r = ids.ptr<int64_t>()[k] * width;
        const T* from = g.ptr<T>() + r;
        const int32_t* where = at.ptr<int32_t>() + r;
        for (int64_t j = 0; j < width; ++j) dx.ptr<T>()[k * width + j] = where[j] == int32_t(k) ? from[j] : T(0);
      }
    });
  });
}

void segment_softmax(PackedOut y, PackedIn x, PackedIn ids, int64_t segments) {
  int64_t n = y.shape[0], width = y.shape[1];
  Groups groups("segment_softmax", ids, n, segments, false);
  with_type("segment_softmax", x, [&](auto type) {
    using T = decltype(type);
    parallel_for(segments, groups.grain(4 * width), [&](int64_t first, int64_t last) {
      for (int64_t r = first; r < last; ++r)
        columns<T>(width, [&](int64_t j, int64_t c) FN_LAMBDA {
          auto each = [&](const auto& f) __attribute__((always_inline)) {
            for (int64_t i = groups.begin(r); i < groups.end(r); ++i) f(groups.place(i) * width + j);
          };
          vec<T> most = splat(NEG_INF<T>), sum{};
          each([&](int64_t o) FN_LAMBDA { most = max(most, load_part(x.ptr<T>() + o, c, T(0))); });
          each([&](int64_t o) FN_LAMBDA {
            vec<T> e = exp_weight(load_part(x.ptr<T>() + o, c) - most);
            sum += e;
            store_part(y.ptr<T>() + o, e, c);
          });
          sum = 1 / sum;
          each([&](int64_t o) FN_LAMBDA { store_part(y.ptr<T>() + o, load_part(y.ptr<T>() + o, c) * sum, c); });
        });
    });
  });
}

void segment_softmax_dx(PackedOut dx, PackedIn g, PackedIn y, PackedIn ids, int64_t segments) {
  int64_t n = dx.shape[0], width = dx.shape[1];
  Groups groups("segment_softmax_dx", ids, n, segments, false);
  with_type("segment_softmax_dx", g, [&](auto type) {
    using T = decltype(type);
    parallel_for(segments, groups.grain(3 * width), [&](int64_t first, int64_t last) {
      for (int64_t r = first; r < last; ++r)
        columns<T>(width, [&](int64_t j, int64_t c) FN_LAMBDA {
          vec<T> dot{};
          for (int64_t i = groups.begin(r); i < groups.end(r); ++i) {
            int64_t o = groups.place(i) * width + j;
            dot += load_part(g.ptr<T>() + o, c) * load_part(y.ptr<T>() + o, c);
          }
          for (int64_t i = groups.begin(r); i < groups.end(r); ++i) {
            int64_t o = groups.place(i) * width + j;
            store_part(dx.ptr<T>() + o, load_part(y.ptr<T>() + o, c) * (load_part(g.ptr<T>() + o, c) - dot), c);
          }
        });
    });
  });
}

}  // namespace fastnn::FN_ISA
