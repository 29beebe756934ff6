// bind/replay.cpp: a recorded step as a Python object: does this call fit it? Then copy the arguments in, replay, hand out copies.
//
//    Recorded(program, args, kwargs, result, watched, gradients, options)
//    recorded(args, kwargs)     the result, or NotImplemented: `why` says what does not fit
//
// `args`, `kwargs` and `result` are those of the recorded call; their tensors are the program's own. Watched is what the step's Python
// saw and may have acted upon: dicts, lists, names, closure cells and tensors. Everything is compared by identity first, so a
// step of a small network is found to fit in a fraction of a microsecond.
#include "replay.h"

#include <stdlib.h>

#include <atomic>
#include <utility>

#include "../core/rungs.h"
#include "../core/program.h"
#include "batch.h"
#include "watched.h"

namespace py = pybind11;

namespace fastnn {
namespace {

// The gradient of a leaf before the step and after it.
struct Gradient {
  py::object leaf, after;
  bool was_there, same_one;  // ... before; the step added to it
  bool ours;                 // `after` was made by the step
  int64_t references;        // to that memory, all of them ours
};

// A number of a call that an optimizer's options say, before each replay. From 0 to another or back the step would be another.
struct Option {
  py::object options, name;
  Py_ssize_t element;  // of a tuple, or -1
  double* number;
  double now() const {  // 0 where it is no number any more
    PyObject* v = PyDict_GetItemWithError(options.ptr(), name.ptr());
    if (v && element >= 0) v = PyTuple_CheckExact(v) && element < PyTuple_GET_SIZE(v) ? PyTuple_GET_ITEM(v, element) : nullptr;
    return v && PyFloat_CheckExact(v) ? PyFloat_AS_DOUBLE(v) : 0;
  }
};

struct State {
  py::object program_object;
  Program* program;
  Nest args, kwargs, result;
  std::vector<py::object> inputs;      // the program's own arguments
  std::vector<View> input_views;
  std::vector<bool> input_written;
  Watched watched;
  std::vector<Gradient> gradients;
  std::vector<Option> options;
  bool grads_on = grad_mode;
  int64_t table = table_version(), replays = 0;
  std::atomic<unsigned long> replaying{0};  // the thread
  std::string why;

  State(py::object p, PyObject* a, PyObject* k, PyObject* r, py::handle w, py::list touched, py::list followed)
      : program_object(std::move(p)), program(program_object.cast<Program*>()), args(a), kwargs(k), result(r), watched(w) {
    auto take = [&](PyObject* t) {
      inputs.push_back(held(t));
      const Array& array = array_of(t);
      View v = array.view;  // an element that lies under many indices is copied once
      for (int d = 0; d < v.ndim; ++d)
        if (v.strides[d] == 0 && v.shape[d] > 1) v.shape[d] = 1;
      input_views.push_back(v);
      bool written = false;
      for (Buffer* b : program->written) written |= b == array.buffer;
      input_written.push_back(written);
    };
    args.each_tensor(take);
    kwargs.each_tensor(take);
    for (auto item : touched) {
      auto t = py::reinterpret_borrow<py::tuple>(item);
      py::object leaf = t[0], before = t[1];
      bool argument = false;
      for (const py::object& i : inputs) argument |= i.ptr() == leaf.ptr();
      if (argument) continue;
      Gradient g{leaf, held(reinterpret_cast<PyArray*>(leaf.ptr())->grad), !before.is_none(), false, false, 0};
      g.same_one = g.after.ptr() == before.ptr();
      if (is_array(g.after.ptr())) {
        Buffer* b = array_of(g.after.ptr()).buffer;
        g.ours = !g.same_one;
        g.references = 1 + (reinterpret_cast<PyArray*>(g.after.ptr())->base != nullptr) + program->holds(b);
        result.each_tensor([&](PyObject* o) { g.references += array_of(o).buffer == b; });
      }
      gradients.push_back(std::move(g));
    }
    for (auto item : followed) {
      auto t = py::reinterpret_borrow<py::tuple>(item);
      options.push_back({t[0], t[1], t[2].cast<Py_ssize_t>(), reinterpret_cast<double*>(t[3].cast<uintptr_t>())});
    }
  }

