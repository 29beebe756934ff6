// bind/cpu.cpp: the module _cpu. Every KERNEL of kernels.def becomes a function that takes its outputs first;
// UNARY, BINARY and TERNARY kernels allocate their result (elementwise.cpp).
#include "cast.h"

#include "../core/isa.h"
#include "../core/parallel.h"
#include "../core/rungs.h"
#include "../kernels/table.h"

namespace py = pybind11;

namespace fastnn {

enum class Count {
#define KERNEL(name, params) name,
#include "../kernels.def"
#undef KERNEL
  total
};
int64_t launches[int(Count::total)];

namespace {

struct Described {
  const char *name, *params, *kind;
};
const Described described[] = {
#define KERNEL(name, params) {#name, #params, "kernel"},
#define UNARY(name, result) {#name, #result, "unary"},
#define BINARY(name, result) {#name, #result, "binary"},
#define TERNARY(name, result) {#name, #result, "ternary"},
#include "../kernels.def"
#undef KERNEL
};

}  // namespace
void launch_copy(const View& to, const View& from) {
  if (to.place != from.place && travels(to, from)) [[unlikely]] return copy_between(to, from);
  launch<Out, In>(launches[int(Count::copy)], kernel_at(to.place, &Table::copy, "copy"), Out{to}, In{from});
}
static void transfer(Out to, In from) { device_transfer(to, from); }
void launch_transfer(const View& to, const View& from) {
  launch<Out, In>(launches[int(Count::copy)], transfer, Out{to}, In{from});
  if (recording && to.place == Place::cpu) recording->steps.back()->alone = "a copy to the CPU, which is waited for";
}
const char* kernel_name(const int64_t& count) { return described[&count - launches].name; }
const char* kernel_kind(const int64_t& count) { return described[&count - launches].kind; }
const char* kernel_params(const int64_t& count) { return described[&count - launches].params; }
namespace {

#define KERNEL(name, params)                                                          \
  PyObject* py_##name(PyObject*, PyObject* const* args, Py_ssize_t n) {               \
    return call(#name, merge_of(#name), launches[int(Count::name)], &Table::name, args, n); \
  }
#define UNARY(name, result)
#define BINARY(name, result)
#define TERNARY(name, result)
#include "../kernels.def"
#undef KERNEL

PyMethodDef functions[] = {
#define KERNEL(name, params) {#name, FN_FASTCALL(py_##name), #name #params},
#define UNARY(name, result)
#define BINARY(name, result)
#define TERNARY(name, result)
#include "../kernels.def"
#undef KERNEL
    {nullptr, nullptr, 0, nullptr}};

bool interrupted() {  // called between chunks by the thread that started a loop
  py::gil_scoped_acquire gil;
  return PyErr_CheckSignals() != 0;
}

}  // namespace

PYBIND11_MODULE(_cpu, m) {
  m.doc() = "fastnn's kernels for the CPU. Private: use fastnn's functions, which check their arguments.";
  py::register_exception_translator([](std::exception_ptr p) {
    if (!p) return;
    try {
      std::rethrow_exception(p);
    } catch (const Error&) {
      set_python_error();
    } catch (const Interrupted&) {
      set_python_error();
    } catch (const OutOfMemory&) {
      set_python_error();
    }
  });
  const char* wanted = getenv("FASTNN_ISA");
  try {
    isa_set(wanted ? wanted : "");
  } catch (const Error& e) {
    throw py::import_error(std::string("FASTNN_ISA: ") + e.message);
  }
  interrupt_hook = interrupted;
  bind_array(m);
  bind_batch(m);
  bind_backward(m);
  bind_device(m);
  bind_record(m);
  bind_interchange(m);
  bind_elementwise(m);
  bind_index(m);
  bind_listen(m);
  bind_named(m);
  bind_operators(m);
  bind_program(m);
  bind_product(m);
  for (PyMethodDef* f = functions; f->ml_name; ++f) m.attr(f->ml_name) = py::reinterpret_steal<py::object>(PyCFunction_New(f, nullptr));
  bind_stored(m);
  bind_streams(m);

  m.def("isa", [] { return isa_name(); }, "the instruction set in use");
  m.def("set_isa", [](const std::string& name) { isa_set(name.c_str()); });
  m.def("isas", [] {
    py::list list;
    for (int i = 0; i < isa_count(); ++i) list.append(py::make_tuple(isa_at(i).name, isa_at(i).about, isa_at(i).supported));
    return list;
  }, "(name, description, supported here) of every instruction set built");
  m.def("table_version", &table_version, "grows when an instruction set or a rung is chosen");
  m.def("rungs", [](bool cuda) {
    const Place place = cuda ? Place::cuda : Place::cpu;
    py::list list;
    for (int i = 0; i < rung_count(place); ++i) {
      const Rung& r = rung_at(place, i);
      list.append(py::make_tuple(r.family, r.number, r.name, r.kernel, rung_chosen(place, i)));
    }
    return list;
  }, "(family, number, name, kernel, chosen) of every rung of a device", py::arg("cuda") = false);
  m.def("set_rung", [](const std::string& family, const std::string& name, bool cuda) {
    rung_set(cuda ? Place::cuda : Place::cpu, family.c_str(), name.c_str());
  }, py::arg("family"), py::arg("name"), py::arg("cuda") = false);
  m.def("num_threads", &num_threads);
  m.def("set_num_threads", &set_num_threads);
  m.def("launches", [] {
    py::dict d;
    for (int i = 0; i < int(Count::total); ++i) d[described[i].name] = launches[i];
    return d;
  }, "how often each kernel has been launched");
  py::list list;
  for (const auto& k : described) list.append(py::make_tuple(k.name, k.params, k.kind));
  m.attr("KERNELS") = list;
}

}  // namespace fastnn
