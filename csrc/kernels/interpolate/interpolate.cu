// interpolate/interpolate.cu: separable resampling of the last two axes, and its transpose.
//
//    y[i, j] = Σ over s, t of  row_weights[i, s] · column_weights[j, t] · x[rows[i, s], columns[j, t]]
//
// The tables come from the host (HostIn) and are sent along: as they are forward, and inverted (who reads input k, with which weight?)
// for the derivative, which is the same sum then. So both are one kernel over lists of (index, weight): a gather, in a fixed order.
#include <vector>

#include "../../core/cuda/each.cuh"

namespace fastnn::cuda {
namespace {

// Of each output of one axis: entries start[i] … start[i + 1] - 1. Without a table, itself.
struct Axis {
  bool given = false;
  std::vector<int64_t> start, index;
  std::vector<double> weight;
  Axis(const View& indices, const View& weights, int64_t outs, int64_t size, bool inverse) : given(indices.ndim >= 0) {
    if (!given) return;
    const int64_t taps = indices.shape[1];
    std::vector<int64_t> from(size_t(outs * taps)), to(size_t(outs * taps));
    for (int64_t e = 0; e < outs * taps; ++e) {
      const int64_t k = indices.ptr<int64_t>()[e];
      if (k < 0 || k >= size) raise_index("interpolate2d", k, size);
      from[size_t(e)] = inverse ? k : e / taps, to[size_t(e)] = inverse ? e / taps : k;
    }
    const int64_t lists = inverse ? size : outs;
    start.assign(size_t(lists + 1), 0);
    for (int64_t f : from) ++start[size_t(f + 1)];
    for (int64_t k = 0; k < lists; ++k) start[size_t(k + 1)] += start[size_t(k)];
    std::vector<int64_t> next(start);
    index.resize(from.size()), weight.resize(from.size());
    for (size_t e = 0; e < from.size(); ++e) {
      const int64_t at = next[size_t(from[e])]++;
      index[size_t(at)] = to[e], weight[size_t(at)] = weights.ndim >= 0 ? weights.ptr<double>()[e] : 1;
    }
  }
};
struct SentAxis {
  Scratch<int64_t> start, index;
  Scratch<double> weight;
  bool given;
  explicit SentAxis(const Axis& a) : start(int64_t(a.start.size())), index(int64_t(a.index.size())), weight(int64_t(a.weight.size())), given(a.given) {
    if (!given) return;
    runtime::to_device(start.data, a.start.data(), a.start.size() * sizeof(int64_t));
    runtime::to_device(index.data, a.index.data(), a.index.size() * sizeof(int64_t));
    runtime::to_device(weight.data, a.weight.data(), a.weight.size() * sizeof(double));
  }
};
template <class T> struct Lists {
  global<const int64_t> start, index;  // null: element i itself
  global<const double> weight;
  __device__ int64_t begin(int64_t i) const { return start ? start[i] : i; }
  __device__ int64_t end(int64_t i) const { return start ? start[i + 1] : i + 1; }
  __device__ int64_t at(int64_t k) const { return start ? index[k] : k; }
  __device__ T factor(int64_t k) const { return start ? T(weight[k]) : T(1); }
};
template <class T> Lists<T> lists_of(const SentAxis& a) {
  if (!a.given) return {};
  return {a.start.read(), a.index.read(), a.weight.read()};
}

template <class T> struct Resample {
  Lists<T> rows, columns;
  Split split;  // plane, i, j
  int64_t h, w; // of x
  global<T> y;
  global<const T> x;
  __device__ void operator()(int64_t e) const {
    const auto [plane, i, j] = split(e);
    T sum = 0;
    for (int64_t s = rows.begin(i); s < rows.end(i); ++s) {
      const int64_t row = (plane * h + rows.at(s)) * w;
      T across = 0;
      for (int64_t t = columns.begin(j); t < columns.end(j); ++t) across += columns.factor(t) * x[row + columns.at(t)];
      sum += rows.factor(s) * across;
    }
    y[e] = sum;
  }
};

void resample(const char* name, const View& y, const View& x, const View& rows, const View& row_weights, const View& columns,
              const View& column_weights, bool inverse) {
  if (y.numel() == 0) return;
  const int64_t yh = y.shape[y.ndim - 2], yw = y.shape[y.ndim - 1], xh = x.shape[x.ndim - 2], xw = x.shape[x.ndim - 1];
  const SentAxis r(Axis(rows, row_weights, inverse ? xh : yh, inverse ? yh : xh, inverse));
  const SentAxis c(Axis(columns, column_weights, inverse ? xw : yw, inverse ? yw : xw, inverse));
  with_floats(name, y, [&](auto t) {
    using T = decltype(t);
    launch_each(name, y.numel(), Resample<T>{lists_of<T>(r), lists_of<T>(c), Split(yh, yw, y.numel()), xh, xw, out<T>(y), in<T>(x)});
  });
}

}  // namespace

void interpolate2d(PackedOut y, PackedIn x, HostIn rows, HostIn row_weights, HostIn columns, HostIn column_weights) {
  resample("interpolate2d", y, x, rows, row_weights, columns, column_weights, false);
}
void interpolate2d_dx(PackedOut dx, PackedIn g, HostIn rows, HostIn row_weights, HostIn columns, HostIn column_weights) {
  resample("interpolate2d_dx", dx, g, rows, row_weights, columns, column_weights, true);
}

}  // namespace fastnn::cuda
