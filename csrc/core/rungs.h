// core/rungs.h: the ladders of each device, and which rungs are chosen in place of their kernels (kernels/table.h).
#pragma once
#include <stdint.h>

#include "view.h"

namespace fastnn {

struct Table;
struct Rung;
struct Rungs;

void ladders_set(Place place, const Table& production, const Rungs& rungs);  // from now on; what has been chosen stays chosen
int rung_count(Place place);  // the GPU's are known without one
const Rung& rung_at(Place place, int i);
bool rung_chosen(Place place, int i);
void rung_set(Place place, const char* family, const char* name);  // "" for the production kernels; ValueError when unknown
int64_t table_version();  // grows when an instruction set or a rung is chosen

}  // namespace fastnn
