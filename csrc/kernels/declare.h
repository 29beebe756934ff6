// kernels/declare.h: what every kernel file includes: views and geometries, and the namespace of the instruction set.
// It does not pull in kernels.def: a new kernel must not recompile all the others. A definition that drifts from its line
// there leaves an undefined symbol, so the module does not import.
#pragma once
#include "../core/error.h"
#include "geometry.h"

#ifndef FN_ISA
#define FN_ISA native
#endif
