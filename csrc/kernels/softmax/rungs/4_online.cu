// softmax on a GPU, rung 4, online: the maximum and the sum in one pass: when a larger number comes, the sum so far is scaled down.
//
//    (m, s) and x      x > m:  (x, s·exp(m - x) + 1)         otherwise:  (m, s + exp(x - m))
//    (m, s), (m', s')  (M, s·exp(m - M) + s'·exp(m' - M))    M the larger of both
//
// (Milakov and Gimelshein 2018, "Online normalizer calculation for softmax".) Minus infinity adds nothing; a row that has no other
// number, or that has an infinite one, is NaN. The derivative has no maximum, so it is rung 3's.
//
// cost     two reads and a write, half of the barriers
// counted  64 x 1024: 6,144 requests of global memory, 24,576 sectors; 4,608 of shared memory, 0 conflicts
//          derivative: 10,240 requests of global memory, 40,960 sectors; 4,608 of shared memory, 0 conflicts
// read on  ../softmax.cu: as many threads as a row can use, and teams that lie across where rows do
#include "rows.cuh"

namespace fastnn::cuda {

template <class T> struct MaxSum { T m, s; };
template <class T> __device__ __forceinline__ MaxSum<T> of_lane(MaxSum<T> v, int distance) { return {of_lane(v.m, distance), of_lane(v.s, distance)}; }

namespace {

template <class T> __device__ __forceinline__ T scaled(T s, T m, T most) { return m == most ? s : s * exp(m - most); }

template <class Team, class T> __global__ void __launch_bounds__(ROW_THREADS) two_passes(Lines r, global<T> y, global<const T> x) {
  each_row<Team>(r.outer * r.inner, [&](int64_t row, int64_t part) {
    const int64_t at = r.start(row);
    MaxSum<T> a = {-Limits<T>::INF, T(0)};
    for (int64_t j = part; j < r.n; j += Team::PARTS) {
      const T v = x[at + j * r.inner];
      if (v == -Limits<T>::INF) continue;
      const T e = exp(-abs(v - a.m));
      if (v > a.m) a = {v, a.s * e + T(1)};
      else a.s += e;
    }
    a = Team::join(a, [](const MaxSum<T>& p, const MaxSum<T>& q) {
      const T most = Greater()(p.m, q.m);
      return MaxSum<T>{most, scaled(p.s, p.m, most) + scaled(q.s, q.m, most)};
    });
    const T scale = a.m == Limits<T>::INF ? Limits<T>::NAN_ : T(1) / a.s;
    for (int64_t j = part; j < r.n; j += Team::PARTS) y[at + j * r.inner] = exp(x[at + j * r.inner] - a.m) * scale;
  });
}

}  // namespace

FN_SOFTMAX_RUNG(online, OneBlock, two_passes)

}  // namespace fastnn::cuda
