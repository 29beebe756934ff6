// bind/backward.cpp: the walk of reverse mode. autodiff.py says what an op and its rules are; here the recorded graph is
// put in topological order and gradients are sent from the outputs back, one op at a time. The rules are Python; the
// walk between them is not, because it costs more than a small kernel: 2.6 us a node in Python, 0.4 here.
//
//    order(outputs, stop=())       tensors that outputs were computed from, inputs first; not beyond those whose id is in stop
//    inputs(x)                     the arguments x was computed from, as they were then
//    gradients(op, g, y, args, params, needs)    the gradient of each argument that needs one, by the op's rules
//    propagate(outputs, grads, wanted, retain_graph, create_graph, callbacks)    see autodiff.py; wanted None: into leaves' .grad
#include <vector>

#include "cast.h"
#include "replay.h"

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

PyObject *s_rules, *s_joint, *s_into, *s_needs, *s_index, *s_saved, *s_name, *s_gradients, *s_clone, *s_to_dense;  // interned names

PyObject*& node_of(PyObject* x) { return reinterpret_cast<PyArray*>(x)->node; }
bool has_node(PyObject* x) { return node_of(x) != Py_None; }
PyObject* field(PyObject* node, int i) { return PyTuple_GET_ITEM(node, i); }  // op, args, params, epoch, aux, fingerprints, ..
PyObject* held(PyObject* o) {
  if (!o) throw py::error_already_set();
  return o;
}
py::object steal(PyObject* o) { return py::reinterpret_steal<py::object>(held(o)); }

// x as it was when a node of that epoch was recorded: changed in place later on, it stands for its old version (inplace.py).
PyObject* then(PyObject* x, int64_t epoch) {
  for (;;) {
    PyObject* n = node_of(x);
    if (n == Py_None || PyTuple_GET_SIZE(n) < 8 || PyLong_AsLongLong(field(n, 3)) <= epoch) return x;
    x = field(n, 7);
  }
}

// The arguments of a node as they were: its own tuple, unless one has changed since. A freed node has none.
py::object inputs(PyObject* node) {
  PyObject* args = field(node, 1);
  if (args == Py_None) return py::tuple();
  int64_t epoch = PyLong_AsLongLong(field(node, 3));
  py::object now = py::reinterpret_borrow<py::object>(args);
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); ++i) {
    PyObject* x = PyTuple_GET_ITEM(args, i);
    if (!is_array(x)) continue;
    PyObject* old = then(x, epoch);
    if (old == x) continue;
    if (now.ptr() == args) {
      now = steal(PyTuple_New(PyTuple_GET_SIZE(args)));
      for (Py_ssize_t j = 0; j < PyTuple_GET_SIZE(args); ++j)
        PyTuple_SET_ITEM(now.ptr(), j, Py_NewRef(PyTuple_GET_ITEM(args, j)));
    }
    PyTuple_SetItem(now.ptr(), i, Py_NewRef(old));
  }
  return now;
}

// -- the graph -----------------------------------------------------------------------------------------------------------

struct Place {  // of a tensor in the walk
  py::object tensor, gradient;
  bool seen = false, useful = false, wanted = false;
};

bool contains(PyObject* ids, PyObject* x) {
  int yes = PySequence_Contains(ids, steal(PyLong_FromVoidPtr(x)).ptr());
  if (yes < 0) throw py::error_already_set();
  return yes == 1;
}

struct Graph {
  std::vector<Place> places;
  std::vector<int> order;             // tensors with a node, inputs first
  std::vector<int> table = std::vector<int>(32, -1);  // open addressing, from a tensor's address to its place

