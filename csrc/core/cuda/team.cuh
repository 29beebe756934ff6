// core/cuda/team.cuh: threads of a block that make one result together: the sum of a row, the maximum of a column.
//
//    along     a row is contiguous: neighbours in the team read neighbours in memory        thread = team * parts + part
//    across    rows lie side by side: neighbours belong to different teams                  thread = part * teams + team
//
// Values are joined by shuffles as far as a warp reaches, then one of each warp through shared memory: two barriers, none if a team is
// within a warp. Always in the same order: results do not change from run to run.
#pragma once
#include "kernel.cuh"

namespace fastnn::cuda {

constexpr int TEAM_THREADS = 256;

// The value of the lane whose number differs by `distance`, a power of two. All lanes must come.
template <class A> __device__ __forceinline__ A of_lane(const A& v, int distance) {
  constexpr int WORDS = (sizeof(A) + 3) / 4;
  uint32_t words[WORDS] = {};
  memcpy(words, &v, sizeof(A));
#pragma unroll
  for (int i = 0; i < WORDS; ++i) words[i] = __shfl_xor_sync(ALL, words[i], distance);
  A other;
  memcpy(&other, words, sizeof(A));
  return other;
}

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
    const int t = int(threadIdx.x), widest = step * parts / 2 < WARP / 2 ? step * parts / 2 : WARP / 2;
    for (int distance = widest; distance >= step; distance /= 2) {
      const A other = of_lane(v, distance);
      v = t & distance ? f(other, v) : f(v, other);  // the same in both lanes, whatever f
    }
    const int block = step < WARP ? WARP : step, left = step * parts / block;  // values of the team that are left, one a block of threads
    if (left <= 1) return v;
    const bool along = step == 1;
    if (t % block < step) memory[along ? t / WARP : t / block * step + team] = v;
    __syncthreads();
    const int first = along ? team * left : team;
    v = memory[first];
    for (int n = 1; n < left; ++n) v = f(v, memory[first + n * step]);
    __syncthreads();
    return v;
  }
};

// How many threads a row of n gets: a power of two, so that each has a few elements.
inline int team_size(int64_t n) {
  int p = 1;
  while (p < TEAM_THREADS && p * 4 < n) p *= 2;
  return p;
}

}  // namespace fastnn::cuda
