// core/launch.h: the one door to a kernel. Five rules keep every kernel recordable, so that a whole training step can
// later be kept as a list of calls and replayed without Python:
//
//   1  a kernel call is plain data: views, numbers, geometry structs; no callbacks, no Python objects
//   2  kernels never allocate results; outputs come from the caller, scratch from the pool (Scratch in parallel.h)
//   3  values that change from step to step (learning rate, step count, random-number counters) live in 0-d arrays
//   4  what a kernel does depends on its arguments only, never on data read back by the host
//   5  a value read by the host (item, numpy, bool) goes through one function, Array to NumPy in bind/array.cpp
//
// The binding (bind/cast.h, bind/elementwise.cpp, bind/product.cpp) is the only caller.
#pragma once
#include "program.h"

namespace fastnn {

extern bool (*interrupt_hook)();  // true when Ctrl-C was pressed (Python error set); installed by the binding

template <class... P> void launch(int64_t& count, void (*kernel)(P...), const P&... args) {
  ++count;  // per kernel; tests use it to prove that every kernel has been exercised
  if (__builtin_expect(recording != nullptr, 0)) return recording->take(count, kernel, args...);
  kernel(args...);
}

}  // namespace fastnn
