// rnn/rungs/layer.cuh: what makes a rung of an LSTM: step by step with one or another product, or by functions of its own.
#pragma once
#include "../steps.cuh"

// Defines lstm_<name> and lstm_dx_<name>: forward(layer, times, y, gates, cells, c0), and derivative(layer, gradients, times, dc0, g, y, ...).
#define FN_LSTM_OWN_RUNG(name, product, forward, derivative)                                                                                                  \
  void lstm_##name(PackedOut y, PackedOut gates, PackedOut cells, PackedIn x, PackedIn h0, PackedIn c0, PackedIn w_ih, PackedIn w_hh, PackedIn b_ih,           \
                   PackedIn b_hh, HostIn sizes, bool reverse) {                                                                                                \
    forward({x, h0, w_ih, w_hh, b_ih, b_hh, &product}, Times(sizes, reverse), y, gates, cells, c0);                                                            \
  }                                                                                                                                                            \
  void lstm_dx_##name(PackedOut dx, PackedOut dh0, PackedOut dc0, PackedOut dw_ih, PackedOut dw_hh, PackedOut db_ih, PackedOut db_hh, PackedIn g, PackedIn y,   \
                      PackedIn gates, PackedIn cells, PackedIn x, PackedIn h0, PackedIn c0, PackedIn w_ih, PackedIn w_hh, HostIn sizes, bool reverse) {         \
    derivative({x, h0, w_ih, w_hh, ABSENT, ABSENT, &product}, {dx, dh0, dw_ih, dw_hh, db_ih, db_hh}, Times(sizes, reverse), dc0, g, y, gates, cells, c0);       \
  }
#define FN_LSTM_RUNG(name, product) FN_LSTM_OWN_RUNG(name, product, lstm_steps, lstm_steps_back)
