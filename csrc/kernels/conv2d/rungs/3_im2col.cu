// conv2d on a GPU, rung 3, im2col: every window of the image becomes a column, and the convolution one matrix product.
//
//    y = W · columns        dcolumns = Wᵀ · g, gathered to dx        dw = Σ g · columnsᵀ over images
//
// The product is matmul's rung 7; borders, strides and dilations are dealt with once, by the copy (columns.cuh). dx gathers
// what was spread; dw is a product for each image, added up in order.
//
// cost     the copy is P·Q times as large as the image, and goes through memory twice
// counted  1x16x16x16 32x3x3: 2,728 requests of global memory, 15,808 sectors; 10,656 of shared memory, 0 conflicts
//          derivative:        4,872 requests of global memory, 32,576 sectors; 24,832 of shared memory, 0 conflicts
// read on  4_implicit.cu
#include "columns.cuh"

namespace fastnn::cuda {

void matmul_bias_warps(Out c, In a, In b, In bias);

static const In NONE = {View{nullptr, {}, {}, -1, DType::f32}};

void conv2d_im2col(PackedOut y, PackedIn x, PackedIn w, PackedIn bias, Conv2d s) {
  with_conv(y, x, w, y, &bias, s, [&]<class T>(const Conv<T>& v, T) {
    const int64_t taps = v.C * v.P * v.Q, places = v.I * v.J;
    Scratch<T> columns(v.N * v.groups * taps * places);
    launch_each("conv2d", v.N * v.groups * taps * places, Unfold<T>{v, columns});
    matmul_bias_warps({view_of<T>(y.data, {v.N, v.groups, v.O, places})}, {view_of<T>(w.data, {1, v.groups, v.O, taps})},
                      {view_of<T>(columns.data, {v.N, v.groups, taps, places})}, v.bias ? In{view_of<T>(bias.data, {v.groups, v.O, 1})} : NONE);
  });
}
void conv2d_dx_im2col(PackedOut dx, PackedIn g, PackedIn w, PackedIn bias, Conv2d s) {
  with_conv(dx, dx, w, g, &bias, s, [&]<class T>(Conv<T> v, T) {
    const int64_t taps = v.C * v.P * v.Q, places = v.I * v.J;
    Scratch<T> columns(v.N * v.groups * taps * places);
    matmul_bias_warps({view_of<T>(columns.data, {v.N, v.groups, taps, places})}, {flipped(view_of<T>(w.data, {1, v.groups, v.O, taps}))},
                      {view_of<T>(g.data, {v.N, v.groups, v.O, places})}, NONE);
    v.g = columns.read(), v.O = taps;
    launch_each("conv2d_dx", dx.numel(), Fold<T>{v});
  });
}
void conv2d_dw_im2col(PackedOut dw, PackedIn g, PackedIn x, Conv2d s) {
  with_conv(dw, x, dw, g, nullptr, s, [&]<class T>(const Conv<T>& v, T) {
    const int64_t taps = v.C * v.P * v.Q, places = v.I * v.J;
    Scratch<T> columns(v.N * v.groups * taps * places), each(v.N * dw.numel());
    launch_each("conv2d_dw", v.N * v.groups * taps * places, Unfold<T>{v, columns});
    matmul_bias_warps({view_of<T>(each.data, {v.N, v.groups, v.O, taps})}, {view_of<T>(g.data, {v.N, v.groups, v.O, places})},
                      {flipped(view_of<T>(columns.data, {v.N, v.groups, taps, places}))}, NONE);
    launch_each("conv2d_dw", dw.numel(), AddImages<T>{v.out, each.read(), v.N, dw.numel()});
  });
}

}  // namespace fastnn::cuda
