// bind/program.cpp: recording a step (core/program.h), for fastnn.capture.
#include <pybind11/stl.h>

#include "../core/isa.h"
#include "batch.h"
#include "cast.h"
#include "replay.h"

namespace py = pybind11;

namespace fastnn {

thread_local Leaves* leaves = nullptr;

void touch_gradient_of(PyObject* leaf) {
  PyObject* before = reinterpret_cast<PyArray*>(leaf)->grad;
  if (leaves->try_emplace(leaf, before).second) Py_INCREF(leaf), Py_INCREF(before);
}

namespace {

std::unique_ptr<Program> being_recorded;  // `recording` points to it, in the thread that records
Leaves being_touched;
std::unique_ptr<py::list> being_followed; // (options, name, element or -1, address of the double that has the value)
std::string package;                      // the folder of fastnn's Python files, with a slash

void begin(bool dry) {
  if (recording) raise_error(ErrorKind::runtime, "capture: a step is being recorded already");
  if (being_recorded) raise_error(ErrorKind::runtime, "capture: another thread is recording a step");
  being_recorded = std::make_unique<Program>();
  being_recorded->dry = dry;
  recording = being_recorded.get();
  leaves = &being_touched;
  being_followed = std::make_unique<py::list>();
}

// follow(options, first): numbers that the calls from `first` on take are options of an optimizer, by the name of the kernel's parameter
// ("momentum", or "beta1" for the first of "betas"): a replay reads them where they are.
void follow(py::dict options, size_t first) {
  for (size_t i = first; recording && i < recording->steps.size(); ++i) {
    Step& step = *recording->steps[i];
    const char* p = kernel_params(step.count);
    for (int argument = 0; *p; ++argument) {
      while (*p == '(' || *p == ' ' || *p == ',') ++p;
      const char* end = p;
      while (*end && *end != ',' && *end != ')') ++end;
      std::string text(p, end), name = text.substr(text.rfind(' ') + 1);
      p = *end ? end + 1 : end;
      double* number = step.number(argument);
      if (!number) continue;
      int element = -1;
      if (name == "beta1" || name == "beta2") element = name.back() - '1', name = "betas";
      if (!options.contains(name)) continue;
      py::object value = options[name.c_str()];
      if (element >= 0) value = value[py::int_(element)];
      if (!PyFloat_CheckExact(value.ptr()) || PyFloat_AS_DOUBLE(value.ptr()) != *number || *number == 0) continue;
      step.live = true;
      being_followed->append(py::make_tuple(options, name, element, reinterpret_cast<uintptr_t>(number)));
    }
  }
}

py::tuple end() {  // -> Program, [(leaf, its gradient before the step)], what `follow` has found
  if (!recording) raise_error(ErrorKind::runtime, "capture: no step is being recorded in this thread");
  recording = nullptr;
  leaves = nullptr;
  py::list touched;
  for (auto& [leaf, before] : being_touched) {
    auto pair = py::make_tuple(py::reinterpret_steal<py::object>(leaf), py::reinterpret_steal<py::object>(before));
    if (!being_recorded->owns(array_of(leaf).buffer)) touched.append(pair);  // not made within the step
  }
  being_touched.clear();
  return py::make_tuple(std::move(being_recorded), touched, *std::exchange(being_followed, nullptr));
}

bool pointwise(const int64_t& count) {
  const char* kind = kernel_kind(count);
  return kind[0] != 'k';  // unary, binary, ternary; not "kernel"
}

std::string names(const Step& step) {
  std::string text;
  step.each_name([](void* to, const Step& s) {
    auto& t = *static_cast<std::string*>(to);
    if (!t.empty()) t += "+";
    t += kernel_name(s.count);
  }, &text);
  return text;
}

py::list calls(Program& p) {  // (kernel, backward, "file:line", [(shape, dtype name, address, bytes, written)]) of each
  py::list list;
  for (auto& step : p.steps) {
    py::list views;
    step->views([&](View& v, bool written) {
      py::tuple shape{size_t(v.ndim)};
      for (int d = 0; d < v.ndim; ++d) shape[size_t(d)] = v.shape[d];
      views.append(py::make_tuple(shape, dtype_name(v.dtype), reinterpret_cast<uintptr_t>(v.data), v.bytes(), written));
    });
    list.append(py::make_tuple(names(*step), step->backward, std::string(step->file) + ":" + std::to_string(step->line), views));
  }
  return list;
}

std::vector<double> seconds(Program& p, int repeats) {
  if (recording) raise_error(ErrorKind::runtime, "capture: a recorded step cannot be timed while another is recorded");
  if (repeats < 1) raise_error(ErrorKind::value, "capture: repeats must be at least 1, got %d", repeats);
  std::lock_guard<std::mutex> lock(p.running);
  return p.seconds(repeats);
}

// The arrays made within the step that are still in use: [(identity of the memory, kernel, file, line)].
py::list kept(const Program& p) {
  py::list list;
  for (const Arena* arena : {p.arena, p.there}) {
    const Lived* log;
    int64_t n = arena ? arena_log(arena, &log) : 0;
    for (int64_t i = 0; i < n; ++i) {
      if (log[i].to >= 0) continue;
      const Step* by = nullptr;
      for (const auto& s : p.steps)
        s->views([&](View& v, bool written) {
          Span span(v);
          if (written && span.first >= log[i].block && span.first < log[i].block + log[i].bytes) by = s.get();
        });
      list.append(py::make_tuple(reinterpret_cast<uintptr_t>(log[i].owner), by ? kernel_name(by->count) : "", by ? by->file : "", by ? by->line : 0));
    }
  }
  return list;
}

const char* kept_text(PyObject* text) {  // file names are few
  static std::unordered_map<std::string, int> known;
  const char* s = PyUnicode_AsUTF8(text);
  if (!s) return PyErr_Clear(), "";
  return known.try_emplace(s, 0).first->first.c_str();
}

}  // namespace

void note_place() {
  PyFrameObject* frame = PyEval_GetFrame();  // borrowed
  py::object hold = py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(frame));
  while (hold) {
    auto* f = reinterpret_cast<PyFrameObject*>(hold.ptr());
    py::object code = py::reinterpret_steal<py::object>(reinterpret_cast<PyObject*>(PyFrame_GetCode(f)));
    py::object name = code.attr("co_filename");
    const char* file = kept_text(name.ptr());
    if (strncmp(file, package.c_str(), package.size()) != 0) {
      recording->file = file;
      recording->line = PyFrame_GetLineNumber(f);
      return;
    }
    hold = py::reinterpret_steal<py::object>(reinterpret_cast<PyObject*>(PyFrame_GetBack(f)));
  }
}

