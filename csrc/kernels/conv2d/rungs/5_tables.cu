// conv2d on a GPU, rung 5, tables: two tables say where a column of rung 4's product lies, and where k does; a number lies at their sum.
//
//    column (i, j): row s·i − P, column s·j − P        k = (c, p, q): d·p further down, d·q to the right, in plane c
//
// A thread gathers the same columns in every slice of k and looks them up once; a slice's part of the other table is in shared memory.
// For dx, rows and columns with the same rest by the stride are a product of their own, with only the taps that lie on them.
//
// cost     16 bytes of a table, in shared memory, for each gathered number; a launch for each of dx's s² products
// counted  1x16x16x16 32x3x3: 1,441 requests of global memory, 11,374 sectors; 12,712 of shared memory, 0 conflicts
//          derivative:        5,201 requests of global memory, 31,368 sectors; 46,334 of shared memory, 0 conflicts
// read on  ../gather.cuh; 6_tensor.cu
#include "../gather.cuh"
#include "rung.cuh"

namespace fastnn::cuda {
namespace {

using Part = Tile<64, 64, 16, 4, 4>;

template <class T> void forward(const Conv<T>& v) {
  gather_forward(v, [](const Gathered<T>& p) { launch_gathered<Part>("conv2d", p); });
}
template <class T> void to_input(const Conv<T>& v) {
  gather_to_input(v, [](const Gathered<T>& p) { launch_gathered<Part>("conv2d_dx", p); });
}
template <class T> void to_weights(const Conv<T>& v) {
  gather_to_weights(v, [](const Gathered<T>& p) { launch_gathered<Part>("conv2d_dw", p); });
}

}  // namespace

FN_CONV2D_RUNG(tables, forward, to_input, to_weights)

}  // namespace fastnn::cuda
