// bind/operators.cpp: a + b, a - b, a * b, a / b of two tensors without a Python frame: the kernel, then `record`. A method
// in Python costs 110 ns more, a quarter of an addition of 1,000 floats. Other operands (numbers, foreign types) go to the
// methods of ops/operators.py.
#include "array.h"

namespace py = pybind11;

namespace fastnn {
namespace {

constexpr int COUNT = 4;
struct Operator {
  PyObject *kernel, *op, *method, *reflected;  // method(a, b) is a + b, reflected(b, a) too
} operators[COUNT];

PyObject* binary(const Operator& o, PyObject* a, PyObject* b) {
  if (!o.kernel) Py_RETURN_NOTIMPLEMENTED;
  PyObject* args[] = {a, b};
  if (is_array(a) && is_array(b)) {
    PyObject* y = PyObject_Vectorcall(o.kernel, args, 2, nullptr);
    return y && grad_mode && (needs_grad(a) || needs_grad(b)) ? recorded(y, o.op, a, b) : y;
  }
  if (is_array(a)) return PyObject_Vectorcall(o.method, args, 2, nullptr);
  PyObject* swapped[] = {b, a};
  return PyObject_Vectorcall(o.reflected, swapped, 2, nullptr);
}

template <int I> PyObject* slot(PyObject* a, PyObject* b) { return binary(operators[I], a, b); }

// set_operator(i, kernel, op, method, reflected)
PyObject* py_set_operator(PyObject*, PyObject* const* a, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    if (n != 5) raise_error(ErrorKind::type, "set_operator: expected 5 arguments");
    int64_t i = as_int(a[0], "set_operator");
    if (i < 0 || i >= COUNT) raise_error(ErrorKind::index, "set_operator: there are %d operators, not %lld", COUNT, (long long)i + 1);
    operators[i] = {Py_NewRef(a[1]), Py_NewRef(a[2]), Py_NewRef(a[3]), Py_NewRef(a[4])};
    Py_RETURN_NONE;
  });
}

PyMethodDef function = {"set_operator", FN_FASTCALL(py_set_operator), "set_operator(i, kernel, op, method, reflected): of + - * /"};

}  // namespace

PyObject* (*const binary_slots[COUNT])(PyObject*, PyObject*) = {slot<0>, slot<1>, slot<2>, slot<3>};

void bind_operators(py::module_& m) {
  m.attr("set_operator") = py::reinterpret_steal<py::object>(PyCFunction_New(&function, nullptr));
}

}  // namespace fastnn
