// activations.cpp: kernels of the non-linearities and of their derivatives. Formulas: activation.h.
#include "activation.h"

namespace fastnn::FN_ISA {

#define FLOATS_1(name, Formula) \
  void name(Out y, In x) { on_floats<Formula>(#name, y, x); }
#define FLOATS_2(name, Formula) \
  void name(Out y, In a, In b) { on_floats<Formula>(#name, y, a, b); }
#define FLOATS_3(name, Formula) \
  void name(Out y, In a, In b, In c) { on_floats<Formula>(#name, y, a, b, c); }
void relu(Out y, In x) { on_numbers<Relu, IntRelu>("relu", true, y, x); }
FLOATS_1(relu6, Relu6)
FLOATS_1(selu, Selu)
FLOATS_1(tanh, Tanh)
FLOATS_1(sigmoid, Sigmoid)
FLOATS_1(logsigmoid, Logsigmoid)
FLOATS_1(gelu, Gelu)
FLOATS_1(gelu_tanh, GeluTanh)
FLOATS_1(silu, Silu)
FLOATS_1(mish, Mish)
FLOATS_1(hardsigmoid, Hardsigmoid)
FLOATS_1(hardswish, Hardswish)
FLOATS_1(softsign, Softsign)
FLOATS_1(tanhshrink, Tanhshrink)
FLOATS_2(leaky_relu, LeakyRelu)
FLOATS_2(elu, Elu)
FLOATS_2(celu, Celu)
FLOATS_2(softplus, Softplus)
FLOATS_2(hardshrink, Hardshrink)
FLOATS_2(softshrink, Softshrink)
FLOATS_2(relu_dx, ReluDx)
FLOATS_2(selu_dx, SeluDx)
FLOATS_2(tanh_dx, TanhDx)
FLOATS_2(sigmoid_dx, SigmoidDx)
FLOATS_2(logsigmoid_dx, LogsigmoidDx)
FLOATS_2(gelu_dx, GeluDx)
FLOATS_2(gelu_tanh_dx, GeluTanhDx)
FLOATS_2(silu_dx, SiluDx)
FLOATS_2(mish_dx, MishDx)
FLOATS_2(hardsigmoid_dx, HardsigmoidDx)
FLOATS_2(hardswish_dx, HardswishDx)
FLOATS_2(softsign_dx, SoftsignDx)
FLOATS_3(threshold, Threshold)
FLOATS_3(tanh_dx_dy, TanhDxDy)
FLOATS_3(leaky_relu_dx, LeakyReluDx)
FLOATS_3(elu_dx, EluDx)
FLOATS_3(celu_dx, CeluDx)
FLOATS_3(softplus_dx, SoftplusDx)
FLOATS_3(shrink_dx, ShrinkDx)

}  // namespace fastnn::FN_ISA
