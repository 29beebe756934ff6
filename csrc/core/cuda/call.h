// core/cuda/call.h: calls of the CUDA runtime, whose refusals become exceptions.
#pragma once
#include <cuda_runtime.h>
#include <stdio.h>

#include "../device.h"
#include "../error.h"

namespace fastnn::cuda::runtime {

// Errors after which the driver refuses every call of the process.
inline bool is_lost(cudaError_t e) {
  switch (e) {
    case cudaErrorIllegalAddress: case cudaErrorLaunchFailure: case cudaErrorLaunchTimeout: case cudaErrorAssert: case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction: case cudaErrorMisalignedAddress: case cudaErrorInvalidAddressSpace: case cudaErrorInvalidPc:
    case cudaErrorECCUncorrectable: case cudaErrorContextIsDestroyed: return true;
    default: return false;
  }
}
[[noreturn]] inline void raise(const char* what, cudaError_t e) {
  cudaGetLastError();  // the next call starts afresh
  if (e == cudaErrorMemoryAllocation) {
    OutOfMemory out;
    snprintf(out.message, sizeof out.message, "CUDA out of memory: %s", what);
    throw out;
  }
  raise_error(ErrorKind::runtime, "cuda: %s: %s (%s)%s", what, cudaGetErrorString(e), cudaGetErrorName(e),
              is_lost(e) ? "; a kernel before this call is to blame (FASTNN_CUDA_SYNC=1 shows which), and the GPU is lost to this process: start it again"
                         : "");
}
inline void must(const char* what, cudaError_t e) {
  if (e != cudaSuccess) [[unlikely]] raise(what, e);
}

}  // namespace fastnn::cuda::runtime
