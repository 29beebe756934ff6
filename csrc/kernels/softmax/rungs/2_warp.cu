// softmax on a GPU, rung 2, warp: a warp has a row, its lanes numbers that are neighbours.
//
//    lanes      x[row, j], x[row, j + 1] ... x[row, j + 31]          4 sectors a request
//
// The maxima and sums of the lanes are joined by shuffles, in 5 steps: lane l takes what lane l ^ 16 has, then l ^ 8, 4, 2, 1.
//
// cost     three reads and a write. Rows of less than 32 leave lanes idle; few long ones the GPU: a warp each
// counted  64 x 1024: 8,192 requests of global memory, 32,768 sectors; 0 of shared memory, 0 conflicts
//          derivative: 10,240 requests of global memory, 40,960 sectors; 0 of shared memory, 0 conflicts
// read on  3_block.cu
#include "rows.cuh"

namespace fastnn::cuda {

FN_SOFTMAX_RUNG(warp, OneWarp, three_passes)

}  // namespace fastnn::cuda
