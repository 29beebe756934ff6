// bind/interchange.cpp: memory shared with NumPy (buffer protocol) and with other libraries (DLPack 1.x).
#include <pybind11/numpy.h>

#include "array.h"
#include "batch.h"
#include "device.h"
#include "replay.h"
#include "../core/device.h"
#include "../core/half.h"
#include "../core/memory.h"
#include "../core/program.h"

namespace py = pybind11;

namespace fastnn {

void count_foreign_buffer();  // core/array.cpp

namespace {

py::dtype numpy_dtype(DType t) {
  if (t == DType::bf16) throw py::type_error("Got unsupported ScalarType BFloat16");  // NumPy has none
  using D = py::dtype;  // by number: names would be parsed at each call
  static const int numbers[] = {D::num_of<float>(), D::num_of<double>(), D::num_of<int64_t>(), D::num_of<int32_t>(), D::num_of<uint8_t>(),
                                D::num_of<bool>(), D::num_of<int8_t>(), D::num_of<int16_t>(), 23};  // NPY_HALF
  static_assert(std::size(numbers) == DTYPES - 1);
  return D(numbers[int(t)]);
}

// A buffer over memory that `owner` keeps alive.
Buffer* foreign(void* data, int64_t bytes, void* owner, void (*release)(Buffer*)) {
  auto* b = new Buffer;
  b->data = data;
  b->bytes = bytes;
  b->owner = owner;
  b->release = release;
  count_foreign_buffer();
  return b;
}
void release_python(Buffer* b) {
  py::gil_scoped_acquire gil;
  Py_DECREF(static_cast<PyObject*>(b->owner));
  delete b;
}

// Lowest address and length of the memory that a strided view touches.
void extent(const View& v, char*& low, int64_t& bytes) {
  int64_t size = itemsize(v.dtype), down = 0, up = 0;
  for (int d = 0; d < v.ndim; ++d) {
    if (v.shape[d] == 0) { low = static_cast<char*>(v.data), bytes = 0; return; }
    int64_t reach = (v.shape[d] - 1) * v.strides[d] * size;
    (reach < 0 ? down : up) += reach;
  }
  low = static_cast<char*>(v.data) + down;
  bytes = up - down + size;
}

// from_numpy(array) -> Tensor on the same memory, or None when the layout has no strided view here (then copy first).
py::object from_numpy(py::array a) {
  const auto size = a.itemsize();
  if (a.dtype().byteorder() == '>') return py::none();
  View v{};
  switch (a.dtype().kind() << 8 | int(size)) {
    case 'f' << 8 | 4: v.dtype = DType::f32; break;
    case 'f' << 8 | 8: v.dtype = DType::f64; break;
    case 'i' << 8 | 8: v.dtype = DType::i64; break;
    case 'i' << 8 | 4: v.dtype = DType::i32; break;
    case 'u' << 8 | 1: v.dtype = DType::u8; break;
    case 'b' << 8 | 1: v.dtype = DType::b8; break;
    case 'i' << 8 | 1: v.dtype = DType::i8; break;
    case 'i' << 8 | 2: v.dtype = DType::i16; break;
    case 'f' << 8 | 2: v.dtype = DType::f16; break;
    default: return py::none();
  }
  if (a.ndim() > MAX_DIMS) return py::none();
  v.ndim = int(a.ndim());
  v.data = const_cast<void*>(a.data());
  if (reinterpret_cast<uintptr_t>(v.data) % size_t(size)) return py::none();
  for (int d = 0; d < v.ndim; ++d) {
    if (a.strides(d) % size) return py::none();
    v.shape[d] = a.shape(d);
    v.strides[d] = a.strides(d) / size;
  }
  bool writeable = a.writeable();
  char* low;
  int64_t bytes;
  extent(v, low, bytes);
  Buffer* b = foreign(low, bytes, a.release().ptr(), release_python);
  b->readonly = !writeable;
  b->shared = writeable;
  return py::reinterpret_steal<py::object>(wrap(Array(v, b)));
}

void not_while_recording(const char* what, const Array& x) {
  if (!recording || (recording->dry && x.view.place == Place::cpu)) return;
  note_place();
  const Step* by = recording->writer(x.view.data);
  const char* file = strrchr(recording->file, '/');
  raise_error(ErrorKind::runtime, "%s:%d: %s reads %s%s while a step is being recorded (fastnn.capture, cuda.graph): replayed, the step could not branch "
              "on it. Return the tensor and read it outside.", file ? file + 1 : recording->file, recording->line, what,
              by ? "the result of " : "a value", by ? kernel_name(by->count) : "");
}

// numpy(x, writeable) -> ndarray on the same memory, which keeps x alive. A writeable one marks the memory as shared.
py::object to_numpy(py::object x, bool writeable) {
  if (!is_array(x.ptr())) throw py::type_error("numpy: expected a Tensor");
  not_while_recording("numpy()", array_of(x.ptr()));
  const Array& a = array_of(x.ptr());
  if (a.view.place != Place::cpu)
    raise_error(ErrorKind::type, "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first.");
  refuse_batched(a, "numpy()");
  const View& v = a.view;
  std::vector<py::ssize_t> shape(v.shape, v.shape + v.ndim), strides(v.strides, v.strides + v.ndim);
  for (auto& s : strides) s = v.numel() ? s * itemsize(v.dtype) : itemsize(v.dtype);  // those of an empty array may be of any size
  py::object keep = py::reinterpret_steal<py::object>(wrap(Array(a)));  // not x itself: its history need not live on
  py::array out(numpy_dtype(v.dtype), shape, strides, v.data, keep);
  if (a.buffer->readonly || !writeable) out.attr("setflags")(py::arg("write") = false);
  else a.buffer->shared = true;
  return out;
}

py::object item(py::object x) {
  refuse_batched(array_of(x.ptr()), "item()");
  View v = array_of(x.ptr()).view;
  if (v.numel() != 1)
    raise_error(ErrorKind::runtime, "a Tensor with %lld elements cannot be converted to Scalar", (long long)v.numel());
  char value[8];
  if (v.place != Place::cpu) {
    in_use(array_of(x.ptr()));
    py::gil_scoped_release gil;
    gpu->to_host(value, v.data, size_t(itemsize(v.dtype)), false);
    v.data = value;
  }
  switch (v.dtype) {
    case DType::f32: return py::float_(double(*v.ptr<float>()));
    case DType::f64: return py::float_(*v.ptr<double>());
    case DType::i64: return py::int_(*v.ptr<int64_t>());
    case DType::i32: return py::int_(*v.ptr<int32_t>());
    case DType::u8: return py::int_(int(*v.ptr<uint8_t>()));
    case DType::i8: return py::int_(int(*v.ptr<int8_t>()));
    case DType::i16: return py::int_(int(*v.ptr<int16_t>()));
    case DType::f16: return py::float_(double(to_float(*v.ptr<Half>())));
    case DType::bf16: return py::float_(double(to_float(*v.ptr<BFloat>())));
    default: return py::bool_(*v.ptr<uint8_t>() != 0);
  }
}

// ---- DLPack: https://dmlc.github.io/dlpack/latest/c_api.html -----------------------------------------------------------

struct DLDevice { int32_t type, id; };
struct DLDataType { uint8_t code, bits; uint16_t lanes; };
struct DLTensor {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t *shape, *strides;
  uint64_t byte_offset;
};
struct DLManaged {  // "dltensor"
  DLTensor tensor;
  void* context;
  void (*deleter)(DLManaged*);
};
struct DLVersioned {  // "dltensor_versioned", from 1.0 on
  uint32_t major, minor;
  void* context;
  void (*deleter)(DLVersioned*);
  uint64_t flags;  // 1: read-only, 2: is a copy
  DLTensor tensor;
};
constexpr uint8_t CODES[] = {2, 2, 0, 0, 1, 6, 0, 0, 2, 4};  // 0: int, 1: uint, 2: float, 4: bfloat, 6: bool
static_assert(std::size(CODES) == DTYPES);

// The end of memory that two libraries share: what cannot be waited for any more, because the GPU is lost, is over.
void let_finish(int stream) noexcept {
  try {
    if (stream < 0) gpu->drain();
    else gpu->stream_wait(stream);
  } catch (...) {
  }
}

template <class M> struct Export {
  M managed{};
  Array array;
};
template <class M> void delete_export(M* m) {
  auto* e = static_cast<Export<M>*>(m->context);
  if (e->array.view.place == Place::cuda) let_finish(-1);  // what read it may still run, on a stream that the pool knows nothing of
  delete e;
}
template <class M> void delete_capsule(PyObject* capsule) {  // a consumer renames the capsule and takes over the deleter
  const char* name = std::is_same_v<M, DLManaged> ? "dltensor" : "dltensor_versioned";
  if (!PyCapsule_IsValid(capsule, name)) return;
  auto* m = static_cast<M*>(PyCapsule_GetPointer(capsule, name));
  if (m->deleter) m->deleter(m);
}
template <class M> py::object export_dlpack(const Array& a) {
  auto* e = new Export<M>;
  e->array = a;
  View& v = e->array.view;
  DLTensor& t = e->managed.tensor;
  t.data = v.data;
  t.device = {v.place == Place::cuda ? 2 : 1, 0};  // CUDA, or CPU
  t.ndim = v.ndim;
  t.dtype = {CODES[int(v.dtype)], uint8_t(8 * itemsize(v.dtype)), 1};
  t.shape = v.shape;
  t.strides = v.strides;
  e->managed.context = e;
  e->managed.deleter = delete_export<M>;
  const char* name = "dltensor";
  if constexpr (std::is_same_v<M, DLVersioned>) {
    e->managed.major = 1;
    e->managed.flags = a.buffer->readonly ? 1 : 0;
    name = "dltensor_versioned";
  }
  PyObject* capsule = PyCapsule_New(&e->managed, name, delete_capsule<M>);
  if (!capsule) {
    delete e;
    throw py::error_already_set();
  }
  return py::reinterpret_steal<py::object>(capsule);
}
py::object to_dlpack(py::object x, bool versioned) {
  const Array& a = array_of(x.ptr());
  not_while_recording("__dlpack__()", a);
  refuse_batched(a, "__dlpack__()");
  if (!versioned && a.buffer->readonly)
    throw py::buffer_error("__dlpack__: read-only memory needs a consumer that speaks DLPack 1.0");
  if (a.view.place == Place::cpu) a.buffer->shared = true;  // on a GPU nothing looks whether others have written to it
  return versioned ? export_dlpack<DLVersioned>(a) : export_dlpack<DLManaged>(a);
}

template <class M> void release_dlpack(Buffer* b) {
  auto* m = static_cast<M*>(b->owner);
  each_stream(b->used, [](int s) { let_finish(s); });  // its owner does not know of our streams
  if (m->deleter) {
    py::gil_scoped_acquire gil;
    m->deleter(m);
  }
  delete b;
}
template <class M> py::object import_dlpack(PyObject* capsule, const char* name, const char* used) {
  auto* m = static_cast<M*>(PyCapsule_GetPointer(capsule, name));
  if (!m) throw py::error_already_set();
  bool readonly = false;
  if constexpr (std::is_same_v<M, DLVersioned>) {
    if (m->major != 1) throw py::buffer_error("from_dlpack: unknown major version");
    readonly = m->flags & 1;
  }
  const DLTensor& t = m->tensor;
  const bool there = t.device.type == 2 && t.device.id == 0 && gpu;
  if (t.device.type != 1 && t.device.type != 3 && !there)
    throw py::buffer_error("from_dlpack: the data is neither in CPU memory nor on the GPU in use");
  int kind = -1;
  for (int i = 0; i < DTYPES; ++i)
    if (t.dtype.code == CODES[i] && t.dtype.bits == 8 * itemsize(DType(i)) && t.dtype.lanes == 1) kind = i;
  if (kind < 0) throw py::buffer_error("from_dlpack: a dtype that fastnn does not have");
  if (t.ndim > MAX_DIMS || t.ndim < 0) throw py::buffer_error("from_dlpack: too many dimensions");
  View v{};
  v.dtype = DType(kind);
  v.place = there ? Place::cuda : Place::cpu;
  v.ndim = t.ndim;
  v.data = static_cast<char*>(t.data) + t.byte_offset;
  int64_t stride = 1;
  for (int d = t.ndim - 1; d >= 0; --d) {
    v.shape[d] = t.shape[d];
    v.strides[d] = t.strides ? t.strides[d] : stride;
    stride *= t.shape[d];
  }
  char* low;
  int64_t bytes;
  extent(v, low, bytes);
  if (PyCapsule_SetName(capsule, used)) throw py::error_already_set();
  Buffer* b = foreign(low, bytes, m, release_dlpack<M>);
  b->readonly = readonly;
  b->shared = !readonly && !there;
  if (there) note_use(b);
  return py::reinterpret_steal<py::object>(wrap(Array(v, b)));
}
py::object from_dlpack(py::object capsule) {
  if (PyCapsule_IsValid(capsule.ptr(), "dltensor_versioned"))
    return import_dlpack<DLVersioned>(capsule.ptr(), "dltensor_versioned", "used_dltensor_versioned");
  if (PyCapsule_IsValid(capsule.ptr(), "dltensor"))
    return import_dlpack<DLManaged>(capsule.ptr(), "dltensor", "used_dltensor");
  throw py::type_error("from_dlpack: not a DLPack capsule, or one that has been used already");
}

}  // namespace

void bind_interchange(py::module_& m) {
  m.def("from_numpy", &from_numpy, "a Tensor on the array's memory, or None when its layout cannot be shared");
  m.def("numpy", &to_numpy, "an ndarray on the tensor's memory");
  m.def("item", [](py::object x) {
    if (!is_array(x.ptr())) throw py::type_error("item: expected a Tensor");
    not_while_recording("item()", array_of(x.ptr()));
    return item(std::move(x));
  });
  m.def("to_dlpack", &to_dlpack);
  m.def("from_dlpack", &from_dlpack);
}

}  // namespace fastnn
