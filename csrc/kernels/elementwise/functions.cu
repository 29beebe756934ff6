// functions.cu: the kernels of functions.cpp on a GPU. Formulas and the list of kernels are the same text; tile.cuh turns a formula
// into a CUDA kernel where tile.h turns it into a loop over vectors.
#include "functions.cpp"
