// kernels/table.h: one function pointer a kernel; one table an instruction set; the active one is chosen at import.
#pragma once
#include "geometry.h"

namespace fastnn {

struct Table {
#define KERNEL(name, params) void(*name) params;
#include "../kernels.def"
#undef KERNEL
};

// What calls take their kernels from, the chosen rungs in their places (core/rungs.cpp): on the CPU, and on the GPU if one is in use.
extern const Table *const active, *const active_cuda;

// The table as text: what the library of another device must have been built from too (core/device.h).
constexpr char KERNELS_SIGNATURE[] =
#define KERNEL(name, params) #name #params ";"
#define CUDA_RUNG(family, number, name, kernel) #family #number #name #kernel ";"
#include "../kernels.def"
#undef CUDA_RUNG
#undef KERNEL
    ;

// A rung: an earlier way to the same result, kept for study. Chosen, it takes its kernel's place in its device's active table.
struct Rung {
  const char *family, *kernel, *name;
  int number;
  size_t slot;     // of the kernel's pointer in Table, in bytes
  void (*run)();   // has the kernel's own type
};
constexpr int MAX_RUNGS = 128;  // of one device
struct Rungs {
  const Rung* list;
  int count;
};

}  // namespace fastnn
