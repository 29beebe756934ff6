// lstm, rung 3, steps: each step's product goes to matmul, its gates to vectors: what a framework does whose kernels are
// those of other layers.
//
// cost     every step is two passes over memory and two meetings of the threads, W_hh is packed or read with strides anew;
//          a step of 32 sequences is 20 us of work
// read on  ../rnn.cpp (W_hh packed once, gates as the tile's epilogue, threads that share sequences and never meet)
#include "steps.h"

namespace fastnn::FN_ISA {
namespace {

template <class T> struct Rung {
  using S = LstmSteps<T>;
  static View rows_of(const S& s, const T* p, int64_t n, int64_t columns) {
    View v = matrix(s.l.x, 0, n, columns, columns);
    v.data = const_cast<T*>(p);
    return v;
  }
  // f(place, a tile of zeros) for every vector of units of the rows of step t: the cells add the tile to what memory holds
  template <int Units, class F> static void vectors(const S& s, int64_t t, const F& f) {
    constexpr int64_t ROWS = 4;
    alignas(64) static const T zeros[ROWS * 4 * NR<T>] = {};
    s.rows(t, [&](int64_t row, int64_t b, int64_t n, const T* h, const T* c) {
      parallel_for(ceil_div(n, ROWS), 2, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin * ROWS; i < end * ROWS && i < n; i += ROWS)
          for (int64_t j = 0; j < s.h; j += Units * lanes<T>)
            f(Place<T>{row + i, b + i, n - i < ROWS ? n - i : ROWS, j, h + i * s.h, c + i * s.h, nullptr}, zeros);
      });
    });
  }
  static void forward(const S& s) {
    View a = rows_of(s, s.gates, s.times.rows, 4 * s.h);
    matmul_bias(Out{a}, In{s.l.x}, In{transposed(s.l.w_ih)}, In{s.l.b_ih});
    auto product = [&](int64_t t) {
      s.rows(t, [&](int64_t row, int64_t, int64_t n, const T* h, const T*) {
        Out a{rows_of(s, s.gates + row * 4 * s.h, n, 4 * s.h)};
        matmul_bias(a, In{rows_of(s, h, n, s.h)}, In{transposed(s.l.w_hh)}, In{a});
      });
    };
    Memory<T> m{s.h, s.y, s.gates, s.cells, S::bias(s.l.b_hh)};
    s.forward(product, [&](int64_t t) {
      vectors<1>(s, t, [&](const Place<T>& p, const T* zeros) { LstmCell<T>::forward(m, p, zeros); });
    });
  }
  static void back(S& s, const LayerGradients& out, const View& g, T* dc0, const View& y) {
    auto product = [&](int64_t t) {
      int64_t n = s.times.sizes[t];
      if (n) matmul(Out{rows_of(s, s.dh, n, s.h)}, In{rows_of(s, s.d + s.times.start[t] * 4 * s.h, n, 4 * s.h)}, In{s.l.w_hh});
    };
    Memory<T> m{s.h, s.y, s.gates, s.cells, nullptr, g.ptr<T>(), s.d, dc0};
    s.back(g, dc0, out.dh0, product, [&](int64_t t) {
      vectors<NV>(s, t, [&](Place<T> p, const T* zeros) {
        p.end = s.dh + p.b * s.h;
        LstmCell<T>::backward(m, p, zeros);
      });
    });
    Columns all[] = {{0, 0, 4 * s.h}};
    weight_gradients<T>(s.times, s.l, out, y, s.d, 4 * s.h, all, 1, 4 * s.h);
  }
};

}  // namespace

LSTM_RUNG(steps, Rung)

}  // namespace fastnn::FN_ISA
