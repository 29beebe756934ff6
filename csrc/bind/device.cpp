// bind/device.cpp: arrays on a GPU: opening its library, copies between devices, and the check that a call's arrays agree.
#include "device.h"

#include <string.h>

#include <pybind11/stl.h>

#include "../core/launch.h"

namespace py = pybind11;

namespace fastnn {

void count_foreign_buffer();  // core/array.cpp

void raise_missing(const char* name) {
  raise_error(ErrorKind::missing, "%s: there is no CUDA kernel for it yet; x.cpu() moves a tensor to the CPU, where there is", name);
}

void raise_mixed(const char* name, const View& a, const View& b) {
  raise_error(ErrorKind::runtime, "%s: Expected all tensors to be on the same device, but found at least two devices, %s and %s! "
              "Use .to() to move one of them.", name, place_name(a.place), place_name(b.place));
}

OnDevice on_device(const char* name, std::vector<Slot>& slots) {
  OnDevice call;
  const View* there = nullptr;
  for (const Slot& s : slots)
    if (s.array && s.view->place == Place::cuda) {
      note_use(s.array->buffer);
      if (s.kind == Slot::in) there = s.view;
    }
  if (!strcmp(name, "copy") && slots[0].view->place != slots[1].view->place && !in_vmap() &&
      (slots[0].view->place == Place::cuda || !slots[0].array->buffer->fresh)) {
    launch_copy(*slots[0].view, *slots[1].view);
    call.done = true;
    return call;
  }
  for (const Slot& s : slots)
    if (!there && s.array && s.view->place == Place::cuda) there = s.view;
  for (const Slot& s : slots) {
    if (s.array && s.kind == Slot::host && s.view->place == Place::cuda) raise_mixed(name, View{}, *s.view);
    if (!s.array || s.kind == Slot::state || s.kind == Slot::host || s.view->place == Place::cuda) continue;
    if (s.kind == Slot::out && s.array->buffer->fresh && s.array->buffer->references == 1) {
      Array moved = empty(s.view->shape, s.view->ndim, s.view->dtype, Place::cuda);
      *s.array = std::move(moved);
      *s.view = s.array->view;
    } else if (s.view->numel() == 0) {
      s.view->place = Place::cuda;  // nothing to be anywhere
    } else if (s.kind == Slot::in && s.view->one_number()) {
      View number = *s.view;
      number.ndim = 0;
      call.sent.push_back(empty(nullptr, 0, s.view->dtype, Place::cuda));
      launch_transfer(call.sent.back().view, number);
      s.view->data = call.sent.back().view.data, s.view->place = Place::cuda;  // at every index, as before
    } else {
      raise_mixed(name, *there, *s.view);
    }
  }
  return call;
}

namespace {

View packed_like(View v, const View& shape) {  // v's memory, contiguous, in the shape of another view
  v.ndim = shape.ndim;
  int64_t stride = 1;
  for (int d = shape.ndim - 1; d >= 0; --d) {
    v.shape[d] = shape.shape[d];
    v.strides[d] = stride;
    stride *= shape.shape[d] > 1 ? shape.shape[d] : 1;
  }
  return v;
}

// to(x, cuda, asynchronous) -> x's elements in new memory there, or here (page-locked where nobody waits for the copy)
py::object to_place(py::handle x, bool cuda, bool asynchronous) {
  if (!is_array(x.ptr())) throw py::type_error("to: expected a Tensor");
  const Array& a = array_of(x.ptr());
  refuse_batched(a, "to() another device");
  in_use(a);
  Array made = asynchronous && !cuda && !recording ? pinned_like(a.view) : empty(a.view.shape, a.view.ndim, a.view.dtype, cuda ? Place::cuda : Place::cpu);
  copy_between(made, a, asynchronous);
  return py::reinterpret_steal<py::object>(wrap(std::move(made)));
}

}  // namespace

py::dict dict_of(const PoolStats& s) {
  py::dict d;
  d["live_blocks"] = s.live_blocks;
  d["live_bytes"] = s.live_bytes;
  d["cached_bytes"] = s.cached_bytes;
  d["peak_bytes"] = s.peak_bytes;
  return d;
}

Array pinned_like(const View& v) {
  View made = packed_like(v, v);
  Buffer* b = pinned_buffer(v.numel() * itemsize(v.dtype));
  count_foreign_buffer();
  made.data = b->data, made.place = Place::cpu;
  return Array(made, b);
}

void copy_between(const Array& to, const Array& from, bool asynchronous) {
  in_use(to);
  in_use(from);
  Buffer* host = to.view.place == Place::cpu ? to.buffer : from.buffer;
  const bool alike = to.view.packed() && from.view.packed() && to.view.dtype == from.view.dtype;
  if (!asynchronous || !alike || recording || to.view.place == from.view.place || !is_pinned(host)) return launch_copy(to.view, from.view);
  note_use(host);
  device_transfer(to.view, from.view, true);
}
void copy_between(const View& to, const View& from) {
  if (recording && recording->dry && to.place == Place::cpu)
    raise_error(ErrorKind::runtime, "cuda.graph: a copy to the CPU cannot be recorded: there is nothing to copy before the graph is replayed");
  Array sent, received;
  View source = from, target = to;
  if (!from.packed() || from.dtype != to.dtype) {  // converted where it lies: what travels is contiguous
    sent = empty(to.shape, to.ndim, to.dtype, from.place);
    source = packed_like(sent.view, to);
    launch_copy(source, from);
  }
  if (!to.packed()) {
    received = empty(to.shape, to.ndim, to.dtype, to.place);
    target = received.view;
  }
  launch_transfer(target, source);
  if (received.buffer) launch_copy(to, target);
}

bool travels(const View& to, const View& from) {  // a single number goes with the launch
  return !(to.place == Place::cuda && from.one_number());
}

void bind_device(py::module_& m) {
  m.def("open_device", [](const std::string& path) { device_open(path.c_str()); }, "open_device(path): the library of the GPU");
  m.def("device_count", [] { return gpu ? gpu->count() : 0; });
  m.def("device_why", [] { return std::string(gpu ? gpu->why() : ""); }, "why there is no GPU");
  m.def("device_precision", [](int64_t level) { if (gpu) gpu->matmul_precision(level); },
        "device_precision(level): float32 products by float32, by three TF32 products, or by TF32 (0, 1, 2)");
  m.def("device_halves", [] { return gpu && gpu->halves(); }, "does the GPU multiply float16 and bfloat16 on tensor cores?");
  m.def("device_name", [] {
    char text[256] = "";
    if (gpu) gpu->describe(text, sizeof text);
    return std::string(text);
  });
  m.def("device_synchronize", [] {
    if (!gpu) return;
    py::gil_scoped_release gil;
    gpu->synchronize();
  });
  m.def("device_memory", [] {
    size_t free_bytes = 0, total = 0;
    if (gpu) gpu->memory(&free_bytes, &total);
    return py::make_tuple(free_bytes, total);
  }, "bytes that are free, and all");
  m.def("device_reset_peak", [] { if (gpu) gpu->reset_peak(); });
  m.def("device_trim", [] { if (gpu) gpu->trim(); });
  m.def("device_stats", [] {
    const PoolStats s = gpu ? gpu->stats() : PoolStats{};
    py::dict d = dict_of(s);
    d["peak_reserved"] = s.peak_reserved;
    return d;
  });
  m.def("device_kernels", [] {
    py::list list;
    if (!gpu) return list;
#define KERNEL(name, params) if (gpu->table->name) list.append(#name);
#include "../kernels.def"
#undef KERNEL
    return list;
  }, "the names of the kernels that the GPU's library has");
  m.def("device_counts", [] {
    py::dict d;
    if (gpu && gpu->counts)
      gpu->counts([](void* context, const char* kernel, const int64_t* counts) {
        py::list values;
        for (int i = 0; i < 8; ++i) values.append(counts[i]);
        (*static_cast<py::dict*>(context))[kernel] = values;
      }, &d);
    return d;
  }, "what the host shim has counted, by kernel; the counts start again");
  m.def("to_place", &to_place, py::arg("x"), py::arg("cuda"), py::arg("asynchronous") = false,
        "to_place(x, cuda, asynchronous=False) -> a contiguous copy of x on the GPU, or on the CPU");
}

}  // namespace fastnn
