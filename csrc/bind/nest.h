// bind/nest.h: a value made of tuples, lists, dicts and tensors (complex ones too), as the arguments and the result of a recorded step are (replay.cpp):
// is another one built alike, and what are its tensors?
#pragma once
#include <vector>

#include "cast.h"

namespace fastnn {

// Whether two objects are the same for a recorded step: the same one, or equal numbers, texts or tuples of them.
inline bool same(PyObject* a, PyObject* b) {
  if (a == b) return true;
  if (!a || !b || Py_TYPE(a) != Py_TYPE(b)) return false;
  if (PyFloat_CheckExact(a)) {
    double x = PyFloat_AS_DOUBLE(a), y = PyFloat_AS_DOUBLE(b);
    return memcmp(&x, &y, sizeof x) == 0;
  }
  if (PyTuple_CheckExact(a)) {
    if (PyTuple_GET_SIZE(a) != PyTuple_GET_SIZE(b)) return false;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(a); ++i)
      if (!same(PyTuple_GET_ITEM(a, i), PyTuple_GET_ITEM(b, i))) return false;
    return true;
  }
  if (!PyLong_CheckExact(a) && !PyUnicode_CheckExact(a) && !PyBytes_CheckExact(a)) return false;
  int equal = PyObject_RichCompareBool(a, b, Py_EQ);
  if (equal < 0) throw pybind11::error_already_set();
  return equal == 1;
}

inline bool same_view(const View& a, const View& b) {
  return a.ndim == b.ndim && a.dtype == b.dtype && a.place == b.place && memcmp(a.shape, b.shape, size_t(a.ndim) * 8) == 0 &&
         memcmp(a.strides, b.strides, size_t(a.ndim) * 8) == 0;
}

inline pybind11::object held(PyObject* o) { return pybind11::reinterpret_borrow<pybind11::object>(o); }
inline pybind11::object taken(PyObject* o) {
  if (!o) throw pybind11::error_already_set();
  return pybind11::reinterpret_steal<pybind11::object>(o);
}

// The class of complex tensors, once it is loaded: each is a pair of tensors.
inline PyTypeObject* pair_type = nullptr;
inline bool is_pair(PyObject* o) { return pair_type && PyObject_TypeCheck(o, pair_type); }
inline pybind11::object half(PyObject* pair, size_t i) { return taken(PyObject_GetAttrString(pair, i ? "_imag" : "_real")); }

// A value made of tuples, lists, dicts and tensors: the arguments, or the result.
struct Nest {
  enum Kind { tensor, other, tuple, list, dict, pair } kind = other;
  pybind11::object value;  // a tensor; any other value; of a container its type, of a dict its keys, as a tuple
  std::vector<Nest> parts;
  View given_view{};  // of an argument: what the program's own tensor is a copy of
  bool requires_grad = false;

  explicit Nest(PyObject* o) : value(held(o)) {
    if (is_array(o)) {
      kind = tensor;
      requires_grad = needs_grad(o);
    } else if (PyTuple_Check(o) || PyList_Check(o)) {
      kind = PyTuple_Check(o) ? tuple : list;
      for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); ++i) parts.emplace_back(PySequence_Fast_GET_ITEM(o, i));
      value = held(reinterpret_cast<PyObject*>(Py_TYPE(o)));
    } else if (PyDict_Check(o)) {
      kind = dict;
      Py_ssize_t at = 0;
      for (PyObject *k, *v; PyDict_Next(o, &at, &k, &v);) parts.emplace_back(v);
      value = taken(PySequence_Tuple(o));
    } else if (is_pair(o)) {
      kind = pair;
      for (size_t i = 0; i < 2; ++i) parts.emplace_back(half(o, i).ptr());
      value = held(reinterpret_cast<PyObject*>(pair_type));
    }
  }

  // Whether o is built alike; its tensors go to `given`, in order.
  bool fits(PyObject* o, PyObject**& given) const {
    switch (kind) {
      case tensor: {
        if (!is_array(o)) return false;
        auto* a = reinterpret_cast<PyArray*>(o);
        if (!same_view(a->array.view, given_view) || a->requires_grad != requires_grad || a->node != Py_None || a->array.batch)
          return false;
        *given++ = o;
        return true;
      }
      case other: return same(o, value.ptr());
      case pair:  // which keeps its halves alive
        return is_pair(o) && parts[0].fits(half(o, 0).ptr(), given) && parts[1].fits(half(o, 1).ptr(), given);
      case dict: {
        if (!PyDict_CheckExact(o) || PyDict_GET_SIZE(o) != Py_ssize_t(parts.size())) return false;
        Py_ssize_t at = 0, i = 0;
        for (PyObject *k, *v; PyDict_Next(o, &at, &k, &v); ++i)
          if (!same(k, PyTuple_GET_ITEM(value.ptr(), i)) || !parts[size_t(i)].fits(v, given)) return false;
        return true;
      }
      default:
        if (reinterpret_cast<PyObject*>(Py_TYPE(o)) != value.ptr() || PySequence_Fast_GET_SIZE(o) != Py_ssize_t(parts.size())) return false;
        for (size_t i = 0; i < parts.size(); ++i)
          if (!parts[i].fits(PySequence_Fast_GET_ITEM(o, Py_ssize_t(i)), given)) return false;
        return true;
    }
  }

  // The same with copies of the tensors: the next replay writes over the program's.
  pybind11::object copy() const {
    switch (kind) {
      case tensor: {
        const View& v = array_of(value.ptr()).view;
        Array made = empty(v.shape, v.ndim, v.dtype, v.place);
        launch_copy(made.view, v);
        return taken(wrap(std::move(made)));
      }
      case other: return value;
      case dict: {
        pybind11::dict d;
        for (size_t i = 0; i < parts.size(); ++i) d[PyTuple_GET_ITEM(value.ptr(), Py_ssize_t(i))] = parts[i].copy();
        return d;
      }
      default: {
        if (kind == list) {
          pybind11::list l(parts.size());
          for (size_t i = 0; i < parts.size(); ++i) l[i] = parts[i].copy();
          return l;
        }
        pybind11::tuple t(parts.size());
        for (size_t i = 0; i < parts.size(); ++i) t[i] = parts[i].copy();
        if (value.ptr() == reinterpret_cast<PyObject*>(&PyTuple_Type)) return t;
        return taken(PyObject_CallObject(value.ptr(), t.ptr()));  // a named tuple, a complex tensor
      }
    }
  }

  void given_as(PyObject* const*& given) {
    if (kind == tensor) given_view = array_of(*given++).view;
    for (Nest& p : parts) p.given_as(given);
  }
  template <class F> void each_tensor(const F& f) const {
    if (kind == tensor) f(value.ptr());
    for (const Nest& p : parts) p.each_tensor(f);
  }
  template <class F> void each_object(const F& f) const {
    f(value.ptr());
    for (const Nest& p : parts) p.each_object(f);
  }
};

}  // namespace fastnn
