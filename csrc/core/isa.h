// core/isa.h: which instruction set the kernels run on. Chosen once at import: the best that the CPU has, or FASTNN_ISA.
#pragma once
#include <stdint.h>

namespace fastnn {

struct Isa {
  const char* name;  // v2, v3, v4 (x86-64 levels), neon
  const char* about;
  bool supported;
};
int isa_count();
Isa isa_at(int i);            // best last
const char* isa_name();       // the active one
void isa_set(const char* name);  // ValueError when unknown or not supported here

}  // namespace fastnn
