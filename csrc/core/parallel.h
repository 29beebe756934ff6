// core/parallel.h: split a loop over the thread pool.
//
//    parallel_for(n, grain, [&](int64_t begin, int64_t end) { ... });
//
// The range [0, n) is cut into chunks of `grain` items, whatever the number of threads, and f runs once per chunk;
// a reduction that keeps one partial result per chunk (index begin / grain) and adds them in order is therefore
// bit-identical on 1, 2 and N threads. Choose the grain by the work in it: 10-50 us, at least.
// `brief` loops, of 3 to 10 us, are shared only with workers that are awake: waking one takes longer. When such loops follow
// one another, the second wakes them.
// Nested calls run in place. An exception thrown by f, or Ctrl-C, stops the loop and leaves through parallel_for.
#pragma once
#include "view.h"

namespace fastnn {

using ChunkFn = void (*)(void* context, int64_t begin, int64_t end);
void parallel_run(int64_t n, int64_t grain, ChunkFn run, void* context, bool brief);  // parallel.cpp, baseline code
int num_threads();
int threads_here();  // as many share a loop that begins here: 1 inside another
void set_num_threads(int n);

template <class F> FN void parallel_for(int64_t n, int64_t grain, const F& f, bool brief = false) {
  if (n <= 0) return;
  if (n <= grain) return f(int64_t(0), n);
  ChunkFn run = [](void* context, int64_t begin, int64_t end) { (*static_cast<const F*>(context))(begin, end); };
  parallel_run(n, grain, run, const_cast<F*>(&f), brief);
}

FN int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Scratch memory from the array pool, 64-byte aligned, returned at the end of the scope. Uninitialised.
void* scratch_alloc(size_t bytes);
void scratch_free(void* p, size_t bytes);
template <class T> struct Scratch {
  T* data;
  size_t count;
  FN explicit Scratch(int64_t n) : data(n ? static_cast<T*>(scratch_alloc(size_t(n) * sizeof(T))) : nullptr), count(size_t(n)) {}
  FN ~Scratch() {
    if (data) scratch_free(data, count * sizeof(T));
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  FN operator T*() const { return data; }
};

}  // namespace fastnn
