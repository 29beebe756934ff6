// core/interrupt.h: what else parallel.cpp knows of a thread: Ctrl-C while C++ computes, and whether its loops are shared. Kernels meet it in
// parallel_for only.
#pragma once
#include <stdint.h>

namespace fastnn {

struct Interrupts {  // asks Python at most every 50 ms
  int64_t next;
  Interrupts();
  void check();  // throws Interrupted
};
struct Shielded {  // while one exists, this thread's loops run to their end
  bool before;
  Shielded();
  ~Shielded();
};

struct Alone {  // while one exists, this thread's loops are not shared with others
  bool before;
  Alone();
  ~Alone();
};

}  // namespace fastnn
