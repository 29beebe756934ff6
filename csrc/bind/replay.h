// bind/replay.h: what is noted while a step is recorded, besides its kernel calls (core/program.h).
#pragma once
#include <unordered_map>

#include "array.h"

namespace fastnn {

// The leaves whose gradients the step looks at or sets, and what these were before; strong references.
using Leaves = std::unordered_map<PyObject*, PyObject*>;
extern thread_local Leaves* leaves;
void touch_gradient_of(PyObject* leaf);
inline void touch_gradient(PyObject* leaf) {  // before its `grad` is read or written
  if (__builtin_expect(leaves != nullptr, 0)) touch_gradient_of(leaf);
}

class Program;
void date_written(const Program& p);  // after a replay, with the GIL held: what it wrote has changed in place

void note_place();  // the line of Python, outside fastnn, that asks for the next kernel

void bind_replay(pybind11::module_& m);

}  // namespace fastnn
