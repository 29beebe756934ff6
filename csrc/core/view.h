// core/view.h: what a kernel sees of an array: a pointer, a shape, strides. Plain data, no ownership.
//
// Strides count elements, not bytes, and may be negative or zero. A kernel's argument type states what it accepts:
//
//    In, Out               any strides (elementwise, reduce, matmul, copy: packing absorbs transposes)
//    PackedIn, PackedOut   C-contiguous; bind/cast.h is the one place that checks it
//    HostIn                C-contiguous, and on the CPU also where the others are on a GPU: a table that the host reads
//
// This header is compiled once per instruction set, so it may only hold always-inlined code: an out-of-line copy
// compiled for AVX-512 and kept by the linker would crash an older CPU. Read on: simd.h.
#pragma once
#include <stddef.h>
#include <stdint.h>

#if defined(__CUDACC__)
#define FN __host__ __device__ __forceinline__
#else
#define FN inline __attribute__((always_inline))
#endif

namespace fastnn {

// b8: bool, one byte holding 0 or 1. From i8 on, types are stored only: `copy` converts them, and the binding hands every other kernel
// what they hold in the type that it is computed in, and rounds the results (bind/stored.h).
enum class DType : uint8_t { f32, f64, i64, i32, u8, b8, i8, i16, f16, bf16 };
constexpr int DTYPES = 10;
enum class Place : uint8_t { cpu, cuda };  // where memory lies (core/device.h)
constexpr int MAX_DIMS = 8;

// Two bits for each, the last one's first: the power of 2.
FN constexpr int64_t itemsize(DType t) { return int64_t(1) << (0b01'01'01'00'00'00'10'11'11'10 >> 2 * int(t) & 3); }
FN constexpr bool is_stored(DType t) { return t >= DType::i8; }
FN constexpr DType computed(DType t) { return t >= DType::f16 ? DType::f32 : t >= DType::i8 ? DType::i32 : t; }
FN constexpr bool is_float(DType t) { return t <= DType::f64 || t >= DType::f16; }

template <class T> constexpr DType dtype_of();
template <> FN constexpr DType dtype_of<float>() { return DType::f32; }
template <> FN constexpr DType dtype_of<double>() { return DType::f64; }
template <> FN constexpr DType dtype_of<int64_t>() { return DType::i64; }
template <> FN constexpr DType dtype_of<int32_t>() { return DType::i32; }
template <> FN constexpr DType dtype_of<uint8_t>() { return DType::u8; }
template <> FN constexpr DType dtype_of<bool>() { return DType::b8; }

struct View {
  void* data;
  int64_t shape[MAX_DIMS];
  int64_t strides[MAX_DIMS];  // in elements
  int32_t ndim;
  DType dtype;
  Place place = Place::cpu;

  template <class T> FN T* ptr() const { return static_cast<T*>(data); }
  FN int64_t numel() const {
    int64_t n = 1;
    for (int d = 0; d < ndim; ++d) n *= shape[d];
    return n;
  }
  FN int64_t bytes() const { return numel() * itemsize(dtype); }
  FN bool packed() const {  // C-contiguous: axes of length 1 may have any stride
    int64_t expect = 1;
    for (int d = ndim - 1; d >= 0; --d) {
      if (shape[d] == 0) return true;
      if (shape[d] != 1 && strides[d] != expect) return false;
      expect *= shape[d];
    }
    return true;
  }
  FN bool one_number() const {  // the same element at every index
    for (int d = 0; d < ndim; ++d)
      if (strides[d] != 0 && shape[d] != 1) return false;
    return true;
  }
};

struct In : View {};
struct Out : View {};
struct PackedIn : View {};
struct PackedOut : View {};
struct HostIn : View {};
struct State : View {};  // of a random generator, C-contiguous: read and advanced

constexpr int MAX_INTS = 16;
struct Ints {  // a short tuple of integers: axes, sizes, a geometry
  int64_t n;
  int64_t v[MAX_INTS];
  FN int64_t operator[](int64_t i) const { return v[i]; }
};

constexpr int MAX_LIST = 256;
struct Ins {  // a list of arrays (cat, multi-tensor optimizers); the binding keeps them alive during the call
  int64_t n;
  const View* v;
  FN const View& operator[](int64_t i) const { return v[i]; }
};
struct Outs : Ins {};

}  // namespace fastnn
