// jet/series.h: arithmetic of derivatives. A jet holds f and its derivatives ∂^α f for the multi-indices α of a closed set
// (with α come all β <= α), sorted by order |α|: (0) (x) (t) (xx) is four channels, {0, x, t, xx}.
//
//    product   ∂^α (f g) = Σ_{β <= α} C(α, β) ∂^β f · ∂^(α-β) g
//    chain     write D_k for the jet of s^(k)(z), s a function of one variable. As ∂_e s(z) = s'(z) ∂_e z,
//              ∂^α D_k = ∂^(α-e) (D_{k+1} · ∂_e z) = Σ_{β <= α-e} C(α-e, β) ∂^β D_{k+1} · ∂^(α-β) z,
//              e any direction in α: the triangle D_p (order 0) → D_{p-1} (order 1) → ... → D_0 = the jet of s(z)
//    adjoint   d s(z) = s'(z) · dz in this arithmetic, so the gradient with respect to z is the transpose of the product
//              with D_1:  ż_β = Σ_{α >= β} C(α, β) ẏ_α ∂^(α-β) D_1
//
// Tried on paper and left: Faà di Bruno's sums over partitions need fewer products from order 3 on (14 instead of 20 for
// one direction to order 4), but a table of products of up to four factors, and a second one for the adjoint. Mixed
// derivatives by polarisation, u_xy = (u_(x+y)(x+y) - u_xx - u_yy) / 2, cancel, and cost two channels more.
#pragma once
#include "../declare.h"

namespace fastnn::FN_ISA {

constexpr int JET_ORDER = 4, JET_CHANNELS = 64, JET_DIRECTIONS = 16;

template <class T> struct Series {
  struct Term { int32_t a, b; T times; };  // times · left[a] · right[b]
  struct Sum { int32_t begin, end; };      // terms[begin, end)
  int channels, order, directions;
  int upto[JET_ORDER + 2];                 // channels of order <= k
  int seed[JET_DIRECTIONS];                // the channel of the first derivative along a direction, -1 if there is none
  struct Pair { int32_t a, b; };
  Pair factors[JET_CHANNELS];              // of a second derivative: the channels of the first ones along its two directions
  Sum chain[JET_CHANNELS];                 // of D_{k+1} (a) and z (b); nothing for channel 0
  Sum adjoint[JET_CHANNELS];               // of ẏ (a) and D_1 (b)
  Term terms[JET_CHANNELS * 24];           // at most 8 a channel in the chain, 16 in the adjoint

  // orders (channels, directions), int64: checked here, once for all kernels.
  explicit Series(const View& orders) {
    constexpr const char* error = "jet: orders must be int64 (channels, directions), closed, sorted by order, at most 4";
    if (orders.ndim != 2 || orders.dtype != DType::i64 || orders.shape[0] < 1) raise_error(error);
    if (orders.shape[0] > JET_CHANNELS || orders.shape[1] > JET_DIRECTIONS) raise_error(error);
    channels = int(orders.shape[0]), directions = int(orders.shape[1]), order = 0;
    const int64_t* all = orders.ptr<int64_t>();
    for (int k = 0; k < directions; ++k) seed[k] = -1;
    int before = 0, n = 0;
    for (int c = 0; c < channels; ++c) {
      const int64_t* alpha = all + c * directions;
      int sum = 0, axis = -1;
      for (int k = directions - 1; k >= 0; --k) {
        if (alpha[k] < 0 || alpha[k] > JET_ORDER) raise_error(error);
        sum += int(alpha[k]);
        if (alpha[k]) axis = k;
      }
      if (sum > JET_ORDER || sum < before || (c == 0) != (sum == 0)) raise_error(error);
      for (; before < sum; ++before) upto[before] = c;
      if (sum == 1) seed[axis] = c;
      if (sum == 2) factors[c] = pair(alpha, axis);
      order = sum;
      chain[c].begin = n;
      if (c) n = products(all, c, axis, n, error);
      chain[c].end = n;
    }
    for (int k = order; k < JET_ORDER + 2; ++k) upto[k] = channels;
    for (int b = 0; b < channels; ++b) {
      adjoint[b].begin = n;
      for (int a = b; a < channels; ++a) {
        int64_t rest[JET_DIRECTIONS];
        int64_t times = 1;
        for (int k = 0; k < directions; ++k) {
          rest[k] = all[a * directions + k] - all[b * directions + k];
          times *= rest[k] < 0 ? 0 : choose(all[a * directions + k], rest[k]);
        }
        if (times) terms[n++] = {a, find(all, rest), T(times)};
      }
      adjoint[b].end = n;
    }
  }

 private:
  static int64_t choose(int64_t n, int64_t k) {
    int64_t c = 1;
    for (int64_t i = 1; i <= k; ++i) c = c * (n - k + i) / i;
    return c;
  }
  Pair pair(const int64_t* alpha, int first) const {
    int last = first;
    for (int k = first + 1; k < directions; ++k) last = alpha[k] ? k : last;
    return {seed[first], seed[last]};
  }
  int find(const int64_t* all, const int64_t* wanted) const {
    for (int c = 0; c < channels; ++c) {
      bool same = true;
      for (int k = 0; k < directions; ++k) same &= all[c * directions + k] == wanted[k];
      if (same) return c;
    }
    return -1;
  }
  // ∂^(α-e) (D · ∂_e z), e the direction `axis`: every β <= α-e, counted like an odometer.
  int products(const int64_t* all, int c, int axis, int n, const char* error) {
    int64_t beta[JET_DIRECTIONS] = {}, rest[JET_DIRECTIONS];
    for (;;) {
      int64_t times = 1;
      for (int k = 0; k < directions; ++k) {
        int64_t alpha = all[c * directions + k];
        times *= choose(alpha - (k == axis), beta[k]);
        rest[k] = alpha - beta[k];
      }
      int a = find(all, beta), b = find(all, rest);
      if (a < 0 || b < 0 || a > c || b > c) raise_error(error);
      terms[n++] = {a, b, T(times)};
      int k = 0;
      while (k < directions && ++beta[k] > all[c * directions + k] - (k == axis)) beta[k++] = 0;
      if (k == directions) return n;
    }
  }
};

}  // namespace fastnn::FN_ISA
