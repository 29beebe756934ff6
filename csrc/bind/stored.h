// bind/stored.h: int8, int16, float16 and bfloat16 are stored only. A kernel that is called with such arrays gets what they hold in
// int32 or float32, and what it writes is rounded back: once a kernel, as PyTorch's do on the CPU. Other arrays pay one test a call.
#pragma once
#include "array.h"

namespace fastnn {

PyObject* in_stored(PyObject* y, DType type);  // y's values in that type, hidden axes kept; takes y

// _cpu.name(*args), the stored arrays among the arguments (and in lists) replaced; bit i of `outputs`: argument i is written to.
PyObject* call_computed(const char* name, PyObject* const* args, Py_ssize_t n, uint64_t outputs);

}  // namespace fastnn
