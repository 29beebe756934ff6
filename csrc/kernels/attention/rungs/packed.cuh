// attention/rungs/packed.cuh: matrices of all heads, one after another, for rung 2: matmul takes them as a batch.
#pragma once
#include <type_traits>

#include "../heads.cuh"

namespace fastnn::cuda {

void matmul_bias_warps(Out c, In a, In b, In bias);
inline void multiply(const View& c, const View& a, const View& b) { matmul_bias_warps({c}, {a}, {b}, {View{nullptr, {}, {}, -1, c.dtype}}); }

// Between lines where they lie (X: const T) and packed ones.
template <class T, class X> struct Copy {
  Strided<X> x;
  global<T> packed;
  int x_at;
  int64_t lines, width, length;
  T scale;
  __device__ void operator()(const Problem<T>&, const int64_t* at, int64_t head, int64_t i, int64_t c) const {
    if constexpr (std::is_const_v<X>) packed[(head * lines + i) * width + c] = x.at(at[x_at], i, length, c) * scale;
    else x.at(at[x_at], i, length, c) = packed[(head * lines + i) * width + c] * scale;
  }
};

template <class T> struct Packed {
  int64_t lines, width;
  Scratch<T> data;
  View view;
  Packed(const Problem<T>& p, int64_t lines, int64_t width)
      : lines(lines), width(width), data(p.heads * lines * width), view(view_of<T>(data.data, {p.heads, lines, width})) {}
  Packed(const Problem<T>& p, const Strided<const T>& x, int at, int64_t lines, int64_t length, int64_t width, T scale = 1) : Packed(p, lines, width) {
    each_of("attention", p, lines, width, Copy<T, const T>{x, data, at, lines, width, length, scale});
  }
  void write(const Problem<T>& p, const Strided<T>& to, int at, int64_t length, T scale = 1) const {
    each_of("attention", p, lines, width, Copy<T, T>{to, data, at, lines, width, length, scale});
  }
};

}  // namespace fastnn::cuda
