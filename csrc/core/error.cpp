#include "error.h"

#include <stdarg.h>
#include <stdio.h>

#include <new>

namespace fastnn {

void raise_error(ErrorKind kind, const char* format, ...) {
  Error e{kind, {}};
  va_list args;
  va_start(args, format);
  vsnprintf(e.message, sizeof e.message, format, args);
  va_end(args);
  throw e;
}
void raise_error(const char* message) { raise_error(ErrorKind::runtime, "%s", message); }
void raise_index(const char* op, int64_t index, int64_t size) {
  raise_error(ErrorKind::index, "%s: index %lld is out of bounds for dimension with size %lld", op, (long long)index,
              (long long)size);
}
void raise_memory() { throw std::bad_alloc(); }

}  // namespace fastnn
