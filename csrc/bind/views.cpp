// bind/views.cpp: other shapes and strides on the same buffer. No data moves here.
#include "batch.h"

namespace fastnn {
namespace {

// _view(shape, strides, offset): offset in elements from this array's first element. Bounds are checked against the buffer.
PyObject* array_view(PyObject* o, PyObject* const* args, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    if (n != 3) raise_error(ErrorKind::type, "as_strided: expected size, stride, storage_offset");
    const Array& a = array_of(o);
    Array r(a);
    r.view.ndim = ints_from(args[0], r.view.shape, MAX_DIMS, "as_strided");
    if (ints_from(args[1], r.view.strides, MAX_DIMS, "as_strided") != r.view.ndim)
      raise_error(ErrorKind::shape, "as_strided: size and stride differ in length");
    int64_t size = itemsize(a.view.dtype), offset = as_int(args[2], "as_strided");
    if (checked_numel(r.view.shape, r.view.ndim) == 0) return wrap_view(std::move(r), o);
    char* base = static_cast<char*>(a.buffer->data);
    __int128 first = (static_cast<char*>(a.view.data) - base) + __int128(offset) * size, low = first, high = first + size;
    for (int d = 0; d < r.view.ndim; ++d) {
      __int128 reach = __int128(r.view.shape[d] - 1) * r.view.strides[d] * size;
      (reach < 0 ? low : high) += reach;
    }
    for (int k = 0; a.batch && k < a.batch->n; ++k) {
      __int128 reach = __int128(a.batch->axis[k].size - 1) * a.batch->axis[k].stride * size;
      (reach < 0 ? low : high) += reach;
    }
    if (low < 0 || high > a.buffer->bytes)
      raise_error(ErrorKind::shape, "as_strided: size, stride and storage_offset reach outside the tensor's memory");
    r.view.data = base + int64_t(first);
    return wrap_view(std::move(r), o);
  });
}

PyObject* array_permute(PyObject* o, PyObject* dims) {
  return guarded([&]() -> PyObject* {
    const Array& a = array_of(o);
    Array r(a);
    int64_t p[MAX_DIMS];
    int n = ints_from(dims, p, MAX_DIMS, "permute");
    if (n != a.view.ndim)
      raise_error(ErrorKind::shape,
                  "permute: number of dimensions in the tensor input does not match the length of the desired ordering of "
                  "dimensions i.e. input.dim() = %d is not equal to len(dims) = %d", a.view.ndim, n);
    bool seen[MAX_DIMS] = {};
    for (int d = 0; d < n; ++d) {
      int64_t k = p[d] < 0 ? p[d] + n : p[d];
      if (k < 0 || k >= n)
        raise_error(ErrorKind::index, "Dimension out of range (expected to be in range of [%d, %d], but got %lld)", -n,
                    n - 1, (long long)p[d]);
      if (seen[k]) raise_error(ErrorKind::shape, "permute: duplicate dims are not allowed.");
      seen[k] = true;
      r.view.shape[d] = a.view.shape[k];
      r.view.strides[d] = a.view.strides[k];
    }
    return wrap_view(std::move(r), o);
  });
}

// The view of x as `shape` (no -1), or None where the strides do not allow one.
PyObject* array_reshape(PyObject* o, PyObject* arg) {
  return guarded([&]() -> PyObject* {
    const Array& a = array_of(o);
    const View& v = a.view;
    Array r(a);
    int ndim = r.view.ndim = ints_from(arg, r.view.shape, MAX_DIMS, "reshape");
    int64_t *shape = r.view.shape, *strides = r.view.strides;
    if (v.numel() != checked_numel(shape, ndim)) {
      char text[160];
      shape_text(text, sizeof text, r.view);
      raise_error(ErrorKind::shape, "shape '%s' is invalid for input of size %lld", text, (long long)v.numel());
    }
    if (v.packed()) {
      int64_t stride = 1;
      for (int d = ndim - 1; d >= 0; --d) strides[d] = stride, stride *= shape[d] > 1 ? shape[d] : 1;
      return wrap_view(std::move(r), o);
    }
    // From the right: a run of old axes that is contiguous in itself serves a run of new axes.
    int k = ndim - 1;
    int64_t run = 1, base = v.strides[v.ndim - 1], used = 1;
    for (int d = v.ndim - 1; d >= 0; --d) {
      run *= v.shape[d];
      if (d > 0 && (v.shape[d - 1] == 1 || v.strides[d - 1] == run * base)) continue;
      while (k >= 0 && (used < run || shape[k] == 1)) {
        strides[k] = used * base;
        used *= shape[k--];
      }
      if (used != run) Py_RETURN_NONE;
      if (d > 0) base = v.strides[d - 1], run = used = 1;
    }
    return wrap_view(std::move(r), o);
  });
}

