// kernels/table.h: one function pointer a kernel; one table an instruction set; the active one is chosen at import.
#pragma once
#include "geometry.h"

namespace fastnn {

struct Table {
#define KERNEL(name, params) void(*name) params;
#include "../kernels.def"
#undef KERNEL
};

extern const Table* active;  // core/isa.cpp

}  // namespace fastnn
