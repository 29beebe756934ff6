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

// The table as text: what the library of another device must have been built from too (core/device.h).
constexpr char KERNELS_SIGNATURE[] =
#define KERNEL(name, params) #name #params ";"
#include "../kernels.def"
#undef KERNEL
    ;

// A rung: an earlier way to the same result, kept for study. Chosen, it takes its kernel's place in the active table.
struct Rung {
  const char *family, *kernel, *name;
  int number;
  size_t slot;     // of the kernel's pointer in Table, in bytes
  void (*run)();   // has the kernel's own type
};
struct Rungs {
  const Rung* list;
  int count;
};

}  // namespace fastnn
