// layer_norm on a GPU, rung 3, block: a block of 256 threads has a row: for rows that are long, or few.
//
//    8 warps     each joins its lanes by shuffles, leaves one value in shared memory, waits, and joins the eight
//
// cost     three reads and a write, and two barriers for every sum; short rows leave most threads idle
// counted  64 x 1024: 12,288 requests of global memory, 49,152 sectors; 9,216 of shared memory, 0 conflicts
//          derivative: 26,816 requests of global memory, 94,592 sectors; 18,432 of shared memory, 0 conflicts
// read on  4_held.cu
#include "rows.cuh"

namespace fastnn::cuda {

FN_LAYER_NORM_RUNG(block, OneBlock, Read)

}  // namespace fastnn::cuda
