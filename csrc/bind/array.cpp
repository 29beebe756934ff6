// bind/array.cpp: the Array type: its life, its attributes, the errors. Views of it are in views.cpp.
#include "batch.h"
#include "device.h"
#include "replay.h"

#include <structmember.h>

#include <new>

#include "../core/memory.h"

namespace py = pybind11;

namespace fastnn {

PyTypeObject* array_type = nullptr;
PyTypeObject* tensor_type = nullptr;
PyObject* dtype_objects[DTYPES];
static PyObject* error_types[8];  // by ErrorKind, and out of a GPU's memory

PyObject* wrap(Array&& a, PyTypeObject* type) {
  if (!type) type = tensor_type;
  PyObject* o = type->tp_alloc(type, 0);
  if (!o) return nullptr;
  auto* p = reinterpret_cast<PyArray*>(o);
  new (&p->array) Array(std::move(a));
  Py_INCREF(Py_None);
  Py_INCREF(Py_None);
  p->node = Py_None;
  p->grad = Py_None;
  p->requires_grad = p->view = false;
  p->steps = nullptr;
  p->base = nullptr;
  return o;
}

void set_python_error() {
  try {
    throw;
  } catch (const Error& e) {
    PyObject* type = error_types[int(e.kind)];
    PyErr_SetString(type ? type : PyExc_RuntimeError, e.message);
  } catch (const OutOfMemory& e) {
    PyErr_SetString(error_types[7] ? error_types[7] : PyExc_MemoryError, e.message);
  } catch (const Interrupted&) {
    if (!PyErr_Occurred()) PyErr_SetNone(PyExc_KeyboardInterrupt);
  } catch (const std::bad_alloc&) {
    PyErr_SetString(PyExc_MemoryError, "fastnn: out of memory, or a size that no memory can hold");
  } catch (py::error_already_set& e) {
    e.restore();
  } catch (const std::exception& e) {
    PyErr_SetString(PyExc_RuntimeError, e.what());
  }
}

int64_t as_int(PyObject* o, const char* what) {
  PyObject* i = PyNumber_Index(o);
  if (!i) {
    PyErr_Clear();
    raise_error(ErrorKind::type, "%s: expected an integer, got %s", what, Py_TYPE(o)->tp_name);
  }
  int64_t v = PyLong_AsLongLong(i);
  Py_DECREF(i);
  if (v == -1 && PyErr_Occurred()) throw py::error_already_set();
  return v;
}

int ints_from(PyObject* o, int64_t* out, int most, const char* what) {
  if (PyTuple_Check(o) || PyList_Check(o)) {
    Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
    if (n > most) raise_error(ErrorKind::shape, "%s: at most %d values, got %lld", what, most, (long long)n);
    for (Py_ssize_t i = 0; i < n; ++i) out[i] = as_int(PySequence_Fast_GET_ITEM(o, i), what);
    return int(n);
  }
  out[0] = as_int(o, what);
  return 1;
}

DType dtype_from(PyObject* o) {
  for (int i = 0; i < DTYPES; ++i)
    if (o == dtype_objects[i]) return DType(i);
  raise_error(ErrorKind::type, "expected a fastnn dtype, got %s", Py_TYPE(o)->tp_name);
}

static PyObject* array_new(PyTypeObject* type, PyObject* args, PyObject*) {  // Array(other): same memory, no history
  PyObject* other = nullptr;
  if (!PyArg_ParseTuple(args, "O", &other)) return nullptr;
  return guarded([&]() -> PyObject* {
    if (!is_array(other)) raise_error(ErrorKind::type, "Array: expected an Array, got %s", Py_TYPE(other)->tp_name);
    return wrap(Array(array_of(other)), type);
  });
}

static int array_traverse(PyObject* o, visitproc visit, void* arg) {
  auto* p = reinterpret_cast<PyArray*>(o);
  Py_VISIT(p->node);
  Py_VISIT(p->grad);
  Py_VISIT(p->base);
  Py_VISIT(Py_TYPE(o));
  return 0;
}
static int array_clear(PyObject* o) {
  auto* p = reinterpret_cast<PyArray*>(o);
  Py_CLEAR(p->node);
  Py_CLEAR(p->grad);
  Py_CLEAR(p->base);
  return 0;
}
// A chain of 100,000 operations is freed through node -> args -> Array -> node ...: the trashcan keeps the stack flat.
static void array_dealloc(PyObject* o) {
  PyObject_GC_UnTrack(o);
  Py_TRASHCAN_BEGIN(o, array_dealloc)
  array_clear(o);
  array_of(o).~Array();
  PyTypeObject* type = Py_TYPE(o);
  type->tp_free(o);
  Py_DECREF(type);
  Py_TRASHCAN_END
}

static PyObject* int_tuple(const int64_t* v, int n) {
  PyObject* t = PyTuple_New(n);
  for (int d = 0; t && d < n; ++d) PyTuple_SET_ITEM(t, d, PyLong_FromLongLong(v[d]));
  return t;
}
#define GETTER(name, expression) \
  static PyObject* get_##name(PyObject* o, void*) { const Array& a = array_of(o); (void)a; return expression; }
GETTER(shape, int_tuple(a.view.shape, a.view.ndim))
GETTER(strides, int_tuple(a.view.strides, a.view.ndim))
GETTER(ndim, PyLong_FromLong(a.view.ndim))
GETTER(size, PyLong_FromLongLong(a.view.numel()))
GETTER(dtype, Py_NewRef(dtype_objects[int(a.view.dtype)]))
GETTER(is_cuda, PyBool_FromLong(a.view.place == Place::cuda))
GETTER(packed, PyBool_FromLong(a.view.packed()))
GETTER(pointer, PyLong_FromVoidPtr(a.view.data))
GETTER(floating, PyBool_FromLong(is_float(a.view.dtype)))
GETTER(base, Py_NewRef(reinterpret_cast<PyArray*>(o)->base ? reinterpret_cast<PyArray*>(o)->base : Py_None))
GETTER(outdated, PyBool_FromLong(is_outdated(o)))
GETTER(is_view, PyBool_FromLong(reinterpret_cast<PyArray*>(o)->view))
GETTER(readonly, PyBool_FromLong(a.buffer->readonly))
static PyObject* get_steps(PyObject* o, void*) {
  const char* name = reinterpret_cast<PyArray*>(o)->steps;
  return name ? PyUnicode_FromString(name) : Py_NewRef(Py_None);
}
static int set_steps(PyObject* o, PyObject* name, void*) {
  if (!name || !PyUnicode_Check(name)) {
    PyErr_SetString(PyExc_TypeError, "_steps: expected a str");
    return -1;
  }
  Py_INCREF(name);
  PyUnicode_InternInPlace(&name);  // op names are few, and live as long as the process
  reinterpret_cast<PyArray*>(o)->steps = PyUnicode_AsUTF8(name);
  return 0;
}
GETTER(references, PyLong_FromLongLong(a.buffer->references.load()))
GETTER(version, PyLong_FromLongLong(a.buffer->stamp))
GETTER(buffer, PyLong_FromVoidPtr(a.buffer))
GETTER(memory, Py_BuildValue("(Kn)", (unsigned long long)(uintptr_t)a.buffer->data, (Py_ssize_t)a.buffer->bytes))
GETTER(requires_grad, PyBool_FromLong(needs_grad(o)))
static PyObject* get_levels(PyObject* o, void*) {
  const Batch* b = array_of(o).batch;
  if (!b) Py_RETURN_NONE;
  int64_t levels[MAX_LEVELS];
  for (int i = 0; i < b->n; ++i) levels[i] = b->axis[i].level;
  return int_tuple(levels, b->n);
}
GETTER(is_leaf, PyBool_FromLong(reinterpret_cast<PyArray*>(o)->node == Py_None && !follows(reinterpret_cast<PyArray*>(o))))

static int set_requires_grad(PyObject* o, PyObject* value, void*) {
  auto* p = reinterpret_cast<PyArray*>(o);
  int on = value ? PyObject_IsTrue(value) : -1;
  if (on < 0) return -1;
  if (on && !is_float(p->array.view.dtype)) {
    PyErr_Format(PyExc_RuntimeError, "only Tensors of floating point dtype can require gradients, this one is %s",
                 dtype_name(p->array.view.dtype));
    return -1;
  }
  if (p->node != Py_None) {
    if (on) return 0;
    PyErr_SetString(PyExc_RuntimeError,
                    "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in "
                    "a subgraph that doesn't require differentiation use var_no_grad = var.detach().");
    return -1;
  }
  p->requires_grad = on != 0;
  return 0;
}

static PyObject* array_detach(PyObject* o, PyObject*) {
  return guarded([&] { return wrap(Array(array_of(o))); });
}

static PyObject* py_empty(PyObject*, PyObject* const* args, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    if (n < 2) raise_error(ErrorKind::type, "empty: expected shape, dtype");
    int64_t shape[MAX_DIMS];
    int ndim = ints_from(args[0], shape, MAX_DIMS, "empty");
    Levels levels;
    Place place = Place::cpu;
    for (Py_ssize_t i = 2; i < n; ++i) {
      if (!is_array(args[i])) continue;
      levels.add(array_of(args[i]).batch);
      if (array_of(args[i]).view.place == Place::cuda) place = Place::cuda;
    }
    Array made = empty(shape, ndim, dtype_from(args[1]), place);
    made.buffer->fresh = true;
    if (levels.n) widen(made, levels, "empty");
    return wrap(std::move(made));
  });
}

