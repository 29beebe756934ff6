// core/program.h: a step as a list of kernel calls, recorded once and replayed without Python (fastnn.capture).
//
//    record    launch.h appends each call as plain data: function, views, numbers. Arrays made meanwhile lie in the program's
//              own arena (memory.h), which remembers from which call to which each of them lived
//    hold      arrays from before (parameters, an optimizer's state) are kept alive by a reference
//    plan      zeros that are only added to are not written (zeros.cpp); calls that work element by element are joined into chains (chain.cpp), and the arrays that die within the step
//              get places in one block of memory, none two at the same time (plan.cpp)
//    graphs    on a GPU, calls that follow one another are launched as one CUDA graph (graphs.cpp)
//    replay    the calls in order: the same arithmetic on the same layouts, so the same bits. An exception, Ctrl-C included,
//              puts back what the calls before it have changed outside the arena
#pragma once
#include <stdint.h>
#include <string.h>

#include <memory>
#include <mutex>
#include <tuple>
#include <type_traits>
#include <string>
#include <unordered_map>
#include <vector>

#include "arena.h"
#include "array.h"

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
  int64_t& count;          // of launches of this kernel
  bool backward = false;   // made on the way back
  bool pointwise = false;  // element by element: every view has the result's shape, and the result may be one of the operands
  bool there = false;      // launches on the GPU
  bool live = false;       // reads of the host what may change between replays: numbers of options, arrays, generators' states
  const char* alone = nullptr;  // why it belongs in no graph
  const char* file = "";   // of the line that asked for it
  int line = 0;
  explicit Step(int64_t& count) : count(count) {}
  virtual ~Step() = default;
  virtual void run() const = 0;
  virtual void run_rows(int64_t begin, int64_t n, char* scratch, uint32_t in_scratch) const = 0;  // chain.cpp
  virtual void each_view(void (*f)(void*, View&, bool written), void* context) = 0;  // not of optional arrays that are absent
  virtual double* number(int argument) { (void)argument; return nullptr; }  // null where that one is no double
  virtual void each_name(void (*f)(void*, const Step&), void* context) const { f(context, *this); }
  template <class F> void views(const F& f) {  // f(View&, bool written)
    each_view([](void* c, View& v, bool written) { (*static_cast<const F*>(c))(v, written); }, const_cast<F*>(&f));
  }
};

template <class... P> struct Call final : Step {
  void (*kernel)(P...);
  std::tuple<Kept<P>...> args;
  Call(int64_t& count, void (*kernel)(P...), const P&... args) : Step(count), kernel(kernel), args(Kept<P>{args}...) {}
  void run() const override {
    ++count;
    std::apply([&](const auto&... a) { kernel(a.get()...); }, args);
  }
  // Rows [begin, begin + n) of a pointwise call. A view whose bit is set in in_scratch is the place of its first row there.
  void run_rows(int64_t begin, int64_t n, char* scratch, uint32_t in_scratch) const override {
    rows(begin, n, scratch, in_scratch, std::index_sequence_for<P...>{});
  }
  template <size_t... I> void rows(int64_t begin, int64_t n, char* scratch, uint32_t in_scratch, std::index_sequence<I...>) const {
    if constexpr ((std::is_base_of_v<View, P> && ...)) {
      auto part = [&](auto view, size_t i) {
        if (in_scratch >> i & 1) view.data = scratch + reinterpret_cast<intptr_t>(view.data);
        else view.data = static_cast<char*>(view.data) + begin * view.strides[0] * itemsize(view.dtype);
        view.shape[0] = n;
        return view;
      };
      kernel(part(std::get<I>(args).get(), I)...);
    }
  }
  double* number(int argument) override {
    double* found = nullptr;
    int i = 0;
    std::apply([&](auto&... a) { (number_at(a, i++ == argument, found), ...); }, args);
    return found;
  }
  template <class T> static void number_at(Kept<T>& a, bool here, double*& found) {
    if constexpr (std::is_same_v<T, double>)
      if (here) found = &a.value;
  }
  template <class T> static void visit(void (*f)(void*, View&, bool), void* context, T& a) {
    constexpr bool written = std::is_same_v<T, Out> || std::is_same_v<T, PackedOut> || std::is_same_v<T, State> || std::is_same_v<T, Outs>;
    if constexpr (std::is_base_of_v<View, T>) {
      if (a.ndim >= 0) f(context, a, written);
    } else if constexpr (std::is_base_of_v<Ins, T>) {
      for (int64_t i = 0; i < a.n; ++i)
        if (a[i].ndim >= 0) f(context, const_cast<View&>(a[i]), written);
    }
  }
  void each_view(void (*f)(void*, View&, bool), void* context) override {
    std::apply([&](auto&... a) { (visit(f, context, const_cast<P&>(a.get())), ...); }, args);
  }
};

