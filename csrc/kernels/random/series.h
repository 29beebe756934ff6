// random/series.h: coefficients of the logarithm and of the sine and cosine that turn words into normals; of the CPU's kernels (normal.h)
// and the GPU's (draw.cuh), which give the same bits.
#pragma once
#include "../declare.h"

namespace fastnn::FN_ISA {

template <class T> struct Series;
template <> struct Series<float> {
  static constexpr float log[] = {0.66666662693f, 0.40000972152f, 0.28498786688f, 0.24279078841f};
  static constexpr float sin[] = {-1.6666654611e-1f, 8.3321608736e-3f, -1.9515295891e-4f};
  static constexpr float cos[] = {4.166664568298827e-2f, -1.388731625493765e-3f, 2.443315711809948e-5f};
  static constexpr float ln2_hi = 6.9313812256e-01f, ln2_lo = 9.0580006145e-06f, half_pi = 1.57079632679489661923f;
  static constexpr int32_t half_sqrt2 = 0x3f3504f3, mantissa = 0x7fffff, one = 0x3f800000;
  static constexpr int mantissa_bits = 23;
  using Unsigned = uint32_t;
};
template <> struct Series<double> {
  static constexpr double log[] = {6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01,
                                   2.222219843214978396e-01, 1.818357216161805012e-01, 1.531383769920937332e-01,
                                   1.479819860511658591e-01};
  static constexpr double sin[] = {-1.66666666666666324348e-01, 8.33333333332248946124e-03, -1.98412698298579493134e-04,
                                   2.75573137070700676789e-06,  -2.50507602534068634195e-08, 1.58969099521155010221e-10};
  static constexpr double cos[] = {4.16666666666666019037e-02,  -1.38888888888741095749e-03, 2.48015872894767294178e-05,
                                   -2.75573143513906633035e-07, 2.08757232129817482790e-09,  -1.13596475577881948265e-11};
  static constexpr double ln2_hi = 6.93147180369123816490e-01, ln2_lo = 1.90821492927058770002e-10;
  static constexpr double half_pi = 1.57079632679489661923;
  static constexpr int64_t half_sqrt2 = 0x3fe6a09e667f3bcd, mantissa = 0xfffffffffffff, one = 0x3ff0000000000000;
  static constexpr int mantissa_bits = 52;
  using Unsigned = uint64_t;
};

}  // namespace fastnn::FN_ISA
