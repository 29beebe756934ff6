// lstm on a GPU, rung 2, gemm: the same with the best product of plain arithmetic, matmul's rung 7: tiles in registers, read from shared memory.
//
// W_hh is read once for every 128 sequences.
//
// cost     two launches a step, of some microseconds each, and tiles of 128 x 128 for matrices that have few rows: most of a GPU is idle
// counted  T5 B8 16-32: 1,638 requests of global memory, 9,056 sectors; 5,760 of shared memory, 0 conflicts
//          derivative:  2,340 requests of global memory, 11,200 sectors; 26,704 of shared memory, 0 conflicts
// read on  3_sequence.cu
#include "layer.cuh"

namespace fastnn::cuda {

void matmul_bias_warps(Out c, In a, In b, In bias);

FN_LSTM_RUNG(gemm, matmul_bias_warps)

}  // namespace fastnn::cuda