  bool misses(const char* because) {
    why = because;
    return false;
  }
  bool fits(PyObject* a, PyObject* k, PyObject** given) {
    if (grad_mode != grads_on) return misses("grad mode");
    if (table_version() != table) return misses("the instruction set or a rung");
    if (!args.fits(a, given) || !kwargs.fits(k, given)) return misses("the arguments");
    if (PyObject* label = watched.changed()) return misses(PyUnicode_AsUTF8(label));
    for (const Gradient& g : gradients) {
      PyObject* now = reinterpret_cast<PyArray*>(g.leaf.ptr())->grad;
      if ((now != Py_None) != g.was_there || (g.same_one && now != g.after.ptr())) return misses("a gradient");
    }
    for (const Option& o : options)
      if (o.now() == 0) return misses("an option of an optimizer");
    return true;
  }
  // Whether somebody has a gradient that the replay would write over.
  bool somebody_holds_a_gradient() const {
    for (const Gradient& g : gradients) {
      if (!g.ours) continue;
      Py_ssize_t mine = 1 + (reinterpret_cast<PyArray*>(g.leaf.ptr())->grad == g.after.ptr());
      if (Py_REFCNT(g.after.ptr()) > mine || array_of(g.after.ptr()).buffer->references > g.references) return true;
    }
    return false;
  }
  // After the recorded call or a replay: what it did to its arguments happens to those given.
  void give_back(PyObject* const* given) {
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (input_written[i]) {
        if (array_of(given[i]).buffer->readonly) raise_error(ErrorKind::value, "capture: the step changes an argument that is on read-only memory");
        View to = array_of(given[i]).view;
        memcpy(to.shape, input_views[i].shape, sizeof to.shape);
        launch_copy(to, input_views[i]);
        array_of(given[i]).buffer->stamp = ++epoch;
      }
      PyObject* g = reinterpret_cast<PyArray*>(inputs[i].ptr())->grad;
      if (g == Py_None) continue;
      py::object copy = is_array(g) ? Nest(g).copy() : held(g);
      PyObject*& there = reinterpret_cast<PyArray*>(given[i])->grad;
      if (there != Py_None) copy = taken(PyNumber_Add(there, copy.ptr()));
      Py_SETREF(there, copy.release().ptr());
    }
  }

  PyObject* call(PyObject* a, PyObject* k) {
    if (recording || in_vmap()) return misses("it is called while another step is recorded, or inside vmap"), Py_NewRef(Py_NotImplemented);
    unsigned long thread = PyThread_get_thread_ident();
    if (replaying == thread) raise_error(ErrorKind::runtime, "capture: the step is called from within its own replay");
    std::unique_lock<std::mutex> lock(program->running, std::try_to_lock);
    if (!lock.owns_lock()) {
      ReleaseGil gil(true);
      lock.lock();
    }
    PyObject* few[16];
    std::vector<PyObject*> many(inputs.size() > 16 ? inputs.size() : 0);
    PyObject** given = many.empty() ? few : many.data();
    if (!fits(a, k, given)) return Py_NewRef(Py_NotImplemented);
    if (somebody_holds_a_gradient()) return misses("held"), Py_NewRef(Py_NotImplemented);
    for (const Option& o : options) *o.number = o.now();
    program->enter();
    replaying = thread;
    struct Done {
      std::atomic<unsigned long>& r;
      ~Done() { r = 0; }
    } done{replaying};
    for (size_t i = 0; i < inputs.size(); ++i) {
      in_use(array_of(given[i]));
      View from = array_of(given[i]).view;
      memcpy(from.shape, input_views[i].shape, sizeof from.shape);
      launch_copy(input_views[i], from);
    }
    {
      ReleaseGil gil(program->bytes >= RELEASE_FROM);
      program->replay();
    }
    ++replays;
    date_written(*program);
    for (const Gradient& g : gradients) {
      PyObject*& grad = reinterpret_cast<PyArray*>(g.leaf.ptr())->grad;
      if (grad != g.after.ptr()) Py_SETREF(grad, Py_NewRef(g.after.ptr()));
    }
    give_back(given);
    py::object copies = result.copy();
    program->leave();
    return copies.release().ptr();
  }

