// attention/problem.cuh: what a GPU's block knows of a call, and the way from the arguments to it.
//
//    q (.., G·H, L, E)  k (.., H, S, E)  v (.., H, S, F)  mask (.., G·H, L, S)        any strides; mask's are often 0
//
// As on the CPU (rows.h) G query heads share a head of keys: their G·L queries are the rows of one problem, r = g·L + i.
#pragma once
#include "../../core/cuda/each.cuh"
#include "../../core/cuda/halves.cuh"
#include "../../core/cuda/scalar.h"
#include "../random/stream.cuh"

namespace fastnn::cuda {

enum Which { Q, K, V, MASK, G, Y, OUT, OUT2 };  // columns of Problem::starts

template <class T> struct Strided {  // rows of one problem: r = g·L + i
  global<T> data;
  int64_t head, row, column;
  __device__ __forceinline__ global<T> at_place(int64_t start, int64_t r, int64_t length, int64_t j) const {
    if (r < length) return data + (start + r * row + j * column);  // the first query head; often there is no other
    return data + (start + r / length * head + r % length * row + j * column);
  }
  __device__ __forceinline__ T& at(int64_t start, int64_t r, int64_t length, int64_t j) const { return *at_place(start, r, length, j); }
};

template <class T> struct Problem {
  Strided<const T> q, k, v, added, g, y;
  Strided<const uint8_t> visible;
  Loops<8> starts;  // of a head in q, k, v, mask, g, y, and two outputs
  int64_t heads, group, length, rows, keys, width, values;  // heads of keys in all, G, L, G·L, S, E, F
  bool causal, masked, flags, drops;
  Sum<T> scale, keep_scale;
  uint32_t threshold;
  global<const int64_t> saved;  // [seed, offset] of the dropout

  __device__ __forceinline__ int64_t sees(int64_t r) const { return causal && r % length < keys ? r % length + 1 : keys; }
  __device__ __forceinline__ int64_t most_seen(int64_t from, int64_t to) const {  // by rows from .. to - 1
    if (!causal) return keys;
    if (to > rows) to = rows;
    return from / length != (to - 1) / length ? sees(length - 1) : sees(to - 1);
  }
  // The score of row r and key j, its product given: masked.
  __device__ __forceinline__ Sum<T> score(int64_t mask_start, int64_t r, int64_t j, Sum<T> product) const {
    if (r >= rows || j >= sees(r)) return -Limits<Sum<T>>::INF;
    if (!masked) return product;
    if (flags) return visible.at(mask_start, r, length, j) ? product : -Limits<Sum<T>>::INF;
    return product + wide(added.at(mask_start, r, length, j));
  }
  // A weight dropped out, or what belongs to it: the masks of random/random.cu on the array (.., G·H, L, S)
  __device__ __forceinline__ bool keeps(int64_t head, int64_t r, int64_t j) const {
    if (!drops) return true;
    const int64_t n = (head * rows + r) * keys + j;
    const Stream s = {uint32_t(saved[0]), uint32_t(uint64_t(saved[0]) >> 32), uint64_t(saved[1])};
    return cuda::at(s, s.first + uint64_t(n / WORDS * TILE + n % TILE)).w[n % WORDS / TILE] >= threshold;
  }
  __device__ __forceinline__ Sum<T> dropped(bool keep, Sum<T> weight) const { return !drops ? weight : keep ? weight * keep_scale : Sum<T>(0); }
};

template <class U> Strided<U> strided(const View& x) {
  const int n = x.ndim;
  return {global<U>(x.ptr<U>()), n > 2 ? x.strides[n - 3] : 0, x.strides[n - 2], x.strides[n - 1]};
}
template <class U> Strided<U> wanted(const View& x) { return x.ndim < 0 || x.numel() == 0 ? Strided<U>{} : strided<U>(x); }

template <class T>
Problem<T> problem_of(const View& q, const View& k, const View& v, const View& mask, const View& saved, double scale, bool causal, double p, const View* g,
                      const View* y, const View* out1, bool out1_of_keys, const View* out2, bool out2_of_keys) {
  Problem<T> a{};
  const int n = q.ndim;
  a.q = strided<const T>(q), a.k = strided<const T>(k), a.v = strided<const T>(v);
  a.masked = mask.ndim >= 0, a.flags = a.masked && mask.dtype == DType::b8;
  if (a.flags) a.visible = strided<const uint8_t>(mask);
  else if (a.masked) a.added = strided<const T>(mask);
  if (g) a.g = strided<const T>(*g), a.y = strided<const T>(*y);
  a.heads = 1, a.group = n > 2 ? (k.shape[n - 3] ? q.shape[n - 3] / k.shape[n - 3] : 0) : 1;
  a.length = q.shape[n - 2], a.rows = a.group * a.length, a.keys = k.shape[n - 2], a.width = k.shape[n - 1], a.values = v.shape[n - 1];
  a.causal = causal, a.scale = Sum<T>(scale), a.drops = saved.ndim >= 0;
  if (a.drops) {
    a.saved = in<int64_t>(saved), a.keep_scale = p < 1 ? Sum<T>(1 / (1 - p)) : Sum<T>(0);
    a.threshold = p < 1 ? uint32_t(int64_t(p * 0x1p32)) : ~0u;
  }
  for (int d = 0; d < n - 2; ++d) {
    a.heads *= k.shape[d];
    const int64_t times = d == n - 3 ? a.group : 1;
    const auto of = [&](const View* x, bool keys) { return !x || x->ndim < 0 || x->numel() == 0 ? 0 : x->strides[d] * (keys ? 1 : times); };
    const int64_t strides[8] = {of(&q, false), of(&k, true), of(&v, true), of(&mask, false), of(g, false), of(y, false), of(out1, out1_of_keys), of(out2, out2_of_keys)};
    a.starts.add(k.shape[d], strides);
  }
  return a;
}

}  // namespace fastnn::cuda
