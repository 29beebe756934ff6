// attention/attention.cu: softmax(scale q kᵀ + mask) v, and its derivative, without ever holding the matrix of scores.
//
//    forward      a block has R rows of queries, and goes along the keys, R at a time: scores in registers, P = exp(s - m), m the
//                 largest so far; o += P v, what was summed multiplied by exp(m - m') first (Milakov and Gimelshein 2018, Dao et al. 2022)
//    derivative   P again from lse:  dV = Pᵀ g   dP = g Vᵀ   dS = P (dP - D), D = Σ g y of the row   dQ = scale dS K   dK = scale dSᵀ Q
//                 a block has R keys, and goes down the rows, for dK and dV; another kernel's has R rows, for dQ. Seven products where
//                 five would do, and no atomics: sums come in a fixed order
//
// Causal tiles that no row sees are left out. Rows that see no key: y = 0, lse = ∞. Columns beyond 128 of E or F are another block's.
// cost     2 L S (E + F) flops a head, half of it where causal, on the ordinary cores. With dropout each weight costs a Philox block
// read on  problem.cuh, tiles.cuh
#include <type_traits>

#include "deltas.cuh"
#include "tiles.cuh"

namespace fastnn::cuda {

// halves.cu
void attention_halves(Out y, PackedOut lse, In q, In k, In v, In mask, PackedIn dropout, double scale, bool causal, double p);
void attention_dx_halves(Out dq, Out dk, Out dv, Out dmask, In g, In y, PackedIn lse, In q, In k, In v, In mask, PackedIn dropout, double scale,
                         bool causal, double p);

namespace {

// A tile of weights, rows by keys, as add_weighted takes it: sums for rows go along keys, others down rows.
template <class S, bool BY_ROWS, class T, class M> __device__ __forceinline__ void put_weights(M& weights, const T (&w)[S::TM][S::TM]) {
  const int tx = int(threadIdx.x) % SIDE, ty = int(threadIdx.x) / SIDE;
#pragma unroll
  for (int n = 0; n < S::TM; ++n) {
    Wide<T> piece;
#pragma unroll
    for (int q = 0; q < S::TM; ++q) piece.v[q] = BY_ROWS ? w[q][n] : w[n][q];
    view_as<Wide<T>>(weights)[weights_at<S, T>((BY_ROWS ? tx : ty) * S::TM + n, BY_ROWS ? ty : tx)] = piece;
  }
}

template <class T, int TN> __global__ void __launch_bounds__(ATTENTION_THREADS) forward(Problem<T> p, Strided<T> y, global<T> lse) {
  using S = Sizes<T>;
  SHARED(T, ma, S::D * (S::R + 4));
  SHARED(T, mb, S::D * SLICE_STEP<(TN > S::TM ? TN : S::TM)>);
  SHARED(T, weights, S::R * S::R);
  const int t = int(threadIdx.x), tx = t % SIDE, ty = t / SIDE;
  for (int64_t head = blockIdx.y; head < p.heads; head += gridDim.y) {
    int64_t at[8];
    p.starts.find(head, at);
    const int64_t row0 = int64_t(blockIdx.x) * S::R, column0 = int64_t(blockIdx.z) * SIDE * TN, seen = p.most_seen(row0, row0 + S::R);
    T o[S::TM][TN] = {}, top[S::TM], sum[S::TM] = {};
    for (int i = 0; i < S::TM; ++i) top[i] = -T(Limits<T>::INF);
    for (int64_t key0 = 0; key0 < seen; key0 += S::R) {
      T s[S::TM][S::TM] = {};
      accumulate<S>(
          s, p.width, ma, mb, [&](int i, int64_t e) { return row0 + i < p.rows ? p.scale * p.q.at(at[Q], row0 + i, p.length, e) : T(0); },
          [&](int j, int64_t e) { return key0 + j < p.keys ? p.k.data[at[K] + (key0 + j) * p.k.row + e * p.k.column] : T(0); });
#pragma unroll
      for (int i = 0; i < S::TM; ++i) {
        const int64_t r = row0 + ty * S::TM + i;
        T largest = top[i], part = 0;
#pragma unroll
        for (int j = 0; j < S::TM; ++j) {
          s[i][j] = p.score(at[MASK], r, key0 + tx * S::TM + j, s[i][j]);
          largest = max(s[i][j], largest);
        }
        largest = across(largest, [](T a, T b) { return max(a, b); });
        const T m = largest == -T(Limits<T>::INF) ? T(0) : largest, shrink = exp(top[i] - m);  // nothing seen yet: exp(-∞ - 0) = 0
        top[i] = largest;
#pragma unroll
        for (int j = 0; j < S::TM; ++j) {
          const int64_t key = key0 + tx * S::TM + j;
          T w = exp(s[i][j] - m);
          part += w;
          if (p.drops && r < p.rows && key < p.keys) w = p.dropped(p.keeps(head, r, key), w);
          s[i][j] = w;
        }
        sum[i] = sum[i] * shrink + across(part, [](T a, T b) { return a + b; });
#pragma unroll
        for (int c = 0; c < TN; ++c) o[i][c] *= shrink;
      }
      put_weights<S, true>(weights, s);
      __syncthreads();
      add_weighted<S, TN>(o, p.keys - key0, weights, mb, [&](int64_t j, int c) { return column0 + c < p.values ? p.v.data[at[V] + (key0 + j) * p.v.row + (column0 + c) * p.v.column] : T(0); });
    }
#pragma unroll
    for (int i = 0; i < S::TM; ++i) {
      const int64_t r = row0 + ty * S::TM + i;
      if (r >= p.rows) continue;
      const T factor = sum[i] == T(0) ? T(0) : T(1) / sum[i];
      for (int c = 0; c < TN; ++c)
        if (const int64_t column = column0 + column_of<T>(tx, c); column < p.values) y.at(at[OUT], r, p.length, column) = sum[i] == T(0) ? T(0) : o[i][c] * factor;
      if (tx == 0 && blockIdx.z == 0) lse[head * p.rows + r] = sum[i] == T(0) ? T(Limits<T>::INF) : top[i] + log(sum[i]);
    }
  }
}

// P (dropped out) and dS of a tile, into shared memory.
template <class T, class S, bool BY_ROWS, class Ma, class Mb, class Mp>
__device__ __forceinline__ void weigh(const Problem<T>& p, const int64_t* at, int64_t head, int64_t row0, int64_t key0, Ma& ma, Mb& mb, Mp& weights, Mp& slopes,
                                      global<const T> lse, global<const T> delta) {
  const int t = int(threadIdx.x), tx = t % SIDE, ty = t / SIDE;
  T s[S::TM][S::TM] = {}, d[S::TM][S::TM] = {};
  accumulate<S>(
      s, p.width, ma, mb, [&](int i, int64_t e) { return row0 + i < p.rows ? p.scale * p.q.at(at[Q], row0 + i, p.length, e) : T(0); },
      [&](int j, int64_t e) { return key0 + j < p.keys ? p.k.data[at[K] + (key0 + j) * p.k.row + e * p.k.column] : T(0); });
  accumulate<S>(
      d, p.values, ma, mb, [&](int i, int64_t c) { return row0 + i < p.rows ? p.g.at(at[G], row0 + i, p.length, c) : T(0); },
      [&](int j, int64_t c) { return key0 + j < p.keys ? p.v.data[at[V] + (key0 + j) * p.v.row + c * p.v.column] : T(0); });
#pragma unroll
  for (int i = 0; i < S::TM; ++i) {
    const int64_t r = row0 + ty * S::TM + i;
    const T l = r < p.rows ? lse[head * p.rows + r] : T(0), mean = r < p.rows ? delta[head * p.rows + r] : T(0);
#pragma unroll
    for (int j = 0; j < S::TM; ++j) {
      const int64_t key = key0 + tx * S::TM + j;
      T w = 0, slope = 0;
      if (r < p.rows && key < p.sees(r)) {
        w = exp(p.score(at[MASK], r, key, s[i][j]) - l);
        const bool keep = p.keeps(head, r, key);
        slope = w * (p.dropped(keep, d[i][j]) - mean), w = p.dropped(keep, w);
      }
      s[i][j] = w, d[i][j] = slope;
    }
  }
  put_weights<S, BY_ROWS>(weights, s);
  put_weights<S, BY_ROWS>(slopes, d);
  __syncthreads();
}

template <class T, int TN>
__global__ void __launch_bounds__(ATTENTION_THREADS) to_keys(Problem<T> p, Strided<T> dk, Strided<T> dv, global<const T> lse, global<const T> delta) {
  using S = Sizes<T>;
  SHARED(T, ma, S::D * (S::R + 4));
  SHARED(T, mb, S::D * SLICE_STEP<(TN > S::TM ? TN : S::TM)>);
  SHARED(T, weights, S::R * S::R);
  SHARED(T, slopes, S::R * S::R);
  const int t = int(threadIdx.x), tx = t % SIDE, ty = t / SIDE;
  for (int64_t head = blockIdx.y; head < p.heads; head += gridDim.y) {
    int64_t at[8];
    p.starts.find(head, at);
    const int64_t key0 = int64_t(blockIdx.x) * S::R, column0 = int64_t(blockIdx.z) * SIDE * TN;
    T k[S::TM][TN] = {}, v[S::TM][TN] = {};
    for (int64_t row0 = 0; row0 < p.rows; row0 += S::R) {
      if (p.most_seen(row0, row0 + S::R) <= key0) continue;
      weigh<T, S, false>(p, at, head, row0, key0, ma, mb, weights, slopes, lse, delta);
      add_weighted<S, TN>(
          v, p.rows - row0, weights, mb, [&](int64_t r, int c) { return column0 + c < p.values ? p.g.at(at[G], row0 + r, p.length, column0 + c) : T(0); });
      add_weighted<S, TN>(
          k, p.rows - row0, slopes, mb, [&](int64_t r, int c) { return column0 + c < p.width ? p.scale * p.q.at(at[Q], row0 + r, p.length, column0 + c) : T(0); });
    }
    for (int i = 0; i < S::TM; ++i)
      for (int c = 0; c < TN; ++c) {
        const int64_t key = key0 + ty * S::TM + i, column = column0 + column_of<T>(tx, c);
        if (key >= p.keys) continue;
        if (dk.data && column < p.width) dk.data[at[OUT] + key * dk.row + column * dk.column] = k[i][c];
        if (dv.data && column < p.values) dv.data[at[OUT2] + key * dv.row + column * dv.column] = v[i][c];
      }
  }
}

template <class T, int TN>
__global__ void __launch_bounds__(ATTENTION_THREADS) to_rows(Problem<T> p, Strided<T> dq, Strided<T> dmask, global<const T> lse, global<const T> delta) {
  using S = Sizes<T>;
  SHARED(T, ma, S::D * (S::R + 4));
  SHARED(T, mb, S::D * SLICE_STEP<(TN > S::TM ? TN : S::TM)>);
  SHARED(T, weights, S::R * S::R);
  SHARED(T, slopes, S::R * S::R);
  const int t = int(threadIdx.x), tx = t % SIDE, ty = t / SIDE;
  for (int64_t head = blockIdx.y; head < p.heads; head += gridDim.y) {
    int64_t at[8];
    p.starts.find(head, at);
    const int64_t row0 = int64_t(blockIdx.x) * S::R, column0 = int64_t(blockIdx.z) * SIDE * TN, seen = p.most_seen(row0, row0 + S::R);
    T q[S::TM][TN] = {};
    for (int64_t key0 = 0; key0 < seen; key0 += S::R) {
      weigh<T, S, true>(p, at, head, row0, key0, ma, mb, weights, slopes, lse, delta);
      if (dmask.data && blockIdx.z == 0)
        for (int e = t; e < S::R * S::R; e += ATTENTION_THREADS) {
          const int64_t r = row0 + e / S::R, key = key0 + e % S::R;
          if (r < p.rows && key < p.keys) dmask.at(at[OUT2], r, p.length, key) = view_as<Wide<T>>(slopes)[weights_at<S, T>(e % S::R, e / S::R / S::TM)].v[e / S::R % S::TM];
        }
      if (dq.data)
        add_weighted<S, TN>(
            q, p.keys - key0, slopes, mb, [&](int64_t j, int c) { return column0 + c < p.width ? p.k.data[at[K] + (key0 + j) * p.k.row + (column0 + c) * p.k.column] : T(0); });
      __syncthreads();
    }
    for (int i = 0; dq.data && i < S::TM; ++i)
      for (int c = 0; c < TN; ++c) {
        const int64_t r = row0 + ty * S::TM + i, column = column0 + column_of<T>(tx, c);
        if (r < p.rows && column < p.width) dq.at(at[OUT], r, p.length, column) = p.scale * q[i][c];
      }
  }
}

// ---- from the arguments to a problem ------------------------------------------------------------------------------------------

template <class F> void with_columns(int64_t columns, const F& f) {  // of a block: 64 or 128
  if (columns <= 4 * SIDE) f(std::integral_constant<int, 4>{});
  else f(std::integral_constant<int, 8>{});
}
dim3 grid(int64_t tiles, int64_t heads, int64_t columns, int each) {
  return dim3(unsigned(tiles), unsigned(heads < 65535 ? heads : 65535), unsigned(ceil_div(columns, int64_t(SIDE) * each)));
}

}  // namespace

void attention(Out y, PackedOut lse, In q, In k, In v, In mask, PackedIn dropout, double scale, bool causal, double p) {
  if (is_stored(q.dtype)) return attention_halves(y, lse, q, k, v, mask, dropout, scale, causal, p);
  with_floats("attention", q, [&](auto zero) {
    using T = decltype(zero);
    const Problem<T> a = problem_of<T>(q, k, v, mask, dropout, scale, causal, p, nullptr, nullptr, &y, false, nullptr, false);
    if (a.heads == 0 || a.rows == 0) return;
    with_columns(a.values, [&](auto each) {
      launch("attention", &forward<T, each.value>, grid(ceil_div(a.rows, Sizes<T>::R), a.heads, a.values > 0 ? a.values : 1, each.value), ATTENTION_THREADS, a,
             strided<T>(y), out<T>(lse));
    });
  });
}

void attention_dx(Out dq, Out dk, Out dv, Out dmask, In g, In y, PackedIn lse, In q, In k, In v, In mask, PackedIn dropout, double scale,
                  bool causal, double p) {
  if (is_stored(q.dtype)) return attention_dx_halves(dq, dk, dv, dmask, g, y, lse, q, k, v, mask, dropout, scale, causal, p);
  with_floats("attention_dx", q, [&](auto zero) {
    using T = decltype(zero);
    const Problem<T> keys = problem_of<T>(q, k, v, mask, dropout, scale, causal, p, &g, &y, &dk, true, &dv, true);
    const Problem<T> rows = problem_of<T>(q, k, v, mask, dropout, scale, causal, p, &g, &y, &dq, false, &dmask, false);
    Scratch<T> delta(keys.heads * keys.rows);
    launch_deltas<T>(keys, delta);
    const int64_t wide = keys.width > keys.values ? keys.width : keys.values;
    with_columns(wide, [&](auto each) {
      if (keys.heads > 0 && keys.keys > 0 && (wanted<T>(dk).data || wanted<T>(dv).data))
        launch("attention_dx", &to_keys<T, each.value>, grid(ceil_div(keys.keys, Sizes<T>::R), keys.heads, wide, each.value), ATTENTION_THREADS, keys, wanted<T>(dk),
               wanted<T>(dv), in<T>(lse), delta.read());
    });
    with_columns(keys.width, [&](auto each) {
      if (keys.heads > 0 && keys.rows > 0 && (wanted<T>(dq).data || wanted<T>(dmask).data))
        launch("attention_dx", &to_rows<T, each.value>, grid(ceil_div(keys.rows, Sizes<T>::R), keys.heads, keys.width > 0 ? keys.width : 1, each.value),
               ATTENTION_THREADS, rows, wanted<T>(dq), wanted<T>(dmask), in<T>(lse), delta.read());
    });
  });
}

}  // namespace fastnn::cuda
