// ctc_loss: -log P(target | log-probabilities), summed over every way to stretch the target over the steps.
//
//    log_probs (T, N, C)   targets (N, S)   lengths (N)   ->   loss (N)
//
// States are the target's labels with a blank before, between and after: L = 2·length + 1. One step stays, goes one state on,
// or two where that leaves out a blank between different labels (Graves et al. 2006):
//
//    state    0   1   2   3   4         α_t[s] = p_t[s] + logsumexp(α[s], α[s-1], α[s-2] + skip[s])
//    label    _   a   _   b   _         skip = 0 for s odd and label s ≠ label s-2, else -∞
//
// All in logarithms: products of probabilities of a few hundred steps leave every float's range. α is kept for the derivative,
// which runs the same recursion from the end (β) and adds up the probability of being in each label at each step:
// dx[t, label s] = -g exp(α + β + loss). That is the derivative with respect to log_probs as they are; softmax before it adds
// the rest. A target that no path of that length can spell has loss ∞ and derivative 0.
//
// Cost: L·T·N times 3 exp and a log, on vectors of states. Threads share the batch.
#include "../../core/math.h"
#include "../../core/parallel.h"
#include "../declare.h"

namespace fastnn::FN_ISA {
namespace {

constexpr double NEVER = -1e30;  // a maximum at least: -∞ - -∞ would be NaN

template <class T> FN vec<T> logsumexp_three(vec<T> a, vec<T> b, vec<T> c) {
  vec<T> m = max(max(max(a, b), c), splat(T(NEVER)));
  return m + log(exp(a - m) + exp(b - m) + exp(c - m));
}

struct Problem {
  int64_t steps, batch, classes, width, row, blank;  // row: numbers from one step of α to the next
  const int64_t *targets, *inputs, *lengths;

