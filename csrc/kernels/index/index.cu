// index/index.cu: advanced indexing on a GPU. Whole rows are picked by tables of indices, one table for each picked axis.
//
//    index_get   y[o, b, i]    = x[o, p(b), i]         index_put   y[o, p(b), i] = or += x[o, b, i]
//    index_sum   y = 0, then += (the derivative of index_get, and of embedding)                one_hot   y[b, c] = c == index[b]
//
// What is written to one place comes in the order of b: the rows are sorted first, stably (group.cuh), and the first element of each
// group adds up the whole group (or its last one is what stays). No atomics; the same bits as on the CPU.
//
// cost     a row's sectors; index_put and index_sum sort the table besides. A place that very many indices name is summed by one thread
//          a column, one after another
#include <type_traits>

#include "group.cuh"
#include "parts.cuh"

namespace fastnn::cuda {
namespace {

template <class T> struct Get {
  Parts p;
  Split split;  // o, b, i
  Picked picked;
  global<T> y;
  global<const T> x;
  global<const int64_t> row;
  __device__ void operator()(int64_t e) const {
    const auto [o, b, i] = split(e);
    int64_t outer[2], inner[2], table[1];
    p.outer.find(o, outer), p.inner.find(i, inner), p.table.find(b, table);
    const int64_t r = row[b];
    y[outer[1] + table[0] + inner[1]] = r < 0 ? T(0) : x[outer[0] + picked(r) + inner[0]];
  }
};

// Element e: (o, s, i), s a place in the sorted table. Of each group one s works.
template <class T, bool ADD> struct Put {
  Parts p;
  Split split;
  Picked picked;
  global<T> y;
  global<const T> x;
  global<const uint32_t> row;
  global<const int> order;
  int64_t rows;
  __device__ void operator()(int64_t e) const {
    const auto [o, s, i] = split(e);
    const int64_t r = row[s];
    const bool mine = ADD ? s == 0 || row[s - 1] != r : s + 1 == p.table.count || row[s + 1] != r;
    if (r >= rows || !mine) return;
    int64_t outer[2], inner[2], table[1];
    p.outer.find(o, outer), p.inner.find(i, inner);
    T& to = y[outer[0] + picked(r) + inner[0]];
    T v = to;
    for (int64_t k = s; ADD ? k < p.table.count && row[k] == r : k == s; ++k) {
      p.table.find(order[k], table);
      const T term = x[outer[1] + table[0] + inner[1]];
      v = ADD ? T(v + term) : term;
    }
    to = v;
  }
};
template <class T> struct Zero {
  global<T> y;
  __device__ void operator()(int64_t i) const { y[i] = T(0); }
};

Split split_of(const Parts& p) { return Split(p.table.count, p.inner.count, p.count()); }
int64_t rows_picked(const View& whole, const Ints& axes) {
  int64_t n = 1;
  for (int64_t j = 0; j < axes.n; ++j) n *= whole.shape[axes[j]];
  return n;
}

void put(const char* name, const View& y, const View& x, const Ins& index, const Ints& axes, int64_t at, int64_t wrap, int64_t skip, bool add) {
  const Parts p = parts_of(y, x, index, axes, at);
  if (p.table.count == 0) return;
  Scratch<int64_t> row(p.table.count);
  rows_of(row, y, index, p, axes, wrap, skip);
  if (p.count() == 0) return;
  const int64_t rows = rows_picked(y, axes);
  const Sorted sorted(name, row.read(), p.table.count, rows);
  const auto run = [&](auto t, auto how) {
    using T = decltype(t);
    launch_each(name, p.count(), Put<T, decltype(how)::value>{p, split_of(p), Picked(y, axes), out<T>(y), in<T>(x), sorted.rows.key, sorted.rows.index, rows});
  };
  if (add) by_type(y.dtype, [&](auto t) { run(t, std::true_type{}); });
  else by_size(y.dtype, [&](auto t) { run(t, std::false_type{}); });
}

struct OneHot {
  Loops<1> place;
  Split split;  // b, class
  global<int64_t> y;
  global<const int64_t> index;
  int64_t classes;
  __device__ void operator()(int64_t e) const {
    const auto [b, c, one] = split(e);
    int64_t at[1];
    place.find(b, at);
    const int64_t k = index[at[0]];
    if (uint64_t(k) >= uint64_t(classes)) fault(Fault::index, "one_hot", k, classes);
    y[e] = c == k;
  }
};

}  // namespace

void index_get(Out y, In x, Ins index, Ints axes, int64_t at, int64_t wrap, int64_t skip) {
  const Parts p = parts_of(x, y, index, axes, at);
  if (p.table.count == 0) return;
  Scratch<int64_t> row(p.table.count);
  rows_of(row, x, index, p, axes, wrap, skip);
  by_size(y.dtype, [&](auto t) {
    using T = decltype(t);
    launch_each("index_get", p.count(), Get<T>{p, split_of(p), Picked(x, axes), out<T>(y), in<T>(x), row.read()});
  });
}
void index_put(Out y, In x, Ins index, Ints axes, int64_t at, int64_t wrap, int64_t skip, int64_t accumulate) {
  put("index_put", y, x, index, axes, at, wrap, skip, accumulate != 0);
}
void index_sum(PackedOut y, In x, Ins index, Ints axes, int64_t at, int64_t wrap, int64_t skip) {
  by_size(y.dtype, [&](auto t) { launch_each("index_sum", y.numel(), Zero<decltype(t)>{out<decltype(t)>(y)}); });
  put("index_sum", y, x, index, axes, at, wrap, skip, true);
}
void one_hot(PackedOut y, In index) {
  const int64_t classes = y.shape[y.ndim - 1];
  Loops<1> place;
  for (int d = 0; d < index.ndim; ++d) {
    const int64_t stride[1] = {index.strides[d]};
    place.add(index.shape[d], stride);
  }
  launch_each("one_hot", y.numel(), OneHot{place, Split(classes, 1, y.numel()), out<int64_t>(y), in<int64_t>(index), classes});
}

}  // namespace fastnn::cuda
