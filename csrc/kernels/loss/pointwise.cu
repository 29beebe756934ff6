// pointwise.cu: the losses of pointwise.cpp on a GPU. Formulas and the list of kernels are the same text; drive.cuh runs them.
#include "pointwise.cpp"