struct Span {  // bytes from the first element of a view to its last
  char *first, *last;
  explicit Span(const View& v);
  Span(char* first, char* last) : first(first), last(last) {}
  bool meets(const Span& o) const { return first < o.last && o.first < last; }
};

// Whether a program runs on one thread. Where its loops are brief, sharing them costs more than it gains (MLP 32-64-64-1 of 32 rows:
// 18.2 us alone, 22.5 on two cores, up to 60 where the system puts both threads on one). Results do not depend on it, so it is tried
// out, again and again, as what else the machine does may change: of PERIOD replays the first TRIALS, two this way, two that.
class Sharing {
 public:
  bool alone() const { return trying() ? number / 2 % 2 : alone_is_quicker; }
  bool trying() const { return number < TRIALS && !large; }
  void took(double seconds);  // after a replay; 0 where nothing was tried

 private:
  static constexpr int64_t TRIALS = 16, PERIOD = 2048;
  static constexpr double LARGE = 300e-6;  // seconds: from there on never alone
  int64_t number = 0;
  double best[2] = {1, 1};  // shared, alone
  bool large = false, alone_is_quicker = false;
};

struct Lives;

class Program {
 public:
  std::vector<std::unique_ptr<Step>> steps;
  Arena* arena;                // of the host
  Arena* there = nullptr;      // of the GPU, if the step has arrays there
  bool dry = false;            // calls on the GPU are kept and not made, others are made and not kept (cuda.graph)
  int64_t bytes = 0;           // that all calls together touch
  int64_t planned = 0;         // bytes of the block that `plan` made
  int walks_back = 0;          // backward passes that are under way while recording
  const char* file = "";       // of the line that is being recorded
  int line = 0;
  std::mutex running;          // one replay at a time: they share memory

  Program();
  ~Program();
  Program(const Program&) = delete;

  template <class... P> void take(int64_t& count, void (*kernel)(P...), const P&... args) {
    auto call = std::make_unique<Call<P...>>(count, kernel, args...);
    find_place(*call);
    if (!(dry && call->there)) kernel(args...);
    if (dry && !call->there) return;
    steps.push_back(std::move(call));
    kept();
  }
  bool owns(const Buffer* b) const { return b->arena && (b->arena == arena || b->arena == there); }
  void hold(const Array& a, bool written) {
    if (!a.buffer || owns(a.buffer) || (dry && a.buffer->fresh)) return;  // fresh: it has no place yet
    auto [it, added] = held.try_emplace(a.buffer, a, written);
    if (!added) it->second.second |= written;
  }
  bool holds(Buffer* b) const { return held.count(b) > 0; }
  void* constant(const char (&number)[8]) {
    constants.push_back(std::make_unique<Number>());
    memcpy(constants.back()->bytes, number, 8);
    return constants.back()->bytes;
  }
  Step* writer(const void* at) const;  // the last call that wrote there, or null
  void plan(bool (*pointwise)(const int64_t& count), const char* (*name)(const int64_t& count));  // after recording, once
  void replay();
  void enter();                // before its memory is written to; `leave` after its results have been read: on a GPU, replays on several
  void leave();                // streams come one after another
  struct Graphs {
    int64_t graphs, launches, alone;  // CUDA graphs, launches in them, calls besides
    std::string why;                  // launches are made one by one, or calls besides
  };
  Graphs graphs() const;       // of the last replay
  std::vector<double> seconds(int repeats);  // of each call, the median of so many replays, whose effects are taken back
  std::vector<Buffer*> written;  // of those held

 private:
  struct Number {
    alignas(8) char bytes[8];
  };
  std::vector<std::unique_ptr<Number>> constants;  // Python numbers among the arguments
  std::unordered_map<Buffer*, std::pair<Array, bool>> held;
  bool on_gpu = false;         // some of its calls are made there
  size_t last_part = 0;        // from this call on nothing can fail: it only writes what it holds
  std::vector<Span> before;    // what the calls before that change outside the arena
  std::vector<char> undo;
  Sharing sharing;
  struct Part {  // calls that follow one another, as a graph or by themselves
    size_t begin, end;
    void* graph;
  };
  std::vector<Part> parts;     // of a step on the GPU, from its first replay on
  uint64_t streams = 0;        // that have run it: a bit each
  void* done = nullptr;        // event: the last replay has been read
  int done_on = 0;             // that stream

  void run() const;
  void run_there();            // graphs.cpp
  void make_parts();
  void tell(void* graph, size_t step);
  void forget_parts();
  void find_place(Step& s);
  bool is_constant(const void* at) const;
  void kept();
  void drop_zeros(Lives&, const char* (*name)(const int64_t& count));  // zeros.cpp
  void place(const char* (*name)(const int64_t& count));
  void prepare_undo();
};

extern thread_local Program* recording;  // program.cpp

}  // namespace fastnn
