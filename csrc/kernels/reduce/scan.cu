// reduce/scan.cu: running sums and products along one axis, and the linear recurrence their derivatives need.
//
//    cumsum       y[i] = x[0] + ... + x[i]            reverse: from the end; exclusive: without x[i] itself
//    cumprod      y[i] = x[0] · ... · x[i]
//    linear_scan  y[i] = a[i − lag] · y[i − 1] + b[i]     lag 0 or 1, y[−1] = 0; reverse: i + lag, i + 1, from the end
//    prod_dx      dx[i] = g · (product before i) · (product after i)
//
// All three are running joins of values that can be joined: numbers, or maps y → a·y + b. Along a line:
//
//    a block has a piece of a line: 1024 elements at a time, four neighbours a thread, their joins scanned in shared memory
//    long lines are cut into pieces: each piece's join first, one block runs over those, then every piece starts from there
//
// Where lines lie side by side and there are enough of them, a thread has a line and a warp reads 32 neighbours at each step.
// cost     a read and a write; cut lines are read twice. The order of joins depends on shapes alone.
#include "../../core/cuda/each.cuh"
#include "../../core/cuda/scalar.h"

namespace fastnn::cuda {
namespace {

constexpr int SCAN_THREADS = 256, SCAN_EACH = 4, SCAN_STEP = SCAN_THREADS * SCAN_EACH;
constexpr int64_t SCAN_PIECE = 16 * SCAN_STEP;

// A rule: V, neutral(), load(line's offsets, i), join(V, V), store(line's offsets, i, V). i runs from the start or from the end.
template <class T, bool SUM> struct Running {
  using V = T;
  global<T> y;
  global<const T> x;
  int64_t sy, sx, n;
  bool reverse;
  FN V neutral() const { return SUM ? T(0) : T(1); }
  FN V join(V a, V b) const { return SUM ? a + b : a * b; }
  __device__ int64_t place(int64_t i) const { return reverse ? n - 1 - i : i; }
  __device__ V load(const int64_t* at, int64_t i) const { return x[at[1] + place(i) * sx]; }
  __device__ void store(const int64_t* at, int64_t i, V v) const { y[at[0] + place(i) * sy] = v; }
};
template <class T> struct Map { T a, b; };  // y → a·y + b
template <class T> struct Recurrence {
  using V = Map<T>;
  global<T> y;
  global<const T> a, b;
  int64_t step, n, lag;
  bool reverse;
  FN V neutral() const { return {T(1), T(0)}; }
  FN V join(V f, V g) const { return {f.a * g.a, fma(g.a, f.b, g.b)}; }  // f first
  __device__ int64_t place(int64_t i) const { return reverse ? n - 1 - i : i; }
  __device__ V load(const int64_t* at, int64_t i) const {
    return {i == 0 ? T(0) : a[at[0] + place(i - lag) * step], b[at[0] + place(i) * step]};
  }
  __device__ void store(const int64_t* at, int64_t i, V v) const { y[at[0] + place(i) * step] = v.b; }
};

// What the threads' values before this thread's come to; `all`: all of them.
template <class Rule, class M> __device__ __forceinline__ typename Rule::V before(const Rule& rule, M& memory, typename Rule::V v, typename Rule::V& all) {
  const int t = int(threadIdx.x);
  int side = 0;
  memory[t] = v;
  __syncthreads();
  for (int s = 1; s < SCAN_THREADS; s *= 2, side = 1 - side) {
    const int from = side * SCAN_THREADS;
    memory[SCAN_THREADS - from + t] = t >= s ? rule.join(memory[from + t - s], memory[from + t]) : memory[from + t];
    __syncthreads();
  }
  const int from = side * SCAN_THREADS;
  all = memory[from + SCAN_THREADS - 1];
  const typename Rule::V mine = t ? memory[from + t - 1] : rule.neutral();
  __syncthreads();
  return mine;
}

struct Lines {
  int64_t count, n, pieces;
  Loops<2> place;
};
template <class Rule> __global__ void __launch_bounds__(SCAN_THREADS) scan_pieces(Lines l, Rule rule, global<typename Rule::V> joins, bool only_joins, bool exclusive) {
  using V = typename Rule::V;
  SHARED(V, memory, 2 * SCAN_THREADS);
  for (int64_t item = blockIdx.x; item < l.count * l.pieces; item += gridDim.x) {
    const int64_t line = item / l.pieces, piece = item % l.pieces, begin = piece * SCAN_PIECE;
    const int64_t end = l.pieces > 1 && begin + SCAN_PIECE < l.n ? begin + SCAN_PIECE : l.n;
    int64_t at[2];
    l.place.find(line, at);
    V carry = joins && !only_joins ? joins[item] : rule.neutral(), all;
    for (int64_t i = begin; i < end; i += SCAN_STEP) {
      V v[SCAN_EACH], mine = rule.neutral();
      const int64_t first = i + int64_t(threadIdx.x) * SCAN_EACH;
#pragma unroll
      for (int k = 0; k < SCAN_EACH; ++k) {
        v[k] = first + k < end ? rule.load(at, first + k) : rule.neutral();
        mine = rule.join(mine, v[k]);
      }
      V now = rule.join(carry, before(rule, memory, mine, all));
      carry = rule.join(carry, all);
      if (only_joins) continue;
#pragma unroll
      for (int k = 0; k < SCAN_EACH; ++k) {
        const V next = rule.join(now, v[k]);
        if (first + k < end) rule.store(at, first + k, exclusive ? now : next);
        now = next;
      }
    }
    if (only_joins && threadIdx.x == 0) joins[item] = carry;
  }
}
template <class Rule> __global__ void __launch_bounds__(256) scan_joins(Lines l, Rule rule, global<typename Rule::V> joins) {
  for (int64_t line = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; line < l.count; line += int64_t(gridDim.x) * blockDim.x) {
    typename Rule::V sum = rule.neutral();
    for (int64_t p = 0; p < l.pieces; ++p) {
      const typename Rule::V v = joins[line * l.pieces + p];
      joins[line * l.pieces + p] = sum;
      sum = rule.join(sum, v);
    }
  }
}
template <class Rule> __global__ void __launch_bounds__(256) scan_columns(Lines l, Rule rule, bool exclusive) {
  for (int64_t line = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; line < l.count; line += int64_t(gridDim.x) * blockDim.x) {
    int64_t at[2];
    l.place.find(line, at);
    typename Rule::V sum = rule.neutral();
    for (int64_t i = 0; i < l.n; ++i) {
      const typename Rule::V next = rule.join(sum, rule.load(at, i));
      rule.store(at, i, exclusive ? sum : next);
      sum = next;
    }
  }
}

template <class Rule> void scan(const char* name, Lines l, const Rule& rule, bool side_by_side, bool exclusive) {
  if (l.count * l.n == 0) return;
  l.pieces = l.count < 4 * BUSY && l.n > SCAN_PIECE ? ceil_div(l.n, SCAN_PIECE) : 1;
  if (side_by_side && (l.count >= 4 * BUSY * WARP || l.n <= 64))
    return launch(name, &scan_columns<Rule>, blocks_for(l.count, 256), 256, l, rule, exclusive);
  const unsigned blocks = blocks_for(l.count * l.pieces, 1);
  if (l.pieces == 1) return launch(name, &scan_pieces<Rule>, blocks, SCAN_THREADS, l, rule, global<typename Rule::V>(), false, exclusive);
  Scratch<typename Rule::V> joins(l.count * l.pieces);
  launch(name, &scan_pieces<Rule>, blocks, SCAN_THREADS, l, rule, global<typename Rule::V>(joins), true, exclusive);
  launch(name, &scan_joins<Rule>, blocks_for(l.count, 256), 256, l, rule, global<typename Rule::V>(joins));
  launch(name, &scan_pieces<Rule>, blocks, SCAN_THREADS, l, rule, global<typename Rule::V>(joins), false, exclusive);
}

Lines lines_of(const View& y, const View& x, int64_t axis) {
  Lines l{1, x.ndim ? x.shape[axis] : 1, 1, {}};
  for (int d = 0; d < x.ndim; ++d) {
    const int64_t strides[2] = {y.strides[d], x.strides[d]};
    if (d != axis) l.count *= x.shape[d], l.place.add(x.shape[d], strides);
  }
  return l;
}

template <bool SUM> void running(const char* name, const View& y, const View& x, int64_t axis, bool reverse, bool exclusive) {
  const auto run = [&](auto t) {
    using T = decltype(t);
    const int64_t sx = x.ndim ? x.strides[axis] : 1, sy = x.ndim ? y.strides[axis] : 1;
    const Lines l = lines_of(y, x, axis);
    scan(name, l, Running<T, SUM>{out<T>(y), in<T>(x), sy, sx, l.n, reverse}, sx != 1, exclusive);
  };
  if (x.dtype == DType::f32) run(float{});
  else if (x.dtype == DType::f64) run(double{});
  else if (x.dtype == DType::i64) run(int64_t{});
  else raise_error("cumsum, cumprod: expected float32, float64 or int64");
}

template <class T> struct Others {
  Split split;  // outer, i, inner
  global<T> dx;
  global<const T> after, g;
  __device__ void operator()(int64_t e) const {
    const auto [o, i, c] = split(e);
    dx[e] *= g[o * split.inner + c] * after[e];
  }
};

}  // namespace

void cumsum(Out y, In x, int64_t axis, bool reverse, bool exclusive) { running<true>("cumsum", y, x, axis, reverse, exclusive); }
void cumprod(Out y, In x, int64_t axis, bool reverse, bool exclusive) { running<false>("cumprod", y, x, axis, reverse, exclusive); }

void linear_scan(PackedOut y, PackedIn a, PackedIn b, int64_t axis, bool reverse, int64_t lag) {
  View whole = view_of<float>(b.data, {});  // b's shape with contiguous strides
  whole.ndim = b.ndim;
  int64_t stride = 1;
  for (int d = b.ndim - 1; d >= 0; stride *= b.shape[d--]) whole.shape[d] = b.shape[d], whole.strides[d] = stride;
  with_floats("linear_scan", b, [&](auto t) {
    using T = decltype(t);
    const int64_t step = b.ndim ? whole.strides[axis] : 1;
    const Lines l = lines_of(whole, whole, axis);
    scan("linear_scan", l, Recurrence<T>{out<T>(y), in<T>(a), in<T>(b), step, l.n, lag, reverse}, step != 1, false);
  });
}

void prod_dx(PackedOut dx, PackedIn g, PackedIn x, int64_t axis) {
  if (x.numel() == 0) return;
  int64_t n = 1, inner = 1;
  for (int d = int(axis); d < x.ndim; ++d) (d == axis ? n : inner) *= x.shape[d];
  with_floats("prod_dx", x, [&](auto t) {
    using T = decltype(t);
    const int64_t outer = x.numel() / (n * inner);
    const View from = view_of<T>(x.data, {outer, n, inner}), to = view_of<T>(dx.data, {outer, n, inner});
    Scratch<T> after(x.numel());
    running<false>("prod_dx", to, from, 1, false, true);
    running<false>("prod_dx", view_of<T>(after.data, {outer, n, inner}), from, 1, true, true);
    launch_each("prod_dx", x.numel(), Others<T>{Split(n, inner, x.numel()), out<T>(dx), after.read(), in<T>(g)});
  });
}

}  // namespace fastnn::cuda
