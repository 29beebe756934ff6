// loss/targets.h: class indices: which class each sample has, what it weighs, and that it exists.
//
//    x (N, C, S)     target (N, S) int64     sample i = (n, s) has class target[i] with weight w[target[i]] (1 without w)
//
// A target equal to `ignore` takes no part: loss 0, derivative 0, and nothing added to the total weight that a mean
// divides by. All targets are checked before anything is read by them.
#pragma once
#include "../../core/error.h"
#include "../../core/parallel.h"
#include "../../core/sweep.h"

namespace fastnn::FN_ISA {

constexpr int64_t NONE = 0, MEAN = 1, SUM = 2;  // reduction
constexpr int64_t IGNORE_NOTHING = INT64_MIN;

template <class T> struct Targets {
  const int64_t* index;
  const T* weight;  // (C) or null
  int64_t N, C, S, ignore;
  FN bool ignored(int64_t i) const { return index[i] == ignore && ignore != IGNORE_NOTHING; }
  FN T weight_of(int64_t i) const { return weight ? weight[index[i]] : T(1); }
};

template <class T> FN Targets<T> targets_of(const View& x, const View& target, const View& weight, int64_t ignore) {
  Targets<T> t{target.ptr<int64_t>(), weight.ndim < 0 ? nullptr : weight.ptr<T>(), x.shape[0], x.shape[1], 1, ignore};
  for (int d = 2; d < x.ndim; ++d) t.S *= x.shape[d];
  return t;
}

// The sum of all weights, after checking every index.
template <class T> static double check_and_weigh(const Targets<T>& t) {
  constexpr int64_t GRAIN = 32768;
  int64_t n = t.N * t.S;
  Scratch<double> partial(ceil_div(n, GRAIN) + 1);
  parallel_for(n, GRAIN, [&](int64_t begin, int64_t end) {
    double sum = 0;
    int64_t counted = 0;
    bool outside = false;
    for (int64_t i = begin; i < end; ++i) {
      counted += !t.ignored(i);
      outside |= !t.ignored(i) & (uint64_t(t.index[i]) >= uint64_t(t.C));
    }
    for (int64_t i = begin; i < end && (outside || t.weight); ++i) {
      if (t.ignored(i)) continue;
      if (uint64_t(t.index[i]) >= uint64_t(t.C))
        raise_error(ErrorKind::index, "Target %lld is out of bounds.", static_cast<long long>(t.index[i]));
      sum += t.weight ? t.weight[t.index[i]] : T(0);
    }
    partial[begin / GRAIN] = t.weight ? sum : double(counted);
  });
  double total = 0;
  for (int64_t k = 0; k < ceil_div(n, GRAIN); ++k) total += partial[k];
  return total;
}

template <class T> static double blockwise_sum(const T* x, int64_t n) {
  constexpr int64_t GRAIN = 65536, BLOCK_OF_SUM = 2048;
  Scratch<double> partial(ceil_div(n, GRAIN) + 1);
  parallel_for(n, GRAIN, [&](int64_t begin, int64_t end) {
    double sum = 0;
    for (int64_t at = begin; at < end; at += BLOCK_OF_SUM) {
      vec<T> s[4] = {};
      sweep<T>(end - at < BLOCK_OF_SUM ? end - at : BLOCK_OF_SUM,
               [&](int64_t i, int k, int64_t c) FN_LAMBDA { s[k] += load_part(x + at + i, c); });
      sum += sum_of<T>(s);
    }
    partial[begin / GRAIN] = sum;
  });
  double total = 0;
  for (int64_t k = 0; k < ceil_div(n, GRAIN); ++k) total += partial[k];
  return total;
}

}  // namespace fastnn::FN_ISA