  int& slot(PyObject* x) {
    size_t mask = table.size() - 1, i = (reinterpret_cast<size_t>(x) >> 4) * 0x9E3779B97F4A7C15u >> 20 & mask;
    while (table[i] >= 0 && places[size_t(table[i])].tensor.ptr() != x) i = (i + 1) & mask;
    return table[i];
  }
  int find(PyObject* x) { return slot(x); }
  int place(PyObject* x) {
    int& at = slot(x);
    if (at >= 0) return at;
    int made = at = int(places.size());
    places.emplace_back().tensor = py::reinterpret_borrow<py::object>(x);
    if (places.size() * 2 > table.size()) {
      table.assign(table.size() * 4, -1);
      for (size_t p = 0; p < places.size(); ++p) slot(places[p].tensor.ptr()) = int(p);
    }
    return made;
  }

  // Depth first, on a stack of our own: a chain of 100,000 ops is fine. ~p on the stack: all that p needs is done.
  void reach(PyObject* output, PyObject* stop = nullptr) {
    std::vector<int> stack{place(output)};
    while (!stack.empty()) {
      int p = stack.back();
      stack.pop_back();
      if (p < 0) {
        order.push_back(~p);
        continue;
      }
      PyObject* node = node_of(places[size_t(p)].tensor.ptr());
      if (places[size_t(p)].seen || node == Py_None) continue;
      places[size_t(p)].seen = true;
      if (stop && contains(stop, places[size_t(p)].tensor.ptr())) continue;
      stack.push_back(~p);
      PyObject* args = field(node, 1);
      if (args == Py_None) continue;
      int64_t epoch = PyLong_AsLongLong(field(node, 3));
      for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); ++i) {
        PyObject* x = PyTuple_GET_ITEM(args, i);
        if (!is_array(x)) continue;
        x = then(x, epoch);
        if (!needs_grad(x)) continue;
        int q = place(x);
        if (!places[size_t(q)].seen && has_node(x)) stack.push_back(q);
      }
    }
  }
};

PyObject* py_order(PyObject*, PyObject* const* a, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    Graph graph;
    for (py::handle t : py::reinterpret_borrow<py::object>(a[0])) graph.reach(t.ptr(), n > 1 ? a[1] : nullptr);
    py::list out;
    for (int p : graph.order) out.append(graph.places[size_t(p)].tensor);
    return out.release().ptr();
  });
}

PyObject* py_inputs(PyObject*, PyObject* x) {
  return guarded([&]() -> PyObject* { return inputs(node_of(x)).release().ptr(); });
}

// -- one op --------------------------------------------------------------------------------------------------------------

// rule(g, y, *args, **params), with one more keyword if `key` is given.
py::object call_rule(PyObject* rule, PyObject* g, PyObject* y, PyObject* args, PyObject* params, PyObject* key, PyObject* value) {
  Py_ssize_t n = PyTuple_GET_SIZE(args), named = (params == Py_None ? 0 : PyDict_GET_SIZE(params)) + (key != nullptr);
  std::vector<PyObject*> call{nullptr, g, y};  // the first is vectorcall's own
  call.reserve(size_t(3 + n + named));
  for (Py_ssize_t i = 0; i < n; ++i) call.push_back(PyTuple_GET_ITEM(args, i));
  py::object names;
  if (named) {
    names = steal(PyTuple_New(named));
    Py_ssize_t at = 0, i = 0;
    for (PyObject *k, *v; params != Py_None && PyDict_Next(params, &at, &k, &v);) {
      PyTuple_SET_ITEM(names.ptr(), i++, Py_NewRef(k));
      call.push_back(v);
    }
    if (key) {
      PyTuple_SET_ITEM(names.ptr(), i, Py_NewRef(key));
      call.push_back(value);
    }
  }
  return steal(PyObject_Vectorcall(rule, &call[1], size_t(2 + n) | PY_VECTORCALL_ARGUMENTS_OFFSET, names.ptr()));
}

