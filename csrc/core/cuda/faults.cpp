// core/cuda/faults.cpp: errors that kernels meet. A kernel cannot throw, and the host does not wait for it: it writes what it
// met into four words of host memory, and goes on with harmless values. They are looked at before every launch, after every
// wait, and with FASTNN_CUDA_SYNC=1 after every launch: then the error comes from the very call that caused it.
#include <stdlib.h>

#include "../error.h"
#include "runtime.h"

namespace fastnn::cuda::runtime {

int64_t* fault_words = nullptr;

static bool synchronous() {
  static const bool on = [] {
    const char* v = getenv("FASTNN_CUDA_SYNC");
    return v && v[0] && v[0] != '0';
  }();
  return on;
}

void raise_faults() {
  if (!fault_words || fault_words[0] == 0) return;
  const auto kind = static_cast<Fault>(fault_words[0]);
  const char* kernel = reinterpret_cast<const char*>(fault_words[1]);
  const int64_t value = fault_words[2], size = fault_words[3];
  fault_words[0] = 0;
  switch (kind) {
    case Fault::index: raise_index(kernel, value, size);
    case Fault::zero_division: raise_error("ZeroDivisionError");
    case Fault::negative_power: raise_error("Integers to negative integer powers are not allowed.");
    default: raise_error(ErrorKind::runtime, "%s: an input is out of range", kernel);
  }
}

static int64_t precision = 0;
void set_matmul_precision(int64_t level) { precision = level; }
int matmul_precision() { return precision > 0 && has_tensor_cores() ? int(precision) : 0; }

void before_launch(const char*) { raise_faults(); }

void after_launch(const char* name) {
  launch_failed(name);
  if (!synchronous()) return;
  wait();
  raise_faults();
}

}  // namespace fastnn::cuda::runtime
