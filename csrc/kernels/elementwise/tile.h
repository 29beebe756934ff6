// elementwise/tile.h: y[i] = f(a[i], b[i], c[i]) over whole arrays, once for every formula in ops.h and activation.h.
//
// A *line* is the only code that knows the formula and the types: one loop over contiguous memory. Everything about
// shapes (broadcasting, strides, threads, tails) is in elementwise.cpp, compiled once and shared by all lines:
//
//    contiguous operand    read in place
//    broadcast scalar      one granule in L1, read again and again (step 0)
//    any other strides     gathered into an L1 tile of TILE elements, then contiguous
//
// So an operation costs one loop per dtype in code size, and a length that is no multiple of the granule costs one more
// call, on a padded copy of the tail. Read on: elementwise.cpp.
#pragma once
#include "../../core/error.h"
#include "../../core/math.h"
#include "../../core/parallel.h"
#include "../declare.h"

namespace fastnn::FN_ISA {

struct Operand { const char* p; int64_t step; };  // step: bytes from one granule to the next; 0 repeats it

struct Line {
  void (*run)(char* y, const Operand* in, int64_t n);  // n elements, a multiple of granule
  int16_t granule;                                     // elements
  int8_t inputs, y_size, in_size[3];                   // bytes of an element
  int64_t grain;                                       // elements a thread takes at a time
};
constexpr int MAX_INPUTS = 3;
constexpr int64_t CHEAP = 32768, COSTLY = 8192;  // grains

// y = line(in...): shapes already broadcast to y's; y may be one of the inputs, exactly.
void run_line(const Line& line, const View& y, const View* const* in);

// ---- lines of vectors: f takes vec<T> -------------------------------------------------------------------------------
template <class F, class T, int N> void vector_line(char* y, const Operand* in, int64_t n) {
  auto* out = reinterpret_cast<T*>(y);
  const char *a = in[0].p, *b = N > 1 ? in[1].p : nullptr, *c = N > 2 ? in[2].p : nullptr;
  const int64_t da = in[0].step, db = N > 1 ? in[1].step : 0, dc = N > 2 ? in[2].step : 0;
  auto at = [](const char* p) __attribute__((always_inline)) { return load(reinterpret_cast<const T*>(p)); };
  for (int64_t i = 0; i < n; i += lanes<T>) {
    if constexpr (N == 1) store(out + i, F{}(at(a)));
    if constexpr (N == 2) store(out + i, F{}(at(a), at(b)));
    if constexpr (N == 3) store(out + i, F{}(at(a), at(b), at(c)));
    a += da, b += db, c += dc;
  }
}
template <class F, class T, int N> constexpr Line VECTOR_LINE = {
    vector_line<F, T, N>, lanes<T>, N, sizeof(T), {sizeof(T), sizeof(T), sizeof(T)}, F::GRAIN};

// ---- lines of blocks: f takes single numbers, the compiler makes vectors of a block ------------------------------------
// For integers, and wherever operand and result differ in size. A, B, C: operands; Y: result (Flag: stored as 0 or 1).
struct Flag { uint8_t v; };
template <class Y, class V> FN Y as(V v) {
  if constexpr (__is_same(Y, Flag)) return {uint8_t(v != V(0))};
  else return Y(v);
}
constexpr int BLOCK = VECTOR_BYTES;  // elements

template <class F, class Y, class A, class B, class C, int N> void block_line(char* y, const Operand* in, int64_t n) {
  const char *pa = in[0].p, *pb = N > 1 ? in[1].p : nullptr, *pc = N > 2 ? in[2].p : nullptr;
  for (int64_t i = 0; i < n; i += BLOCK) {
    Y* out = reinterpret_cast<Y*>(y) + i;
    auto *a = reinterpret_cast<const A*>(pa);
    auto *b = reinterpret_cast<const B*>(pb);
    auto *c = reinterpret_cast<const C*>(pc);
#pragma GCC ivdep
    for (int j = 0; j < BLOCK; ++j) {
      if constexpr (N == 1) out[j] = as<Y>(F{}(a[j]));
      if constexpr (N == 2) out[j] = as<Y>(F{}(a[j], b[j]));
      if constexpr (N == 3) out[j] = as<Y>(F{}(a[j], b[j], c[j]));
    }
    pa += in[0].step;
    if constexpr (N > 1) pb += in[1].step;
    if constexpr (N > 2) pc += in[2].step;
  }
}
template <class F, class Y, class A, class B, class C, int N> constexpr Line BLOCK_LINE = {
    block_line<F, Y, A, B, C, N>, BLOCK, N, sizeof(Y), {sizeof(A), sizeof(B), sizeof(C)}, F::GRAIN};

[[noreturn]] void not_for(const char* op, DType t);  // DTypeError
#define FN_RAISES [[noreturn]] int

// ---- from a kernel's arguments to its line -----------------------------------------------------------------------------
template <class F, class... I> FN void on_floats(const char* op, const View& y, const I&... in) {
  const View* p[] = {&in...};
  constexpr int N = sizeof...(I);
  if (y.dtype == DType::f32) return run_line(VECTOR_LINE<F, float, N>, y, p);
  if (y.dtype == DType::f64) return run_line(VECTOR_LINE<F, double, N>, y, p);
  not_for(op, y.dtype);
}
// G: the formula for integers, where it is another one. Bool: computed on 0 and 1, stored as "is not 0".
template <class F, class G, class... I> FN void on_numbers(const char* op, bool bools, const View& y, const I&... in) {
  const View* p[] = {&in...};
  constexpr int N = sizeof...(I);
  switch (y.dtype) {
    case DType::f32: return run_line(VECTOR_LINE<F, float, N>, y, p);
    case DType::f64: return run_line(VECTOR_LINE<F, double, N>, y, p);
    case DType::i64: return run_line(BLOCK_LINE<G, int64_t, int64_t, int64_t, int64_t, N>, y, p);
    case DType::i32: return run_line(BLOCK_LINE<G, int32_t, int32_t, int32_t, int32_t, N>, y, p);
    case DType::u8: return run_line(BLOCK_LINE<G, uint8_t, uint8_t, uint8_t, uint8_t, N>, y, p);
    case DType::b8:
      if (bools) return run_line(BLOCK_LINE<G, Flag, uint8_t, uint8_t, uint8_t, N>, y, p);
      break;
    default: break;
  }
  not_for(op, y.dtype);
}
template <class G, class... I> FN void on_integers(const char* op, bool bools, const View& y, const I&... in) {
  const View* p[] = {&in...};
  constexpr int N = sizeof...(I);
  switch (y.dtype) {
    case DType::i64: return run_line(BLOCK_LINE<G, int64_t, int64_t, int64_t, int64_t, N>, y, p);
    case DType::i32: return run_line(BLOCK_LINE<G, int32_t, int32_t, int32_t, int32_t, N>, y, p);
    case DType::u8: return run_line(BLOCK_LINE<G, uint8_t, uint8_t, uint8_t, uint8_t, N>, y, p);
    case DType::b8:
      if (bools) return run_line(BLOCK_LINE<G, Flag, uint8_t, uint8_t, uint8_t, N>, y, p);
      break;
    default: break;
  }
  not_for(op, y.dtype);
}
// Only the size of an element matters: bits are passed on. The first operand is a flag.
template <class F, class... I> FN void on_bits(const View& y, const I&... in) {
  const View* p[] = {&in...};
  switch (itemsize(y.dtype)) {
    case 8: return run_line(BLOCK_LINE<F, int64_t, uint8_t, int64_t, int64_t, 3>, y, p);
    case 4: return run_line(BLOCK_LINE<F, int32_t, uint8_t, int32_t, int32_t, 3>, y, p);
    default: return run_line(BLOCK_LINE<F, uint8_t, uint8_t, uint8_t, uint8_t, 3>, y, p);
  }
}
template <class F, class A, class... I> FN void to_flags(const View& y, const A& a, const I&... in) {  // any dtype to bool
  const View* p[] = {&a, &in...};
  constexpr int N = 1 + sizeof...(I);
  switch (a.dtype) {
    case DType::f32: return run_line(BLOCK_LINE<F, Flag, float, float, float, N>, y, p);
    case DType::f64: return run_line(BLOCK_LINE<F, Flag, double, double, double, N>, y, p);
    case DType::i64: return run_line(BLOCK_LINE<F, Flag, int64_t, int64_t, int64_t, N>, y, p);
    case DType::i32: return run_line(BLOCK_LINE<F, Flag, int32_t, int32_t, int32_t, N>, y, p);
    default: return run_line(BLOCK_LINE<F, Flag, uint8_t, uint8_t, uint8_t, N>, y, p);
  }
}

}  // namespace fastnn::FN_ISA
