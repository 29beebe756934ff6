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

#define KERNEL(name, params)
#define RUNG(family, number, name, kernel) decltype(FN_ISA::kernel) kernel##_##name;
#include "../kernels.def"
#undef RUNG

#define RUNG(family, number, name, kernel) \
  {#family, #kernel, #name, number, offsetof(Table, kernel), reinterpret_cast<void (*)()>(&FN_ISA::kernel##_##name)},
static const Rung list[] = {
#include "../kernels.def"
};
#undef RUNG
#undef KERNEL
static_assert(sizeof list / sizeof list[0] <= MAX_RUNGS);
extern const Rungs rungs;
const Rungs rungs = {list, int(sizeof list / sizeof list[0])};
}  // namespace fastnn::FN_ISA
