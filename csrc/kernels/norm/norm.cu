// norm/norm.cu: layer norm, RMS norm (over the last n numbers), group norm (over the channels of a group and all places).
//
//    layer   x̂ = (x - mean)·r     r = 1/√(Σ(x - mean)²/n + ε)        y = x̂·w + b
//    rms     x̂ = x·r              r = 1/√(Σx²/n + ε)                 y = x̂·w
//    dx = r·(γ - mean(γ) - x̂·mean(γ·x̂))    γ = g·w     (rms: without mean(γ))        dw = Σ_rows g·x̂     db = Σ_rows g
//
// A team of threads has a row (core/cuda/team.cuh), HELD numbers of it in the registers of each: the mean, the squares about it, and
// the result, are taken from there, so a row is read once. Rows that are longer are read again, from L2.
//
// dw, db   a thread's columns are the same in all rows of its team, so it adds their terms in registers, row after row; one partial
//          sum a team goes to memory. (Long rows: column_sums, which reads x and g once more.)
// cost     forward a read and a write; derivative two reads and a write. Group norm's derivative reads x three times, g twice.
// read on  sums.cuh  →  batch_norm.cu
#include <type_traits>

#include "sums.cuh"

namespace fastnn::cuda {
namespace {

template <class T> struct Rows {
  int64_t rows, n, period, width, places;  // row r's weights begin at r % period · width, one for `places` numbers
  int parts;
  T eps;
  global<const T> x, g, w, b;
  __device__ __forceinline__ int64_t weight(int64_t row, int64_t j) const {
    return places == 1 && period == 1 ? j : row % period * width + j / places;
  }
};

// A row, this thread's numbers of it in registers if HELD > 0.
template <class T, int HELD> struct Line {
  T held[HELD ? HELD : 1];
  global<const T> x;
  int64_t n;
  int part, parts;
  __device__ __forceinline__ Line(global<const T> from, int64_t n, const Team& team) : x(from), n(n), part(team.part), parts(team.parts) {
#pragma unroll
    for (int k = 0; k < HELD; ++k)
      if (part + k * parts < n) held[k] = x[part + k * parts];
  }
  template <class F> __device__ __forceinline__ void each(const F& f) const {  // f(k, j, x[j])
    if constexpr (HELD > 0) {
#pragma unroll
      for (int k = 0; k < HELD; ++k)
        if (part + k * parts < n) f(k, int64_t(part + k * parts), held[k]);
    } else {
      for (int64_t j = part; j < n; j += parts) f(0, j, x[j]);
    }
  }
};

template <class T> struct Stats { T mean, r; };
template <bool CENTRE, class T, int HELD, class M> __device__ __forceinline__ Stats<T> stats_of(const Line<T, HELD>& x, T eps, const Team& team, M& memory) {
  const auto add = [](T p, T q) { return p + q; };
  T mean = 0, squares = 0;
  if constexpr (CENTRE) {
    x.each([&](int, int64_t, T v) { mean += v; });
    mean = team.join(memory, mean, add) / T(x.n);
  }
  x.each([&](int, int64_t, T v) { squares = fma(v - mean, v - mean, squares); });
  squares = team.join(memory, squares, add);
  return {mean, T(1) / sqrt(squares / T(x.n) + eps)};
}

// f(row, number of elements): 0 for teams that are left over, so that all threads meet at barriers.
template <class T, class F> __device__ __forceinline__ void each_row(const Rows<T>& r, const Team& team, const F& f) {
  for (int64_t first = int64_t(blockIdx.x) * team.teams; first < r.rows; first += int64_t(gridDim.x) * team.teams) {
    const int64_t row = first + team.team;
    f(row < r.rows ? row : 0, row < r.rows ? r.n : 0);
  }
}

template <class T, int HELD, bool CENTRE> __global__ void __launch_bounds__(TEAM_THREADS) forward(Rows<T> r, global<T> y) {
  SHARED(T, memory, TEAM_THREADS);
  const Team team(r.parts, true);
  each_row(r, team, [&](int64_t row, int64_t n) {
    const Line<T, HELD> x(r.x + row * r.n, n, team);
    const Stats<T> s = stats_of<CENTRE>(x, r.eps, team, memory);
    x.each([&](int, int64_t j, T v) {
      const int64_t c = r.weight(row, j);
      const T h = (v - s.mean) * s.r;
      y[row * r.n + j] = (r.w ? h * r.w[c] : h) + (r.b ? r.b[c] : T(0));
    });
  });
}

// partial: [teams of all blocks][n] of Σ g·x̂ and Σ g where HELD > 0; else the statistics of each row go to `mean` and `scale`.
template <class T, int HELD, bool CENTRE>
__global__ void __launch_bounds__(TEAM_THREADS) derivative(Rows<T> r, global<T> dx, global<T> dw, global<T> db, global<T> mean, global<T> scale) {
  SHARED(T, memory, TEAM_THREADS);
  const Team team(r.parts, true);
  const auto add = [](T p, T q) { return p + q; };
  T aw[HELD ? HELD : 1] = {}, ab[HELD ? HELD : 1] = {};
  each_row(r, team, [&](int64_t row, int64_t n) {
    const Line<T, HELD> x(r.x + row * r.n, n, team), g(r.g + row * r.n, n, team);
    const Stats<T> s = stats_of<CENTRE>(x, r.eps, team, memory);
    T shift = 0, slope = 0;
    g.each([&](int k, int64_t j, T v) {
      const T h = ((HELD ? x.held[k] : x.x[j]) - s.mean) * s.r, t = r.w ? v * r.w[j] : v;
      shift += t, slope += t * h;
      if constexpr (HELD > 0) aw[k] += v * h, ab[k] += v;
    });
    shift = CENTRE ? team.join(memory, shift, add) / T(n) : T(0);
    slope = team.join(memory, slope, add) / T(n);
    g.each([&](int k, int64_t j, T v) {
      const T h = ((HELD ? x.held[k] : x.x[j]) - s.mean) * s.r, t = r.w ? v * r.w[j] : v;
      dx[row * r.n + j] = (t - shift - h * slope) * s.r;
    });
    if (HELD == 0 && mean && team.part == 0 && n) mean[row] = s.mean, scale[row] = s.r;
  });
  if constexpr (HELD > 0) {
    const int64_t at = (int64_t(blockIdx.x) * team.teams + team.team) * r.n;
#pragma unroll
    for (int k = 0; k < HELD; ++k) {
      const int64_t j = team.part + k * team.parts;
      if (dw && j < r.n) dw[at + j] = aw[k];
      if (db && j < r.n) db[at + j] = ab[k];
    }
  }
}

template <class T> struct RowTerms {  // of a matrix, each row with its own statistics
  global<const T> g, x, mean, r;
  int64_t columns;
  __device__ Two<T> operator()(int64_t row, int64_t column) const {
    const T v = g[row * columns + column];
    return {v * (x[row * columns + column] - mean[row]) * r[row], v};
  }
};

template <class T> constexpr int MANY = 64 / int(sizeof(T));  // numbers of a row in a thread's registers, at most

// f(number of HELD): 4, MANY, or none
template <class T, class F> void with_held(const Rows<T>& r, const F& f) {
  if (r.n <= 4 * r.parts) f(std::integral_constant<int, 4>{});
  else if (r.n <= MANY<T> * r.parts) f(std::integral_constant<int, MANY<T>>{});
  else f(std::integral_constant<int, 0>{});
}

template <class T> Rows<T> rows_of(const View& x, const View& w, const View& b, int64_t n, double eps) {
  Rows<T> r{};
  r.n = n, r.rows = n ? x.numel() / n : 0, r.period = 1, r.width = n, r.places = 1;
  r.parts = team_size(n), r.eps = T(eps), r.x = in<T>(x), r.w = given<const T>(w), r.b = given<const T>(b);
  return r;
}

template <bool CENTRE, class T> void run_forward(const char* name, const View& y, const Rows<T>& r) {
  if (r.rows * r.n == 0) return;
  with_held(r, [&](auto held) {
    launch(name, &forward<T, held.value, CENTRE>, blocks_for(r.rows, TEAM_THREADS / r.parts), TEAM_THREADS, r, out<T>(y));
  });
}

template <class T> void add_up(const View& y, const View& partial, Ints axes) {
  if (y.ndim < 0 || y.numel() == 0) return;
  sum(Out{view_of<T>(y.data, {y.numel()})}, In{partial}, axes);
}
template <class T> struct Zero {
  global<T> y;
  __device__ void operator()(int64_t i) const { y[i] = T(0); }
};
template <class T> void clear(const View& v) {
  if (v.ndim >= 0) launch_each("zero", v.numel(), Zero{out<T>(v)});
}

template <bool CENTRE, class T> void run_derivative(const char* name, const View& dx, const View& dw, const View& db, const View& g, Rows<T> r) {
  if (r.rows * r.n == 0) return clear<T>(dw), clear<T>(db);
  r.g = in<T>(g);
  const bool sums = (dw.ndim >= 0 && dw.numel()) || (db.ndim >= 0 && db.numel());
  with_held(r, [&](auto held) {
    constexpr int HELD = held.value;
    const int teams = TEAM_THREADS / r.parts;
    const unsigned blocks = blocks_for(r.rows, teams, 2 * BUSY);
    if (HELD > 0) {
      const int64_t slots = int64_t(blocks) * teams;
      Scratch<T> pw(sums ? slots * r.n : 0), pb(sums ? slots * r.n : 0);
      const global<T> none{};
      launch(name, &derivative<T, HELD, CENTRE>, blocks, TEAM_THREADS, r, out<T>(dx), sums ? global<T>(pw) : none,
             sums ? global<T>(pb) : none, none, none);
      add_up<T>(dw, view_of<T>(pw.data, {slots, r.n}), Ints{1, {0}});
      add_up<T>(db, view_of<T>(pb.data, {slots, r.n}), Ints{1, {0}});
    } else {
      Scratch<T> mean(r.rows), scale(r.rows);
      launch(name, &derivative<T, HELD, CENTRE>, blocks, TEAM_THREADS, r, out<T>(dx), global<T>(), global<T>(), global<T>(mean), global<T>(scale));
      if (!sums) return;
      const int64_t pieces = pieces_of(r.rows, 64, ceil_div(r.n, WARP));
      Scratch<T> pw(pieces * r.n), pb(pieces * r.n);
      const RowTerms<T> terms{r.g, r.x, global<T>(mean), global<T>(scale), r.n};
      launch(name, &column_sums<T, RowTerms<T>>, blocks_for(ceil_div(r.n, WARP) * pieces, 1), TEAM_THREADS, terms, r.rows, r.n, pieces,
             global<T>(pw), global<T>(pb));
      add_up<T>(dw, view_of<T>(pw.data, {pieces, r.n}), Ints{1, {0}});
      add_up<T>(db, view_of<T>(pb.data, {pieces, r.n}), Ints{1, {0}});
    }
  });
}

// ---- group norm: x (N, C, S) with S places; row (n, group) has C/groups channels of S numbers -----------------------------

template <class T, int HELD> __global__ void __launch_bounds__(TEAM_THREADS) statistics(Rows<T> r, global<T> mean, global<T> scale) {
  SHARED(T, memory, TEAM_THREADS);
  const Team team(r.parts, true);
  each_row(r, team, [&](int64_t row, int64_t n) {
    const Line<T, HELD> x(r.x + row * r.n, n, team);
    const Stats<T> s = stats_of<true>(x, r.eps, team, memory);
    if (team.part == 0 && n) mean[row] = s.mean, scale[row] = s.r;
  });
}
template <class T> struct ChannelTerms {  // of run (n, c): g·x̂ and g
  global<const T> g, x, mean, r;
  int64_t S, width;
  __device__ Two<T> operator()(int64_t run, int64_t i) const {
    const T v = g[run * S + i];
    return {v * (x[run * S + i] - mean[run / width]) * r[run / width], v};
  }
};
template <class T> __global__ void __launch_bounds__(TEAM_THREADS)
group_dx(Rows<T> r, global<T> dx, global<const T> dots, global<const T> sums, global<const T> mean, global<const T> scale) {
  SHARED(Two<T>, memory, TEAM_THREADS);
  const Team team(r.parts, true);
  each_row(r, team, [&](int64_t row, int64_t n) {
    Two<T> s = {T(0), T(0)};
    for (int64_t c = team.part; c < (n ? r.width : 0); c += team.parts) {
      const T w = r.w ? r.w[row % r.period * r.width + c] : T(1);
      s = s + Two<T>{w * sums[row * r.width + c], w * dots[row * r.width + c]};
    }
    s = team.join(memory, s, [](const Two<T>& p, const Two<T>& q) { return p + q; });
    const T shift = s.a / T(r.n), slope = s.b / T(r.n);
    for (int64_t j = team.part; j < n; j += team.parts) {
      const int64_t i = row * n + j;
      const T h = (r.x[i] - mean[row]) * scale[row], t = r.w ? r.g[i] * r.w[r.weight(row, j)] : r.g[i];
      dx[i] = (t - shift - h * slope) * scale[row];
    }
  });
}

template <class T> Rows<T> groups_of(const View& x, const View& w, const View& b, int64_t groups, double eps) {
  int64_t S = 1;
  for (int d = 2; d < x.ndim; ++d) S *= x.shape[d];
  const int64_t width = x.shape[1] / groups;
  Rows<T> r = rows_of<T>(x, w, b, width * S, eps);
  r.period = groups, r.width = width, r.places = S;
  return r;
}

template <class T> void group_derivative(const View& dx, const View& dw, const View& db, const View& g, Rows<T> r) {
  if (r.rows * r.n == 0) return clear<T>(dw), clear<T>(db);
  r.g = in<T>(g);
  const int64_t C = r.period * r.width, N = r.rows / r.period, runs = N * C;
  Scratch<T> mean(r.rows), scale(r.rows), dots(runs), sums(runs);
  with_held(r, [&](auto held) {
    launch("group_norm_dx", &statistics<T, held.value>, blocks_for(r.rows, TEAM_THREADS / r.parts), TEAM_THREADS, r, global<T>(mean), global<T>(scale));
  });
  const int parts = team_size(r.places);
  const ChannelTerms<T> terms{r.g, r.x, global<T>(mean), global<T>(scale), r.places, r.width};
  launch("group_norm_dx", &run_sums<T, ChannelTerms<T>>, blocks_for(runs, TEAM_THREADS / parts), TEAM_THREADS, terms, runs, r.places, int64_t(1), parts,
         global<T>(dots), global<T>(sums));
  launch("group_norm_dx", &group_dx<T>, blocks_for(r.rows, TEAM_THREADS / r.parts), TEAM_THREADS, r, out<T>(dx), dots.read(),
         sums.read(), mean.read(), scale.read());
  add_up<T>(dw, view_of<T>(dots.data, {N, C}), Ints{1, {0}});
  add_up<T>(db, view_of<T>(sums.data, {N, C}), Ints{1, {0}});
}

View none() {
  View v{};
  v.ndim = -1;
  return v;
}

}  // namespace

void layer_norm(PackedOut y, PackedIn x, PackedIn w, PackedIn b, int64_t n, double eps) {
  with_floats("layer_norm", x, [&](auto t) { run_forward<true>("layer_norm", y, rows_of<decltype(t)>(x, w, b, n, eps)); });
}
void layer_norm_dx(PackedOut dx, PackedOut dw, PackedOut db, PackedIn g, PackedIn x, PackedIn w, int64_t n, double eps) {
  with_floats("layer_norm_dx", x, [&](auto t) {
    run_derivative<true>("layer_norm_dx", dx, dw, db, g, rows_of<decltype(t)>(x, w, none(), n, eps));
  });
}
void rms_norm(PackedOut y, PackedIn x, PackedIn w, int64_t n, double eps) {
  with_floats("rms_norm", x, [&](auto t) { run_forward<false>("rms_norm", y, rows_of<decltype(t)>(x, w, none(), n, eps)); });
}
void rms_norm_dx(PackedOut dx, PackedOut dw, PackedIn g, PackedIn x, PackedIn w, int64_t n, double eps) {
  with_floats("rms_norm_dx", x, [&](auto t) {
    run_derivative<false>("rms_norm_dx", dx, dw, none(), g, rows_of<decltype(t)>(x, w, none(), n, eps));
  });
}
void group_norm(PackedOut y, PackedIn x, PackedIn w, PackedIn b, int64_t groups, double eps) {
  with_floats("group_norm", x, [&](auto t) { run_forward<true>("group_norm", y, groups_of<decltype(t)>(x, w, b, groups, eps)); });
}
void group_norm_dx(PackedOut dx, PackedOut dw, PackedOut db, PackedIn g, PackedIn x, PackedIn w, int64_t groups, double eps) {
  with_floats("group_norm_dx", x, [&](auto t) { group_derivative(dx, dw, db, g, groups_of<decltype(t)>(x, w, none(), groups, eps)); });
}

}  // namespace fastnn::cuda
