// core/lives.h: what the arrays that die within a recorded step held: for each value the calls that use it, for each call its values.
// The log of the arena tells values apart that had the same memory one after the other.
#pragma once
#include "program.h"

namespace fastnn {

constexpr int64_t LINE = 64;  // bytes; every array begins with a cache line
constexpr size_t NONE = ~size_t(0);

struct Value {
  int64_t from, to;                 // of the log: calls [from, to) can use it
  char *block, *end;
  char *first = nullptr, *last = nullptr;  // of what is used of it, from a whole line on
  int64_t begin = -1, finish = -1;  // the first and the last call that use it
  size_t group = NONE;              // plan.cpp
  bool there = false;               // on the GPU
  bool local = false;               // lives within one chain (chain.cpp), in scratch memory
};
struct Use {
  View* view;
  size_t value;
  bool written;
};

struct Lives {
  std::vector<Value> values;
  std::vector<std::vector<Use>> uses;  // by call
  explicit Lives(Program& p);          // plan.cpp
  const Value* of(size_t step, const View& v) const {
    for (const Use& u : uses[step])
      if (u.view == &v) return &values[u.value];
    return nullptr;
  }
};

void join_chains(Program& p, Lives& lives);  // chain.cpp; steps and uses become fewer

}  // namespace fastnn
