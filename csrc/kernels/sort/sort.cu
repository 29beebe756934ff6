// sort/sort.cu: sort, topk, kthvalue along one axis; unique; searchsorted.
//
//    sort      y[o, j] = x[o, index[o, j]], stable; NaN counts as the largest, −0 and 0 as equal
//    topk, kthvalue    the first k of that, the k-th of that: the row is sorted
//    unique    distinct values of the whole array in order, where each element went, how many there were
//
//    n <= 1024    rows in shared memory, a block sorts as many as make 1024 pairs (Batcher 1968, bitonic): pairs that differ in
//                 index are never equal, so the order is the stable one
//    longer       by digits, all rows at once (radix.cuh)
//
// cost     short rows: one read and one write; long ones: 4 or 8 passes of reading twice and writing once
#include "../../core/cuda/each.cuh"
#include "keys.cuh"
#include "radix.cuh"

namespace fastnn::cuda {

void cumsum(Out y, In x, int64_t axis, bool reverse, bool exclusive);

namespace {

struct Rows {  // the rows along `axis`, in x and in what is written
  int64_t count = 1, n, k, step_x, step_y, step_index;
  Loops<3> place;
  Rows(const View& y, const View& index, const View& x, int64_t axis) {
    n = x.ndim ? x.shape[axis] : 1, k = y.ndim ? y.shape[axis] : 1;
    step_x = x.ndim ? x.strides[axis] : 1, step_y = y.ndim ? y.strides[axis] : 1, step_index = index.ndim ? index.strides[axis] : 1;
    for (int d = 0; d < x.ndim; ++d) {
      const int64_t strides[3] = {y.strides[d], index.strides[d], x.strides[d]};
      if (d != axis) count *= x.shape[d], place.add(x.shape[d], strides);
    }
    if (n >= int64_t(1) << 31) raise_error("sort: more than 2^31 elements in a row");
  }
};

constexpr int SHORT = 1024, SORT_THREADS = 256;

// The order of each row's elements: order[row * n + j] is the j-th's index.
template <class S> __global__ void __launch_bounds__(SORT_THREADS) sort_short(Rows r, int width, bool descending, global<const S> x, global<int> order) {
  using K = typename KeyOf<S>::type;
  SHARED(K, key, SHORT);
  SHARED(int, index, SHORT);
  const int t = int(threadIdx.x), rows = SHORT / width;
  for (int64_t first = int64_t(blockIdx.x) * rows; first < r.count; first += int64_t(gridDim.x) * rows) {
    for (int e = t; e < SHORT; e += SORT_THREADS) {
      const int64_t row = first + e / width;
      const int j = e % width;
      index[e] = j;
      key[e] = ~K(0);  // beyond the row: last, as no index there is smaller
      if (row < r.count && j < r.n) {
        int64_t at[3];
        r.place.find(row, at);
        const K k = key_of(x[at[2] + j * r.step_x]);
        key[e] = descending ? K(~k) : k;
      }
    }
    __syncthreads();
    for (int size = 2; size <= width; size *= 2)
      for (int apart = size / 2; apart > 0; apart /= 2) {
        for (int p = t; p < SHORT / 2; p += SORT_THREADS) {
          const int low = p / apart * 2 * apart + p % apart, high = low + apart;
          const bool up = low % width / size % 2 == 0;
          const K a = key[low], b = key[high];
          const int i = index[low], j = index[high];
          if ((a > b || (a == b && i > j)) == up) key[low] = b, key[high] = a, index[low] = j, index[high] = i;
        }
        __syncthreads();
      }
    for (int e = t; e < SHORT; e += SORT_THREADS)
      if (first + e / width < r.count && e % width < r.n) order[(first + e / width) * r.n + e % width] = index[e];
    __syncthreads();
  }
}

template <class S> struct Keys {
  Rows r;
  bool descending;
  global<typename KeyOf<S>::type> key;
  global<const S> x;
  __device__ void operator()(int64_t e) const {
    using K = typename KeyOf<S>::type;
    int64_t at[3];
    r.place.find(e / r.n, at);
    const K k = key_of(x[at[2] + e % r.n * r.step_x]);
    key[e] = descending ? K(~k) : k;
  }
};

// The order of all rows: [count][n] indices.
template <class S> struct Ordered {
  Scratch<int> own;
  Scratch<typename KeyOf<S>::type> keys;
  Radix<typename KeyOf<S>::type> radix;
  global<const int> index;
  Ordered(const char* name, const Rows& r, const View& x, bool descending)
      : own(r.n <= SHORT ? r.count * r.n : 0), keys(r.n > SHORT ? r.count * r.n : 0), radix(name, filled(name, r, x, descending), r.n > SHORT ? r.count : 0, r.n, BITS),
        index(r.n > SHORT ? radix.index : own.read()) {
    if (r.n > SHORT || r.count * r.n == 0) return;
    int width = 2;
    while (width < r.n) width *= 2;
    launch(name, &sort_short<S>, blocks_for(r.count, SHORT / width), SORT_THREADS, r, width, descending, in<S>(x), global<int>(own));
  }

 private:
  static constexpr int BITS = sizeof(S) == 1 ? 8 : 8 * int(sizeof(typename KeyOf<S>::type));
  global<const typename KeyOf<S>::type> filled(const char* name, const Rows& r, const View& x, bool descending) {
    if (r.n > SHORT) launch_each(name, r.count * r.n, Keys<S>{r, descending, global<typename KeyOf<S>::type>(keys), in<S>(x)});
    return keys.read();
  }
};

template <class S> struct Write {  // the first k of each row
  Rows r;
  global<S> y;
  global<int64_t> index;
  global<const S> x;
  global<const int> order;
  __device__ void operator()(int64_t e) const {
    const int64_t row = e / r.k, j = e % r.k, i = order[row * r.n + j];
    int64_t at[3];
    r.place.find(row, at);
    y[at[0] + j * r.step_y] = x[at[2] + i * r.step_x];
    index[at[1] + j * r.step_index] = i;
  }
};
template <class S> struct Kth {
  Rows r;
  int64_t k;
  bool nan_wins;
  global<S> y;
  global<int64_t> index;
  global<const S> x;
  global<const int> order;
  __device__ void operator()(int64_t row) const {
    int64_t at[3], j = k - 1;
    r.place.find(row, at);
    const auto value = [&](int64_t i) { return x[at[2] + order[row * r.n + i] * r.step_x]; };
    const auto nan = [](S v) { return v != v; };
    if (nan_wins && nan(value(r.n - 1)))
      for (j = r.n - 1; j > 0 && nan(value(j - 1));) --j;  // the first NaN
    y[at[0]] = value(j);
    index[at[1]] = order[row * r.n + j];
  }
};

void first_of_rows(const char* name, const View& y, const View& index, const View& x, int64_t axis, bool descending) {
  by_type(x.dtype, [&](auto t) {
    using S = decltype(t);
    const Rows r(y, index, x, axis);
    if (r.count * r.n == 0) return;
    const Ordered<S> order(name, r, x, descending);
    launch_each(name, r.count * r.k, Write<S>{r, out<S>(y), out<int64_t>(index), in<S>(x), order.index});
  });
}

// ---- unique -----------------------------------------------------------------------------------------------------------------

template <class S> struct Begins {  // 1 where the j-th in order differs from the one before; a NaN equals nothing
  global<const S> x;
  global<const int> order;
  global<int64_t> begins;
  __device__ void operator()(int64_t j) const {
    const S v = x[order[j]];
    begins[j] = j == 0 || key_of(v) != key_of(x[order[j - 1]]) || v != v;
  }
};
template <class S> struct Spread {
  int64_t n;
  global<const S> x;
  global<const int> order;
  global<const int64_t> begins, number;  // number: begins' running sum
  global<S> y;
  global<int64_t> inverse, first, found;
  __device__ void operator()(int64_t j) const {
    const int64_t g = number[j] - 1;
    inverse[order[j]] = g;
    if (begins[j]) y[g] = x[order[j]], first[g] = j;
    if (j == n - 1) found[0] = g + 1;
  }
};
struct Lengths {
  int64_t n;
  global<const int64_t> first, found;
  global<int64_t> counts;
  __device__ void operator()(int64_t g) const {
    if (g < found[0]) counts[g] = (g + 1 < found[0] ? first[g + 1] : n) - first[g];
  }
};
struct Nothing {
  global<int64_t> found;
  __device__ void operator()(int64_t) const { found[0] = 0; }
};

template <class S> struct Search {
  int64_t n, m;
  bool right, shared;
  global<int64_t> y;
  global<const S> edges, x;
  __device__ void operator()(int64_t i) const {
    const int64_t row = shared ? 0 : i / m * n;
    const auto key = key_of(x[i]);
    int64_t low = 0;
    for (int64_t length = n; length > 0;) {
      const int64_t half = length / 2;
      const auto middle = key_of(edges[row + low + half]);
      const bool up = right ? middle <= key : middle < key;
      low = up ? low + half + 1 : low;
      length = up ? length - half - 1 : half;
    }
    y[i] = low;
  }
};

}  // namespace

void sort(Out y, Out index, In x, int64_t axis, bool descending) { first_of_rows("sort", y, index, x, axis, descending); }
void topk(Out y, Out index, In x, int64_t axis, bool largest) { first_of_rows("topk", y, index, x, axis, largest); }
void kthvalue(Out y, Out index, In x, int64_t axis, int64_t k, bool nan_wins) {
  by_type(x.dtype, [&](auto t) {
    using S = decltype(t);
    const Rows r(y, index, x, axis);
    if (r.count * r.n == 0) return;
    const Ordered<S> order("kthvalue", r, x, false);
    launch_each("kthvalue", r.count, Kth<S>{r, k, nan_wins, out<S>(y), out<int64_t>(index), in<S>(x), order.index});
  });
}
void unique(PackedOut y, PackedOut inverse, PackedOut counts, PackedOut found, PackedIn x) {
  const int64_t n = x.numel();
  if (n == 0) return launch_each("unique", 1, Nothing{out<int64_t>(found)});
  by_type(x.dtype, [&](auto t) {
    using S = decltype(t);
    View flat = view_of<uint8_t>(x.data, {n});
    flat.dtype = x.dtype;
    const Ordered<S> order("unique", Rows(flat, flat, flat, 0), flat, false);
    Scratch<int64_t> begins(n), number(n), first(n);
    launch_each("unique", n, Begins<S>{in<S>(x), order.index, global<int64_t>(begins)});
    cumsum(Out{view_of<int64_t>(number.data, {n})}, In{view_of<int64_t>(begins.data, {n})}, 0, false, false);
    launch_each("unique", n, Spread<S>{n, in<S>(x), order.index, begins.read(), number.read(), out<S>(y), out<int64_t>(inverse), global<int64_t>(first), out<int64_t>(found)});
    launch_each("unique", n, Lengths{n, first.read(), in<int64_t>(found), out<int64_t>(counts)});
  });
}
void searchsorted(PackedOut y, PackedIn edges, PackedIn x, bool right) {
  const int64_t n = edges.ndim ? edges.shape[edges.ndim - 1] : 1, m = x.ndim ? x.shape[x.ndim - 1] : 1;
  by_type(x.dtype, [&](auto t) {
    using S = decltype(t);
    launch_each("searchsorted", x.numel(), Search<S>{n, m, right, edges.ndim == 1, out<int64_t>(y), in<S>(edges), in<S>(x)});
  });
}

}  // namespace fastnn::cuda
