// bind/program.cpp: recording a step and replaying it (core/program.h), for fastnn.capture.
#include <pybind11/stl.h>

#include "cast.h"
#include "../core/isa.h"

namespace py = pybind11;

namespace fastnn {
namespace {

std::unique_ptr<Program> being_recorded;  // `recording` points to it, in the thread that records

void begin() {
  if (recording) raise_error(ErrorKind::runtime, "capture: a step is being recorded already");
  if (being_recorded) raise_error(ErrorKind::runtime, "capture: another thread is recording a step");
  being_recorded = std::make_unique<Program>();
  recording = being_recorded.get();
}

std::unique_ptr<Program> end() {
  if (!recording) raise_error(ErrorKind::runtime, "capture: no step is being recorded in this thread");
  recording = nullptr;
  return std::move(being_recorded);
}

void replay(const Program& p) {
  if (recording) raise_error(ErrorKind::runtime, "capture: a recorded step cannot be replayed while another is recorded");
  {
    ReleaseGil gil(p.bytes >= RELEASE_FROM);
    p.replay();
  }
  int64_t now = ++epoch;  // what it wrote has changed in place
  p.each_written([&](Buffer* b) { b->stamp = now; });
}

py::list calls(const Program& p) {  // (kernel, backward, [(shape, dtype name, address, bytes, written)]) of each
  py::list list;
  for (const auto& step : p.steps) {
    py::list views;
    step->each_view([](void* to, const View& v, bool written) {
      if (v.ndim < 0) return;
      py::tuple shape{size_t(v.ndim)};
      for (int d = 0; d < v.ndim; ++d) shape[size_t(d)] = v.shape[d];
      static_cast<py::list*>(to)->append(
          py::make_tuple(shape, dtype_name(v.dtype), reinterpret_cast<uintptr_t>(v.data), v.bytes(), written));
    }, &views);
    list.append(py::make_tuple(kernel_name(step->count), step->backward, views));
  }
  return list;
}

std::vector<double> seconds(const Program& p, int repeats) {
  if (recording) raise_error(ErrorKind::runtime, "capture: a recorded step cannot be timed while another is recorded");
  if (repeats < 1) raise_error(ErrorKind::value, "capture: repeats must be at least 1, got %d", repeats);
  return p.seconds(repeats);
}

}  // namespace

void bind_program(py::module_& m) {
  py::class_<Program>(m, "Program", "A recorded step.")
      .def("replay", &replay, "makes the recorded calls again")
      .def("calls", &calls, "(kernel, backward, [(shape, dtype, address, bytes, written), ...]) of every call")
      .def("seconds", &seconds, "of every call: the median of so many replays, whose effects are taken back")
      .def_property_readonly("arena_bytes", [](const Program& p) { return arena_bytes(p.arena); }, "memory of its intermediate results");
  m.def("recording", [] { return recording != nullptr; }, "whether this thread's kernel calls are being recorded");
  m.def("record_begin", &begin, "from now on, this thread's kernel calls are recorded");
  m.def("record_end", &end, "-> Program");
}

}  // namespace fastnn
