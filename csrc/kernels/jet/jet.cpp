// jet.cpp: a multilayer perceptron and its derivatives with respect to its inputs, for a batch of points, in one pass.
//
//    y[c, n, :] = ∂^orders[c] net(x[n] + Σ_k ε_k v[k]) at ε = 0        net = linear, activation, linear, ..., linear
//    x (N, d)   v (K, d) directions   orders (C, K)   weights W1, b1, W2, b2, ... (b may be None)   ->   y (C, N, out)
//
// or, without v, x (C, N, d): the derivatives of what the network gets, where that is itself a function of points.
//
// jet_mlp_dx is the adjoint: from g (C, N, out) the gradients of all weights, of the points and of the directions. Where
// jet_mlp was given no memory to keep the layers in, it runs each block forward again: a third more products, but nothing of
// size points x units x channels is written to memory and read back (10,000 points of 2-20x8-1 with 4 channels: 51 MB
// against 0.2 GFLOP). ops/jet.py says from when on that is faster.
//
//    for each block of points (<= 128, as many as keep a layer's channels in L1/L2):  all layers there, all layers back
//
// Burgers' residual (order 2) at 10,000 points of 2-20x8-1 and all gradients, one core of Zen 4: float32 12 ms, of which
// products are 75 % (100 of 118 GFLOP/s) and activations 25 %; by the tables of block.h, which other orders take, 16.
// Blocks of half or a third the size, and products that prefetch nothing, change nothing.
//
// Weight gradients are summed per chunk of blocks, the chunks added in order: the same for any number of threads.
// read on  series.h (the arithmetic of derivatives)  ->  block.h (one layer)  ->  ladder.h (activations)
#include "../declare.h"
#include "block.h"

