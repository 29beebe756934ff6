// bind/batch.cpp: hidden axes, and the loop or merge that runs a kernel over them. See batch.h.
#include "batch.h"

#include <string.h>

#include <string>
#include <vector>

#include "../core/isa.h"
#include "../kernels/table.h"

namespace py = pybind11;

namespace fastnn {
namespace {

struct Entered {
  int64_t level, size;
  Randomness randomness;
};
thread_local std::vector<Entered> entered;  // innermost last

View none_like(const View& v, int ndim) {
  View r = v;
  r.ndim = ndim;
  return r;
}

// v with an axis of length 1 at d
View with_axis(const View& v, int d) {
  View r = none_like(v, v.ndim + 1);
  for (int i = 0, j = 0; i < r.ndim; ++i) {
    r.shape[i] = i == d ? 1 : v.shape[j];
    r.strides[i] = i == d ? 0 : v.strides[j++];
  }
  return r;
}

void put_axis(Batch& b, int64_t level, int64_t size, int64_t stride) {
  if (b.n == MAX_LEVELS) raise_error(ErrorKind::runtime, "vmap: at most %d can be nested", MAX_LEVELS);
  int i = b.n++;
  for (; i > 0 && b.axis[i - 1].level > level; --i) b.axis[i] = b.axis[i - 1];
  b.axis[i] = {level, size, stride};
}

Batch* copy_of(const Batch* b) {
  auto* r = new Batch;
  for (int i = 0; b && i < b->n; ++i) r->axis[r->n++] = b->axis[i];
  return r;
}

void set_batch(Array& a, Batch* b) {
  Array taken;  // its destructor drops the old one
  taken.batch = a.batch;
  a.batch = b;
}

}  // namespace

void Levels::add(int64_t level, int64_t size) {
  int i = 0;
  while (i < n && at[i].level < level) ++i;
  if (i < n && at[i].level == level) return;
  if (n == MAX_LEVELS) raise_error(ErrorKind::runtime, "vmap: at most %d can be nested", MAX_LEVELS);
  for (int j = n++; j > i; --j) at[j] = at[j - 1];
  at[i] = {level, size};
}

bool in_vmap() { return !entered.empty(); }

void add_random_levels(Levels& levels) {
  for (const Entered& e : entered) {
    if (e.randomness == Randomness::error)
      raise_error(ErrorKind::runtime, "vmap: called random operation while in randomness error mode. Please either use the "
                  "'same' or 'different' randomness flags on vmap or perform the randomness operation out of vmap");
    if (e.randomness == Randomness::different) levels.add(e.level, e.size);
  }
}

int64_t stride_of(const Array& a, int64_t level) {
  for (int i = 0; a.batch && i < a.batch->n; ++i)
    if (a.batch->axis[i].level == level) return a.batch->axis[i].stride;
  return 0;
}

static bool has_level(const Array& a, int64_t level) {
  for (int i = 0; a.batch && i < a.batch->n; ++i)
    if (a.batch->axis[i].level == level) return true;
  return false;
}

View leading(const View& v, const Array* a, const Levels& levels, int first, int ndim) {
  int n = levels.n - first;
  View r = none_like(v, n + ndim);
  if (r.ndim > MAX_DIMS)
    raise_error(ErrorKind::shape, "arrays have at most %d dimensions, those that vmap hides included", MAX_DIMS);
  for (int i = 0; i < n; ++i) {
    r.shape[i] = levels.at[first + i].size;
    r.strides[i] = a ? stride_of(*a, levels.at[first + i].level) : 0;
  }
  for (int d = 0, lead = ndim - v.ndim; d < ndim; ++d) {
    r.shape[n + d] = d < lead ? 1 : v.shape[d - lead];
    r.strides[n + d] = d < lead ? 0 : v.strides[d - lead];
  }
  return r;
}

void hide_leading(Array& a, const Levels& levels) {
  auto* b = new Batch;
  for (int i = 0; i < levels.n; ++i) put_axis(*b, levels.at[i].level, levels.at[i].size, a.view.strides[i]);
  for (int d = levels.n; d < a.view.ndim; ++d)
    a.view.shape[d - levels.n] = a.view.shape[d], a.view.strides[d - levels.n] = a.view.strides[d];
  a.view.ndim -= levels.n;
  set_batch(a, b);
}

void widen(Array& a, const Levels& levels, const char* name) {
  Levels all = levels;
  all.add(a.batch);
  bool complete = true, allowed = a.buffer->references.load() == 1;
  for (int i = 0; i < all.n; ++i) {
    if (has_level(a, all.at[i].level)) continue;
    complete = false;
    allowed = allowed && a.buffer->born >= all.at[i].level;
  }
  if (complete) return;
  if (!allowed)
    raise_error(ErrorKind::runtime, "vmap: %s: an in-place operation is not possible here: the tensor written to was made "
                "outside of vmap, or is seen by other tensors, and cannot hold one value for each example. Use the "
                "out-of-place form, or clone() it inside the vmapped function.", name);
  int64_t shape[MAX_DIMS + MAX_LEVELS];
  int n = all.n + a.view.ndim;
  if (n > MAX_DIMS) raise_error(ErrorKind::shape, "arrays have at most %d dimensions, those that vmap hides included", MAX_DIMS);
  for (int i = 0; i < all.n; ++i) shape[i] = all.at[i].size;
  for (int d = 0; d < a.view.ndim; ++d) shape[all.n + d] = a.view.shape[d];
  Array wide = empty(shape, n, a.view.dtype, a.view.place);
  if (!a.buffer->fresh) launch_copy(wide.view, leading(a.view, &a, all, 0, a.view.ndim));
  wide.buffer->fresh = a.buffer->fresh;
  hide_leading(wide, all);
  a = std::move(wide);
}

void refuse_batched(const Array& a, const char* what) {
  if (a.batch)
    raise_error(ErrorKind::runtime, "vmap: It looks like you're calling .%s on a Tensor. We don't support vmap over calling "
                ".%s on a Tensor, please try to rewrite what you're doing with other operations.", what, what);
}

Examples::Examples(const char* name, Merge how, Slot* slots, int n, int64_t* axes, int n_axes) : slots_(slots), n_(n) {
  Slot* generator = nullptr;
  Levels drawn;
  for (int i = 0; i < n; ++i) {
    if (!slots[i].array) continue;
    if (slots[i].kind == Slot::state) generator = &slots[i];
    else levels_.add(slots[i].array->batch);
  }
  if (generator) {
    for (int i = 0; i < levels_.n; ++i) {
      bool now = false;
      for (const Entered& e : entered) now |= e.level == levels_.at[i].level;
      if (!now) raise_error(ErrorKind::runtime, "vmap: %s: a random operation on a tensor of a vmap that has ended", name);
    }
    add_random_levels(drawn);
    for (int i = 0; i < drawn.n; ++i) levels_.add(drawn.at[i].level, drawn.at[i].size);
  }
  for (int i = 0; i < n; ++i) {
    if (!slots[i].array || slots[i].kind != Slot::out) continue;
    widen(*slots[i].array, levels_, name);
    slots[i].array->buffer->fresh = false;
    *slots[i].view = slots[i].array->view;
  }
  if (generator && drawn.n < levels_.n) {  // examples that draw the same are the inner loops: the state is set back for each
    same_ = generator;
    Levels order = drawn;
    for (int i = 0; i < levels_.n; ++i) {
      bool different = false;
      for (int j = 0; j < drawn.n; ++j) different |= drawn.at[j].level == levels_.at[i].level;
      if (!different) order.at[order.n++] = levels_.at[i];
    }
    levels_ = order;
    loops_ = levels_.n;
    drawn_ = drawn.n;
    return;
  }
  loops_ = levels_.n;
  if (how != Merge::none && !generator && levels_.n) {
    int most = 0;
    for (int i = 0; i < n; ++i)
      if (slots[i].array && slots[i].view->ndim > most) most = slots[i].view->ndim;
    int first = most + 1 + levels_.n > MAX_DIMS ? most + 1 + levels_.n - MAX_DIMS : 0;
    if (first < levels_.n && merge(how, axes, n_axes, first)) loops_ = first;
  }
}

bool Examples::merge(Merge how, int64_t* axes, int n_axes, int first) {
  if (how == Merge::product) return product(first);
  const View& x = *slots_[slots_[1].kind == Slot::in ? 1 : 2].view;
  if (how == Merge::axis && x.ndim == 0 && n_axes) return false;
  for (int i = 0; i < n_axes; ++i)
    if (axes[i] < 0) return false;
  View merged[8];
  for (int i = 0; i < n_; ++i) {
    const Slot& s = slots_[i];
    if (!s.array) continue;
    int ndim = s.view->ndim;
    // sum's y may lack leading axes that were reduced: with hidden axes in front they must be there
    if (how == Merge::axis && s.kind == Slot::out && ndim < x.ndim && ndim != x.ndim - n_axes) ndim = x.ndim;
    merged[i] = leading(*s.view, s.array, levels_, first, ndim);
    if (s.packed && !merged[i].packed()) return false;
  }
  for (int i = 0; i < n_; ++i)
    if (slots_[i].array) *slots_[i].view = merged[i];
  for (int i = 0; i < n_axes; ++i) axes[i] += levels_.n - first;
  return true;
}

// c, a, b and a bias with their vectors as matrices, and hidden axes as batch axes. A factor that all examples share keeps
// its axes, so that the kernel reads it once; and if that is b, a vector a is a row: the examples make one matrix.
bool Examples::product(int first) {
  View &c = *slots_[0].view, &a = *slots_[1].view, &b = *slots_[2].view;
  auto differs = [&](int i) {
    for (int k = first; k < levels_.n; ++k)
      if (levels_.at[k].size != 1 && stride_of(*slots_[i].array, levels_.at[k].level) != 0) return true;
    return false;
  };
  View* bias = n_ > 3 && slots_[3].array ? slots_[3].view : nullptr;
  const bool rows = a.ndim == 1 && b.ndim == 2 && differs(1) && !differs(2);
  if (bias && bias->ndim < c.ndim) *bias = leading(*bias, nullptr, Levels{}, 0, c.ndim);
  if (b.ndim == 1) {
    b = with_axis(b, 1);
    c = with_axis(c, c.ndim);
    if (bias) *bias = with_axis(*bias, bias->ndim);
  }
  if (a.ndim == 1 && !rows) {
    a = with_axis(a, 0);
    c = with_axis(c, c.ndim - 1);
    if (bias) *bias = with_axis(*bias, bias->ndim - 1);
  }
  const int ndim = c.ndim;
  if (ndim + levels_.n - first > MAX_DIMS) return false;
  for (int i = 0; i < n_; ++i)
    if (slots_[i].array && (i == 0 || differs(i))) *slots_[i].view = leading(*slots_[i].view, slots_[i].array, levels_, first, ndim);
  return true;
}

bool Examples::next() {
  if (done_) return false;
  if (!started_) {
    started_ = true;
    for (int i = 0; i < levels_.n; ++i)
      if (levels_.at[i].size == 0) return !(done_ = true);
  } else {
    int k = loops_ - 1;
    while (k >= 0 && ++index_[k] == levels_.at[k].size) index_[k--] = 0;
    if (k < 0) return !(done_ = true);
    if (same_ && k >= drawn_) memcpy(same_->view->data, state_, sizeof state_);
  }
  if (same_) memcpy(state_, same_->view->data, sizeof state_);
  for (int i = 0; i < n_; ++i) {
    const Slot& s = slots_[i];
    if (!s.array || s.kind == Slot::state) continue;
    int64_t offset = 0;
    for (int k = 0; k < loops_; ++k) offset += index_[k] * stride_of(*s.array, levels_.at[k].level);
    s.view->data = static_cast<char*>(s.array->view.data) + offset * itemsize(s.view->dtype);
  }
  return true;
}

// ---- what Python calls --------------------------------------------------------------------------------------------------

static py::object hide(py::handle x, int64_t dim, int64_t level) {
  if (!is_array(x.ptr())) throw py::type_error("hide: expected a Tensor");
  Array r(array_of(x.ptr()));
  View& v = r.view;
  if (dim < 0 || dim >= v.ndim) raise_error(ErrorKind::index, "hide: no dimension %lld", (long long)dim);
  Batch* b = copy_of(r.batch);
  put_axis(*b, level, v.shape[dim], v.strides[dim]);
  for (int64_t j = dim; j + 1 < v.ndim; ++j) v.shape[j] = v.shape[j + 1], v.strides[j] = v.strides[j + 1];
  --v.ndim;
  set_batch(r, b);
  return py::reinterpret_steal<py::object>(wrap(std::move(r)));
}

static py::object show(py::handle x, int64_t dim, int64_t level, int64_t size) {
  if (!is_array(x.ptr())) throw py::type_error("show: expected a Tensor");
  Array r(array_of(x.ptr()));
  View& v = r.view;
  if (dim < 0 || dim > v.ndim) raise_error(ErrorKind::index, "show: no dimension %lld", (long long)dim);
  if (v.ndim == MAX_DIMS) raise_error(ErrorKind::shape, "arrays have at most %d dimensions", MAX_DIMS);
  int64_t stride = 0;
  Batch* b = new Batch;
  for (int i = 0; r.batch && i < r.batch->n; ++i) {
    const Batch::Axis& a = r.batch->axis[i];
    if (a.level == level) size = a.size, stride = a.stride;
    else b->axis[b->n++] = a;
  }
  v = with_axis(v, int(dim));
  v.shape[dim] = size;
  v.strides[dim] = stride;
  set_batch(r, b->n ? b : (delete b, nullptr));
  return py::reinterpret_steal<py::object>(wrap(std::move(r)));
}

// widen(y, *like): before y is written through a view, it gets the hidden axes of what will be written
static PyObject* py_widen(PyObject*, PyObject* const* args, Py_ssize_t n) {
  return guarded([&]() -> PyObject* {
    Levels levels;
    for (Py_ssize_t i = 1; i < n; ++i)
      if (is_array(args[i])) levels.add(array_of(args[i]).batch);
    if (levels.n) widen(array_of(args[0]), levels, "setitem");
    Py_RETURN_NONE;
  });
}

static PyMethodDef widen_def = {"widen", FN_FASTCALL(py_widen), "widen(y, *like): y gets the axes that any of `like` hides"};

void bind_batch(py::module_& m) {
  m.attr("widen") = py::reinterpret_steal<py::object>(PyCFunction_New(&widen_def, nullptr));
  m.def("vmap_enter", [](int64_t size, const std::string& randomness) {
    int64_t level = ++vmaps_entered;
    entered.push_back({level, size, randomness == "same" ? Randomness::same : randomness == "different" ? Randomness::different : Randomness::error});
    return level;
  }, "vmap_enter(size, randomness) -> level");
  m.def("vmap_exit", [] { entered.pop_back(); });
  m.def("vmap_levels", [] {
    py::list list;
    for (const Entered& e : entered) list.append(e.level);
    return list;
  }, "the levels of the vmaps that run now, outermost first");
  m.def("hide", &hide, "hide(x, dim, level): x as one example of its axis dim");
  m.def("show", &show, "show(x, dim, level, size): the axis hidden at level at dim again; repeated without copying where there is none");
}

}  // namespace fastnn
