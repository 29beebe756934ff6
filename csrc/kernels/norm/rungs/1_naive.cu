// layer_norm on a GPU, rung 1, naive: a thread has a row, and goes through it three times.
//
//    the mean; the squares about it; the result         the derivative: four times, and g twice         (rows.cuh)
//
// Lanes read n numbers apart: a sector of 32 bytes for each, of which 4 bytes are used.
//
// cost     32 sectors a request; a few rows leave most of the GPU idle. dw and db are summed by a thread for each column, here as
//          in all rungs: neighbours by neighbours, but only as many threads as columns
// counted  64 x 1024: 12,288 requests of global memory, 266,240 sectors; 0 of shared memory, 0 conflicts
//          derivative: 26,692 requests of global memory, 483,600 sectors; 0 of shared memory, 0 conflicts
// read on  2_warp.cu
#include "rows.cuh"

namespace fastnn::cuda {

FN_LAYER_NORM_RUNG(naive, OneThread, Read)

}  // namespace fastnn::cuda
