// core/program.h: a step as a list of kernel calls, recorded once and replayed without Python (fastnn.capture).
//
//    record    launch.h appends each call as plain data: function, views, numbers. Arrays made meanwhile lie in the program's
//              own arena (memory.h): what one of them gives back, a later one takes, as in the pool. So a replay, which makes
//              the same calls on the same addresses in the same order, needs no more memory than the step itself did,
//              allocates nothing, and finds every value where the recorded step left it
//    hold      arrays from before (parameters, inputs, an optimizer's state) are kept alive by a reference
//    replay    the calls in order. A kernel that raises ends it: what comes after it, the optimizer, has not run
#pragma once
#include <stdint.h>
#include <string.h>

#include <memory>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "array.h"
#include "memory.h"

namespace fastnn {

// An argument as a program keeps it: lists of views are copied, everything else is plain data already.
template <class P> struct Kept {
  P value;
  const P& get() const { return value; }
};
template <class L> struct KeptList {
  std::vector<View> views;
  L list;
  KeptList(const L& l) : views(l.v, l.v + l.n), list(l) { list.v = views.data(); }
  KeptList(const KeptList& o) : KeptList(o.list) {}
  const L& get() const { return list; }
};
template <> struct Kept<Ins> : KeptList<Ins> { using KeptList::KeptList; };
template <> struct Kept<Outs> : KeptList<Outs> { using KeptList::KeptList; };

struct Step {
  int64_t& count;         // of launches of this kernel
  bool backward = false;  // made on the way back
  explicit Step(int64_t& count) : count(count) {}
  virtual ~Step() = default;
  virtual void run() const = 0;
  virtual void each_view(void (*f)(void*, const View&, bool written), void* context) const = 0;
};

template <class... P> struct Call final : Step {
  void (*kernel)(P...);
  std::tuple<Kept<P>...> args;
  Call(int64_t& count, void (*kernel)(P...), const P&... args) : Step(count), kernel(kernel), args(Kept<P>{args}...) {}
  void run() const override {
    ++count;
    std::apply([&](const auto&... a) { kernel(a.get()...); }, args);
  }
  template <class T> static void visit(void (*f)(void*, const View&, bool), void* context, const T& a) {
    constexpr bool written = std::is_same_v<T, Out> || std::is_same_v<T, PackedOut> || std::is_same_v<T, State> || std::is_same_v<T, Outs>;
    if constexpr (std::is_base_of_v<View, T>) f(context, a, written);
    else if constexpr (std::is_base_of_v<Ins, T>)
      for (int64_t i = 0; i < a.n; ++i) f(context, a[i], written);
  }
  void each_view(void (*f)(void*, const View&, bool), void* context) const override {
    std::apply([&](const auto&... a) { (visit(f, context, a.get()), ...); }, args);
  }
};

class Program {
 public:
  std::vector<std::unique_ptr<Step>> steps;
  Arena* arena = arena_new();
  int64_t bytes = 0;      // that all calls together touch
  int walks_back = 0;     // backward passes that are under way while recording

  Program() = default;
  ~Program() {
    steps.clear();
    held.clear();
    arena_release(arena);
  }
  Program(const Program&) = delete;

  template <class... P> void keep(int64_t& count, void (*kernel)(P...), const P&... args) {
    steps.push_back(std::make_unique<Call<P...>>(count, kernel, args...));
    steps.back()->backward = walks_back > 0;
    steps.back()->each_view([](void* sum, const View& v, bool) { *static_cast<int64_t*>(sum) += v.ndim < 0 ? 0 : v.bytes(); }, &bytes);
  }
  void hold(const Array& a, bool written) {
    if (!a.buffer || a.buffer->arena == arena) return;
    auto [it, added] = held.try_emplace(a.buffer, a, written);
    if (!added) it->second.second |= written;
  }
  void* constant(const char (&number)[8]) {
    constants.push_back(std::make_unique<Number>());
    memcpy(constants.back()->bytes, number, 8);
    return constants.back()->bytes;
  }
  void replay() const {
    for (const auto& step : steps) step->run();
  }
  std::vector<double> seconds(int repeats) const;  // of each call, the median of so many replays, whose effects are taken back
  template <class F> void each_written(const F& f) const {
    for (const auto& [buffer, entry] : held)
      if (entry.second) f(buffer);
  }

 private:
  struct Number {
    alignas(8) char bytes[8];
  };
  std::vector<std::unique_ptr<Number>> constants;  // Python numbers among the arguments
  std::unordered_map<Buffer*, std::pair<Array, bool>> held;
};

extern thread_local Program* recording;  // program.cpp

}  // namespace fastnn
