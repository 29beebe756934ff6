// bind/elementwise.cpp: _cpu.add(a, b), _cpu.tanh(x), ...: promotion, broadcasting and allocation for kernels that work
// element by element, then the launch. Written against the C API: this is the path whose overhead users feel.
//
//    f(a, ...)        a new tensor            each operand: a tensor, a Python number or a NumPy scalar
//    f(a, ..., out)   into `out` (in-place operations); overlapping operands are copied first
//
// Promotion is PyTorch's: the kind (bool < integer < float) of the highest operand, and the widest dtype among the tensors
// of that kind; Python numbers and 0-d tensors count only when they are of a higher kind than the others.
#include <math.h>

#include "../core/half.h"
#include "cast.h"

#include "../kernels/table.h"

namespace py = pybind11;

namespace fastnn {

extern int64_t launches[];

namespace {

enum class Count {
#define KERNEL(name, params) name,
#include "../kernels.def"
#undef KERNEL
};

DType default_float = DType::f32;  // of Python's floats, and of what integers give in floating operations

enum Result : uint8_t { same, floating, boolean };
struct Kind {  // in one register
  Result result;
  bool first_free, whole_numbers;
};

int kind_of(DType t) { return t == DType::b8 ? 0 : is_float(t) ? 2 : 1; }

DType promote(DType a, DType b) {
  if (a == b) return a;
  if (kind_of(a) != kind_of(b)) return kind_of(a) > kind_of(b) ? a : b;
  if (kind_of(a) == 2 && itemsize(a) == itemsize(b)) return DType::f32;  // of both kinds of half
  if (itemsize(a) == itemsize(b)) return DType::i16;                      // of i8 and u8
  return itemsize(a) > itemsize(b) ? a : b;
}

struct Promotion {  // one of: tensors with dimensions, 0-d tensors, Python numbers
  bool any = false;
  DType type{};
  void add(DType t) { type = any ? promote(type, t) : t, any = true; }
};
Promotion combine(const Promotion& high, const Promotion& low) {
  if (!high.any) return low;
  if (!low.any || kind_of(high.type) >= kind_of(low.type)) return high;
  return {true, low.type};
}

struct Operand {
  View view;
  Buffer* buffer = nullptr;
  const Array* array = nullptr;  // of a tensor
  bool number = false;
  union { double f; int64_t i; } value;  // of a Python number
  DType number_type{};
  alignas(8) char scalar[8];
  Array temporary;
};

// Python's complex numbers and NumPy's, which would give their real part as a float, with a warning.
bool is_complex_number(PyObject* o) { return PyComplex_Check(o) || strncmp(Py_TYPE(o)->tp_name, "numpy.c", 7) == 0; }

void read_operand(Operand& x, PyObject* o, const char* name, int i) {
  if (is_array(o)) {
    x.view = array_of(o).view;
    x.buffer = array_of(o).buffer;
    x.array = &array_of(o);
    if (recording) recording->hold(array_of(o), false);
    return;
  }
  x.number = true;
  if (PyBool_Check(o)) {
    x.number_type = DType::b8;
    x.value.i = o == Py_True;
  } else if (PyLong_Check(o)) {
    x.number_type = DType::i64;
    x.value.i = PyLong_AsLongLong(o);
    if (x.value.i == -1 && PyErr_Occurred()) throw py::error_already_set();
  } else if (PyFloat_Check(o) || (PyNumber_Check(o) && !PySequence_Check(o) && !is_complex_number(o))) {
    PyObject* index = PyFloat_Check(o) ? nullptr : PyNumber_Index(o);  // NumPy integers
    PyErr_Clear();
    if (index) {
      x.number_type = DType::i64;
      x.value.i = PyLong_AsLongLong(index);
      Py_DECREF(index);
      if (x.value.i == -1 && PyErr_Occurred()) throw py::error_already_set();
      return;
    }
    x.number_type = default_float;
    x.value.f = PyFloat_AsDouble(o);
    if (x.value.f == -1.0 && PyErr_Occurred()) throw py::error_already_set();
  } else {
    raise_error(ErrorKind::type, "%s(): argument %d must be a Tensor or a number, not %s", name, i + 1, Py_TYPE(o)->tp_name);
  }
}

template <class T> void put(Operand& x, T v) { memcpy(x.scalar, &v, sizeof v); }

// The operand as `type`: numbers into their own storage, tensors through the copy kernel.
[[gnu::noinline]] void convert(Operand& x, DType type) {
  if (x.number) {
    bool real = is_float(x.number_type);
    double f = real ? x.value.f : double(x.value.i);
    int64_t i = real ? int64_t(x.value.f) : x.value.i;
    switch (type) {
      case DType::f32: put(x, float(f)); break;
      case DType::f64: put(x, f); break;
      case DType::i64: put(x, i); break;
      case DType::i32: put(x, int32_t(i)); break;
      case DType::u8: put(x, uint8_t(i)); break;
      case DType::b8: put(x, uint8_t(real ? f != 0 : i != 0)); break;
      case DType::i8: put(x, int8_t(i)); break;
      case DType::i16: put(x, int16_t(i)); break;
      case DType::f16: put(x, rounded<Half>(float(f))); break;
      case DType::bf16: put(x, rounded<BFloat>(float(f))); break;
    }
    x.number = false;
    x.view.data = x.scalar;
    x.view.ndim = 0;
    x.view.dtype = type;
    x.view.place = Place::cpu;
    if (recording) x.view.data = recording->constant(x.scalar);  // outlives this call
  } else if (x.view.dtype != type) {
    x.temporary = empty(x.view.shape, x.view.ndim, type, x.view.place);
    launch_copy(x.temporary.view, x.view);
    x.view = x.temporary.view;
    x.buffer = x.temporary.buffer;
  }
}

// Shapes line up from the right; each axis is equal or 1.
void broadcast_shape(const char* name, const Operand* x, int n, View& y) {
  y.ndim = 0;
  for (int i = 0; i < n; ++i)
    if (x[i].view.ndim > y.ndim) y.ndim = x[i].view.ndim;
  for (int d = 0; d < y.ndim; ++d) y.shape[d] = 1;
  for (int i = 0; i < n; ++i) {
    int lead = y.ndim - x[i].view.ndim;
    for (int d = x[i].view.ndim - 1; d >= 0; --d) {  // the last axis that does not fit is the one to name, as in PyTorch
      int64_t s = x[i].view.shape[d], &t = y.shape[lead + d];
      if (s == t || s == 1) continue;
      if (t != 1)
        raise_error(ErrorKind::shape,
                    "%s: The size of tensor a (%lld) must match the size of tensor b (%lld) at non-singleton dimension %d",
                    name, (long long)t, (long long)s, lead + d);
      t = s;
    }
  }
}
void broadcast(View& v, const View& y) {
  if (v.ndim == y.ndim && memcmp(v.shape, y.shape, size_t(y.ndim) * sizeof(int64_t)) == 0) return;
  View r = v;
  r.ndim = y.ndim;
  int lead = y.ndim - v.ndim;
  for (int d = 0; d < y.ndim; ++d) {
    r.shape[d] = y.shape[d];
    r.strides[d] = d < lead || (v.shape[d - lead] == 1 && y.shape[d] != 1) ? 0 : v.strides[d - lead];
  }
  v = r;
}
bool same_layout(const View& a, const View& b) {
  if (a.data != b.data || a.ndim != b.ndim || a.dtype != b.dtype) return false;
  for (int d = 0; d < a.ndim; ++d)
    if (a.shape[d] != b.shape[d] || (a.shape[d] > 1 && a.strides[d] != b.strides[d])) return false;
  return true;
}

// Arrays on different devices: only single numbers may be on the CPU; the launch takes their value along.
const View& one_there(const Operand* x, int n, Place place) {
  for (int i = 0; i < n; ++i)
    if (x[i].array && x[i].view.place == place) return x[i].view;
  return x[0].view;
}
void agree(const char* name, const Operand* x, int n) {
  for (int i = 0; i < n; ++i)
    if (x[i].array && x[i].view.ndim && x[i].view.place == Place::cpu && x[i].view.numel())
      raise_mixed(name, one_there(x, n, Place::cuda), x[i].view);
  for (int i = 0; i < n; ++i)
    if (x[i].array) in_use(*x[i].array);
}

template <int N> struct KernelOf;
template <> struct KernelOf<1> { using type = void (*)(Out, In); };
template <> struct KernelOf<2> { using type = void (*)(Out, In, In); };
template <> struct KernelOf<3> { using type = void (*)(Out, In, In, In); };

template <int N> void run(int64_t& count, typename KernelOf<N>::type kernel, const View& y, Operand* x) {
  if constexpr (N == 1) launch<Out, In>(count, kernel, Out{y}, In{x[0].view});
  if constexpr (N == 2) launch<Out, In, In>(count, kernel, Out{y}, In{x[0].view}, In{x[1].view});
  if constexpr (N == 3) launch<Out, In, In, In>(count, kernel, Out{y}, In{x[0].view}, In{x[1].view}, In{x[2].view});
}

[[gnu::noinline]] void store(Array& y, DType type) {  // y, rounded
  Array made = empty(y.view.shape, y.view.ndim, type, y.view.place);
  launch_copy(made.view, y.view);
  y = std::move(made);
}

// first_free: the first operand keeps its own dtype (the condition of `where`). A result that is stored only is computed in float32 or
// int32 and rounded; operands of other types are rounded to it first, as in PyTorch, which makes one exception: whole_numbers, the four
// operations take single numbers as they are. At most six arguments, so that a call is a jump: one hop more cost functions 20 ns.
template <int N>
PyObject* apply(const char* name, Kind kind, int64_t& count, typename KernelOf<N>::type Table::* member, PyObject* const* args,
                Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    const auto& [result, first_free, whole_numbers] = kind;
    if (n != N && n != N + 1) raise_error(ErrorKind::type, "%s(): expected %d arguments, got %lld", name, N, (long long)n);
    Operand x[N];
    for (int i = 0; i < N; ++i) read_operand(x[i], args[i], name, i);
    Place place = Place::cpu;
    for (int i = 0; i < N; ++i)
      if (x[i].array) place = Place(int(place) | int(x[i].view.place));
    if (place != Place::cpu) [[unlikely]] agree(name, x, N);
    const auto kernel = kernel_at(place, member, name);
    DType type = x[0].view.dtype;
    bool uniform = !x[0].number && !first_free;
    for (int i = 1; i < N; ++i) uniform = uniform && !x[i].number && x[i].view.dtype == type;
    if (!uniform) {
      Promotion dims, zero, numbers;
      for (int i = first_free; i < N; ++i)
        (x[i].number ? numbers : x[i].view.ndim ? dims : zero).add(x[i].number ? x[i].number_type : x[i].view.dtype);
      type = combine(dims, combine(zero, numbers)).type;
    }
    if (result == floating && !is_float(type)) type = default_float;
    const DType computes = computed(type);
    PyObject* out = n == N + 1 ? args[N] : nullptr;
    if (out && !is_array(out)) raise_error(ErrorKind::type, "%s(): out must be a Tensor, not %s", name, Py_TYPE(out)->tp_name);
    View y;
    if (out) y = array_of(out).view;
    Levels levels;  // inside vmap: hidden axes become leading ones
    for (int i = 0; i < N; ++i)
      if (x[i].array) levels.add(x[i].array->batch);
    if (out) levels.add(array_of(out).batch);
    if (levels.n) {
      int ndim = out ? array_of(out).view.ndim : 0;
      for (int i = 0; i < N; ++i)
        if (x[i].array && x[i].view.ndim > ndim) ndim = x[i].view.ndim;
      for (int i = 0; i < N; ++i)
        if (x[i].array && x[i].array->batch) x[i].view = leading(x[i].view, x[i].array, levels, 0, ndim);
      if (out) {
        widen(array_of(out), levels, name);
        y = leading(array_of(out).view, &array_of(out), levels, 0, array_of(out).view.ndim);
      }
    }
    for (int i = first_free; i < N; ++i) {
      if (computes != type && !(whole_numbers && (x[i].number || !x[i].view.ndim))) [[unlikely]] convert(x[i], type);
      if (x[i].number || x[i].view.dtype != computes) convert(x[i], computes);
    }
    if (first_free) convert(x[0], DType::b8);

    Array made;
    View shape{};
    broadcast_shape(name, x, N, shape);
    const DType out_type = result == boolean ? DType::b8 : type, kernel_type = result == boolean ? DType::b8 : computes;
    Array staged;
    View written{};
    if (!out) {
      made = empty(shape.shape, shape.ndim, kernel_type, place);
      y = made.view;
      made.buffer->fresh = false;
    } else {
      const Array& target = array_of(out);
      if (recording) recording->hold(target, true);
      char a[160], b[160];
      if (y.ndim != shape.ndim || memcmp(y.shape, shape.shape, size_t(shape.ndim) * sizeof(int64_t))) {
        shape_text(a, sizeof a, y);
        shape_text(b, sizeof b, shape);
        raise_error(ErrorKind::shape, "%s: output with shape %s doesn't match the broadcast shape %s", name, a, b);
      }
      if (y.place != place) raise_mixed(name, y, one_there(x, N, place));
      if (target.buffer->readonly) raise_error(ErrorKind::value, "%s: the tensor's memory is read-only", name);
      for (int d = 0; d < y.ndim && y.numel(); ++d)
        if (y.strides[d] == 0 && y.shape[d] > 1)
          raise_error(ErrorKind::runtime, "%s: unsupported operation: more than one element of the written-to tensor refers "
                      "to a single memory location. Please clone() the tensor before performing the operation.", name);
      if (kind_of(out_type) > kind_of(y.dtype))
        raise_error(ErrorKind::runtime, "%s: result type %s can't be cast to the desired output type %s", name,
                    dtype_name(out_type), dtype_name(y.dtype));
      bool overlap = false;
      for (int i = 0; i < N; ++i)
        overlap |= !x[i].number && x[i].buffer == target.buffer && !same_layout(x[i].view, y);
      target.buffer->fresh = false;
      in_use(target);
      written = y;
      if (overlap || y.dtype != kernel_type) {
        staged = empty(shape.shape, shape.ndim, kernel_type, place);
        y = staged.view;
      }
    }
    int64_t bytes = 0;
    for (int i = 0; i < N; ++i) {
      broadcast(x[i].view, shape);
      bytes += x[i].view.bytes();
    }
    Listening listening(name, args, n);
    {
      ReleaseGil gil(bytes >= RELEASE_FROM);
      run<N>(count, kernel, y, x);
      if (staged.buffer) launch_copy(written, y);
      if (!out && out_type != kernel_type) [[unlikely]] store(made, out_type);
    }
    if (levels.n && !out) hide_leading(made, levels);
    if (out) return Py_NewRef(out);
    PyObject* y_object = wrap(std::move(made));
    if (y_object && grad_mode && !is_float(out_type))
      for (int i = 0; i < N; ++i)
        if (x[i].array && needs_grad(args[i])) reinterpret_cast<PyArray*>(y_object)->steps = name;
    listening.result = y_object;
    return y_object;
  });
}

