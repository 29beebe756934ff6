// core/cuda/team.cuh: threads of a block that make one result together: the sum of a row, the maximum of a column.
//
//    along     a row is contiguous: neighbours in the team read neighbours in memory        thread = team * parts + part
//    across    rows lie side by side: neighbours belong to different teams                  thread = part * teams + team
//
// The team's values are joined in shared memory, halves onto halves, always in the same order: results do not change from run to
// run. With parts = 256 that is 8 barriers, against n / 256 loads of each thread.
#pragma once
#include "kernel.cuh"

namespace fastnn::cuda {

constexpr int TEAM_THREADS = 256;

struct Team {
  int team, teams, part, parts, step;  // step: from one member's thread to the next

  __device__ Team(int parts_, bool along) : teams(TEAM_THREADS / parts_), parts(parts_) {
    const int t = int(threadIdx.x);
    team = along ? t / parts : t % teams;
    part = along ? t % parts : t / teams;
    step = along ? 1 : teams;
  }
  // What all members' values come to, in every member. All threads of the block must come; memory: one element a thread.
  template <class A, class M, class F> __device__ A join(M& memory, A v, const F& f) const {
    const int t = int(threadIdx.x);
    memory[t] = v;
    __syncthreads();
    for (int s = parts / 2; s > 0; s /= 2) {
      if (part < s) memory[t] = f(memory[t], memory[t + s * step]);
      __syncthreads();
    }
    const A all = memory[t - part * step];
    __syncthreads();
    return all;
  }
};

// How many threads a row of n gets: a power of two, so that each has a few elements.
inline int team_size(int64_t n) {
  int p = 1;
  while (p < TEAM_THREADS && p * 4 < n) p *= 2;
  return p;
}

}  // namespace fastnn::cuda