// The gradient of each argument, in a tuple or list; None where needs has False.
py::object gradients(PyObject* op, PyObject* g, PyObject* y, PyObject* args, PyObject* params, PyObject* needs) {
  if (!grad_mode) {
    py::object joint = steal(PyObject_GetAttr(op, s_joint));
    if (!joint.is_none()) return call_rule(joint.ptr(), g, y, args, params, s_needs, needs);
  }
  py::object rules = steal(PyObject_GetAttr(op, s_rules));
  auto name = [&] { return std::string(py::str(steal(PyObject_GetAttr(op, s_name)))); };
  if (rules.is_none()) raise_error(ErrorKind::runtime, "%s has no derivative", name().c_str());
  Py_ssize_t n = PyTuple_GET_SIZE(args);
  bool variadic = PyTuple_GET_SIZE(rules.ptr()) == 1 && n > 1;  // one rule serves all: it is told which argument is meant
  py::object out = steal(PyTuple_New(n));
  for (Py_ssize_t i = 0; i < n; ++i) {
    PyObject* d = Py_NewRef(Py_None);
    if (PyTuple_GET_ITEM(needs, i) == Py_True) {
      PyObject* rule = PyTuple_GetItem(rules.ptr(), variadic ? 0 : i);
      if (!rule) throw py::error_already_set();
      if (rule == Py_None)
        raise_error(ErrorKind::runtime, "the derivative of %s with respect to argument %lld is not defined", name().c_str(), (long long)i);
      py::object index = variadic ? steal(PyLong_FromSsize_t(i)) : py::object();
      Py_SETREF(d, call_rule(rule, g, y, args, params, variadic ? s_index : nullptr, index.ptr()).release().ptr());
    }
    PyTuple_SET_ITEM(out.ptr(), i, d);
  }
  return out;
}

PyObject* py_gradients(PyObject*, PyObject* const* a, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    if (n != 6) raise_error(ErrorKind::type, "gradients: expected op, g, y, args, params, needs");
    return gradients(a[0], a[1], a[2], a[3], a[4], a[5]).release().ptr();
  });
}

// -- all of them ---------------------------------------------------------------------------------------------------------

struct Callbacks {  // what is rare, or has words to find: in autodiff.py
  PyObject *op_type, *check_fresh, *match, *run_hooks, *accumulate, *row_sparse;
  bool hooked;
};

bool alike(const Array& g, const Array& x) {
  return !g.batch && g.view.dtype == x.view.dtype && g.view.ndim == x.view.ndim &&
         memcmp(g.view.shape, x.view.shape, size_t(x.view.ndim) * sizeof(int64_t)) == 0;
}

// The gradient of an argument in the argument's own shape: what broadcasting repeated is summed.
py::object matched(py::object g, PyObject* x, const Callbacks& call) {
  const Array &have = array_of(g.ptr()), &want = array_of(x);
  if (alike(have, want)) return g;
  int lead = have.view.ndim - want.view.ndim;
  const DType type = have.view.dtype;
  bool plain = !grad_mode && !have.batch && !want.batch && type == want.view.dtype && !is_stored(type) && lead >= 0;
  Ints axes{};
  for (int d = 0; plain && d < have.view.ndim; ++d) {
    int64_t s = d < lead ? 1 : want.view.shape[d - lead];
    if (d < lead || (s == 1 && have.view.shape[d] != 1)) axes.v[axes.n++] = d;
    else plain = s == have.view.shape[d];
  }
  if (!plain) return steal(PyObject_CallFunctionObjArgs(call.match, g.ptr(), x, nullptr));
  View from = view_from(g.ptr(), {"sum", 2}, false, false);
  in_use(have);
  Array made = empty(want.view.shape, want.view.ndim, want.view.dtype, from.place);
  {
    ReleaseGil gil(from.bytes() >= RELEASE_FROM);
    launch<Out, In, Ints>(launches[int(Count::sum)], kernel_at(from.place, &Table::sum, "sum"), Out{made.view}, In{from}, axes);
  }
  return steal(wrap(std::move(made)));
}

