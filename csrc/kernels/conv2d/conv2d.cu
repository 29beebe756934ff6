// conv2d.cu: convolution and its two partial derivatives as products whose operands are gathered on the way into shared memory
// (implicit GEMM), by small tables instead of divisions (gather.cuh): nothing is unfolded in memory.
//
//    y[n, o, i, j] = Σ x[n, c, s·i + d·p − P, s·j + d·q − P] · w[o, c, p, q]   over c, p, q
//
// The sum of dw, over images and places, is cut into pieces, each of which goes to memory of its own, and they are added in order.
//
// cost     2·N·O·H'·W'·C·P·Q flops; each gathered number two additions and two comparisons, whatever stride and dilation
// read on  gather.cuh, ../matmul/tile.cuh
#include "gather.cuh"

namespace fastnn::cuda {
namespace {

using Part = Tile<64, 64, 16, 4, 4>;

template <class T> struct AddPieces {
  global<T> y;
  global<const T> partial;
  int64_t n, pieces;
  __device__ void operator()(int64_t e) const {
    T sum = partial[e];
    for (int64_t q = 1; q < pieces; ++q) sum += partial[q * n + e];
    y[e] = sum;
  }
};

}  // namespace

void conv2d(PackedOut y, PackedIn x, PackedIn w, PackedIn bias, Conv2d s) {
  with_conv(y, x, w, y, &bias, s, [](const auto& v, auto) { gather_forward(v, [](const auto& p) { launch_gathered<Part>("conv2d", p); }); });
}
void conv2d_dx(PackedOut dx, PackedIn g, PackedIn w, PackedIn bias, Conv2d s) {
  with_conv(dx, dx, w, g, &bias, s, [](const auto& v, auto) { gather_to_input(v, [](const auto& p) { launch_gathered<Part>("conv2d_dx", p); }); });
}
void conv2d_dw(PackedOut dw, PackedIn g, PackedIn x, Conv2d s) {
  with_conv(dw, x, dw, g, nullptr, s, []<class T>(const Conv<T>& v, T) {
    gather_to_weights(v, [](Gathered<T> p) {
      const int64_t tiles = ceil_div(p.p.n, Part::BN) * ceil_div(p.p.m, Part::BM) * p.groups, size = p.groups * p.p.m * p.p.n;
      int64_t pieces = 4 * BUSY / tiles < p.p.k / 512 ? 4 * BUSY / tiles : p.p.k / 512;
      if (pieces < 2) return launch_gathered<Part>("conv2d_dw", p);
      p.piece = ceil_div(ceil_div(p.p.k, pieces), Part::BK) * Part::BK, p.outer = pieces = ceil_div(p.p.k, p.piece);
      Scratch<T> partial(pieces * size);
      const global<T> dw = p.p.c;
      p.p.c = partial, p.c_step[0] = size;
      launch_gathered<Part>("conv2d_dw", p);
      launch_each("conv2d_dw", size, AddPieces<T>{dw, partial.read(), size, pieces});
    });
  });
}

}  // namespace fastnn::cuda