  Problem(const View& x, const View& t, const View& in, const View& len, const View& alpha, int64_t blank)
      : steps(x.shape[0]), batch(x.shape[1]), classes(x.shape[2]), width(t.shape[1]), row(alpha.shape[2]), blank(blank),
        targets(t.ptr<int64_t>()), inputs(in.ptr<int64_t>()), lengths(len.ptr<int64_t>()) {
    if (in.numel() != batch) raise_error(ErrorKind::shape, "ctc_loss: input_lengths must be of size batch_size");
    if (len.numel() != batch) raise_error(ErrorKind::shape, "ctc_loss: target_lengths must be of size batch_size");
    if (blank < 0 || blank >= classes) raise_error(ErrorKind::value, "ctc_loss: blank must be in label range");
    for (int64_t n = 0; n < batch; ++n) {
      range("input_lengths", inputs[n], steps), range("target_lengths", lengths[n], width);
      for (int64_t s = 0; s < lengths[n]; ++s)
        if (targets[n * width + s] < 0 || targets[n * width + s] >= classes) raise_index("ctc_loss", targets[n * width + s], classes);
    }
  }
  static void range(const char* what, int64_t value, int64_t most) {
    if (value < 0) raise_error(ErrorKind::shape, "Expected %s to have value at least 0, but got value %lld", what, (long long)value);
    if (value > most)
      raise_error(ErrorKind::shape, "Expected %s to have value at most %lld, but got value %lld", what, (long long)most, (long long)value);
  }
};

// One sequence: its labels by state, and its steps as vectors of states. State s lies at 2 + s of a row, -∞ on both sides.
template <class T> struct Lattice {
  const Problem& p;
  const T* x;
  int64_t n, states, steps;
  Scratch<int64_t> label;
  Scratch<T> skip, chance;  // of all states; `chance` is p_t

  Lattice(const Problem& p, const T* x) : p(p), x(x), label(p.row), skip(p.row + 2), chance(p.row) {}

  void begin(int64_t sequence) {
    n = sequence, states = 2 * p.lengths[n] + 1, steps = p.inputs[n];
    const int64_t* target = p.targets + n * p.width;
    fill(skip, p.row + 2), fill(chance, p.row);
    for (int64_t s = 0; s < states; ++s) label[s] = s % 2 ? target[s / 2] : p.blank;
    for (int64_t s = 3; s < states; s += 2) skip[s] = label[s] == label[s - 2] ? -Limits<T>::INF : T(0);
  }
  static void fill(T* to, int64_t count) {
    for (int64_t i = 0; i < count; ++i) to[i] = -Limits<T>::INF;
  }
  const T* at(int64_t t) const { return x + (t * p.batch + n) * p.classes; }
  void read(int64_t t) {
    const T* now = at(t);
    for (int64_t s = 0; s < states; s += 2) chance[s] = now[p.blank];
    for (int64_t s = 1; s < states; s += 2) chance[s] = now[label[s]];
  }
  T forward(T* alpha) {  // [steps, row] -> loss
    if (steps == 0) return states == 1 ? T(0) : Limits<T>::INF;
    fill(alpha, p.row);
    read(0);
    alpha[2] = chance[0];
    if (states > 1) alpha[3] = chance[1];
    for (int64_t t = 1; t < steps; ++t) {
      const T* from = alpha;
      alpha += p.row, alpha[0] = alpha[1] = -Limits<T>::INF;
      read(t);
      for (int64_t s = 0; s < p.row - 2 - lanes<T> + 1; s += lanes<T>)
        store(alpha + 2 + s, load(chance + s) + logsumexp_three<T>(load(from + 2 + s), load(from + 1 + s), load(from + s) + load(skip + s)));
      for (int64_t s = (p.row - 2) / lanes<T> * lanes<T> + 2; s < p.row; ++s) alpha[s] = -Limits<T>::INF;
    }
    T last = alpha[1 + states], before = alpha[states];  // with one state, the one before it is -∞
    vec<T> none = splat(-Limits<T>::INF);
    return -logsumexp_three<T>(splat(last), splat(before), none)[0];
  }
  void backward(const T* alpha, T loss, T g, T* dx, T* beta, T* mine) {  // beta, mine: [row + 2] of scratch
    constexpr int W = lanes<T>;
    for (int64_t t = 0; t < p.steps; ++t) __builtin_memset(dx + (t * p.batch + n) * p.classes, 0, size_t(p.classes) * sizeof(T));
    if (steps == 0 || !(loss < Limits<T>::INF)) return;
    fill(beta, p.row + 2);
    for (int64_t t = steps - 1; t >= 0; --t) {
      if (t == steps - 1) {
        fill(mine, p.row);
        mine[states - 1] = 0;
        if (states > 1) mine[states - 2] = 0;
      } else {
        for (int64_t s = 0; s + W <= p.row; s += W) store(beta + s, load(mine + s) + load(chance + s));
        for (int64_t s = 0; s + W <= p.row; s += W)
          store(mine + s, logsumexp_three<T>(load(beta + s), load(beta + s + 1), load(beta + s + 2) + load(skip + s + 2)));
      }
      read(t);
      T *to = dx + (t * p.batch + n) * p.classes, share[W];
      const T* a = alpha + t * p.row + 2;
      for (int64_t s = 0; s < states; s += W) {
        store(share, g * exp(load(a + s) + load(mine + s) + splat(loss)));
        for (int64_t i = 0; i < W && s + i < states; ++i) to[label[s + i]] -= share[i];
      }
    }
  }
};

template <class F> void with_type(const View& x, const F& f) {
  if (x.dtype == DType::f32) return f(float{});
  if (x.dtype == DType::f64) return f(double{});
  raise_error(ErrorKind::dtype, "ctc_loss: not implemented for integers");
}
int64_t grain(const Problem& p) { return ceil_div(3000, p.steps * p.row + p.steps * p.classes / 8 + 1); }  // 20 us

}  // namespace

void ctc_loss(PackedOut loss, PackedOut alpha, PackedIn x, PackedIn targets, PackedIn input_lengths, PackedIn target_lengths,
              int64_t blank) {
  Problem p(x, targets, input_lengths, target_lengths, alpha, blank);
  with_type(x, [&](auto type) {
    using T = decltype(type);
    parallel_for(p.batch, grain(p), [&](int64_t begin, int64_t end) {
      Lattice<T> l(p, x.ptr<T>());
      for (int64_t n = begin; n < end; ++n) l.begin(n), loss.ptr<T>()[n] = l.forward(alpha.ptr<T>() + n * p.steps * p.row);
    });
  });
}

void ctc_loss_dx(PackedOut dx, PackedIn g, PackedIn loss, PackedIn alpha, PackedIn x, PackedIn targets, PackedIn input_lengths,
                 PackedIn target_lengths, int64_t blank) {
  Problem p(x, targets, input_lengths, target_lengths, alpha, blank);
  with_type(x, [&](auto type) {
    using T = decltype(type);
    parallel_for(p.batch, grain(p), [&](int64_t begin, int64_t end) {
      Lattice<T> l(p, x.ptr<T>());
      Scratch<T> beta(p.row + 2), mine(p.row + 2);
      for (int64_t n = begin; n < end; ++n) {
        l.begin(n);
        l.backward(alpha.ptr<T>() + n * p.steps * p.row, loss.ptr<T>()[n], g.ptr<T>()[n], dx.ptr<T>(), beta, mine);
      }
    });
  });
}

}  // namespace fastnn::FN_ISA
