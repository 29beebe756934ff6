// bind/listen.h: while somebody listens, every kernel call is kept with its arguments, time and notes (fastnn.explain).
#pragma once
#include "../core/program.h"
#include "array.h"
#include "replay.h"

namespace fastnn {

extern PyObject* heard;  // a list, a function, or null

struct Listening {  // around a launch
  const char* name;
  PyObject* const* args;
  Py_ssize_t n;
  PyObject* result = nullptr;  // of kernels that allocate it
  int64_t started = 0;
  Listening(const char* name, PyObject* const* args, Py_ssize_t n) : name(name), args(args), n(n) {
    if (heard) begin();
    if (recording) note_place();
  }
  ~Listening() {
    if (heard && started) end();
  }
  void begin();
  void end();
};

void bind_listen(pybind11::module_& m);

}  // namespace fastnn
