// kernels/table.cpp: expands kernels.def into the table of one instruction set. Compiled once for each.
#include "declare.h"
#include "table.h"

namespace fastnn::FN_ISA {
extern const Table table;
const Table table = {
#define KERNEL(name, params) &FN_ISA::name,
#include "../kernels.def"
#undef KERNEL
};
}  // namespace fastnn::FN_ISA
