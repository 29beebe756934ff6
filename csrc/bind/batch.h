// bind/batch.h: vmap at the door of the kernels. Inside vmap an Array looks like one example and hides the axis of the
// others (Batch, core/array.h), so that Python code, autodiff included, is written and runs for one example. Only a kernel
// sees the rest: it runs once for each example, or once for all where it takes leading axes.
//
//    copy, elementwise      hidden axes become leading axes
//    matmul                 they become batch axes, a matrix that all examples share is read once
//    reductions, scans, sort, softmax, gather, scatter: leading axes, and the number of the axis grows
//    anything else          a loop here, in C++, over the examples
//
// Outputs that do not have an axis yet get one (their memory is new); what was there before the vmap stays as it is, and
// writing examples into it is an error. Random numbers follow vmap's `randomness`.
#pragma once
#include "array.h"

namespace fastnn {

struct Levels {  // the hidden axes of all arguments of a call
  int n = 0;
  struct { int64_t level, size; } at[MAX_LEVELS];
  void add(int64_t level, int64_t size);
  void add(const Batch* b) { for (int i = 0; b && i < b->n; ++i) add(b->axis[i].level, b->axis[i].size); }
};

enum class Randomness { error, same, different };
bool in_vmap();                       // of this thread
void add_random_levels(Levels&);      // the vmaps under which each example draws its own; an error where none may draw
int64_t stride_of(const Array& a, int64_t level);              // 0 where a has no such axis
void widen(Array& a, const Levels& levels, const char* name);  // an output gets the axes it lacks
View leading(const View& v, const Array* a, const Levels& levels, int first, int ndim);  // levels first.. as leading axes
void hide_leading(Array& a, const Levels& levels);             // the inverse: the leading axes become hidden
void refuse_batched(const Array& a, const char* what);         // RuntimeError: a value depends on the example

enum class Merge { none, leading, axis, product };
constexpr bool one_of(const char* name, const char* names) {  // names separated by single spaces
  for (const char* p = names; *p;) {
    const char* q = name;
    while (*q && *p == *q) ++p, ++q;
    if (!*q && (*p == ' ' || !*p)) return true;
    while (*p && *p != ' ') ++p;
    if (*p) ++p;
  }
  return false;
}
constexpr Merge merge_of(const char* name) {
  if (one_of(name, "copy")) return Merge::leading;
  if (one_of(name, "matmul matmul_bias matmul_rows")) return Merge::product;
  if (one_of(name, "sum mean prod max min any all count_nonzero logsumexp var std norm argmax argmin cumsum cumprod prod_dx "
                   "linear_scan sort topk kthvalue softmax log_softmax softmax_dx log_softmax_dx gather scatter"))
    return Merge::axis;
  return Merge::none;
}

// The examples of one kernel call. Each `next` sets the views of the arguments to the next example (or to all).
struct Slot {
  View* view;
  Array* array;  // null for a missing argument
  enum Kind { in, out, state, host } kind;  // host: an input that stays on the CPU
  bool packed;
  static constexpr bool writes(Kind k) { return k == out || k == state; }
};
class Examples {
 public:
  Examples(const char* name, Merge how, Slot* slots, int n, int64_t* axes, int n_axes);
  bool next();

 private:
  bool merge(Merge how, int64_t* axes, int n_axes, int first);
  bool product(int first);
  Slot* slots_;
  int n_, loops_ = 0, drawn_ = 0;
  Levels levels_;
  int64_t index_[MAX_LEVELS] = {};
  char state_[16];  // of the generator, for examples that draw the same
  Slot* same_ = nullptr;
  bool started_ = false, done_ = false;
};

}  // namespace fastnn
