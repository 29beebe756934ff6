// core/error.h: errors a kernel or the core can raise. The binding turns each kind into a Python exception.
#pragma once
#include <stdint.h>

namespace fastnn {

enum class ErrorKind { shape, dtype, value, index, type, runtime, missing };

// Thrown by value, also across the border to a device's library; the message lives inside so that copying cannot fail.
struct __attribute__((visibility("default"))) Error {
  ErrorKind kind;
  char message[512];
};
struct Interrupted {};  // Ctrl-C: the Python error is already set

[[noreturn]] void raise_error(ErrorKind kind, const char* format, ...) __attribute__((format(printf, 2, 3)));
[[noreturn]] void raise_error(const char* message);                            // RuntimeError
[[noreturn]] void raise_index(const char* op, int64_t index, int64_t size);    // IndexError
[[noreturn]] void raise_memory();                                              // MemoryError

}  // namespace fastnn
