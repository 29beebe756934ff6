// conv2d/rungs/rung.cuh: what makes a rung of three functions of a Conv (../conv.cuh): forward, to_input, to_weights.
#pragma once
#include "../conv.cuh"

// Defines conv2d_<name>, conv2d_dx_<name> and conv2d_dw_<name>, for calls that fits(w, geometry); rung `other` takes the rest.
#define FN_CONV2D_PART_RUNG(name, other, fits, forward, to_input, to_weights)                         \
  void conv2d_##other(PackedOut y, PackedIn x, PackedIn w, PackedIn bias, Conv2d s);                  \
  void conv2d_dx_##other(PackedOut dx, PackedIn g, PackedIn w, PackedIn bias, Conv2d s);              \
  void conv2d_dw_##other(PackedOut dw, PackedIn g, PackedIn x, Conv2d s);                             \
  void conv2d_##name(PackedOut y, PackedIn x, PackedIn w, PackedIn bias, Conv2d s) {                  \
    if (!fits(w, s)) return conv2d_##other(y, x, w, bias, s);                                         \
    with_conv(y, x, w, y, &bias, s, [](const auto& v, auto) { forward(v); });                         \
  }                                                                                                   \
  void conv2d_dx_##name(PackedOut dx, PackedIn g, PackedIn w, PackedIn bias, Conv2d s) {              \
    if (!fits(w, s)) return conv2d_dx_##other(dx, g, w, bias, s);                                     \
    with_conv(dx, dx, w, g, &bias, s, [](const auto& v, auto) { to_input(v); });                      \
  }                                                                                                   \
  void conv2d_dw_##name(PackedOut dw, PackedIn g, PackedIn x, Conv2d s) {                             \
    if (!fits(dw, s)) return conv2d_dw_##other(dw, g, x, s);                                          \
    with_conv(dw, x, dw, g, nullptr, s, [](const auto& v, auto) { to_weights(v); });                  \
  }
#define FN_CONV2D_RUNG(name, forward, to_input, to_weights) \
  FN_CONV2D_PART_RUNG(name, name, [](const View&, const Conv2d&) { return true; }, forward, to_input, to_weights)