  template <class F> void each_object(const F& f) const {
    f(program_object.ptr());
    for (const Nest* n : {&args, &kwargs, &result}) n->each_object(f);
    for (const py::object& i : inputs) f(i.ptr());
    watched.each_object(f);
    for (const Gradient& g : gradients) f(g.leaf.ptr()), f(g.after.ptr());
    for (const Option& o : options) f(o.options.ptr()), f(o.name.ptr());
  }
};

struct Recorded {
  PyObject_HEAD
  State* state;
};

State& state_of(PyObject* o) {
  State* s = reinterpret_cast<Recorded*>(o)->state;
  if (!s) raise_error(ErrorKind::runtime, "capture: the recorded step has been cleared");
  return *s;
}

PyObject* recorded_new(PyTypeObject* type, PyObject* arguments, PyObject*) {
  PyObject *program, *a, *k, *result, *watched, *gradients, *followed;
  if (!PyArg_ParseTuple(arguments, "OO!O!OOO!O!", &program, &PyTuple_Type, &a, &PyDict_Type, &k, &result, &watched, &PyList_Type, &gradients,
                        &PyList_Type, &followed))
    return nullptr;
  return guarded([&]() -> PyObject* {
    auto state = std::make_unique<State>(held(program), a, k, result, watched, py::reinterpret_borrow<py::list>(gradients), py::reinterpret_borrow<py::list>(followed));
    PyObject* o = type->tp_alloc(type, 0);
    if (o) reinterpret_cast<Recorded*>(o)->state = state.release();
    return o;
  });
}
PyObject* recorded_call(PyObject* o, PyObject* arguments, PyObject*) {
  PyObject *a, *k;
  if (!PyArg_ParseTuple(arguments, "O!O!", &PyTuple_Type, &a, &PyDict_Type, &k)) return nullptr;
  return guarded([&] { return state_of(o).call(a, k); });
}
// first(args, kwargs): the result of the call that was recorded, for these arguments, of which the program has copies. From
// then on calls with arguments like these fit.
PyObject* recorded_first(PyObject* o, PyObject* arguments) {
  PyObject *a, *k;
  if (!PyArg_ParseTuple(arguments, "O!O!", &PyTuple_Type, &a, &PyDict_Type, &k)) return nullptr;
  return guarded([&]() -> PyObject* {
    State& s = state_of(o);
    std::vector<PyObject*> given;
    Nest(a).each_tensor([&](PyObject* t) { given.push_back(t); });
    Nest(k).each_tensor([&](PyObject* t) { given.push_back(t); });
    if (given.size() != s.inputs.size()) raise_error(ErrorKind::value, "capture: other arguments than were recorded");
    PyObject* const* at = given.data();
    s.args.given_as(at);
    s.kwargs.given_as(at);
    s.give_back(given.data());
    return s.result.copy().release().ptr();
  });
}
int recorded_traverse(PyObject* o, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(o));
  if (State* s = reinterpret_cast<Recorded*>(o)->state) {
    int stop = 0;
    s->each_object([&](PyObject* x) {
      if (x && !stop) stop = visit(x, arg);
    });
    return stop;
  }
  return 0;
}
int recorded_clear(PyObject* o) {
  State* s = reinterpret_cast<Recorded*>(o)->state;
  reinterpret_cast<Recorded*>(o)->state = nullptr;
  delete s;
  return 0;
}
void recorded_dealloc(PyObject* o) {
  PyObject_GC_UnTrack(o);
  recorded_clear(o);
  PyTypeObject* type = Py_TYPE(o);
  type->tp_free(o);
  Py_DECREF(type);
}
PyObject* recorded_why(PyObject* o, void*) {
  return guarded([&] { return PyUnicode_FromString(state_of(o).why.c_str()); });
}
PyObject* recorded_replays(PyObject* o, void*) {
  return guarded([&] { return PyLong_FromLongLong(state_of(o).replays); });
}
PyObject* recorded_program(PyObject* o, void*) {
  return guarded([&] { return Py_NewRef(state_of(o).program_object.ptr()); });
}

