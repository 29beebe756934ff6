// rnn/cells.h: what one step does with its product, vectors of units at a time; i, f, g, o of one unit come out of one tile.
//
//    RNN    h' = tanh(a)  or relu(a),                                   a = W_ih x + b_ih + W_hh h + b_hh
//    LSTM   i, f, o = σ(a)   g = tanh(a)   c' = f c + i g   h' = o tanh(c')
//    GRU    r, z = σ(a)   n = tanh(W x + b + r (W h + b))   h' = n + z (h - n)
//
// forward   sums = W_hh h of a tile; W_ih x + b_ih lies where the gates will be kept
// backward  sums = what the next step sends to h'; `d` gets the gradient of each a, `carry` what goes to the step before
//           beside the product with W_hh: LSTM's dc f, GRU's dh z
#pragma once
#include "../../core/math.h"
#include "times.h"

namespace fastnn::FN_ISA {

template <class T> FN vec<T> load_part(const T* p, int64_t n) { return n >= lanes<T> ? load(p) : load_n(p, n); }
template <class T> FN void store_part(T* p, vec<T> v, int64_t n) {
  if (n >= lanes<T>) store(p, v);
  else store_n(p, v, n);
}
template <class T> FN vec<T> one() { return splat(T(1)); }

// Rows of the arrays of a layer, h units each (gates and d: several times h).
template <class T> struct Memory {
  int64_t h;
  T *y, *gates, *kept;      // kept: LSTM c', GRU W h + b of n
  const T* bias;            // b_hh or nullptr
  const T* g = nullptr;     // gradient of y
  T *d = nullptr, *carry = nullptr;

  FN vec<T> add_bias(vec<T> v, int64_t at, int64_t n) const { return bias ? v + load_part(bias + at, n) : v; }
};

// Where a tile lies: rows of the packed batch from `row` on, sequences from b on, units from j on; and the states before.
template <class T> struct Place {
  int64_t row, b, rows, j;
  const T *h, *c;   // states before, of the first row
  const T* end;     // gradient of the final h of sequence b, where these rows are their sequences' last; else nullptr
};

template <class T, bool Relu> struct RnnCell {
  static constexpr int GATES = 1, UNITS = NV, PARTS = 1, VECTORS = NV;  // a tile: UNITS vectors of units, all their gates
  static constexpr int WIDTH = 1, HIDDEN = 1;  // of d, in h: all of it, and what goes through W_hh

  static void forward(const Memory<T>& m, const Place<T>& p, const T* sums) {
    for (int64_t i = 0; i < p.rows; ++i, sums += NR<T>)
      for (int64_t u = 0; u < NR<T> && p.j + u < m.h; u += lanes<T>) {
        int64_t n = m.h - p.j - u;
        T* y = m.y + (p.row + i) * m.h + p.j + u;
        vec<T> a = m.add_bias(load(sums + u) + load_part(y, n), p.j + u, n);
        if constexpr (Relu) a = max(vec<T>{}, a);
        else a = tanh(a);
        store_part(y, a, n);
      }
  }
  static void backward(const Memory<T>& m, const Place<T>& p, const T* sums) {
    for (int64_t i = 0; i < p.rows; ++i, sums += NR<T>)
      for (int64_t u = 0; u < NR<T> && p.j + u < m.h; u += lanes<T>) {
        int64_t n = m.h - p.j - u, at = (p.row + i) * m.h + p.j + u;
        vec<T> dh = load(sums + u) + load_part(m.g + at, n), y = load_part(m.y + at, n);
        if (p.end) dh += load_part(p.end + i * m.h + p.j + u, n);
        if constexpr (Relu) dh = y <= vec<T>{} ? vec<T>{} : dh;
        else dh *= one<T>() - y * y;
        store_part(m.d + at, dh, n);
      }
  }
};

template <class T> struct LstmCell {
  static constexpr int GATES = 4, UNITS = 1, PARTS = 2, VECTORS = 2, WIDTH = 4, HIDDEN = 4;

  static void forward(const Memory<T>& m, const Place<T>& p, const T* sums) {
    constexpr int W = lanes<T>;
    int64_t h = m.h, n = h - p.j;
    for (int64_t r = 0; r < p.rows; ++r, sums += 4 * W) {
      T* gates = m.gates + (p.row + r) * 4 * h + p.j;
      auto a = [&](int k) __attribute__((always_inline)) {
        return m.add_bias(load(sums + k * W) + load_part(gates + k * h, n), k * h + p.j, n);
      };
      vec<T> i = sigmoid(a(0)), f = sigmoid(a(1)), g = tanh(a(2)), o = sigmoid(a(3));
      vec<T> c = f * load_part(p.c + r * h + p.j, n) + i * g;
      store_part(gates, i, n), store_part(gates + h, f, n), store_part(gates + 2 * h, g, n), store_part(gates + 3 * h, o, n);
      store_part(m.kept + (p.row + r) * h + p.j, c, n);
      store_part(m.y + (p.row + r) * h + p.j, o * tanh(c), n);
    }
  }
  static void backward(const Memory<T>& m, const Place<T>& p, const T* sums) {
    int64_t h = m.h;
    for (int64_t r = 0; r < p.rows; ++r, sums += NR<T>)
      for (int64_t u = 0; u < NR<T> && p.j + u < h; u += lanes<T>) {
        int64_t j = p.j + u, n = h - j, at = (p.row + r) * h + j;
        const T* gates = m.gates + (p.row + r) * 4 * h + j;
        vec<T> i = load_part(gates, n), f = load_part(gates + h, n), g = load_part(gates + 2 * h, n), o = load_part(gates + 3 * h, n);
        vec<T> dh = load(sums + u) + load_part(m.g + at, n), tc = tanh(load_part(m.kept + at, n));
        if (p.end) dh += load_part(p.end + r * h + j, n);
        T *carry = m.carry + (p.b + r) * h + j, *d = m.d + (p.row + r) * 4 * h + j;
        vec<T> dc = load_part(carry, n) + dh * o * (one<T>() - tc * tc);
        store_part(carry, dc * f, n);
        store_part(d, dc * g * (i - i * i), n);
        store_part(d + h, dc * load_part(p.c + r * h + j, n) * (f - f * f), n);
        store_part(d + 2 * h, dc * i * (one<T>() - g * g), n);
        store_part(d + 3 * h, dh * tc * (o - o * o), n);
      }
  }
};

template <class T> struct GruCell {
  static constexpr int GATES = 3, UNITS = 1, PARTS = 1, VECTORS = 3, WIDTH = 4, HIDDEN = 3;  // d: r, z, n through W_hh, n through W_ih

  static void forward(const Memory<T>& m, const Place<T>& p, const T* sums) {
    constexpr int W = lanes<T>;
    int64_t h = m.h, n = h - p.j;
    for (int64_t i = 0; i < p.rows; ++i, sums += 3 * W) {
      T* gates = m.gates + (p.row + i) * 3 * h + p.j;
      int64_t at = (p.row + i) * h + p.j;
      vec<T> r = sigmoid(m.add_bias(load(sums) + load_part(gates, n), p.j, n));
      vec<T> z = sigmoid(m.add_bias(load(sums + W) + load_part(gates + h, n), h + p.j, n));
      vec<T> inner = m.add_bias(load(sums + 2 * W), 2 * h + p.j, n), c = tanh(load_part(gates + 2 * h, n) + r * inner);
      store_part(gates, r, n), store_part(gates + h, z, n), store_part(gates + 2 * h, c, n);
      store_part(m.kept + at, inner, n);
      store_part(m.y + at, c + z * (load_part(p.h + i * h + p.j, n) - c), n);
    }
  }
  static void backward(const Memory<T>& m, const Place<T>& p, const T* sums) {
    int64_t h = m.h;
    for (int64_t i = 0; i < p.rows; ++i, sums += NR<T>)
      for (int64_t u = 0; u < NR<T> && p.j + u < h; u += lanes<T>) {
        int64_t j = p.j + u, n = h - j, at = (p.row + i) * h + j;
        const T* gates = m.gates + (p.row + i) * 3 * h + j;
        T *carry = m.carry + (p.b + i) * h + j, *d = m.d + (p.row + i) * 4 * h + j;
        vec<T> r = load_part(gates, n), z = load_part(gates + h, n), c = load_part(gates + 2 * h, n);
        vec<T> dh = load(sums + u) + load_part(m.g + at, n) + load_part(carry, n);
        if (p.end) dh += load_part(p.end + i * h + j, n);
        vec<T> da = dh * (one<T>() - z) * (one<T>() - c * c);
        store_part(carry, dh * z, n);
        store_part(d, da * load_part(m.kept + at, n) * (r - r * r), n);
        store_part(d + h, dh * (load_part(p.h + i * h + j, n) - c) * (z - z * z), n);
        store_part(d + 2 * h, da * r, n);
        store_part(d + 3 * h, da, n);
      }
  }
};

}  // namespace fastnn::FN_ISA
