// kernels/table.cpp: expands kernels.def into the declarations and the table of one instruction set. Compiled once for each.
#include "table.h"

#include "declare.h"

namespace fastnn::FN_ISA {
#define KERNEL(name, params) void name params;
#include "../kernels.def"
#undef KERNEL

extern const Table table;
const Table table = {
#define KERNEL(name, params) &FN_ISA::name,
#include "../kernels.def"
#undef KERNEL
};
}  // namespace fastnn::FN_ISA
