// core/note.h: a kernel that chooses between ways says which and why, to whoever listens (fastnn.explain).
//
//    FN_NOTE("packed: B [%lld, %lld] does not fit into L2", k, n);        costs one predictable branch when nobody does
#pragma once

namespace fastnn {

extern bool noting;
void note(const char* format, ...) __attribute__((format(printf, 1, 2)));  // note.cpp, baseline code

#define FN_NOTE(...) \
  do { \
    if (__builtin_expect(::fastnn::noting, 0)) ::fastnn::note(__VA_ARGS__); \
  } while (0)

}  // namespace fastnn
