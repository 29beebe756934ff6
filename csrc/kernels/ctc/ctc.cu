// ctc/ctc.cu: -log P(target | log-probabilities), summed over every way to stretch the target over the steps; ctc.cpp tells the recursion.
//
// A block has a sequence, its threads the states; a barrier ends each step, and the step before is read from where it was written. The
// derivative runs from the end; at each step the states that share a label are added up by the first of them, along a list made
// beforehand, in order. States of the blank are added by the block.
//
// cost     T steps one after another, of 3 exp and a log for each state; the batch is what fills the GPU
#include "../../core/cuda/each.cuh"
#include "../../core/cuda/scalar.h"
#include "../../core/cuda/team.cuh"

namespace fastnn::cuda {
namespace {

template <class T> __device__ __forceinline__ T logsumexp_three(T a, T b, T c) {
  const T m = max(max(max(a, b), c), T(-1e30));  // a maximum at least: -∞ - -∞ would be NaN
  return m + log(exp(a - m) + exp(b - m) + exp(c - m));
}

template <class T> struct Problem {
  int64_t steps, batch, classes, width, row, blank;  // row: numbers from one step of α to the next; state s lies at 2 + s
  global<const T> x;
  global<const int64_t> targets, inputs, lengths;
  // Lengths and labels out of range are faults; what is read stays inside.
  __device__ int64_t clipped(int64_t v, int64_t most) const {
    if (v < 0 || v > most) fault(Fault::index, "ctc_loss", v, most);
    return v < 0 ? 0 : v > most ? most : v;
  }
  __device__ int64_t label(int64_t n, int64_t s) const {
    if (s % 2 == 0) return blank;
    const int64_t c = targets[n * width + s / 2];
    if (uint64_t(c) >= uint64_t(classes)) fault(Fault::index, "ctc_loss", c, classes);
    return uint64_t(c) < uint64_t(classes) ? c : blank;
  }
  __device__ bool may_skip(int64_t n, int64_t s, int64_t states) const { return s % 2 && s >= 3 && s < states && label(n, s) != label(n, s - 2); }
  __device__ T chance(int64_t t, int64_t n, int64_t c) const { return x[(t * batch + n) * classes + c]; }
};

template <class T> __global__ void __launch_bounds__(TEAM_THREADS) forward(Problem<T> p, global<T> loss, global<T> alpha) {
  const T never = -T(Limits<T>::INF);
  for (int64_t n = blockIdx.x; n < p.batch; n += gridDim.x) {
    const int64_t states = 2 * p.clipped(p.lengths[n], p.width) + 1, steps = p.clipped(p.inputs[n], p.steps);
    const global<T> mine = alpha + n * p.steps * p.row;
    for (int64_t t = 0; t < steps; ++t) {
      for (int64_t i = threadIdx.x; i < p.row; i += TEAM_THREADS) {
        const int64_t s = i - 2;
        T v = never;
        if (s >= 0 && s < states) {
          const T now = p.chance(t, n, p.label(n, s));
          if (t == 0) v = s < 2 ? now : never;
          else {
            const int64_t before = (t - 1) * p.row + i;
            v = now + logsumexp_three(mine[before], mine[before - 1], p.may_skip(n, s, states) ? mine[before - 2] : never);
          }
        }
        mine[t * p.row + i] = v;
      }
      __syncthreads();
    }
    if (threadIdx.x == 0) {
      const int64_t last = (steps - 1) * p.row + 1 + states;
      loss[n] = steps == 0 ? (states == 1 ? T(0) : T(Limits<T>::INF)) : -logsumexp_three(mine[last], mine[last - 1], never);
    }
    __syncthreads();
  }
}

// work: of each sequence two rows of β, and a row of shares; next: of each state with a label, the next one with the same (0: none;
// negative: it is not the first)
template <class T>
__global__ void __launch_bounds__(TEAM_THREADS) backward(Problem<T> p, global<T> dx, global<const T> g, global<const T> loss, global<const T> alpha, global<T> work,
                                                         global<int> next) {
  SHARED(T, memory, TEAM_THREADS);
  const Team team(TEAM_THREADS, true);
  const T never = -T(Limits<T>::INF);
  for (int64_t n = blockIdx.x; n < p.batch; n += gridDim.x) {
    const int64_t states = 2 * p.clipped(p.lengths[n], p.width) + 1, steps = p.clipped(p.inputs[n], p.steps);
    const global<T> beta = work + n * 3 * p.row, share = beta + 2 * p.row;
    const global<int> same = next + n * 2 * p.row, first = same + p.row;
    const bool possible = steps > 0 && loss[n] < T(Limits<T>::INF);
    for (int64_t t = 0; t < p.steps; ++t)
      for (int64_t c = threadIdx.x; c < p.classes; c += TEAM_THREADS) dx[(t * p.batch + n) * p.classes + c] = T(0);
    for (int64_t s = 1 + 2 * int64_t(threadIdx.x); s < states; s += 2 * TEAM_THREADS) {
      same[s] = 0, first[s] = 1;
      for (int64_t q = s + 2; q < states && same[s] == 0; q += 2)
        if (p.label(n, q) == p.label(n, s)) same[s] = int(q);
      for (int64_t q = 1; q < s && first[s]; q += 2)
        if (p.label(n, q) == p.label(n, s)) first[s] = 0;
    }
    __syncthreads();
    for (int64_t t = possible ? steps - 1 : -1; t >= 0; --t) {
      const global<T> now = beta + t % 2 * p.row, later = beta + (t + 1) % 2 * p.row;
      T blanks = 0;
      for (int64_t s = threadIdx.x; s < states; s += TEAM_THREADS) {
        T v;
        if (t == steps - 1) v = s + 2 >= states ? T(0) : never;
        else {
          const auto from = [&](int64_t q) { return q < states ? later[q] + p.chance(t + 1, n, p.label(n, q)) : never; };
          v = logsumexp_three(from(s), from(s + 1), p.may_skip(n, s + 2, states) ? from(s + 2) : never);
        }
        now[s] = v;
        const T mine = g[n] * exp(alpha[(n * p.steps + t) * p.row + 2 + s] + v + loss[n]);
        if (s % 2 == 0) blanks += mine;
        else share[s] = mine;
      }
      blanks = team.join(memory, blanks, [](T a, T b) { return a + b; });
      const int64_t to = (t * p.batch + n) * p.classes;
      if (threadIdx.x == 0) dx[to + p.blank] = -blanks;
      __syncthreads();
      for (int64_t s = 1 + 2 * int64_t(threadIdx.x); s < states; s += 2 * TEAM_THREADS) {
        if (!first[s]) continue;
        T sum = 0;
        for (int64_t q = s; q; q = same[q]) sum += share[q];
        const int64_t c = p.label(n, s);
        dx[to + c] = c == p.blank ? dx[to + c] - sum : -sum;
      }
      __syncthreads();
    }
    __syncthreads();
  }
}

template <class T> Problem<T> problem_of(const View& x, const View& t, const View& in_lengths, const View& lengths, const View& alpha, int64_t blank) {
  if (in_lengths.numel() != x.shape[1]) raise_error(ErrorKind::shape, "ctc_loss: input_lengths must be of size batch_size");
  if (lengths.numel() != x.shape[1]) raise_error(ErrorKind::shape, "ctc_loss: target_lengths must be of size batch_size");
  if (blank < 0 || blank >= x.shape[2]) raise_error(ErrorKind::value, "ctc_loss: blank must be in label range");
  return {x.shape[0], x.shape[1], x.shape[2], t.shape[1], alpha.shape[2], blank, in<T>(x), in<int64_t>(t), in<int64_t>(in_lengths), in<int64_t>(lengths)};
}

}  // namespace

void ctc_loss(PackedOut loss, PackedOut alpha, PackedIn x, PackedIn targets, PackedIn input_lengths, PackedIn target_lengths, int64_t blank) {
  with_floats("ctc_loss", x, [&](auto t) {
    using T = decltype(t);
    const Problem<T> p = problem_of<T>(x, targets, input_lengths, target_lengths, alpha, blank);
    launch("ctc_loss", &forward<T>, blocks_for(p.batch, 1), TEAM_THREADS, p, out<T>(loss), out<T>(alpha));
  });
}
void ctc_loss_dx(PackedOut dx, PackedIn g, PackedIn loss, PackedIn alpha, PackedIn x, PackedIn targets, PackedIn input_lengths, PackedIn target_lengths, int64_t blank) {
  with_floats("ctc_loss_dx", x, [&](auto t) {
    using T = decltype(t);
    const Problem<T> p = problem_of<T>(x, targets, input_lengths, target_lengths, alpha, blank);
    Scratch<T> work(p.batch * 3 * p.row);
    Scratch<int> next(p.batch * 2 * p.row);
    launch("ctc_loss_dx", &backward<T>, blocks_for(p.batch, 1), TEAM_THREADS, p, out<T>(dx), in<T>(g), in<T>(loss), in<T>(alpha), global<T>(work), global<int>(next));
  });
}

}  // namespace fastnn::cuda
