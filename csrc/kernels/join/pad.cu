// join/pad.cu: y reads x through one map for each axis; pad_dx adds up what reads an element.
//
//    pad      y[i] = x[m(i - before)]           m:  constant    outside: value
//    pad_dx   dx[j] = Σ g[i] over m(i) = j          reflect     c b | a b c d | c b      (of constant: pad backwards)
//                                                   replicate   a a | a b c d | d d
//                                                   circular    c d | a b c d | a b
//
// Axes that do not change become one with their neighbours. Which i read a j is listed by the host, for each axis, and sent along
// (a few numbers: axes, not elements); a thread then adds up all combinations for its element, in order.
#include <vector>

#include "../../core/cuda/each.cuh"

namespace fastnn::cuda {
namespace {

enum Mode { constant, reflect, replicate, circular };

FN int64_t map(int64_t i, int64_t n, int64_t mode) {  // to an element of x, or -1
  if (i >= 0 && i < n) return i;
  if (mode == constant) return -1;
  if (mode == replicate) return i < 0 ? 0 : n - 1;
  if (mode == circular) {
    i %= n;
    return i < 0 ? i + n : i;
  }
  if (n == 1) return 0;
  while (i < 0 || i >= n) i = i < 0 ? -i : 2 * n - 2 - i;
  return i;
}

struct Axes {  // outermost first
  int n = 0;
  int64_t y[MAX_DIMS], x[MAX_DIMS], before[MAX_DIMS];
  Axes(const View& yv, const View& xv, const Ints& shift) {
    bool same = false;
    for (int d = 0; d < yv.ndim; ++d) {
      const bool as_before = same;
      same = yv.shape[d] == xv.shape[d] && shift[d] == 0;
      if (!(same && as_before)) y[n] = x[n] = 1, before[n++] = shift[d];
      y[n - 1] *= yv.shape[d], x[n - 1] *= xv.shape[d];
    }
  }
};

template <class T> struct Pad {
  Axes axes;
  int64_t mode;
  T value;
  global<T> y;
  global<const T> x;
  __device__ void operator()(int64_t e) const {
    int64_t at = 0, step = 1, rest = e;
    bool inside = true;
    for (int d = axes.n - 1; d >= 0; --d) {
      const int64_t next = rest / axes.y[d], k = map(rest - next * axes.y[d] - axes.before[d], axes.x[d], mode);
      inside = inside && k >= 0;
      at += k * step, step *= axes.x[d], rest = next;
    }
    y[e] = inside ? x[at] : value;
  }
};

template <class T> struct PadDx {
  Axes axes;  // y: g's
  int64_t start[MAX_DIMS], item[MAX_DIMS];  // where each axis' lists lie in `lists`
  global<const int64_t> lists;
  global<T> dx;
  global<const T> g;
  __device__ void operator()(int64_t e) const {
    int64_t pick[MAX_DIMS], first[MAX_DIMS], stop[MAX_DIMS], rest = e;
    bool any = true;
    for (int d = axes.n - 1; d >= 0; --d) {
      const int64_t next = rest / axes.x[d], j = rest - next * axes.x[d];
      first[d] = pick[d] = lists[start[d] + j], stop[d] = lists[start[d] + j + 1];
      any = any && pick[d] < stop[d];
      rest = next;
    }
    T sum = 0;
    while (any) {
      int64_t from = 0;
      for (int d = 0; d < axes.n; ++d) from = from * axes.y[d] + lists[item[d] + pick[d]];
      sum += g[from];
      int d = axes.n - 1;
      for (; d >= 0; --d) {
        if (++pick[d] < stop[d]) break;
        pick[d] = first[d];
      }
      any = d >= 0;
    }
    dx[e] = sum;
  }
};

}  // namespace

void pad(PackedOut y, PackedIn x, Ints before, int64_t mode, double value) {
  by_type(y.dtype, [&](auto t) {
    using T = decltype(t);
    launch_each("pad", y.numel(), Pad<T>{Axes(y, x, before), mode, y.dtype == DType::b8 ? T(value != 0) : T(value), out<T>(y), in<T>(x)});
  });
}

void pad_dx(PackedOut dx, PackedIn g, Ints before, int64_t mode) {
  if (mode == constant) raise_error("pad_dx: of constant padding is pad, by the negative widths");
  if (dx.numel() == 0) return;
  const Axes axes(g, dx, before);
  std::vector<int64_t> lists;
  int64_t start[MAX_DIMS], item[MAX_DIMS];
  for (int d = 0; d < axes.n; ++d) {  // of each j: the i that read it
    std::vector<std::vector<int64_t>> readers(size_t(axes.x[d]));
    for (int64_t i = 0; i < axes.y[d]; ++i) {
      const int64_t k = map(i - axes.before[d], axes.x[d], mode);
      if (k >= 0) readers[size_t(k)].push_back(i);
    }
    start[d] = int64_t(lists.size());
    int64_t total = 0;
    for (const auto& r : readers) lists.push_back(total), total += int64_t(r.size());
    lists.push_back(total);
    item[d] = int64_t(lists.size());
    for (const auto& r : readers) lists.insert(lists.end(), r.begin(), r.end());
  }
  Scratch<int64_t> sent(int64_t(lists.size()));
  runtime::to_device(sent.data, lists.data(), lists.size() * sizeof(int64_t));
  with_floats("pad_dx", dx, [&](auto t) {
    using T = decltype(t);
    PadDx<T> rule{axes, {}, {}, sent.read(), out<T>(dx), in<T>(g)};
    for (int d = 0; d < axes.n; ++d) rule.start[d] = start[d], rule.item[d] = item[d];
    launch_each("pad_dx", dx.numel(), rule);
  });
}

}  // namespace fastnn::cuda
