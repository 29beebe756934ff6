// bind/record.cpp: what autodiff.py needs done fast. `record` notes which op made a tensor; `stale` tells at backward
// whether a value that a partial derivative reads has been changed in place since.
//
// Changes are dated by one counter, `epoch`: an in-place change advances it and stamps the buffer; a node keeps the epoch
// at which it was made. A saved value is stale when its buffer's stamp is later than the node. Memory that NumPy or
// another library can write to without telling us (`shared`) is fingerprinted when it is saved.
#include "../kernels/table.h"
#include "array.h"

namespace py = pybind11;

namespace fastnn {

int64_t epoch = 0;
thread_local bool grad_mode = true;

namespace {

PyObject* saved_name;                      // "saved"
thread_local PyObject* saving = nullptr;  // saving(op, args, y) -> what to remember in op's place: autograd.graph.saved_tensors_hooks

uint64_t fingerprint(const View& x) {
  uint64_t h;
  active->fingerprint(PackedOut{{&h, {}, {}, 0, DType::i64}}, In{x});
  return h;
}

// op.saved: None (every argument and the output), or a tuple of argument positions, -1 for the output.
template <class F> void each_saved(PyObject* op, PyObject* args, PyObject* y, const F& f) {
  PyObject* saved = PyObject_GetAttr(op, saved_name);
  if (!saved) throw py::error_already_set();
  py::object hold = py::reinterpret_steal<py::object>(saved);
  Py_ssize_t n = PyTuple_GET_SIZE(args);
  auto visit = [&](Py_ssize_t i) {
    PyObject* a = i < 0 ? y : i < n ? PyTuple_GET_ITEM(args, i) : nullptr;
    if (a && is_array(a)) f(i, array_of(a));
  };
  if (saved == Py_None) {
    for (Py_ssize_t i = -1; i < n; ++i) visit(i);
  } else {
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(saved); ++k) visit(PyLong_AsSsize_t(PyTuple_GET_ITEM(saved, k)));
  }
}

PyObject* refresh = nullptr;  // refresh(view) -> whether the view has its base's history now (inplace.py)

}  // namespace

bool is_outdated(PyObject* x) {
  if (!is_array(x)) return false;
  PyObject* node = reinterpret_cast<PyArray*>(x)->node;
  if (node == Py_None) return follows(reinterpret_cast<PyArray*>(x));
  if (array_of(x).buffer->rebased == 0) return false;
  if (PyTuple_GET_SIZE(node) > 6 && PyTuple_GET_ITEM(node, 6) != Py_None) return false;
  return array_of(x).buffer->rebased > PyLong_AsLongLong(PyTuple_GET_ITEM(node, 3));
}

namespace {

// Will a rule that is wanted read saved value i? op.readers says whose rules do, where not all do (autodiff.py).
bool is_read(PyObject* op, Py_ssize_t i, PyObject* args) {
  py::object readers = py::getattr(op, "readers", py::none());
  if (readers.is_none() || !readers.contains(i)) return true;
  for (py::handle j : py::object(readers[py::int_(i)])) {
    PyObject* a = PyTuple_GET_ITEM(args, j.cast<Py_ssize_t>());
    if (is_array(a) && needs_grad(a)) return true;
  }
  return false;
}

// record(y, op, args, params=None) -> y. y is a tensor, or a tuple whose first element is the differentiable one.
PyObject* py_record(PyObject*, PyObject* const* a, Py_ssize_t n) {
  PyObject* y = a[0];
  if (!grad_mode) return Py_NewRef(y);
  return guarded([&]() -> PyObject* {
    if (n < 3) raise_error(ErrorKind::type, "record: expected y, op, args");
    PyObject *op = a[1], *args = a[2], *params = n > 3 ? a[3] : Py_None;
    bool wanted = false, shared = false, outdated = false;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); ++i) {
      PyObject* x = PyTuple_GET_ITEM(args, i);
      if (!is_array(x)) continue;
      wanted |= needs_grad(x);
      shared |= array_of(x).buffer->shared;
      if (is_outdated(x)) {
        PyObject* done = PyObject_CallFunctionObjArgs(refresh, x, nullptr);
        if (!done) throw py::error_already_set();
        Py_DECREF(done);
        outdated |= done != Py_True;
      }
    }
    if (!wanted) return Py_NewRef(y);
    PyObject* first = y;
    py::object aux = py::none();
    if (PyTuple_Check(y)) {
      first = PyTuple_GET_ITEM(y, 0);
      aux = py::reinterpret_steal<py::object>(PyTuple_GetSlice(y, 1, PyTuple_GET_SIZE(y)));
    }
    if (!is_array(first) || !is_float(array_of(first).view.dtype)) return Py_NewRef(y);
    py::object hooked;
    if (saving) {
      hooked = py::reinterpret_steal<py::object>(PyObject_CallFunctionObjArgs(saving, op, args, first, nullptr));
      if (!hooked) throw py::error_already_set();
      op = hooked.ptr();
    }
    py::object prints = py::none();
    if (shared || outdated) {
      py::list list;
      for (Py_ssize_t i = 0; outdated && i < PyTuple_GET_SIZE(args); ++i)
        if (is_outdated(PyTuple_GET_ITEM(args, i))) list.append(py::make_tuple(i, py::none()));
      each_saved(op, args, nullptr, [&](Py_ssize_t i, const Array& x) {
        if (x.buffer->shared) list.append(py::make_tuple(i, fingerprint(x.view)));
      });
      if (list.size()) prints = std::move(list);
    }
    PyObject* node = PyTuple_New(6);
    if (!node) throw py::error_already_set();
    PyTuple_SET_ITEM(node, 0, Py_NewRef(op));
    PyTuple_SET_ITEM(node, 1, Py_NewRef(args));
    PyTuple_SET_ITEM(node, 2, Py_NewRef(params));
    PyTuple_SET_ITEM(node, 3, PyLong_FromLongLong(epoch));
    PyTuple_SET_ITEM(node, 4, aux.release().ptr());
    PyTuple_SET_ITEM(node, 5, prints.release().ptr());
    auto* p = reinterpret_cast<PyArray*>(first);
    PyObject* old = p->node;
    p->node = node;
    Py_CLEAR(p->base);
    Py_DECREF(old);
    return Py_NewRef(y);
  });
}

}  // namespace

