// bind/cast.h: from Python arguments to the plain data a kernel takes; the one place where layouts are checked.
// `call<P...>` converts each argument by its declared type, releases the GIL for large work, and launches.
#pragma once
#include <stdio.h>

#include <tuple>
#include <vector>

#include "../core/launch.h"
#include "../kernels/geometry.h"
#include "array.h"
#include "batch.h"
#include "device.h"
#include "listen.h"
#include "stored.h"

namespace fastnn {

struct Where {  // for messages: "conv2d: argument 2 ..."
  const char* kernel;
  int argument;
};

inline View view_from(PyObject* o, Where w, bool output, bool packed) {
  if (o == Py_None && !output) {
    View none{};
    none.ndim = -1;
    return none;
  }
  if (!is_array(o))
    raise_error(ErrorKind::type, "%s: argument %d must be a Tensor, not %s", w.kernel, w.argument, Py_TYPE(o)->tp_name);
  const Array& a = array_of(o);
  if (packed && !a.view.packed())
    raise_error(ErrorKind::runtime, "%s: argument %d must be contiguous", w.kernel, w.argument);
  if (output && a.buffer->readonly)
    raise_error(ErrorKind::value, "%s: argument %d is on read-only memory", w.kernel, w.argument);
  if (recording) recording->hold(a, output);
  return a.view;
}

template <class P> struct Argument {  // geometry structs: a tuple with one integer per field
  static_assert(sizeof(P) % sizeof(int64_t) == 0);
  P value;
  Argument(PyObject* o, Where w) {
    int64_t fields[sizeof(P) / sizeof(int64_t)];
    int n = ints_from(o, fields, int(sizeof(P) / sizeof(int64_t)), w.kernel);
    if (n != int(sizeof(P) / sizeof(int64_t)))
      raise_error(ErrorKind::type, "%s: argument %d must have %d integers, got %d", w.kernel, w.argument,
                  int(sizeof(P) / sizeof(int64_t)), n);
    memcpy(&value, fields, sizeof value);
  }
  int64_t bytes() const { return 0; }
};
#define FN_VIEW_ARGUMENT(P, role, packed)                                                            \
  template <> struct Argument<P> {                                                                   \
    P value;                                                                                         \
    Array* array;                                                                                    \
    Argument(PyObject* o, Where w)                                                                   \
        : value{view_from(o, w, Slot::writes(Slot::role), packed)}, array(value.ndim < 0 ? nullptr : &array_of(o)) {} \
    int64_t bytes() const { return value.ndim < 0 ? 0 : value.bytes(); }                             \
    bool hidden() const {                                                                            \
      if (Slot::role == Slot::state) return in_vmap();                                               \
      return array && array->batch;                                                                  \
    }                                                                                                \
    void written() { if (Slot::writes(Slot::role)) array->buffer->fresh = false; }                  \
    void slots(std::vector<Slot>& s) { s.push_back({&value, array, Slot::role, packed}); }           \
  };
FN_VIEW_ARGUMENT(In, in, false)
FN_VIEW_ARGUMENT(Out, out, false)
FN_VIEW_ARGUMENT(PackedIn, in, true)
FN_VIEW_ARGUMENT(PackedOut, out, true)
FN_VIEW_ARGUMENT(HostIn, host, true)
FN_VIEW_ARGUMENT(State, state, true)
#undef FN_VIEW_ARGUMENT

template <bool output> struct ListArgument {
  std::vector<View> views;
  std::vector<Array*> arrays;
  ListArgument(PyObject* o, Where w) {
    if (!PyList_Check(o) && !PyTuple_Check(o))
      raise_error(ErrorKind::type, "%s: argument %d must be a list of Tensors", w.kernel, w.argument);
    Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
    views.reserve(size_t(n));
    arrays.reserve(size_t(n));
    for (Py_ssize_t i = 0; i < n; ++i) {
      PyObject* x = PySequence_Fast_GET_ITEM(o, i);
      views.push_back(view_from(x, w, output, false));
      arrays.push_back(views.back().ndim < 0 ? nullptr : &array_of(x));
    }
  }
  bool hidden() const {
    for (const Array* a : arrays)
      if (a && a->batch) return true;
    return false;
  }
  void written() {
    if (output)
      for (Array* a : arrays) a->buffer->fresh = false;
  }
  void slots(std::vector<Slot>& s) {
    for (size_t i = 0; i < views.size(); ++i) s.push_back({&views[i], arrays[i], output ? Slot::out : Slot::in, false});
  }
  int64_t bytes() const {
    int64_t b = 0;
    for (const View& v : views) b += v.ndim < 0 ? 0 : v.bytes();
    return b;
  }
};
template <> struct Argument<Ins> : ListArgument<false> {
  Ins value;
  Argument(PyObject* o, Where w) : ListArgument(o, w), value{int64_t(views.size()), views.data()} {}
};
template <> struct Argument<Outs> : ListArgument<true> {
  Outs value;
  Argument(PyObject* o, Where w) : ListArgument(o, w), value{{int64_t(views.size()), views.data()}} {}
};
template <> struct Argument<Ints> {
  Ints value;
  Argument(PyObject* o, Where w) { value.n = ints_from(o, value.v, MAX_INTS, w.kernel); }
  int64_t bytes() const { return 0; }
  void axes(int64_t*& v, int& n) { if (!v) v = value.v, n = int(value.n); }
};
template <> struct Argument<int64_t> {
  int64_t value;
  Argument(PyObject* o, Where w) : value(as_int(o, w.kernel)) {}
  int64_t bytes() const { return 0; }
  void axes(int64_t*& v, int& n) { if (!v) v = &value, n = 1; }
};
template <> struct Argument<bool> {
  bool value;
  Argument(PyObject* o, Where) {
    int truth = PyObject_IsTrue(o);
    if (truth < 0) throw pybind11::error_already_set();
    value = truth != 0;
  }
  int64_t bytes() const { return 0; }
};
template <> struct Argument<double> {
  double value;
  Argument(PyObject* o, Where w) : value(PyFloat_AsDouble(o)) {
    if (value == -1.0 && PyErr_Occurred()) {
      PyErr_Clear();
      raise_error(ErrorKind::type, "%s: argument %d must be a number, not %s", w.kernel, w.argument, Py_TYPE(o)->tp_name);
    }
  }
  int64_t bytes() const { return 0; }
};

struct ReleaseGil {  // for work worth more than the 0.1 us that letting go costs
  PyThreadState* state;
  explicit ReleaseGil(bool release) : state(release ? PyEval_SaveThread() : nullptr) {}
  ~ReleaseGil() { if (state) PyEval_RestoreThread(state); }
};
constexpr int64_t RELEASE_FROM = 64 << 10;  // bytes

// What only some arguments have.
enum { THERE = 1, STORED = 2 };  // on the GPU; of a type that is stored only
inline int rarity(const View& v) { return v.ndim < 0 ? 0 : int(v.place) | int(is_stored(v.dtype)) << 1; }
template <class A> int rarity_of(const A& a) {
  if constexpr (requires { a.array; }) return rarity(a.value);
  else if constexpr (requires { a.views; }) {
    int all = 0;
    for (const View& v : a.views) all |= rarity(v);
    return all;
  }
  return 0;
}
template <class A> int dtypes_of(const A& a) {  // a bit for each
  if constexpr (requires { a.array; }) return a.value.ndim < 0 ? 0 : 1 << int(a.value.dtype);
  else if constexpr (requires { a.views; }) {
    int all = 0;
    for (const View& v : a.views) all |= v.ndim < 0 ? 0 : 1 << int(v.dtype);
    return all;
  }
  return 0;
}
// Products of float16, or of bfloat16, on a GPU whose tensor cores take them as they are.
template <class K> bool multiplies_halves(K kernel, int rare, int dtypes) {
  const auto is = [&](auto product) {
    if constexpr (std::is_same_v<K, decltype(product)>) return kernel == product;
    return false;
  };
  const int small = dtypes >> int(DType::i8) << int(DType::i8);
  return (rare & THERE) && (small == 1 << int(DType::f16) || small == 1 << int(DType::bf16)) && gpu->halves() &&
         (is(&Table::matmul) || is(&Table::matmul_bias) || is(&Table::conv2d) || is(&Table::conv2d_dx) || is(&Table::conv2d_dw) ||
          is(&Table::attention) || is(&Table::attention_dx));
}
constexpr bool converts(void (*Table::* kernel)(Out, In)) { return kernel == &Table::copy; }  // takes stored types itself
template <class K> constexpr bool converts(K) { return false; }
template <class A> bool hidden(const A& a) {
  if constexpr (requires { a.hidden(); }) return a.hidden();
  return false;
}
template <class A> void written(A& a) {
  if constexpr (requires { a.written(); }) a.written();
}
template <class A> void slots(A& a, std::vector<Slot>& s) {
  if constexpr (requires { a.slots(s); }) a.slots(s);
}
template <class A> void axes(A& a, int64_t*& v, int& n) {
  if constexpr (requires { a.axes(v, n); }) a.axes(v, n);
}

// An output of integers or flags remembers the kernel's name where an input asks for derivatives: messages name it.
template <class P> constexpr bool is_output = std::is_same_v<P, Out> || std::is_same_v<P, PackedOut>;
template <class P> constexpr bool is_written = is_output<P> || std::is_same_v<P, Outs>;
template <class P> bool in_steps(PyObject* o) { return is_output<P> && is_array(o) && !is_float(array_of(o).view.dtype); }
template <class P> bool differentiable(PyObject* o) { return !is_output<P> && is_array(o) && needs_grad(o); }
template <class P> void mark(PyObject* o, const char* name) {
  if (in_steps<P>(o)) reinterpret_cast<PyArray*>(o)->steps = name;
}

template <class... P, size_t... I>
PyObject* call(const char* name, Merge how, int64_t& count, void (*Table::* member)(P...), PyObject* const* args, Py_ssize_t n,
               std::index_sequence<I...>) {
  return guarded([&]() -> PyObject* {
    if (n != Py_ssize_t(sizeof...(P)))
      raise_error(ErrorKind::type, "%s: expected %d arguments, got %lld", name, int(sizeof...(P)), (long long)n);
    std::tuple<Argument<P>...> a{Argument<P>(args[I], Where{name, int(I) + 1})...};
    const auto note_steps = [&] {
      if (grad_mode && (false || ... || in_steps<P>(args[I])) && (false || ... || differentiable<P>(args[I]))) (mark<P>(args[I], name), ...);
    };
    const int rare = (0 | ... | rarity_of(std::get<I>(a)));
    bool halves = false;
    if ((rare & STORED) && !converts(member)) [[unlikely]] {
      halves = multiplies_halves(member, rare, (0 | ... | dtypes_of(std::get<I>(a))));
      if (!halves) {
        note_steps();
        return call_computed(name, args, n, (0 | ... | (uint64_t(is_written<P>) << I)));
      }
    }
    int64_t bytes = (0 + ... + std::get<I>(a).bytes());
    Listening listening(name, args, n);
    void (*kernel)(P...) = active->*member;
    OnDevice device;
    if (rare & THERE) [[unlikely]] {
      kernel = halves ? kernel_of_halves(member) : kernel_at(Place::cuda, member, name);
      std::vector<Slot> s;
      (slots(std::get<I>(a), s), ...);
      device = on_device(name, s);
      if (device.done) Py_RETURN_NONE;
    }
    if ((false || ... || hidden(std::get<I>(a)))) {  // inside vmap: for each example, or once for all
      std::vector<Slot> s;
      int64_t* axis = nullptr;
      int n_axes = 0;
      (slots(std::get<I>(a), s), ...);
      (axes(std::get<I>(a), axis, n_axes), ...);
      Examples examples(name, how, s.data(), int(s.size()), axis, n_axes);
      ReleaseGil gil(bytes >= RELEASE_FROM);
      while (examples.next()) launch<P...>(count, kernel, std::get<I>(a).value...);
      Py_RETURN_NONE;
    }
    (written(std::get<I>(a)), ...);
    note_steps();
    {
      ReleaseGil gil(bytes >= RELEASE_FROM);
      launch<P...>(count, kernel, std::get<I>(a).value...);
    }
    Py_RETURN_NONE;
  });
}
template <class... P>
PyObject* call(const char* name, Merge how, int64_t& count, void (*Table::* member)(P...), PyObject* const* args, Py_ssize_t n) {
  return call(name, how, count, member, args, n, std::index_sequence_for<P...>{});
}

}  // namespace fastnn
