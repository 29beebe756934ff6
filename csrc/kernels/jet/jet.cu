// jet/jet.cu: a multilayer perceptron and its derivatives with respect to its inputs, for a batch of points. As jet.cpp:
//
//    y[c, n, :] = ∂^orders[c] net(x[n] + Σ_k ε_k v[k]) at ε = 0        net = linear, activation, linear, ..., linear
//
// Layer by layer: the jets of all points are the rows of one matrix (C·N, units), so a linear layer is one product (the bias goes to
// channel 0), and an activation one kernel, a thread for each point and unit, which holds the jet of its unit in registers and local
// memory and climbs from s^(order)(z) down to s(z) (series.h). The adjoint runs the layers forward again, kept in memory for its length.
//
// cost     2 C N Σ in·out flops forward; activations move C·N·units numbers twice
#include <memory>
#include <vector>

#include "../../core/cuda/each.cuh"
#include "../../core/cuda/scalar.h"
#include "ladder.h"
#include "series.h"

namespace fastnn::cuda {

void copy(Out y, In x);
void matmul(Out c, In a, In b);
void matmul_bias(Out c, In a, In b, In bias);
void sum(Out y, In x, Ints axes);

namespace {

template <class T> struct Tables {  // a Series, where a kernel reads it
  using Term = typename Series<T>::Term;
  using Sum = typename Series<T>::Sum;
  int channels, order, upto[JET_ORDER + 2];
  global<const Term> terms;
  global<const Sum> chain, adjoint;
};
template <class T> struct Sent {
  Series<T> s;
  Scratch<typename Series<T>::Term> terms;
  Scratch<typename Series<T>::Sum> chain, adjoint;
  Tables<T> tables{};
  explicit Sent(const View& orders) : s(orders), terms(JET_CHANNELS * 24), chain(JET_CHANNELS), adjoint(JET_CHANNELS) {
    runtime::to_device(terms.data, s.terms, sizeof s.terms);
    runtime::to_device(chain.data, s.chain, sizeof s.chain);
    runtime::to_device(adjoint.data, s.adjoint, sizeof s.adjoint);
    tables.channels = s.channels, tables.order = s.order;
    for (int k = 0; k < JET_ORDER + 2; ++k) tables.upto[k] = s.upto[k];
    tables.terms = terms.read(), tables.chain = chain.read(), tables.adjoint = adjoint.read();
  }
};

// jet becomes that of s^(from)(z), whose channel c is ∂^c: begun at the highest derivative, a step down at a time. derivatives: s^(k).
template <class T> __device__ __forceinline__ void climb(const Tables<T>& s, const T* derivatives, int from, const T* z, T* jet) {
  jet[0] = derivatives[from + s.order];
  for (int k = s.order - 1; k >= 0; --k) {
    for (int c = s.upto[s.order - k] - 1; c >= 1; --c) {  // from the last: channel c needs earlier ones of the step before
      T sum = 0;
      for (int i = s.chain[c].begin, end = s.chain[c].end; i < end; ++i) {
        const auto term = s.terms[i];
        sum += term.times * jet[term.a] * z[term.b];
      }
      jet[c] = sum;
    }
    jet[0] = derivatives[from + k];
  }
}

template <class T, class Ladder> struct Activate {
  Tables<T> s;
  int64_t each;  // points x units
  Ladder ladder;
  global<T> y;
  global<const T> x;
  __device__ void operator()(int64_t e) const {
    T z[JET_CHANNELS], jet[JET_CHANNELS], derivatives[JET_ORDER + 2];
    for (int c = 0; c < s.channels; ++c) z[c] = x[c * each + e];
    ladder(z[0], s.order, derivatives);
    climb(s, derivatives, 0, z, jet);
    for (int c = 0; c < s.channels; ++c) y[c * each + e] = jet[c];
  }
};
template <class T, class Ladder> struct Differentiate {  // g, the gradient of the activation's jets, becomes that of z's
  Tables<T> s;
  int64_t each;
  Ladder ladder;
  global<T> g;
  global<const T> x;
  __device__ void operator()(int64_t e) const {
    T z[JET_CHANNELS], slope[JET_CHANNELS], derivatives[JET_ORDER + 2];
    for (int c = 0; c < s.channels; ++c) z[c] = x[c * each + e];
    ladder(z[0], s.order + 1, derivatives);
    climb(s, derivatives, 1, z, slope);
    for (int b = 0; b < s.channels; ++b) {  // Σ over a >= b: later channels are still the gradients given
      T sum = 0;
      for (int i = s.adjoint[b].begin, end = s.adjoint[b].end; i < end; ++i) {
        const auto term = s.terms[i];
        sum += term.times * g[term.a * each + e] * slope[term.b];
      }
      g[b * each + e] = sum;
    }
  }
};

template <class T> struct Jets {  // of the points: x, then v in the channel of each direction's first derivative, else 0
  int64_t points, dims;
  int direction[JET_CHANNELS];  // of each channel; -1: none
  global<T> y;
  global<const T> x, v;
  __device__ void operator()(int64_t e) const {
    const int64_t c = e / (points * dims), j = e % dims;
    y[e] = c == 0 ? x[e] : direction[c] >= 0 ? v[direction[c] * dims + j] : T(0);
  }
};
template <class T> struct Zero {
  global<T> y;
  __device__ void operator()(int64_t i) const { y[i] = T(0); }
};

template <class T> struct Network {
  int depth;
  std::vector<View> w, b;
  Network(const Ins& list, int64_t inputs) : depth(int(list.n / 2)) {
    constexpr const char* error = "jet_mlp: weights must be W (out, in) and b (out) or None for each layer, of the points' type";
    if (list.n < 2 || list.n % 2) raise_error(error);
    for (int l = 0; l < depth; ++l) {
      w.push_back(list[2 * l]), b.push_back(list[2 * l + 1]);
      if (w[size_t(l)].ndim != 2 || w[size_t(l)].dtype != dtype_of<T>() || w[size_t(l)].shape[1] != inputs) raise_error(error);
      if (b[size_t(l)].ndim >= 0 && (b[size_t(l)].ndim != 1 || b[size_t(l)].dtype != dtype_of<T>() || b[size_t(l)].shape[0] != w[size_t(l)].shape[0])) raise_error(error);
      inputs = w[size_t(l)].shape[0];
    }
  }
  int64_t inputs(int l) const { return w[size_t(l)].shape[1]; }
  int64_t units(int l) const { return w[size_t(l)].shape[0]; }
};
View rows_of(View v, int64_t from, int64_t count) {
  v.data = v.ptr<char>() + from * v.strides[0] * itemsize(v.dtype);
  v.shape[0] = count;
  return v;
}
View turned(View v) {
  for (int64_t* p : {v.shape, v.strides}) {
    const int64_t t = p[0];
    p[0] = p[1], p[1] = t;
  }
  return v;
}

// What every layer gets and gives, of all points: input[0] are the points' jets.
template <class T, class Ladder> struct Pass {
  const Sent<T>& s;
  const Network<T>& net;
  const Ladder& ladder;
  int64_t points, channels;
  std::vector<std::unique_ptr<Scratch<T>>> memory;
  std::vector<View> input, linear;
  View fresh(int64_t units) {
    memory.push_back(std::make_unique<Scratch<T>>(channels * points * units));
    return view_of<T>(memory.back()->data, {channels * points, units});
  }
  Pass(const Sent<T>& s, const Network<T>& net, const Ladder& ladder, const View& x, const View& v)
      : s(s), net(net), ladder(ladder), points(x.shape[x.ndim - 2]), channels(s.s.channels) {
    if (v.ndim < 0) {
      input.push_back(view_of<T>(x.data, {channels * points, net.inputs(0)}));
      return;
    }
    input.push_back(fresh(net.inputs(0)));
    Jets<T> jets{points, net.inputs(0), {}, out<T>(input[0]), in<T>(x), in<T>(v)};
    for (int c = 0; c < s.s.channels; ++c) jets.direction[c] = -1;
    for (int k = 0; k < s.s.directions; ++k)
      if (s.s.seed[k] >= 0) jets.direction[s.s.seed[k]] = k;
    launch_each("jet_mlp", channels * points * net.inputs(0), jets);
  }
  // Through the first `depth` linear layers; `last`: where the last one's go, unless it is null. Without `keep`, memory is let go.
  void run(int depth, const View* last) {
    for (int l = 0; l < depth; ++l) {
      const View z = last && l + 1 == depth ? *last : fresh(net.units(l));
      const View table = turned(net.w[size_t(l)]);
      matmul_bias(Out{rows_of(z, 0, points)}, In{rows_of(input[size_t(l)], 0, points)}, In{table}, In{net.b[size_t(l)]});
      if (channels > 1) matmul(Out{rows_of(z, points, (channels - 1) * points)}, In{rows_of(input[size_t(l)], points, (channels - 1) * points)}, In{table});
      linear.push_back(z);
      if (l + 1 == net.depth) break;
      const View y = fresh(net.units(l));
      launch_each("jet_mlp", points * net.units(l), Activate<T, Ladder>{s.tables, points * net.units(l), ladder, out<T>(y), in<T>(z)});
      input.push_back(y);
    }
  }
};

void check(const View& x, const View& v, const View& orders) {
  const bool jets = v.ndim < 0;
  if (x.ndim != 2 + jets || !is_float(x.dtype) || orders.ndim != 2 || (jets && x.shape[0] != orders.shape[0]))
    raise_error("jet_mlp: expected points (N, d), or jets (C, N, d), and orders (C, K)");
  if (!jets && (v.ndim != 2 || v.dtype != x.dtype || v.shape[1] != x.shape[1] || orders.shape[1] != v.shape[0]))
    raise_error("jet_mlp: expected directions (K, d) of the points' type");
}

template <class T> void clear(const View& v) {
  if (v.ndim >= 0) launch_each("jet_mlp_dx", v.numel(), Zero<T>{out<T>(v)});
}

template <class T, class Ladder>
void backward(const View& dx, const View& dv, const Outs& dweights, const View& g, const View& x, const View& v, const Network<T>& net, const Sent<T>& s, const Ladder& ladder) {
  Pass<T, Ladder> pass(s, net, ladder, x, v);
  const int64_t points = pass.points, all = pass.channels * points;
  if (all == 0) {
    clear<T>(dx), clear<T>(dv);
    for (int64_t i = 0; i < dweights.n; ++i) clear<T>(dweights[i]);
    return;
  }
  pass.run(net.depth - 1, nullptr);
  View grad = view_of<T>(g.data, {all, net.units(net.depth - 1)});
  for (int l = net.depth - 1; l >= 0; --l) {
    const View &dw = dweights[2 * l], &db = dweights[2 * l + 1];
    if (dw.ndim >= 0 && dw.numel()) matmul(Out{dw}, In{turned(grad)}, In{pass.input[size_t(l)]});
    if (db.ndim >= 0 && db.numel()) sum(Out{db}, In{rows_of(grad, 0, points)}, Ints{1, {0}});
    if (l == 0 && dx.numel() == 0 && dv.numel() == 0) return;
    const View next = pass.fresh(net.inputs(l));
    matmul(Out{next}, In{grad}, In{net.w[size_t(l)]});
    grad = next;
    if (l > 0)
      launch_each("jet_mlp_dx", points * net.inputs(l), Differentiate<T, Ladder>{s.tables, points * net.inputs(l), ladder, out<T>(grad), in<T>(pass.linear[size_t(l - 1)])});
  }
  const int64_t dims = net.inputs(0);
  if (dx.numel()) copy(Out{view_of<T>(dx.data, {v.ndim < 0 ? all : points, dims})}, In{rows_of(grad, 0, v.ndim < 0 ? all : points)});
  if (!dv.numel()) return;
  clear<T>(dv);
  for (int k = 0; k < s.s.directions; ++k)
    if (s.s.seed[k] >= 0) sum(Out{rows_of(view_of<T>(dv.data, {s.s.directions, dims}), k, 1)}, In{rows_of(grad, s.s.seed[k] * points, points)}, Ints{1, {0}});
}

}  // namespace

void jet_mlp(PackedOut y, PackedOut, PackedIn x, PackedIn v, Ins weights, HostIn orders, int64_t activation) {
  check(x, v, orders);
  with_floats("jet_mlp", x, [&](auto t) {
    using T = decltype(t);
    const Network<T> net(weights, x.shape[x.ndim - 1]);
    const Sent<T> s(orders);
    if (y.numel() == 0) return;
    const bool known = with_ladder(activation, [&](auto ladder) {
      const View to = view_of<T>(y.data, {y.shape[0] * y.shape[1], y.shape[2]});
      Pass<T, decltype(ladder)>(s, net, ladder, x, v).run(net.depth, &to);
    });
    if (!known) raise_error("jet_mlp: unknown activation");
  });
}
void jet_mlp_dx(PackedOut dx, PackedOut dv, Outs dweights, PackedIn g, PackedIn, PackedIn x, PackedIn v, Ins weights, HostIn orders, int64_t activation) {
  check(x, v, orders);
  if (dweights.n != weights.n || g.dtype != x.dtype) raise_error("jet_mlp_dx: one gradient for each weight, g of the points' type");
  with_floats("jet_mlp_dx", x, [&](auto t) {
    using T = decltype(t);
    const Network<T> net(weights, x.shape[x.ndim - 1]);
    const Sent<T> s(orders);
    if (!with_ladder(activation, [&](auto ladder) { backward(dx, dv, dweights, g, x, v, net, s, ladder); })) raise_error("jet_mlp_dx: unknown activation");
  });
}

}  // namespace fastnn::cuda
