// layer_norm on a GPU, rung 2, warp: a warp has a row, its lanes numbers that are neighbours.
//
//    lanes      x[row, j], x[row, j + 1] ... x[row, j + 31]          4 sectors a request
//
// The sums of the lanes are joined by shuffles, in 5 steps: lane l takes what lane l ^ 16 has, then l ^ 8, 4, 2, 1.
//
// cost     three reads and a write; rows of less than 32 leave lanes idle, few long ones the GPU
// counted  64 x 1024: 12,288 requests of global memory, 49,152 sectors; 0 of shared memory, 0 conflicts
//          derivative: 26,816 requests of global memory, 94,592 sectors; 0 of shared memory, 0 conflicts
// read on  3_block.cu
#include "rows.cuh"

namespace fastnn::cuda {

FN_LAYER_NORM_RUNG(warp, OneWarp, Read)

}  // namespace fastnn::cuda
