#include "rungs.h"

#include <stddef.h>
#include <string.h>

#include "../kernels/table.h"
#include "error.h"

namespace fastnn {
namespace {

// The GPU's ladders as text, for machines without its library.
#define KERNEL(name, params)
#define CUDA_RUNG(family, number, name, kernel) {#family, #kernel, #name, number, offsetof(Table, kernel), nullptr},
const Rung texts[] = {
#include "../kernels.def"
};
#undef CUDA_RUNG
#undef KERNEL
static_assert(sizeof texts / sizeof texts[0] <= MAX_RUNGS);
const Rungs known = {texts, int(sizeof texts / sizeof texts[0])};

struct Ladders {
  const Table* production = nullptr;
  const Rungs* rungs = nullptr;
  bool chosen[MAX_RUNGS] = {};  // the lists of all instruction sets come from the same lines, and so do the GPU's and `texts`
  Table current = {};
} on_cpu, on_cuda{nullptr, &known};

Ladders& ladders(Place place) { return place == Place::cpu ? on_cpu : on_cuda; }
int64_t version = 0;

void compose(Ladders& l) {
  ++version;
  if (!l.production) return;
  l.current = *l.production;
  for (int i = 0; i < l.rungs->count; ++i)
    if (l.chosen[i]) memcpy(reinterpret_cast<char*>(&l.current) + l.rungs->list[i].slot, &l.rungs->list[i].run, sizeof(void (*)()));
}

}  // namespace

const Table *const active = &on_cpu.current, *const active_cuda = &on_cuda.current;

void ladders_set(Place place, const Table& production, const Rungs& rungs) {
  Ladders& l = ladders(place);
  l.production = &production, l.rungs = &rungs;
  compose(l);
}
int rung_count(Place place) { return ladders(place).rungs->count; }
const Rung& rung_at(Place place, int i) { return ladders(place).rungs->list[i]; }
bool rung_chosen(Place place, int i) { return ladders(place).chosen[i]; }
int64_t table_version() { return version; }

void rung_set(Place place, const char* family, const char* name) {
  Ladders& l = ladders(place);
  bool found = !name[0];
  for (int i = 0; i < l.rungs->count; ++i) found |= !strcmp(l.rungs->list[i].family, family) && !strcmp(l.rungs->list[i].name, name);
  if (!found) raise_error(ErrorKind::value, "%s has no rung '%s'", family, name);
  for (int i = 0; i < l.rungs->count; ++i)
    if (!strcmp(l.rungs->list[i].family, family)) l.chosen[i] = !strcmp(l.rungs->list[i].name, name);
  compose(l);
}

}  // namespace fastnn