static PyObject* get_grad(PyObject* o, void*) {
  touch_gradient(o);
  return Py_NewRef(reinterpret_cast<PyArray*>(o)->grad);
}
static int set_grad(PyObject* o, PyObject* value, void*) {
  touch_gradient(o);
  Py_SETREF(reinterpret_cast<PyArray*>(o)->grad, Py_NewRef(value ? value : Py_None));
  return 0;
}

static PyMemberDef members[] = {
    {"_node", T_OBJECT_EX, offsetof(PyArray, node), 0, "(op, args, params, epoch, aux, ...) that made this, or None"},
    {nullptr, 0, 0, 0, nullptr}};
#define ATTRIBUTE(python, name, doc) {python, get_##name, nullptr, doc, nullptr}
static PyGetSetDef getset[] = {
    {"_grad", get_grad, set_grad, "the accumulated gradient, or None", nullptr},
    ATTRIBUTE("_shape", shape, nullptr),
    ATTRIBUTE("_strides", strides, nullptr),
    ATTRIBUTE("ndim", ndim, "number of dimensions"),
    ATTRIBUTE("_size", size, nullptr),
    ATTRIBUTE("dtype", dtype, "element type"),
    ATTRIBUTE("is_cuda", is_cuda, "True when the memory is a GPU's"),
    ATTRIBUTE("_packed", packed, "C-contiguous"),
    ATTRIBUTE("_pointer", pointer, nullptr),
    ATTRIBUTE("_floating", floating, nullptr),
    ATTRIBUTE("_readonly", readonly, nullptr),
    ATTRIBUTE("_is_view", is_view, nullptr),
    ATTRIBUTE("_base", base, "of a view made when nothing had a history: what it is a view of; else None"),
    ATTRIBUTE("_outdated", outdated, nullptr),
    {"_steps", get_steps, set_steps, "the function without a derivative that made this, or None", nullptr},
    ATTRIBUTE("_references", references, "how many arrays share the buffer"),
    ATTRIBUTE("_version", version, "grows whenever the memory is changed in place"),
    ATTRIBUTE("_buffer", buffer, "identity of the memory"),
    ATTRIBUTE("_memory", memory, "address and bytes of the memory that the array looks at a part of"),
    ATTRIBUTE("_levels", levels, "the vmaps whose axes are hidden, or None"),
    ATTRIBUTE("is_leaf", is_leaf, "True when no recorded operation made this tensor"),
    {"requires_grad", get_requires_grad, set_requires_grad, "True when gradients flow to this tensor", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

void bind_array(py::module_& m) {
  static PyMethodDef methods[16] = {{"detach", array_detach, METH_NOARGS, "The same memory without history."}};
  for (int i = 0; view_methods[i].ml_name; ++i) methods[i + 1] = view_methods[i];
  static PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(array_new)},
                                {Py_tp_dealloc, reinterpret_cast<void*>(array_dealloc)},
                                {Py_tp_traverse, reinterpret_cast<void*>(array_traverse)},
                                {Py_tp_clear, reinterpret_cast<void*>(array_clear)},
                                {Py_tp_members, members},
                                {Py_tp_getset, getset},
                                {Py_tp_methods, methods},
                                {Py_mp_subscript, reinterpret_cast<void*>(array_subscript)},
                                {Py_nb_add, reinterpret_cast<void*>(binary_slots[0])},
                                {Py_nb_subtract, reinterpret_cast<void*>(binary_slots[1])},
                                {Py_nb_multiply, reinterpret_cast<void*>(binary_slots[2])},
                                {Py_nb_true_divide, reinterpret_cast<void*>(binary_slots[3])},
                                {Py_tp_doc, const_cast<char*>("Strided array of one dtype on a counted buffer.")},
                                {0, nullptr}};
  static PyType_Spec spec = {"fastnn._cpu.Array", sizeof(PyArray), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
  array_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (!array_type) throw py::error_already_set();
  tensor_type = array_type;
  m.attr("Array") = py::handle(reinterpret_cast<PyObject*>(array_type));

  m.def(
      "register",
      [](py::type tensor, py::tuple dtypes, py::tuple errors) {
        tensor_type = reinterpret_cast<PyTypeObject*>(tensor.inc_ref().ptr());
        for (size_t i = 0; i < DTYPES; ++i) dtype_objects[i] = py::object(dtypes[i]).release().ptr();
        for (size_t i = 0; i < 8; ++i) error_types[i] = py::object(errors[i]).release().ptr();
      },
      "register(Tensor, dtypes, errors): the Python classes this module makes");
  static PyMethodDef empty_def = {"empty", FN_FASTCALL(py_empty), "empty(shape, dtype, *like): uninitialised; on the device of `like`; inside vmap with the axes that any of them hides"};
  m.attr("empty") = py::reinterpret_steal<py::object>(PyCFunction_New(&empty_def, nullptr));

  m.def(
      "set_data",
      [](py::handle x, py::handle value) {
        if (!is_array(x.ptr()) || !is_array(value.ptr())) raise_error(ErrorKind::type, "set_data: expected two tensors");
        array_of(x.ptr()) = Array(array_of(value.ptr()));
        array_of(x.ptr()).buffer->stamp = ++epoch;  // a graph that saved x must not read the new memory unawares
      },
      "set_data(x, value): x becomes another view of value's memory, dtype and shape included; its history stays");
  m.def("live_buffers", &live_buffers);
  m.def("pool_stats", [] { return dict_of(pool_stats()); });
  m.def("pool_trim", &pool_trim);
  m.def("pool_reset_peak", &pool_reset_peak);
  m.def("pool_fail_after", &pool_fail_after, "testing: let the n-th allocation from now fail");
}

}  // namespace fastnn