// A gradient is a tensor, or a RowSparse (row_sparse.py), which knows how to add either.
void add_to(py::object& sum, py::object g) {
  if (!sum) sum = std::move(g);
  else if (is_array(g.ptr())) sum = steal(PyNumber_Add(sum.ptr(), g.ptr()));
  else sum = steal(PyNumber_Add(g.ptr(), sum.ptr()));
}

// A gradient that most of is zeros, of a slice, is added where it belongs: into a sum that nobody else has. True where that was done.
// (Queries, keys and values, split from one product: three arrays of zeros and two sums less. x[t] in a loop over T steps: T of each.)
bool added_into(py::object& sum, PyObject* op, const py::object& g, PyObject* args, PyObject* params) {
  if (grad_mode || !sum || !is_array(sum.ptr()) || Py_REFCNT(sum.ptr()) > 1) return false;
  const Array &s = array_of(sum.ptr()), &part = array_of(g.ptr()), &whole = array_of(PyTuple_GET_ITEM(args, 0));
  if (s.buffer->references > 1 || !s.view.packed() || part.batch || whole.batch || !alike(s, whole) || part.view.dtype != s.view.dtype) return false;
  py::object rule = steal(PyObject_GetAttr(op, s_into));
  if (rule.is_none()) return false;
  return call_rule(rule.ptr(), sum.ptr(), g.ptr(), args, params, nullptr, nullptr).ptr() != Py_False;
}

// Into x.grad. Two leaves may be handed the same gradient, or a view of one: each gets memory of its own.
void accumulate(PyObject* x, py::object g, const Callbacks& call) {
  touch_gradient(x);
  auto* leaf = reinterpret_cast<PyArray*>(x);
  if (leaf->grad != Py_None || grad_mode || !is_array(g.ptr()) || has_node(g.ptr())) {
    steal(PyObject_CallFunctionObjArgs(call.accumulate, x, g.ptr(), nullptr));
    return;
  }
  const Array& a = array_of(g.ptr());
  if (Py_REFCNT(g.ptr()) > 1 || a.buffer->references > 1 || !a.view.packed()) g = steal(PyObject_CallMethodNoArgs(g.ptr(), s_clone));
  Py_SETREF(leaf->grad, g.release().ptr());
}

struct GradMode {
  bool before = grad_mode;
  explicit GradMode(bool on) { grad_mode = on; }
  ~GradMode() { grad_mode = before; }
};

struct WalkBack {  // calls recorded meanwhile belong to the way back
  Program* program = recording;
  WalkBack() { if (program) ++program->walks_back; }
  ~WalkBack() { if (program) --program->walks_back; }
};

void free_node(PyObject* t) {  // drops what the rules would read; the op stays, for messages
  PyObject* old = node_of(t);
  Py_ssize_t n = PyTuple_GET_SIZE(old);
  PyObject* node = held(PyTuple_New(n));
  for (Py_ssize_t i = 0; i < n; ++i) {
    bool gone = i == 1 || i == 2 || i == 4 || i == 5;
    PyTuple_SET_ITEM(node, i, Py_NewRef(gone ? Py_None : field(old, int(i))));
  }
  node_of(t) = node;
  Py_DECREF(old);
}

