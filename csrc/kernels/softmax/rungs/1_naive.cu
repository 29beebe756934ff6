// softmax on a GPU, rung 1, naive: a thread has a row, and goes through it three times.
//
//    lanes      x[row, j], x[row + 1, j] ... x[row + 31, j]          the largest; the sum of exp(x - largest); the result   (rows.cuh)
//
// Lanes read n numbers apart: a sector of 32 bytes for each, of which 4 bytes are used. (Along another axis than the last, rows lie
// side by side, and this is the right way.)
//
// cost     three reads and a write, 32 sectors each; a few rows leave most of the GPU idle
// counted  64 x 1024: 8,192 requests of global memory, 262,144 sectors; 0 of shared memory, 0 conflicts
//          derivative: 10,240 requests of global memory, 327,680 sectors; 0 of shared memory, 0 conflicts
// read on  2_warp.cu
#include "rows.cuh"

namespace fastnn::cuda {

FN_SOFTMAX_RUNG(naive, OneThread, three_passes)

}  // namespace fastnn::cuda