#define KERNEL(name, params)
#define POINTWISE(n, name, result)                                                                                      \
  PyObject* py_##name(PyObject*, PyObject* const* args, Py_ssize_t count) {                                             \
    constexpr Kind kind{result, one_of(#name, "where"), one_of(#name, "add sub mul div")};                              \
    return apply<n>(#name, kind, launches[int(Count::name)], &Table::name, args, count);                                \
  }
#define UNARY(name, result) POINTWISE(1, name, result)
#define BINARY(name, result) POINTWISE(2, name, result)
#define TERNARY(name, result) POINTWISE(3, name, result)
#include "../kernels.def"

PyMethodDef functions[] = {
#define UNARY(name, result) {#name, FN_FASTCALL(py_##name), #name "(x, out=None)"},
#define BINARY(name, result) {#name, FN_FASTCALL(py_##name), #name "(a, b, out=None)"},
#define TERNARY(name, result) {#name, FN_FASTCALL(py_##name), #name "(a, b, c, out=None)"},
#include "../kernels.def"
    {nullptr, nullptr, 0, nullptr}};
#undef KERNEL

// fill(y, number): every element of y becomes the number, converted to y's dtype.
PyObject* py_fill(PyObject*, PyObject* const* args, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    if (n != 2) raise_error(ErrorKind::type, "fill: expected y, number");
    View y = view_from(args[0], Where{"fill", 1}, true, false);
    Array& target = array_of(args[0]);
    Levels levels;
    levels.add(target.batch);
    if (levels.n) y = leading(y, &target, levels, 0, y.ndim);
    Operand x;
    read_operand(x, args[1], "fill", 1);
    if (!x.number) raise_error(ErrorKind::type, "fill: argument 2 must be a number, not a Tensor");
    const bool real = is_float(x.number_type);
    if (kind_of(y.dtype) == 1 && (real || y.dtype != DType::i64)) {
      const double limit = ldexp(1.0, int(8 * itemsize(y.dtype)) - (y.dtype != DType::u8));
      const double least = y.dtype == DType::u8 ? 1 - limit : -limit;  // PyTorch takes -1 as 255
      const double value = real ? x.value.f : double(x.value.i);
      if (!(value >= least && value < limit && value <= limit - 1))  // of int64, limit - 1 is rounded
        raise_error(ErrorKind::runtime, "value cannot be converted to type %s without overflow", dtype_name(y.dtype));
    }
    target.buffer->fresh = false;
    convert(x, y.dtype);
    broadcast(x.view, y);
    ReleaseGil gil(y.bytes() >= RELEASE_FROM);
    launch_copy(y, x.view);
    return Py_NewRef(Py_None);
  });
}
PyMethodDef fill = {"fill", FN_FASTCALL(py_fill), "fill(y, number)"};

}  // namespace

void bind_elementwise(py::module_& m) {
  for (PyMethodDef* f = functions; f->ml_name; ++f)
    m.attr(f->ml_name) = py::reinterpret_steal<py::object>(PyCFunction_New(f, nullptr));
  m.attr(fill.ml_name) = py::reinterpret_steal<py::object>(PyCFunction_New(&fill, nullptr));
  m.def("set_default_float", [](py::object dtype) { default_float = dtype_from(dtype.ptr()); });
  m.def("promote", [](py::args args) {  // result dtype of these operands
    Promotion dims, zero, numbers;
    int i = 0;
    for (auto o : args) {
      Operand x;
      read_operand(x, o.ptr(), "result_type", i++);
      (x.number ? numbers : x.view.ndim ? dims : zero).add(x.number ? x.number_type : x.view.dtype);
    }
    return py::reinterpret_borrow<py::object>(dtype_objects[int(combine(dims, combine(zero, numbers)).type)]);
  });
}

}  // namespace fastnn
