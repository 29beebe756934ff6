// lstm on a GPU, rung 1, naive: a product and a kernel for each step, and in every product a thread makes one number.
//
//    a = W_ih x + b_ih + W_hh h + b_hh        i, f, o = σ(a)    g = tanh(a)        c' = f c + i g        h' = o tanh(c')
//    derivative    from the last step: dh = d W_hh, then d of the step; then dW_ih = dᵀ x, dW_hh = dᵀ h, dx = d W_ih
//
// W_ih x of all steps is one product; they are matmul's rung 1 here. A thread has a unit of a sequence, with its four gates (../steps.cuh).
//
// cost     W_hh goes through memory once for every sequence and step, in products of which lanes read 32 rows; two launches a step
// counted  T5 B8 16-32: 43,152 requests of global memory, 247,568 sectors; 0 of shared memory, 0 conflicts
//          derivative:  55,976 requests of global memory, 279,968 sectors; 576 of shared memory, 0 conflicts
// read on  2_gemm.cu
#include "layer.cuh"

namespace fastnn::cuda {

void matmul_bias_naive(Out c, In a, In b, In bias);

FN_LSTM_RUNG(naive, matmul_bias_naive)

}  // namespace fastnn::cuda
