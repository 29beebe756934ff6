// conv2d.cu: convolution and its two partial derivatives as products whose operands are gathered on the way into shared memory
// (implicit GEMM), by small tables instead of divisions (gather.cuh): nothing is unfolded in memory.
//
//    y[n, o, i, j] = Σ x[n, c, s·i + d·p − P, s·j + d·q − P] · w[o, c, p, q]   over c, p, q
//
//    128 x 128 numbers a block    where that makes enough blocks to occupy the GPU        64 x 64    otherwise, and for doubles
//    float16, bfloat16            the same on tensor cores, summed in float32
//
// The sum of dw, over images and places, is cut into pieces, each of which goes to memory of its own, and they are added in order.
//
// cost     2·N·O·H'·W'·C·P·Q flops; each gathered number two additions and two comparisons, whatever stride and dilation
// read on  gather.cuh, ../matmul/tile.cuh
#include "gather.cuh"

namespace fastnn::cuda {
namespace {

template <class T> struct Sizes {
  using Large = Tile<128, 128, 8, 8, 8>;
  using Part = Tile<64, 64, 16, 4, 4>;
};
template <class T> requires is_half<T> struct Sizes<T> {
  using Large = HalfTile<128, 128, 64, 32>;
  using Part = HalfTile<64, 64, 32, 32>;
};

template <class S, class T> int64_t tiles(const Gathered<T>& v) { return ceil_div(v.p.n, S::BN) * ceil_div(v.p.m, S::BM) * v.groups; }
// As matmul: large tiles where they are enough to occupy a GPU, and not half empty.
template <class T> bool is_large(const Gathered<T>& v, int64_t outer) {
  return sizeof(T) <= 4 && v.p.m > 64 && v.p.n > 64 && occupy(tiles<typename Sizes<T>::Large>(v) * outer);
}
template <class T> void launch_tiles(const char* name, const Gathered<T>& v, bool large) {
  if constexpr (sizeof(T) <= 4) {
    if (large) return launch_gathered<typename Sizes<T>::Large>(name, v);
  }
  launch_gathered<typename Sizes<T>::Part>(name, v);
}

template <class T> struct AddPieces {
  global<T> y;
  global<const Sum<T>> partial;
  int64_t n, pieces;
  __device__ void operator()(int64_t e) const {
    Sum<T> sum = partial[e];
    for (int64_t q = 1; q < pieces; ++q) sum += partial[q * n + e];
    y[e] = narrow<T>(sum);
  }
};

template <class F> void with_any(const View& out, const View& x, const View& w, const View& y, const View* bias, const Conv2d& s, const F& f) {
  if (is_stored(out.dtype)) with_halves(out.dtype, [&]<class H>(H) { with_conv_of<H>(out, x, w, y, bias, s, f); });
  else with_conv(out, x, w, y, bias, s, f);
}

}  // namespace

void conv2d(PackedOut y, PackedIn x, PackedIn w, PackedIn bias, Conv2d s) {
  with_any(y, x, w, y, &bias, s, [](const auto& v, auto) { gather_forward(v, [](const auto& p) { launch_tiles("conv2d", p, is_large(p, p.outer)); }); });
}
void conv2d_dx(PackedOut dx, PackedIn g, PackedIn w, PackedIn bias, Conv2d s) {
  with_any(dx, dx, w, g, &bias, s, [](const auto& v, auto) { gather_to_input(v, [](const auto& p) { launch_tiles("conv2d_dx", p, is_large(p, p.outer)); }); });
}
void conv2d_dw(PackedOut dw, PackedIn g, PackedIn x, Conv2d s) {
  with_any(dw, x, dw, g, nullptr, s, []<class T>(const Conv<T>& v, T) {
    gather_to_weights(v, [](Gathered<T> p) {
      using S = Sizes<T>;
      const int64_t size = p.groups * p.p.m * p.p.n, most = p.p.k / 512 > 1 ? p.p.k / 512 : 1;
      const bool large = is_large(p, most);
      const int64_t few = large ? 2 * BUSY / tiles<typename S::Large>(p) : 4 * BUSY / tiles<typename S::Part>(p);
      int64_t pieces = few < most ? few : most;
      if (pieces < 2) return launch_tiles("conv2d_dw", p, large);
      p.piece = ceil_div(ceil_div(p.p.k, pieces), S::Part::BK) * S::Part::BK, p.outer = pieces = ceil_div(p.p.k, p.piece);
      Scratch<Sum<T>> partial(pieces * size);
      const global<T> dw = p.p.c;
      if constexpr (is_half<T>) p.partial = partial;
      else p.p.c = partial;
      p.c_step[0] = size;
      launch_tiles("conv2d_dw", p, large);
      launch_each("conv2d_dw", size, AddPieces<T>{dw, partial.read(), size, pieces});
    });
  });
}

}  // namespace fastnn::cuda