void date_written(const Program& p) {
  const int64_t now = ++epoch;
  for (Buffer* b : p.written) b->stamp = now;
}

void bind_program(py::module_& m) {
  py::class_<Program>(m, "Program", "A recorded step.")
      .def("plan", [](Program& p) { p.plan(pointwise, kernel_name); }, "joins calls into chains and gives every array its place; once")
      .def("calls", &calls, "(kernel, backward, place, [(shape, dtype, address, bytes, written), ...]) of every call")
      .def("kept", &kept, "before `plan`: the arrays made within the step that are still in use")
      .def("holds", [](const Program& p, py::handle x) { return p.holds(array_of(x.ptr()).buffer); })
      .def("seconds", &seconds, "of every call: the median of so many replays, whose effects are taken back")
      .def_property_readonly("graphs", [](const Program& p) {
        Program::Graphs g = p.graphs();
        return py::make_tuple(g.graphs, g.launches, g.alone, g.why);
      }, "on a GPU, of the last replay: CUDA graphs, launches in them, calls besides, and why")
      .def("replay", [](Program& p) {
        std::unique_lock<std::mutex> lock(p.running, std::defer_lock);
        {
          ReleaseGil gil(true);
          lock.lock();
          p.enter();
          p.replay();
          p.leave();
        }
        date_written(p);
      })
      .def_property_readonly("arena_bytes", [](const Program& p) { return arena_bytes(p.arena) + (p.there ? arena_bytes(p.there) : 0); }, "memory of its results, gradients and intermediate values")
      .def_property_readonly("planned_bytes", [](const Program& p) { return p.planned; }, "memory of its intermediate values");
  m.def("recording", [] { return recording != nullptr; }, "whether this thread's kernel calls are being recorded");
  m.def("in_vmap", &in_vmap);
  m.def("capturing", [] { return recording && recording->dry; }, "whether what this thread does on the GPU is recorded, and not done");
  m.def("record_begin", &begin, py::arg("dry") = false, "from now on, this thread's kernel calls are recorded; dry: on the GPU not made");
  m.def("record_end", &end, "-> Program, [(leaf whose gradient was looked at or set, its gradient before)], numbers to follow");
  m.def("follow", &follow, "follow(options, first): numbers of the calls recorded since are these options' and may change between replays");
  m.def("recorded_calls", [] { return recording ? int64_t(recording->steps.size()) : -1; }, "how many so far; -1 where nothing is recorded");
  m.def("set_package", [](std::string folder) { package = std::move(folder); }, "whose files are not named as places of kernel calls");
  bind_replay(m);
}

}  // namespace fastnn
