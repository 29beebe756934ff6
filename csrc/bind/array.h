// bind/array.h: the Python object of an Array, written by hand because one is made and freed per operation. fastnn.Tensor
// is its Python subclass, and kernels return Tensors: no wrapping, no unwrapping.
#pragma once
#include <pybind11/pybind11.h>

#include "../core/array.h"
#include "../core/error.h"

namespace fastnn {

struct PyArray {
  PyObject_HEAD
  Array array;
  PyObject* node;      // (op, args, params, epoch, aux, fingerprints) that made it, or None
  PyObject* grad;      // or None
  bool requires_grad;  // of a leaf
  bool view;           // made as a view of another one, by any of views.cpp and x[...]
  const char* steps;   // the kernel without a derivative that made this from something differentiable (argmax, gt), or null
  PyObject* base;      // of a view that was made when nothing had a history: what it shows a part of, the first of them; or null
};

extern PyTypeObject* array_type;
extern PyTypeObject* tensor_type;   // what kernels return: array_type until fastnn.tensor registers Tensor
extern PyObject* dtype_objects[DTYPES];  // fastnn.float32, ...
void launch_copy(const View& to, const View& from);  // the kernel `copy`, also from one device to the other (device.cpp)
const char* kernel_name(const int64_t& count);  // whose launches are counted there (cpu.cpp)
const char* kernel_kind(const int64_t& count);    // kernel, unary, binary or ternary
const char* kernel_params(const int64_t& count);  // as kernels.def has them: "(Out y, In x, double eps)"
extern int64_t epoch;               // counts in-place changes
extern thread_local bool grad_mode;

inline bool is_array(PyObject* o) { return PyObject_TypeCheck(o, array_type); }
inline Array& array_of(PyObject* o) { return reinterpret_cast<PyArray*>(o)->array; }
// A view without history whose base has got one since, by a change in place: inplace.py's refresh gives it to the view.
inline bool follows(const PyArray* a) {
  if (!a->base || a->requires_grad || a->node != Py_None) return false;
  auto* base = reinterpret_cast<const PyArray*>(a->base);
  return base->node != Py_None && base->array.buffer == a->array.buffer;
}
inline bool needs_grad(PyObject* o) {
  auto* a = reinterpret_cast<PyArray*>(o);
  return a->requires_grad || a->node != Py_None || follows(a);
}
bool is_outdated(PyObject* x);  // a view whose base has since been changed in place, with history: it does not hold what its node says
constexpr Py_ssize_t FRESH = -2;
Py_ssize_t stale(PyObject* y);  // the position of a saved argument (-1: y itself) changed since y was computed, or FRESH
PyObject* wrap(Array&& a, PyTypeObject* type = nullptr);  // new reference

inline PyObject* wrap_view(Array&& a, PyObject* of) {
  PyObject* o = wrap(std::move(a));
  if (!o) return o;
  auto *made = reinterpret_cast<PyArray*>(o), *from = reinterpret_cast<PyArray*>(of);
  made->view = true;
  PyObject* base = from->base ? from->base : from->view ? nullptr : of;  // a view that does not know its base is none itself
  if (base && grad_mode && is_float(made->array.view.dtype) && array_of(base).view.dtype == made->array.view.dtype &&
      !made->array.batch && !needs_grad(of))
    made->base = Py_NewRef(base);
  return o;
}

DType dtype_from(PyObject* o);                                         // a fastnn dtype
int64_t as_int(PyObject* o, const char* what);                         // __index__; TypeError otherwise
int ints_from(PyObject* o, int64_t* out, int most, const char* what);  // int or sequence of ints; returns how many

// Runs f; C++ errors become Python exceptions. Returns f's result, or null with the error set.
void set_python_error();  // in a catch block
template <class F> PyObject* guarded(const F& f) {
  try {
    return f();
  } catch (...) {
    set_python_error();
    return nullptr;
  }
}
#define FN_FASTCALL(f) reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(f)), METH_FASTCALL

void bind_array(pybind11::module_& m);        // array.cpp
void bind_batch(pybind11::module_& m);        // batch.cpp
void bind_device(pybind11::module_& m);       // device.cpp
void bind_backward(pybind11::module_& m);     // backward.cpp
void bind_record(pybind11::module_& m);       // record.cpp
void bind_stored(pybind11::module_& m);       // stored.cpp
void bind_streams(pybind11::module_& m);      // streams.cpp
void bind_interchange(pybind11::module_& m);  // interchange.cpp: NumPy and DLPack
void bind_elementwise(pybind11::module_& m);  // elementwise.cpp
void bind_index(pybind11::module_& m);        // index.cpp
void bind_named(pybind11::module_& m);        // named.cpp: functions whose errors name them
void bind_operators(pybind11::module_& m);    // operators.cpp
void bind_program(pybind11::module_& m);      // program.cpp
void bind_product(pybind11::module_& m);      // product.cpp
extern PyMethodDef view_methods[];            // views.cpp
PyObject* array_subscript(PyObject* x, PyObject* key);  // index.cpp: x[key]
extern PyObject* (*const binary_slots[4])(PyObject*, PyObject*);  // operators.cpp: + - * /
PyObject* recorded(PyObject* y, PyObject* op, PyObject* a, PyObject* b);  // record.cpp: record(y, op, (a, b)); takes y

}  // namespace fastnn