namespace fastnn::FN_ISA {

constexpr int JET_LAYERS = 64;
constexpr int64_t JET_ROW_BYTES = 48 << 10;  // a layer's channels for a block
constexpr int64_t JET_CHUNKS = 64, JET_PARTIAL_BYTES = 64 << 20;

template <class T> struct Network {
  int depth;  // linear layers
  Layer<T> layers[JET_LAYERS];
  int64_t widest, outputs, weights;  // weights: numbers in all W and b

  Network(const Ins& list, int64_t inputs) : depth(int(list.n / 2)), widest(inputs), outputs(inputs), weights(0) {
    constexpr const char* error = "jet_mlp: weights must be W (out, in) and b (out) or None for each layer, of the points' type";
    if (list.n < 2 || list.n % 2 || depth > JET_LAYERS) raise_error(error);
    for (int l = 0; l < depth; ++l) {
      const View &w = list[2 * l], &b = list[2 * l + 1];
      if (w.ndim != 2 || w.dtype != dtype_of<T>() || w.shape[1] != outputs) raise_error(error);
      if (b.ndim >= 0 && (b.ndim != 1 || b.dtype != dtype_of<T>() || b.shape[0] != w.shape[0])) raise_error(error);
      layers[l] = {w.shape[0], w.shape[1], nullptr, nullptr, nullptr};
      outputs = w.shape[0];
      widest = outputs > widest ? outputs : widest;
      weights += outputs * (w.shape[1] + 1);
    }
  }
  int64_t packed_size() const { return 2 * weights; }
  void pack(const Ins& list, T* to) {
    for (int l = 0; l < depth; ++l) {
      Layer<T>& a = layers[l];
      const View &w = list[2 * l], &b = list[2 * l + 1];
      a.w = to, a.wt = to + a.units * a.inputs, to = a.wt + a.units * a.inputs;
      pack_panels(a.w, a.units, a.inputs, w.ptr<const T>(), w.strides[0], w.strides[1]);
      pack_panels(a.wt, a.inputs, a.units, w.ptr<const T>(), w.strides[1], w.strides[0]);
      if (b.ndim >= 0) {
        a.bias = to;
        for (int64_t i = 0; i < a.units; ++i) a.bias[i] = b.ptr<const T>()[i * b.strides[0]];
        to += a.units;
      }
    }
  }
};

struct Batch {  // how the points are cut; depends on the problem only
  int64_t points, blocks, grain;
  Block block;
};
template <class T> static Batch batch_of(const Network<T>& net, int64_t points, int channels) {
  int64_t fit = JET_ROW_BYTES / (net.widest * channels * int64_t(sizeof(T))), share = ceil_div(points, 8);
  fit = fit > 128 ? 128 : fit;
  fit = fit < share ? fit : share;  // few points: still a block for each of 8 threads
  int64_t per = ceil_div(fit < 1 ? 1 : fit, NR<T>) * NR<T>;
  int64_t blocks = ceil_div(points, per), chunks = JET_PARTIAL_BYTES / (net.weights * int64_t(sizeof(T)) + 1);
  chunks = chunks < 4 ? 4 : chunks > JET_CHUNKS ? JET_CHUNKS : chunks;
  return {points, blocks, blocks ? ceil_div(blocks, chunks) : 1, {per, channels, per * channels + lanes<T>}};
}

// What the network gets: the points with directions, or jets.
template <class T> struct Points {
  const T *x, *v;  // v: nullptr for jets
  int64_t count, dims;

  Points(const View& x, const View& v) : x(x.ptr<const T>()), v(v.ndim < 0 ? nullptr : v.ptr<const T>()),
                                         count(x.shape[x.ndim - 2]), dims(x.shape[x.ndim - 1]) {}

  // The jets of n points from `first` on. Behind the last one its copies stand.
  void load(const Series<T>& s, const Block& b, int64_t first, int64_t n, T* to) const {
    for (int64_t j = 0; j < dims; ++j, to += b.row) {
      for (int c = 0; c < (v ? 1 : s.channels); ++c)
        for (int64_t p = 0; p < b.points; ++p) to[c * b.points + p] = x[(c * count + first + (p < n ? p : n - 1)) * dims + j];
      if (!v) continue;
      for (int64_t p = b.points; p < b.columns(); ++p) to[p] = 0;
      for (int k = 0; k < s.directions; ++k)
        for (int64_t p = 0; s.seed[k] >= 0 && p < b.points; ++p) to[s.seed[k] * b.points + p] = v[k * dims + j];
    }
  }
};

// What the layers get, and what the activations get, for one block: all of it, or two rows in turns.
template <class T> struct Layers {
  T *input[JET_LAYERS], *linear[JET_LAYERS];

  static int64_t size(const Network<T>& net, const Block& b) {
    int64_t rows = 0;
    for (int l = 0; l < net.depth; ++l) rows += net.layers[l].inputs + net.layers[l].units;
    return rows * b.row;
  }
  Layers(const Network<T>& net, const Block& b, T* all) {
    for (int l = 0; l < net.depth; ++l) {
      input[l] = all, linear[l] = all + net.layers[l].inputs * b.row;
      all = linear[l] + net.layers[l].units * b.row;
    }
  }
  Layers(const Network<T>& net, T* in, T* out) {
    for (int l = 0; l < net.depth; ++l) input[l] = in, linear[l] = out;
  }
};

// Forward through the first `depth` layers; `input` of the first is the points' jets.
template <class T, class Ladder>
static void run(const Series<T>& s, const Network<T>& net, const Block& b, const Ladder& ladder, const Layers<T>& at, int depth, T* work) {
  for (int l = 0; l < depth; ++l) {
    const Layer<T>& a = net.layers[l];
    product(b, a.units, a.inputs, a.w, a.bias, at.input[l], at.linear[l]);
    if (l + 1 < net.depth) activate(s, ladder, b, a.units, at.linear[l], at.input[l + 1], work);
  }
}

template <class T> static bool keeps(const View& kept, const Network<T>& net, const Batch& batch) {
  if (kept.numel() && (kept.dtype != dtype_of<T>() || kept.numel() < batch.blocks * Layers<T>::size(net, batch.block)))
    raise_error("jet_mlp: too little room to keep the layers");
  return kept.numel() != 0;
}

template <class T, class Ladder>
static void forward(const View& y, const View& kept, const View& x, const View& v, const Ins& weights, const View& orders,
                    const Ladder& ladder) {
  const Series<T> s(orders);
  const Points<T> points(x, v);
  const int64_t N = points.count;
  Network<T> net(weights, points.dims);
  if (N == 0 || net.outputs == 0) return;
  Scratch<T> packed(net.packed_size() + 1);
  net.pack(weights, packed);
  const Batch batch = batch_of(net, N, s.channels);
  const Block& b = batch.block;
  const bool keep = keeps(kept, net, batch);
  parallel_for(batch.blocks, batch.grain, [&](int64_t begin, int64_t end) {
    Scratch<T> memory(2 * net.widest * b.row + (JET_ORDER + 2) * s.channels * NR<T>);
    T *row = memory, *work = row + 2 * net.widest * b.row;
    for (int64_t i = begin; i < end; ++i) {
      int64_t first = i * b.points, count = N - first < b.points ? N - first : b.points;
      Layers<T> at = keep ? Layers<T>(net, b, kept.ptr<T>() + i * Layers<T>::size(net, b)) : Layers<T>(net, row, row + net.widest * b.row);
      points.load(s, b, first, count, at.input[0]);
      run(s, net, b, ladder, at, net.depth, work);
      const T* out = at.linear[net.depth - 1];
      for (int c = 0; c < s.channels; ++c)
        for (int64_t o = 0; o < net.outputs; ++o)
          for (int64_t p = 0; p < count; ++p)
            y.ptr<T>()[(c * N + first + p) * net.outputs + o] = out[o * b.row + c * b.points + p];
    }
  });
}

template <class T, class Ladder>
static void backward(const View& dx, const View& dv, const Outs& dweights, const View& g, const View& kept, const View& x,
                     const View& v, const Ins& weights, const View& orders, const Ladder& ladder) {
  const Series<T> s(orders);
  const Points<T> points(x, v);
  const int64_t N = points.count, dims = points.dims, directions = points.v ? s.directions * dims : 0;
  Network<T> net(weights, dims);
  const bool to_points = dx.numel() != 0, to_directions = dv.numel() != 0;
  const int64_t sums = net.weights + directions;
  const Batch batch = batch_of(net, N, s.channels);
  const Block& b = batch.block;
  const bool keep = keeps(kept, net, batch);
  const int64_t chunks = ceil_div(batch.blocks, batch.grain);
  Scratch<T> packed(net.packed_size() + 1), partial(chunks * sums + 1);
  net.pack(weights, packed);
  parallel_for(batch.blocks, batch.grain, [&](int64_t begin, int64_t end) {
    const int64_t all = Layers<T>::size(net, b);
    Scratch<T> memory((keep ? 0 : all) + 2 * net.widest * b.row + (JET_ORDER + 2) * s.channels * NR<T>);
    T* sum = partial + begin / batch.grain * sums;
    for (int64_t i = 0; i < sums; ++i) sum[i] = 0;
    for (int64_t i = begin; i < end; ++i) {
      int64_t first = i * b.points, count = N - first < b.points ? N - first : b.points;
      T *grad = memory, *next = grad + net.widest * b.row, *work = next + net.widest * b.row;
      Layers<T> at(net, b, keep ? kept.ptr<T>() + i * all : work + (JET_ORDER + 2) * s.channels * NR<T>);
      if (!keep) {
        points.load(s, b, first, count, at.input[0]);
        run(s, net, b, ladder, at, net.depth - 1, work);
      }
      for (int c = 0; c < s.channels; ++c)
        for (int64_t o = 0; o < net.outputs; ++o)
          for (int64_t p = 0; p < b.points; ++p)
            grad[o * b.row + c * b.points + p] = p < count ? g.ptr<const T>()[(c * N + first + p) * net.outputs + o] : T(0);
      T* dw = sum + net.weights;
      for (int l = net.depth - 1; l >= 0; --l) {
        const Layer<T>& a = net.layers[l];
        if (l + 1 < net.depth) differentiate(s, ladder, b, a.units, at.linear[l], grad, work);
        dw -= a.units * (a.inputs + 1);
        add_weight_gradient(b, a.units, a.inputs, grad, at.input[l], dw, dw + a.units * a.inputs);
        if (l == 0 && !to_points && !to_directions) break;
        product<T>(b, a.inputs, a.units, a.wt, nullptr, grad, next);
        T* t = grad;
        grad = next, next = t;
      }
      for (int c = 0; to_points && c < (points.v ? 1 : s.channels); ++c)
        for (int64_t p = 0; p < count; ++p)
          for (int64_t j = 0; j < dims; ++j) dx.ptr<T>()[(c * N + first + p) * dims + j] = grad[j * b.row + c * b.points + p];
      for (int k = 0; to_directions && k < s.directions; ++k)
        for (int64_t j = 0; s.seed[k] >= 0 && j < dims; ++j)
          for (int64_t p = 0; p < count; ++p) sum[net.weights + k * dims + j] += grad[j * b.row + s.seed[k] * b.points + p];
    }
  });
  parallel_for(sums, 8192, [&](int64_t begin, int64_t end) {
    for (int64_t c = 1; c < chunks; ++c)
      for (int64_t i = begin; i < end; ++i) partial[i] += partial[c * sums + i];
  });
  const T* total = partial;
  auto deliver = [&](const View& to, int64_t n) {
    for (int64_t i = 0; i < n && to.numel(); ++i) to.ptr<T>()[i] = chunks ? total[i] : T(0);
    total += n;
  };
  for (int l = 0; l < net.depth; ++l) {
    deliver(dweights[2 * l], net.layers[l].units * net.layers[l].inputs);
    deliver(dweights[2 * l + 1], net.layers[l].units);
  }
  deliver(dv, directions);
}

static void check(const View& x, const View& v, const View& orders) {
  const bool jets = v.ndim < 0;
  if (x.ndim != 2 + jets || !is_float(x.dtype) || orders.ndim != 2 || (jets && x.shape[0] != orders.shape[0]))
    raise_error("jet_mlp: expected points (N, d), or jets (C, N, d), and orders (C, K)");
  if (!jets && (v.ndim != 2 || v.dtype != x.dtype || v.shape[1] != x.shape[1] || orders.shape[1] != v.shape[0]))
    raise_error("jet_mlp: expected directions (K, d) of the points' type");
}

void jet_mlp(PackedOut y, PackedOut kept, PackedIn x, PackedIn v, Ins weights, HostIn orders, int64_t activation) {
  check(x, v, orders);
  bool known = with_ladder(activation, [&](auto ladder) __attribute__((always_inline)) {
    if (x.dtype == DType::f32) forward<float>(y, kept, x, v, weights, orders, ladder);
    else forward<double>(y, kept, x, v, weights, orders, ladder);
  });
  if (!known) raise_error("jet_mlp: unknown activation");
}
void jet_mlp_dx(PackedOut dx, PackedOut dv, Outs dweights, PackedIn g, PackedIn kept, PackedIn x, PackedIn v, Ins weights,
                HostIn orders, int64_t activation) {
  check(x, v, orders);
  if (dweights.n != weights.n || g.dtype != x.dtype) raise_error("jet_mlp_dx: one gradient for each weight, g of the points' type");
  bool known = with_ladder(activation, [&](auto ladder) __attribute__((always_inline)) {
    if (x.dtype == DType::f32) backward<float>(dx, dv, dweights, g, kept, x, v, weights, orders, ladder);
    else backward<double>(dx, dv, dweights, g, kept, x, v, weights, orders, ladder);
  });
  if (!known) raise_error("jet_mlp_dx: unknown activation");
}

}  // namespace fastnn::FN_ISA