PyObject* recorded(PyObject* y, PyObject* op, PyObject* a, PyObject* b) {
  PyObject* args = PyTuple_Pack(2, a, b);
  PyObject* given[] = {y, op, args};
  PyObject* result = args ? py_record(nullptr, given, 3) : nullptr;
  Py_XDECREF(args);
  Py_DECREF(y);
  return result;
}

namespace {

// stale(y) -> None, or the position of a saved argument (-1: the output) that was changed after y was computed.
PyObject* py_stale(PyObject*, PyObject* y) {
  return guarded([&]() -> PyObject* {
    Py_ssize_t i = stale(y);
    if (i == FRESH) Py_RETURN_NONE;
    return PyLong_FromSsize_t(i);
  });
}

// mutate(x, recorded=False): x's memory has been changed in place.
PyObject* py_mutate(PyObject*, PyObject* const* a, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    if (n < 1 || !is_array(a[0])) raise_error(ErrorKind::type, "mutate: expected a tensor");
    Buffer* b = array_of(a[0]).buffer;
    if (b->readonly)
      raise_error(ErrorKind::value, "this tensor's memory is read-only (it came from a read-only array); use clone() first");
    b->stamp = ++epoch;
    if (n > 1 && PyObject_IsTrue(a[1])) b->rebased = epoch;
    Py_RETURN_NONE;
  });
}

PyObject* py_set_grad_mode(PyObject*, PyObject* on) {
  bool before = grad_mode;
  int value = PyObject_IsTrue(on);
  if (value < 0) return nullptr;
  grad_mode = value != 0;
  return PyBool_FromLong(before);
}
PyObject* py_set_saving(PyObject*, PyObject* f) {
  PyObject* before = saving;
  saving = f == Py_None ? nullptr : Py_NewRef(f);
  Py_XDECREF(before);
  Py_RETURN_NONE;
}
PyObject* py_grad_mode(PyObject*, PyObject*) { return PyBool_FromLong(grad_mode); }

PyMethodDef functions[] = {{"record", FN_FASTCALL(py_record), "record(y, op, args, params=None) -> y"},
                           {"stale", py_stale, METH_O, "stale(y) -> position of a saved value that changed, or None"},
                           {"mutate", FN_FASTCALL(py_mutate), "mutate(x, recorded=False)"},
                           {"set_grad_mode", py_set_grad_mode, METH_O, "set_grad_mode(on) -> the mode before"},
                           {"set_saving", py_set_saving, METH_O, "set_saving(f or None): f(op, args, y) gives what to remember in op's place, in this thread"},
                           {"grad_mode", py_grad_mode, METH_NOARGS, "whether operations are being recorded"}};

}  // namespace

Py_ssize_t stale(PyObject* y) {
  PyObject* node = reinterpret_cast<PyArray*>(y)->node;
  int64_t made = PyLong_AsLongLong(PyTuple_GET_ITEM(node, 3));
  PyObject *args = PyTuple_GET_ITEM(node, 1), *prints = PyTuple_GET_ITEM(node, 5);
  if (args == Py_None || (made == epoch && prints == Py_None)) return FRESH;
  PyObject* op = PyTuple_GET_ITEM(node, 0);
  Py_ssize_t found = FRESH;
  each_saved(op, args, y, [&](Py_ssize_t i, const Array& x) {
    if (x.buffer->stamp > made && found == FRESH && is_read(op, i, args)) found = i;
  });
  if (found != FRESH || prints == Py_None) return found;
  for (Py_ssize_t k = 0; k < PyList_GET_SIZE(prints); ++k) {
    PyObject *pair = PyList_GET_ITEM(prints, k), *print = PyTuple_GET_ITEM(pair, 1);
    Py_ssize_t i = PyLong_AsSsize_t(PyTuple_GET_ITEM(pair, 0));
    if (print == Py_None) found = i;
    else if (fingerprint(array_of(PyTuple_GET_ITEM(args, i)).view) != PyLong_AsUnsignedLongLong(print) && is_read(op, i, args)) found = i;
  }
  return found;
}

void bind_record(py::module_& m) {
  saved_name = PyUnicode_InternFromString("saved");
  m.def("set_refresh", [](py::object f) { refresh = f.release().ptr(); }, "set_refresh(f): f(view) gives an outdated view its base's history");
  for (auto& f : functions) m.attr(f.ml_name) = py::reinterpret_steal<py::object>(PyCFunction_New(&f, nullptr));
}

}  // namespace fastnn
