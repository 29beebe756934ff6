// bind/named.cpp: `named(f, blame, halves)`, f as users see it. Calls go straight through (30 ns); where one raises, the exception is
// what `blame(f, error, args, kwargs)` makes of it (or its result is, where that is no exception: out= is served so). A wrapper
// in Python would cost every call 150 ns, to serve those that fail.
#include "array.h"

#include <structmember.h>

#include <algorithm>

namespace py = pybind11;

namespace fastnn {
namespace {

struct Named {
  PyObject_HEAD
  vectorcallfunc call;
  PyObject *function, *blame, *halves, *dict;
};
PyObject* watch = nullptr;  // asked first, once there are subclasses of Tensor: watch(f, args, kwargs) gives NotImplemented, or the result

Named* named_of(PyObject* o) { return reinterpret_cast<Named*>(o); }

std::pair<py::tuple, py::dict> packed(PyObject* const* args, size_t flags, PyObject* names) {
  Py_ssize_t n = PyVectorcall_NARGS(flags);
  py::tuple positional{size_t(n)};
  for (Py_ssize_t i = 0; i < n; ++i) positional[size_t(i)] = py::reinterpret_borrow<py::object>(args[i]);
  py::dict keywords;
  for (Py_ssize_t i = 0; names && i < PyTuple_GET_SIZE(names); ++i)
    keywords[PyTuple_GET_ITEM(names, i)] = py::reinterpret_borrow<py::object>(args[n + i]);
  return {std::move(positional), std::move(keywords)};
}

// The rare things have functions of their own, so that a call that goes through needs no stack.

bool has_half(PyObject* const* args, Py_ssize_t n) {
  return std::any_of(args, args + n, [](PyObject* o) { return is_array(o) && is_float(array_of(o).view.dtype) && is_stored(array_of(o).view.dtype); });
}

// ask(f, args, kwargs)
[[gnu::noinline]] PyObject* asked(PyObject* ask, PyObject* f, PyObject* const* args, size_t flags, PyObject* names) {
  return guarded([&]() -> PyObject* {
    auto [positional, keywords] = packed(args, flags, names);
    return PyObject_CallFunctionObjArgs(ask, f, positional.ptr(), keywords.ptr(), nullptr);
  });
}

[[gnu::noinline]] PyObject* blamed(Named* f, PyObject* const* args, size_t flags, PyObject* names) {
  py::error_already_set error;  // takes it
  return guarded([&]() -> PyObject* {
    auto [positional, keywords] = packed(args, flags, names);
    py::object value = error.value();
    if (error.trace()) PyException_SetTraceback(value.ptr(), error.trace().ptr());
    py::handle blame = f->blame;
    py::object raised = blame(py::handle(f->function), value, positional, keywords);
    if (!PyExceptionInstance_Check(raised.ptr())) return raised.release().ptr();
    PyErr_SetObject(PyObject_Type(raised.ptr()), raised.ptr());
    return nullptr;
  });
}

PyObject* call_named(PyObject* self, PyObject* const* args, size_t flags, PyObject* names) {
  Named* f = named_of(self);
  if (watch) [[unlikely]] {
    PyObject* result = asked(watch, self, args, flags, names);
    if (result != Py_NotImplemented) return result;
    Py_DECREF(result);
  }
  const bool half = f->halves && has_half(args, PyVectorcall_NARGS(flags) + (names ? PyTuple_GET_SIZE(names) : 0));
  PyObject* result = half ? asked(f->halves, f->function, args, flags, names) : PyObject_Vectorcall(f->function, args, flags, names);
  return result ? result : blamed(f, args, flags, names);
}

PyObject* bind_method(PyObject* self, PyObject* object, PyObject*) {
  return object && object != Py_None ? PyMethod_New(self, object) : Py_NewRef(self);
}

PyObject* repr(PyObject* self) { return PyObject_Repr(named_of(self)->function); }

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(named_of(self)->function);
  Py_VISIT(named_of(self)->blame);
  Py_VISIT(named_of(self)->halves);
  Py_VISIT(named_of(self)->dict);
  return 0;
}
int clear(PyObject* self) {
  Py_CLEAR(named_of(self)->function);
  Py_CLEAR(named_of(self)->blame);
  Py_CLEAR(named_of(self)->halves);
  Py_CLEAR(named_of(self)->dict);
  return 0;
}
void dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  clear(self);
  type->tp_free(self);
  Py_DECREF(type);
}

PyMemberDef members[] = {{"__vectorcalloffset__", T_PYSSIZET, offsetof(Named, call), READONLY, nullptr},
                         {"__dictoffset__", T_PYSSIZET, offsetof(Named, dict), READONLY, nullptr},
                         {nullptr, 0, 0, 0, nullptr}};
PyGetSetDef dict_attribute[] = {{"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
                                {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyType_Slot slots[] = {{Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                       {Py_tp_descr_get, reinterpret_cast<void*>(bind_method)},
                       {Py_tp_repr, reinterpret_cast<void*>(repr)},
                       {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
                       {Py_tp_clear, reinterpret_cast<void*>(clear)},
                       {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
                       {Py_tp_members, members},
                       {Py_tp_getset, dict_attribute},
                       {0, nullptr}};
PyType_Spec spec = {"fastnn._cpu.Named", sizeof(Named), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR, slots};
PyTypeObject* named_type;

PyObject* py_named(PyObject*, PyObject* const* a, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    if (n != 3) raise_error(ErrorKind::type, "named: expected a function, what to do with its errors, and how to compute halves, or None");
    PyObject* self = named_type->tp_alloc(named_type, 0);
    if (!self) throw py::error_already_set();
    Named* f = named_of(self);
    f->call = call_named;
    f->function = Py_NewRef(a[0]);
    f->blame = Py_NewRef(a[1]);
    f->halves = a[2] == Py_None ? nullptr : Py_NewRef(a[2]);
    f->dict = PyDict_New();
    return self;
  });
}

PyObject* py_watch_calls(PyObject*, PyObject* f) {
  Py_XSETREF(watch, f == Py_None ? nullptr : Py_NewRef(f));
  Py_RETURN_NONE;
}

PyMethodDef functions[] = {{"named", FN_FASTCALL(py_named), "named(f, blame, halves or None) -> f; exceptions go through blame(f, e, args, kwargs)"},
                           {"watch_calls", py_watch_calls, METH_O, "watch_calls(ask): ask(f, args, kwargs) before every call, or None"}};

}  // namespace

void bind_named(py::module_& m) {
  named_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (!named_type) throw py::error_already_set();
  m.attr("Named") = py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(named_type));
  for (auto& f : functions) m.attr(f.ml_name) = py::reinterpret_steal<py::object>(PyCFunction_New(&f, nullptr));
}

}  // namespace fastnn
