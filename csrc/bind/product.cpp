// bind/product.cpp: _cpu.product(a, b), the product as a new tensor: shapes, allocation and launch in one call, as for the
// elementwise functions. A 16 x 16 product is 0.2 us of arithmetic; the same steps in Python cost 1.2 us, here 0.3.
//
//    product(a, b, d=None, transposed=0)    a.b (+ d); 1: a.b'; 2: a'.b. Any batch axes, vectors as matmul has them.
//                                           + 4: no row depends on how many there are (matmul_rows)
//                                           None where shapes or dtypes do not fit: Python finds the words (ops/matmul.py)
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

// The shape of a.b in y; false where there is none.
bool product_shape(const View& a, const View& b, View& y) {
  if (a.ndim < 1 || b.ndim < 1 || a.dtype != b.dtype) return false;
  int row = a.ndim > 1, column = b.ndim > 1, batch = (a.ndim > b.ndim ? a.ndim : b.ndim) - 2;
  if (batch < 0) batch = 0;
  if (a.shape[a.ndim - 1] != b.shape[b.ndim - 1 - column] || batch + row + column > MAX_DIMS) return false;
  for (int d = 0; d < batch; ++d) {
    int i = a.ndim - 2 - batch + d, j = b.ndim - 2 - batch + d;
    int64_t s = i < 0 ? 1 : a.shape[i], t = j < 0 ? 1 : b.shape[j];
    if (s != t && s != 1 && t != 1) return false;
    y.shape[d] = s == 1 ? t : s;
  }
  y.ndim = batch + row + column;
  if (row) y.shape[batch] = a.shape[a.ndim - 2];
  if (column) y.shape[batch + row] = b.shape[b.ndim - 1];
  return true;
}

void transpose(View& x) {
  if (x.ndim < 2) return;
  std::swap(x.shape[x.ndim - 1], x.shape[x.ndim - 2]);
  std::swap(x.strides[x.ndim - 1], x.strides[x.ndim - 2]);
}

bool expands(const View& d, const View& y) {
  if (d.ndim > y.ndim || d.dtype != y.dtype) return false;
  for (int i = 1; i <= d.ndim; ++i)
    if (d.shape[d.ndim - i] != 1 && d.shape[d.ndim - i] != y.shape[y.ndim - i]) return false;
  return true;
}

PyObject* py_product(PyObject*, PyObject* const* args, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    if (n < 2 || n > 4) raise_error(ErrorKind::type, "product: expected 2 to 4 arguments, got %lld", (long long)n);
    View a = view_from(args[0], {"product", 1}, false, false), b = view_from(args[1], {"product", 2}, false, false);
    bool add = n > 2 && args[2] != Py_None, alike = false;
    View d = add ? view_from(args[2], {"product", 3}, false, false) : View{nullptr, {}, {}, -1, DType::f32}, y{};
    if (a.ndim < 0 || b.ndim < 0) raise_error(ErrorKind::type, "product: expected Tensors");
    if (n > 3) {
      long which = PyLong_AsLong(args[3]);
      if (which == -1 && PyErr_Occurred()) throw py::error_already_set();
      if ((which & 3) == 1) transpose(b);
      if ((which & 3) == 2) transpose(a);
      alike = which & 4;
    }
    const Place place = Place(int(a.place) | int(b.place));
    const bool halves = place == Place::cuda && is_stored(a.dtype) && is_float(a.dtype) && gpu->halves();  // as they are
    if (is_stored(a.dtype) && !halves) [[unlikely]] {
      if (b.dtype != a.dtype || (add && d.dtype != a.dtype)) Py_RETURN_NONE;
      PyObject* made = call_computed("product", args, n, 0);
      return made == Py_None ? made : in_stored(made, a.dtype);
    }
    y.dtype = a.dtype;
    const auto with_bias = alike ? &Table::matmul_rows : &Table::matmul_bias;
    const auto product = halves ? kernel_of_halves(&Table::matmul) : kernel_at(place, &Table::matmul, "matmul");
    const auto product_bias = halves ? kernel_of_halves(with_bias) : kernel_at(place, with_bias, "matmul");
    if (a.place != b.place) raise_mixed("matmul", a, b);
    if (add && d.place != a.place) raise_mixed("matmul", a, d);
    if (place != Place::cpu) [[unlikely]]
      for (Py_ssize_t i = 0; i < (add ? 3 : 2); ++i) in_use(array_of(args[i]));
    if (!product_shape(a, b, y) || (add && !expands(d, y))) Py_RETURN_NONE;
    Array made = empty(y.shape, y.ndim, y.dtype, place);
    int64_t inner = a.shape[a.ndim - 1], elements = made.view.numel();
    Listening listening(alike ? "matmul_rows" : add ? "matmul_bias" : "matmul", args, add ? 3 : 2);
    auto multiply = [&](const View& c, const View& a, const View& b, const View& d) {
      const auto count = alike ? Count::matmul_rows : Count::matmul_bias;
      if (add || alike) launch<Out, In, In, In>(launches[int(count)], product_bias, Out{c}, In{a}, In{b}, In{d});
      else launch<Out, In, In>(launches[int(Count::matmul)], product, Out{c}, In{a}, In{b});
    };
    Array *of_a = &array_of(args[0]), *of_b = &array_of(args[1]), *of_d = add ? &array_of(args[2]) : nullptr;
    if (of_a->batch || of_b->batch || (add && of_d->batch)) {  // inside vmap
      View c = made.view;
      Slot slots[] = {{&c, &made, Slot::out, false}, {&a, of_a, Slot::in, false}, {&b, of_b, Slot::in, false}, {&d, of_d, Slot::in, false}};
      Examples examples("matmul", Merge::product, slots, add ? 4 : 3, nullptr, 0);
      while (examples.next()) multiply(c, a, b, d);
      return wrap(std::move(made));
    }
    made.buffer->fresh = false;
    {
      ReleaseGil gil(elements * (inner + 1) >= RELEASE_FROM);
      multiply(made.view, a, b, d);
    }
    return listening.result = wrap(std::move(made));
  });
}

PyMethodDef function = {"product", FN_FASTCALL(py_product), "product(a, b, d=None, transposed=0) -> a new tensor, or None"};

}  // namespace

void bind_product(py::module_& m) {
  m.attr("product") = py::reinterpret_steal<py::object>(PyCFunction_New(&function, nullptr));
}

}  // namespace fastnn