PyObject* py_propagate(PyObject*, PyObject* const* a, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    if (n != 6) raise_error(ErrorKind::type, "propagate: expected 6 arguments");
    PyObject *outputs = a[0], *grads = a[1], *wanted = a[2];
    bool retain = a[3] == Py_True, create = a[4] == Py_True, all = wanted == Py_None;
    auto item = [&](int i) { return PyTuple_GET_ITEM(a[5], i); };
    Callbacks call{item(0), item(1), item(2), item(3), item(4), item(5), item(6) == Py_True};

    Graph graph;
    auto& places = graph.places;
    if (!all)
      for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(wanted); ++i) {
        Place& p = places[size_t(graph.place(PyTuple_GET_ITEM(wanted, i)))];
        p.wanted = p.useful = true;
      }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(outputs); ++i) graph.reach(PyTuple_GET_ITEM(outputs, i));
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(outputs); ++i)
      add_to(places[size_t(graph.place(PyTuple_GET_ITEM(outputs, i)))].gradient, py::reinterpret_borrow<py::object>(PyList_GET_ITEM(grads, i)));
    if (!all)  // only nodes through which a wanted tensor is reached; a freed one, which does not know any more, would raise
      for (int p : graph.order) {
        if (field(node_of(places[size_t(p)].tensor.ptr()), 1) == Py_None) {
          places[size_t(p)].useful = true;
          continue;
        }
        py::object args = inputs(node_of(places[size_t(p)].tensor.ptr()));
        for (Py_ssize_t i = 0; !places[size_t(p)].useful && i < PyTuple_GET_SIZE(args.ptr()); ++i) {
          PyObject* x = PyTuple_GET_ITEM(args.ptr(), i);
          int q = is_array(x) ? graph.find(x) : -1;
          if (q >= 0 && places[size_t(q)].useful) places[size_t(p)].useful = true;
        }
      }

    if (gpu) {
      uint64_t streams = 0;  // that the forward pass ran on
      for (int p : graph.order) {
        const Array& made = array_of(places[size_t(p)].tensor.ptr());
        if (made.view.place != fastnn::Place::cpu) streams |= uint64_t(1) << made.buffer->home;
      }
      if (streams > 1) wait_for_streams(streams);
    }
    GradMode mode(create);
    WalkBack walk;
    for (; !graph.order.empty(); graph.order.pop_back()) {
      Place& here = places[size_t(graph.order.back())];
      py::object g = std::move(here.gradient), tensor = here.tensor;
      PyObject* t = tensor.ptr();
      if (!g) continue;
      if (call.hooked) g = steal(PyObject_CallFunctionObjArgs(call.run_hooks, t, g.ptr(), all ? Py_True : Py_False, nullptr));
      if (here.wanted) here.gradient = g;
      if (!all && !here.useful) continue;
      PyObject* node = node_of(t);
      if (here.wanted && field(node, 1) == Py_None) continue;  // what is below it was freed, and is not asked for
      py::object op = py::reinterpret_borrow<py::object>(field(node, 0)), params = py::reinterpret_borrow<py::object>(field(node, 2));
      if (field(node, 1) == Py_None || stale(t) != FRESH) steal(PyObject_CallOneArg(call.check_fresh, t));  // raises
      py::object args = inputs(node), y = tensor;
      if (PyObject* aux = field(node, 4); aux != Py_None) {
        y = steal(PyTuple_New(1 + PyTuple_GET_SIZE(aux)));
        PyTuple_SET_ITEM(y.ptr(), 0, Py_NewRef(t));
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(aux); ++i) PyTuple_SET_ITEM(y.ptr(), i + 1, Py_NewRef(PyTuple_GET_ITEM(aux, i)));
      }
      Py_ssize_t n_args = PyTuple_GET_SIZE(args.ptr());
      py::object needs = steal(PyTuple_New(n_args));
      bool any = false, of_first = n_args > 0;
      for (Py_ssize_t i = 0; i < n_args; ++i) {
        PyObject* x = PyTuple_GET_ITEM(args.ptr(), i);
        int q = is_array(x) && needs_grad(x) ? graph.find(x) : -1;
        bool need = q >= 0 && (all || places[size_t(q)].useful);
        any |= need;
        of_first = of_first && need == (i == 0);
        PyTuple_SET_ITEM(needs.ptr(), i, Py_NewRef(need ? Py_True : Py_False));
      }
      const bool ours = Py_TYPE(op.ptr()) == reinterpret_cast<PyTypeObject*>(call.op_type);
      const int only = any && ours && of_first ? graph.find(PyTuple_GET_ITEM(args.ptr(), 0)) : -1;
      if (any && !(only >= 0 && added_into(places[size_t(only)].gradient, op.ptr(), g, args.ptr(), params.ptr()))) {
        py::object ds = ours
                            ? gradients(op.ptr(), g.ptr(), y.ptr(), args.ptr(), params.ptr(), needs.ptr())
                            : steal(PyObject_CallMethodObjArgs(op.ptr(), s_gradients, g.ptr(), y.ptr(), args.ptr(), params.ptr(), needs.ptr(), nullptr));
        ds = steal(PySequence_Fast(ds.ptr(), "gradients: expected one per argument"));
        if (PySequence_Fast_GET_SIZE(ds.ptr()) != n_args) raise_error(ErrorKind::runtime, "gradients: expected one per argument");
        for (Py_ssize_t i = 0; i < n_args; ++i) {
          PyObject *d = PySequence_Fast_GET_ITEM(ds.ptr(), i), *x = PyTuple_GET_ITEM(args.ptr(), i);
          if (PyTuple_GET_ITEM(needs.ptr(), i) != Py_True || d == Py_None) continue;
          bool rows = Py_TYPE(d) == reinterpret_cast<PyTypeObject*>(call.row_sparse);
          if (!is_array(d) && !rows) raise_error(ErrorKind::type, "expected a Tensor as gradient, got %s", Py_TYPE(d)->tp_name);
          py::object part = py::reinterpret_borrow<py::object>(d);
          if (rows && has_node(x)) part = steal(PyObject_CallMethodNoArgs(d, s_to_dense));  // rules read tensors
          add_to(places[size_t(graph.find(x))].gradient, rows ? part : matched(part, x, call));
        }
      }
      if (!retain && !steal(PyObject_GetAttr(op.ptr(), s_saved)).equal(py::tuple())) free_node(t);
      if (!here.wanted) here.tensor = py::object();  // memory goes as the walk goes
    }

    for (Place& leaf : places) {
      PyObject* x = leaf.tensor.ptr();
      if (!leaf.gradient || !x || has_node(x)) continue;
      if (!needs_grad(x) && !leaf.wanted) continue;
      if (call.hooked) leaf.gradient = steal(PyObject_CallFunctionObjArgs(call.run_hooks, x, leaf.gradient.ptr(), Py_False, nullptr));
      if (all) accumulate(x, std::move(leaf.gradient), call);
    }
    if (all) Py_RETURN_NONE;
    py::list found;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(wanted); ++i) {
      const py::object& g = places[size_t(graph.find(PyTuple_GET_ITEM(wanted, i)))].gradient;
      found.append(g ? g : py::none());
    }
    return found.release().ptr();
  });
}

