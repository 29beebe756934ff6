// core/cuda/faults.cpp: errors that kernels meet. A kernel cannot throw, and the host does not wait for it: it writes what it
// met into four words of host memory, and goes on with harmless values. They are looked at before every launch, after every
// wait, and with FASTNN_CUDA_SYNC=1 after every launch (launch.cpp): then the error comes from the very call that caused it.
#include <stdio.h>
#include <stdlib.h>

#include "../error.h"
#include "runtime.h"

namespace fastnn::cuda::runtime {

int64_t* fault_words = nullptr;

bool synchronous() {
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

void explain_none(char* text, size_t size, int driver, int built_for, int devices, const char* error, int capability) {
  constexpr int OLDEST = 75;  // what the library is built for
  text[0] = 0;
  if (driver == 0)
    snprintf(text, size, "no NVIDIA driver is installed");
  else if (driver / 1000 < built_for / 1000)  // within a major version, older drivers do
    snprintf(text, size, "the NVIDIA driver is for CUDA %d.%d, too old for this build's CUDA %d.%d", driver / 1000, driver % 1000 / 10,
             built_for / 1000, built_for % 1000 / 10);
  else if (devices <= 0)
    snprintf(text, size, "no GPU was found (%s)", error);
  else if (capability < OLDEST)
    snprintf(text, size, "the GPU is too old: compute capability %d.%d, and 7.5 or newer is needed", capability / 10, capability % 10);
}

}  // namespace fastnn::cuda::runtime
