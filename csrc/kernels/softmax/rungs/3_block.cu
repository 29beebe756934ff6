// softmax on a GPU, rung 3, block: a block of 256 threads has a row: for rows that are long, or few.
//
//    8 warps     each joins its lanes by shuffles, leaves one value in shared memory, waits, and joins the eight
//
// cost     three reads and a write, and two barriers for the maximum and for the sum; short rows leave most threads idle
// counted  64 x 1024: 8,192 requests of global memory, 32,768 sectors; 9,216 of shared memory, 0 conflicts
//          derivative: 10,240 requests of global memory, 40,960 sectors; 4,608 of shared memory, 0 conflicts
// read on  4_online.cu
#include "rows.cuh"

namespace fastnn::cuda {

FN_SOFTMAX_RUNG(block, OneBlock, three_passes)

}  // namespace fastnn::cuda
