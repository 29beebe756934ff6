// bind/streams.cpp: streams, events, and copies that nobody waits for (fastnn.cuda).
#include "../core/program.h"
#include "device.h"

namespace py = pybind11;

namespace fastnn {
namespace {

const Device& the_gpu() {
  if (!gpu) raise_error(ErrorKind::runtime, "cuda: no GPU is in use");
  return *gpu;
}

struct Event {
  void* event;
  Event(bool timed, bool blocking) : event(the_gpu().event_new(timed, blocking)) {}
  ~Event() { gpu->event_free(event); }
  Event(const Event&) = delete;
};

void while_letting_go(void (*f)(int), int stream) {
  py::gil_scoped_release gil;
  f(stream);
}

// pinned(x) -> x's elements in page-locked memory, contiguous
py::object pinned(py::handle x) {
  if (!is_array(x.ptr())) throw py::type_error("pin_memory: expected a Tensor");
  const Array& a = array_of(x.ptr());
  refuse_batched(a, "pin_memory()");
  if (a.view.place != Place::cpu) raise_error(ErrorKind::runtime, "cannot pin 'cuda' tensor: only dense CPU tensors can be pinned");
  Array made = pinned_like(a.view);
  launch_copy(made.view, a.view);
  return py::reinterpret_steal<py::object>(wrap(std::move(made)));
}

// copy_async(to, from): of one shape, on different devices; where the host's side is page-locked and both are contiguous, nobody waits.
void copy_async(py::handle to, py::handle from) {
  if (!is_array(to.ptr()) || !is_array(from.ptr())) throw py::type_error("copy_: expected a Tensor");
  Array &a = array_of(to.ptr()), &b = array_of(from.ptr());
  if (a.buffer->readonly) raise_error(ErrorKind::value, "copy_: the tensor's memory is read-only");
  refuse_batched(a, "copy_() from another device");
  refuse_batched(b, "copy_() to another device");
  a.buffer->fresh = false;
  copy_between(a, b, true);
}

}  // namespace

void bind_streams(py::module_& m) {
  m.def("stream_current", [] { return the_gpu().stream_current(); }, "the number of the stream that this thread uses");
  m.def("stream_use", [](int stream) {
    if (!recording) the_gpu().stream_use(stream);  // a recorded step is one row of calls, in the order in which they were made
  });
  m.def("stream_new", [](int priority) { return the_gpu().stream_new(priority); });
  m.def("stream_external", [](int64_t handle) { return the_gpu().stream_external(handle); });
  m.def("stream_handle", [](int stream) { return the_gpu().stream_handle(stream); }, "its cudaStream_t, as a number");
  m.def("stream_done", [](int stream) { return the_gpu().stream_done(stream); });
  m.def("stream_wait", [](int stream) { while_letting_go(the_gpu().stream_wait, stream); }, "the host waits, and what kernels have met is raised");
  m.def("stream_lead", [](int64_t handle) { the_gpu().stream_lead(handle); }, "the stream of that address waits for the current one");
  m.def("stream_note", [](py::handle x, int stream) {
    if (!is_array(x.ptr())) throw py::type_error("record_stream: expected a Tensor");
    the_gpu();
    note_use(array_of(x.ptr()).buffer, stream);
  }, "stream_note(x, stream): x's memory is used there, and nobody else's before that is over");
  py::class_<Event>(m, "DeviceEvent")
      .def(py::init<bool, bool>())
      .def("record", [](const Event& e, int stream) { gpu->event_record(e.event, stream); })
      .def("lead", [](const Event& e, int stream) { gpu->event_lead(e.event, stream); }, "the stream waits for it")
      .def("done", [](const Event& e) { return gpu->event_done(e.event); })
      .def("wait", [](const Event& e) {
        py::gil_scoped_release gil;
        gpu->event_wait(e.event);
      })
      .def("milliseconds", [](const Event& e, const Event& to) { return gpu->event_milliseconds(e.event, to.event); })
      .def_property_readonly("handle", [](const Event& e) { return gpu->event_handle(e.event); });
  m.def("pinned", &pinned, "pinned(x) -> x's elements in page-locked memory");
  m.def("is_pinned", [](py::handle x) { return is_array(x.ptr()) && is_pinned(array_of(x.ptr()).buffer); });
  m.def("copy_async", &copy_async, "copy_async(to, from): between devices; not waited for where the host's memory is page-locked");
}

}  // namespace fastnn