PyObject* array_expand(PyObject* o, PyObject* arg) {  // the full shape, no -1; new axes come in front
  return guarded([&]() -> PyObject* {
    const Array& a = array_of(o);
    Array r(a);
    int n = r.view.ndim = ints_from(arg, r.view.shape, MAX_DIMS, "expand");
    int lead = n - a.view.ndim;
    if (lead < 0)
      raise_error(ErrorKind::shape, "expand: the number of sizes provided (%d) must be greater or equal to the number of "
                  "dimensions in the tensor (%d)", n, a.view.ndim);
    checked_numel(r.view.shape, n);
    for (int d = 0; d < n; ++d) {
      int64_t have = d < lead ? 1 : a.view.shape[d - lead], want = r.view.shape[d];
      if (have != 1 && have != want)
        raise_error(ErrorKind::shape, "The expanded size of the tensor (%lld) must match the existing size (%lld) at "
                    "non-singleton dimension %d.", (long long)want, (long long)have, d);
      r.view.strides[d] = d < lead || (have == 1 && want != 1) ? 0 : a.view.strides[d - lead];
    }
    return wrap_view(std::move(r), o);
  });
}

// _slice(dim, start, length, step): length elements from start, step > 0 or < 0.
PyObject* array_slice(PyObject* o, PyObject* const* args, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    if (n != 4) raise_error(ErrorKind::type, "_slice: expected dim, start, length, step");
    Array r(array_of(o));
    View& v = r.view;
    int64_t d = as_int(args[0], "slice"), start = as_int(args[1], "slice"), length = as_int(args[2], "slice"),
            step = as_int(args[3], "slice");
    if (d < 0 || d >= v.ndim) raise_error(ErrorKind::index, "slice: no dimension %lld", (long long)d);
    __int128 last = start + __int128(length - 1) * step;
    if (length < 0 || (length > 0 && (start < 0 || start >= v.shape[d] || last < 0 || last >= v.shape[d])))
      raise_error(ErrorKind::index, "slice: start %lld, length %lld, step %lld is outside dimension %lld of size %lld",
                  (long long)start, (long long)length, (long long)step, (long long)d, (long long)v.shape[d]);
    if (length > 0) v.data = static_cast<char*>(v.data) + start * v.strides[d] * itemsize(v.dtype);
    v.shape[d] = length;
    v.strides[d] = length > 1 ? v.strides[d] * step : v.strides[d];
    return wrap_view(std::move(r), o);
  });
}

PyObject* array_select(PyObject* o, PyObject* const* args, Py_ssize_t n) {  // x[..., i, ...]: the axis goes away
  return guarded([&]() -> PyObject* {
    if (n != 2) raise_error(ErrorKind::type, "_select: expected dim, index");
    Array r(array_of(o));
    View& v = r.view;
    int64_t d = as_int(args[0], "select"), i = as_int(args[1], "select");
    if (d < 0 || d >= v.ndim) raise_error(ErrorKind::index, "select: no dimension %lld", (long long)d);
    int64_t k = i < 0 ? i + v.shape[d] : i;
    if (k < 0 || k >= v.shape[d])
      raise_error(ErrorKind::index, "index %lld is out of bounds for dimension %lld with size %lld", (long long)i,
                  (long long)d, (long long)v.shape[d]);
    v.data = static_cast<char*>(v.data) + k * v.strides[d] * itemsize(v.dtype);
    for (int64_t j = d; j + 1 < v.ndim; ++j) v.shape[j] = v.shape[j + 1], v.strides[j] = v.strides[j + 1];
    --v.ndim;
    return wrap_view(std::move(r), o);
  });
}

// _bits(dtype): the same bytes as numbers of another dtype. The last axis grows or shrinks with the size of an element.
PyObject* array_bits(PyObject* o, PyObject* dtype) {
  return guarded([&]() -> PyObject* {
    refuse_batched(array_of(o), "view(dtype)");
    Array r(array_of(o));
    View& v = r.view;
    const int64_t have = itemsize(v.dtype), want = itemsize(dtype_from(dtype));
    const int last = v.ndim - 1;
    bool fits = have == want || (last >= 0 && v.strides[last] == 1 && v.shape[last] * have % want == 0);
    for (int d = 0; have != want && d < last; ++d) {
      fits = fits && v.strides[d] * have % want == 0;
      v.strides[d] = v.strides[d] * have / want;
    }
    if (!fits || reinterpret_cast<uintptr_t>(v.data) % size_t(want))
      raise_error(ErrorKind::shape, "view: shape, strides or place of the memory do not divide by the size of an element of %s",
                  dtype_name(dtype_from(dtype)));
    if (have != want) v.shape[last] = v.shape[last] * have / want;
    v.dtype = dtype_from(dtype);
    return wrap_view(std::move(r), o);
  });
}

}  // namespace

PyMethodDef view_methods[] = {{"_view", FN_FASTCALL(array_view), nullptr},
                              {"_bits", array_bits, METH_O, nullptr},
                              {"_permute", array_permute, METH_O, nullptr},
                              {"_reshape", array_reshape, METH_O, nullptr},
                              {"_expand", array_expand, METH_O, nullptr},
                              {"_slice", FN_FASTCALL(array_slice), nullptr},
                              {"_select", FN_FASTCALL(array_select), nullptr},
                              {nullptr, nullptr, 0, nullptr}};

}  // namespace fastnn
