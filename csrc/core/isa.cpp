#include "isa.h"

#include <stdlib.h>
#include <string.h>

#include "../kernels/table.h"
#include "error.h"
#include "rungs.h"

namespace fastnn {

// FN_ISA_LIST comes from CMake: ISA(v2) ISA(v3) ISA(v4), or ISA(neon).
#define ISA(name) namespace name { extern const Table table; extern const Rungs rungs; }
FN_ISA_LIST
#undef ISA

namespace {

struct Entry {
  Isa isa;
  const Table* table;
  const Rungs* rungs;
};

#if defined(__x86_64__)
bool has(const char* name) {
  __builtin_cpu_init();
  if (!strcmp(name, "v2")) return __builtin_cpu_supports("x86-64-v2");
  if (!strcmp(name, "v3")) return __builtin_cpu_supports("x86-64-v3");
  return __builtin_cpu_supports("x86-64-v4");
}
#else
bool has(const char*) { return true; }
#endif
const char* about(const char* name) {
  if (!strcmp(name, "v2")) return "x86-64-v2: SSE4.2, 128-bit vectors";
  if (!strcmp(name, "v3")) return "x86-64-v3: AVX2 + FMA, 256-bit vectors";
  if (!strcmp(name, "v4")) return "x86-64-v4: AVX-512, 512-bit vectors";
  return "NEON, 128-bit vectors";
}
const Entry* entries(int* count) {
  static Entry list[] = {
#define ISA(name) {{#name, about(#name), has(#name)}, &name::table, &name::rungs},
      FN_ISA_LIST
#undef ISA
  };
  *count = int(sizeof list / sizeof list[0]);
  return list;
}
const Entry* chosen = nullptr;

}  // namespace

int isa_count() {
  int n;
  entries(&n);
  return n;
}
Isa isa_at(int i) {
  int n;
  return entries(&n)[i].isa;
}
const char* isa_name() { return chosen->isa.name; }
void isa_set(const char* name) {
  // The marketing names are accepted too.
  if (!strcmp(name, "sse4")) name = "v2";
  if (!strcmp(name, "avx2")) name = "v3";
  if (!strcmp(name, "avx512")) name = "v4";
  int n;
  const Entry* list = entries(&n);
  for (int i = n - 1; i >= 0; --i)
    if (name[0] ? !strcmp(list[i].isa.name, name) : list[i].isa.supported) {
      if (!list[i].isa.supported) raise_error(ErrorKind::value, "instruction set %s is not supported by this CPU", name);
      chosen = &list[i];
      ladders_set(Place::cpu, *chosen->table, *chosen->rungs);
      return;
    }
  raise_error(ErrorKind::value, "unknown instruction set '%s'; this build has v2, v3, v4 (or neon)", name);
}

}  // namespace fastnn
