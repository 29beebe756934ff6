// bind/index.cpp: x[...] where no data moves: integers, slices, None and `...`, as a view. Indexing by tensors, lists and
// masks, and of tensors with a history, is Python's (ops/index.py), which comes back here with the part of the key that is
// a view. x[3] as a slot of the type takes 0.1 us; by way of a Python method it took 0.2.
#include "array.h"

namespace fastnn {
namespace {

bool is_basic(PyObject* k) { return PyLong_CheckExact(k) || PySlice_Check(k) || k == Py_None || k == Py_Ellipsis; }

PyObject* getitem = nullptr;  // Python's, for everything else

// x[key] as a view, or None where the key holds anything else
PyObject* basic_view(PyObject* tensor, PyObject* key) {
  return guarded([&]() -> PyObject* {
    PyObject* const* items = PyTuple_CheckExact(key) ? &PyTuple_GET_ITEM(key, 0) : &key;
    const Py_ssize_t count = PyTuple_CheckExact(key) ? PyTuple_GET_SIZE(key) : 1;
    int used = 0, dots = 0;
    for (Py_ssize_t i = 0; i < count; ++i) {
      if (!is_basic(items[i])) Py_RETURN_NONE;
      dots += items[i] == Py_Ellipsis;
      used += items[i] != Py_Ellipsis && items[i] != Py_None;
    }
    const Array& a = array_of(tensor);
    const View& x = a.view;
    if (dots > 1) raise_error(ErrorKind::index, "an index can only have a single ellipsis ('...')");
    if (used > x.ndim && x.ndim == 0)
      raise_error(ErrorKind::index, "invalid index of a 0-dim tensor. Use `tensor.item()` in Python to convert a 0-dim "
                  "tensor to a number");
    if (used > x.ndim) raise_error(ErrorKind::index, "too many indices for tensor of dimension %d", x.ndim);
    Array r(a);
    View& y = r.view;
    y.ndim = 0;
    int d = 0;
    auto put = [&](int64_t length, int64_t stride) {
      if (y.ndim == MAX_DIMS) raise_error(ErrorKind::shape, "tensors have at most %d dimensions", MAX_DIMS);
      y.shape[y.ndim] = length;
      y.strides[y.ndim++] = stride;
    };
    auto move = [&](int64_t steps, int64_t stride) {
      y.data = static_cast<char*>(y.data) + steps * stride * itemsize(x.dtype);
    };
    for (Py_ssize_t i = 0; i < count; ++i) {
      PyObject* k = items[i];
      if (k == Py_None) {
        put(1, 1);
      } else if (k == Py_Ellipsis) {
        for (int j = x.ndim - used; j > 0; --j, ++d) put(x.shape[d], x.strides[d]);
      } else if (PySlice_Check(k)) {
        Py_ssize_t start, stop, step;
        if (PySlice_Unpack(k, &start, &stop, &step) < 0) return nullptr;
        if (step < 1) raise_error(ErrorKind::value, "step must be greater than zero");
        const int64_t length = PySlice_AdjustIndices(x.shape[d], &start, &stop, step);
        if (length > 0) move(start, x.strides[d]);
        put(length, length > 1 ? x.strides[d] * step : x.strides[d]);
        ++d;
      } else {
        int overflow = 0;
        const long long at = PyLong_AsLongLongAndOverflow(k, &overflow);
        const int64_t n = x.shape[d], p = at < 0 ? at + n : at;
        if (overflow || p < 0 || p >= n)
          raise_error(ErrorKind::index, "index %lld is out of bounds for dimension %d with size %lld", at, d, (long long)n);
        move(p, x.strides[d]);
        ++d;
      }
    }
    for (; d < x.ndim; ++d) put(x.shape[d], x.strides[d]);
    return wrap_view(std::move(r), tensor);
  });
}

PyObject* py_basic_view(PyObject*, PyObject* const* args, Py_ssize_t n) {
  if (n == 2 && is_array(args[0])) return basic_view(args[0], args[1]);
  PyErr_SetString(PyExc_TypeError, "basic_view: expected a tensor and a key");
  return nullptr;
}

PyMethodDef function = {"basic_view", FN_FASTCALL(py_basic_view), "basic_view(x, key) -> x[key] as a view, or None"};

}  // namespace

PyObject* array_subscript(PyObject* x, PyObject* key) {
  if (!needs_grad(x)) {
    PyObject* y = basic_view(x, key);
    if (y != Py_None) return y;  // the view, or null with the error set
    Py_DECREF(y);
  }
  if (getitem) return PyObject_CallFunctionObjArgs(getitem, x, key, nullptr);
  PyErr_SetString(PyExc_TypeError, "Array: indexed by other than integers, slices, None and ...");
  return nullptr;
}

void bind_index(pybind11::module_& m) {
  m.def(
      "set_getitem", [](pybind11::object f) { getitem = f.release().ptr(); },
      "set_getitem(f): f(x, key) is x[key] where that is no plain view");
  m.attr("basic_view") = pybind11::reinterpret_steal<pybind11::object>(PyCFunction_New(&function, nullptr));
}

}  // namespace fastnn