PyMethodDef functions[] = {
    {"order", FN_FASTCALL(py_order), "order(outputs, stop=()) -> tensors with a history, inputs first; not through those whose id is in stop"},
    {"inputs", py_inputs, METH_O, "inputs(x) -> the arguments x was computed from, as they were then"},
    {"gradients", FN_FASTCALL(py_gradients), "gradients(op, g, y, args, params, needs) -> the gradient of each argument, or None"},
    {"propagate", FN_FASTCALL(py_propagate), "propagate(outputs, grads, wanted, retain_graph, create_graph, callbacks)"}};

}  // namespace

void bind_backward(py::module_& m) {
  struct { PyObject** name; const char* text; } names[] = {{&s_rules, "rules"}, {&s_joint, "joint_rule"}, {&s_into, "into_rule"}, {&s_needs, "needs"},
      {&s_index, "index"}, {&s_saved, "saved"}, {&s_name, "name"}, {&s_gradients, "gradients"}, {&s_clone, "clone"},
      {&s_to_dense, "to_dense"}};
  for (auto& n : names) *n.name = PyUnicode_InternFromString(n.text);
  for (auto& f : functions) m.attr(f.ml_name) = py::reinterpret_steal<py::object>(PyCFunction_New(&f, nullptr));
}

}  // namespace fastnn