// The strides of v with gaps of one element at most, in the same order and as far contiguous as those of v: what a kernel adds up
// first depends on that.
View narrowed(View v) {
  int order[MAX_DIMS], n = 0;
  for (int d = 0; d < v.ndim; ++d)
    if (v.shape[d] > 1 && v.strides[d] != 0) order[n++] = d;
  for (int i = 1; i < n; ++i)
    for (int j = i; j > 0 && llabs(v.strides[order[j]]) < llabs(v.strides[order[j - 1]]); --j) std::swap(order[j], order[j - 1]);
  int64_t was = 1, now = 1;  // a contiguous next axis would have this stride
  for (int i = 0; i < n; ++i) {
    int64_t& s = v.strides[order[i]];
    int64_t stride = llabs(s) == was ? now : now + 1;
    was = llabs(s) * v.shape[order[i]];
    s = s < 0 ? -stride : stride;
    now = stride * v.shape[order[i]];
  }
  return v;
}

// own(x): a leaf of x's values on memory of its own, laid out alike.
PyObject* py_own(PyObject*, PyObject* x) {
  return guarded([&]() -> PyObject* {
    if (!is_array(x)) raise_error(ErrorKind::type, "own: expected a Tensor");
    const View &v = array_of(x).view, mine = narrowed(v);
    Span s(mine);
    int64_t size = (s.last - s.first) / itemsize(v.dtype);
    Array made = empty(&size, 1, v.dtype, v.place);
    char* base = static_cast<char*>(made.view.data) + (static_cast<char*>(mine.data) - s.first);
    made.view = mine;
    made.view.data = base;
    View to = made.view, from = v;
    for (int d = 0; d < v.ndim; ++d)
      if (to.strides[d] == 0 && to.shape[d] > 1) to.shape[d] = from.shape[d] = 1;
    launch_copy(to, from);
    PyObject* y = wrap(std::move(made));
    if (y) reinterpret_cast<PyArray*>(y)->requires_grad = reinterpret_cast<PyArray*>(x)->requires_grad;
    return y;
  });
}

PyMethodDef own_def = {"own", py_own, METH_O, "own(x): a leaf of x's layout and values on memory of its own"};

}  // namespace

void bind_replay(py::module_& m) {
  static PyMethodDef methods[] = {{"first", recorded_first, METH_VARARGS, "the result of the call that was recorded"}, {nullptr, nullptr, 0, nullptr}};
  static PyGetSetDef getset[] = {{"why", recorded_why, nullptr, "what did not fit the last time", nullptr},
                                 {"replays", recorded_replays, nullptr, "how often it was replayed", nullptr},
                                 {"program", recorded_program, nullptr, "its kernel calls", nullptr},
                                 {nullptr, nullptr, nullptr, nullptr, nullptr}};
  static PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(recorded_new)},
                                {Py_tp_dealloc, reinterpret_cast<void*>(recorded_dealloc)},
                                {Py_tp_traverse, reinterpret_cast<void*>(recorded_traverse)},
                                {Py_tp_clear, reinterpret_cast<void*>(recorded_clear)},
                                {Py_tp_call, reinterpret_cast<void*>(recorded_call)},
                                {Py_tp_methods, methods},
                                {Py_tp_getset, getset},
                                {Py_tp_doc, const_cast<char*>("A recorded step: recorded(args, kwargs) replays it, or gives NotImplemented.")},
                                {0, nullptr}};
  static PyType_Spec spec = {"fastnn._cpu.Recorded", sizeof(Recorded), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};
  m.def("set_pair_type", [](py::handle type) { pair_type = reinterpret_cast<PyTypeObject*>(type.inc_ref().ptr()); },
        "the class of complex tensors, whose halves are its _real and _imag");
  m.attr("Recorded") = taken(PyType_FromSpec(&spec));
  m.attr(own_def.ml_name) = taken(PyCFunction_New(&own_def, nullptr));
}

}  // namespace fastnn
