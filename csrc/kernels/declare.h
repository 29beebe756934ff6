// kernels/declare.h: every kernel's signature, in the namespace of the instruction set being compiled, from kernels.def.
// Each family's .cpp includes it, so a definition that drifts from the table does not link.
#pragma once
#include "geometry.h"

#ifndef FN_ISA
#define FN_ISA native
#endif

namespace fastnn::FN_ISA {
#define KERNEL(name, params) void name params;
#include "../kernels.def"
#undef KERNEL
}  // namespace fastnn::FN_ISA
