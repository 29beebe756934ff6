// bind/cast.h: from Python arguments to the plain data a kernel takes; the one place where layouts are checked.
// `call<P...>` converts each argument by its declared type, releases the GIL for large work, and launches.
#pragma once
#include <stdio.h>

#include <tuple>
#include <vector>

#include "../core/launch.h"
#include "../kernels/geometry.h"
#include "array.h"
#include "listen.h"

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
#define FN_VIEW_ARGUMENT(P, output, packed)                                          \
  template <> struct Argument<P> {                                                   \
    P value;                                                                         \
    Argument(PyObject* o, Where w) : value{view_from(o, w, output, packed)} {}       \
    int64_t bytes() const { return value.ndim < 0 ? 0 : value.bytes(); }             \
  };
FN_VIEW_ARGUMENT(In, false, false)
FN_VIEW_ARGUMENT(Out, true, false)
FN_VIEW_ARGUMENT(PackedIn, false, true)
FN_VIEW_ARGUMENT(PackedOut, true, true)
#undef FN_VIEW_ARGUMENT

template <bool output> struct ListArgument {
  std::vector<View> views;
  ListArgument(PyObject* o, Where w) {
    if (!PyList_Check(o) && !PyTuple_Check(o))
      raise_error(ErrorKind::type, "%s: argument %d must be a list of Tensors", w.kernel, w.argument);
    Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
    views.reserve(size_t(n));
    for (Py_ssize_t i = 0; i < n; ++i) views.push_back(view_from(PySequence_Fast_GET_ITEM(o, i), w, output, false));
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
};
template <> struct Argument<int64_t> {
  int64_t value;
  Argument(PyObject* o, Where w) : value(as_int(o, w.kernel)) {}
  int64_t bytes() const { return 0; }
};
template <> struct Argument<bool> {
  bool value;
  Argument(PyObject* o, Where) : value(PyObject_IsTrue(o) == 1) {}
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

template <class... P, size_t... I>
PyObject* call(const char* name, int64_t& count, void (*kernel)(P...), PyObject* const* args, Py_ssize_t n,
               std::index_sequence<I...>) {
  return guarded([&]() -> PyObject* {
    if (n != Py_ssize_t(sizeof...(P)))
      raise_error(ErrorKind::type, "%s: expected %d arguments, got %lld", name, int(sizeof...(P)), (long long)n);
    std::tuple<Argument<P>...> a{Argument<P>(args[I], Where{name, int(I) + 1})...};
    int64_t bytes = (0 + ... + std::get<I>(a).bytes());
    Listening listening(name, args, n);
    {
      ReleaseGil gil(bytes >= RELEASE_FROM);
      launch<P...>(count, kernel, std::get<I>(a).value...);
    }
    Py_RETURN_NONE;
  });
}
template <class... P>
PyObject* call(const char* name, int64_t& count, void (*kernel)(P...), PyObject* const* args, Py_ssize_t n) {
  return call(name, count, kernel, args, n, std::index_sequence_for<P...>{});
}

}  // namespace fastnn
