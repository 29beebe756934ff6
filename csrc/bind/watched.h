// bind/watched.h: what a recorded step's Python saw (watch.py), and whether it is still there. Identity decides first, so a step of a
// small network is found to fit in a fraction of a microsecond.
#pragma once
#include "nest.h"

namespace fastnn {

struct Watched {
  struct Entry {
    pybind11::object key, value;  // a null value may be any, or absent
    bool any;
  };
  struct Dict {
    pybind11::object label, dict;
    std::vector<Entry> entries;
  };
  struct List {
    pybind11::object label, list;
    std::vector<pybind11::object> items;
  };
  struct Name {
    pybind11::object label, dict, key, value;  // a null value: absent
  };
  struct Cell {
    pybind11::object label, cell, value;
  };
  struct Memory {
    pybind11::object label, tensor;
    Buffer* buffer;
    void* data;
    View view;
    bool requires_grad;
  };
  std::vector<Dict> dicts;
  std::vector<List> lists;
  std::vector<Name> names;
  std::vector<Cell> cells;
  std::vector<Memory> tensors;

  explicit Watched(pybind11::handle w) {  // what capture.py's `Watch` has found
    for (auto item : pybind11::list(w.attr("dicts"))) {  // (label, dict, keys whose values may change)
      auto t = pybind11::reinterpret_borrow<pybind11::tuple>(item);
      Dict d{t[0], t[1], {}};
      Py_ssize_t at = 0;
      for (PyObject *k, *v; PyDict_Next(d.dict.ptr(), &at, &k, &v);) {
        int any = PySequence_Contains(pybind11::object(t[2]).ptr(), k);
        if (any < 0) throw pybind11::error_already_set();
        d.entries.push_back({held(k), any ? pybind11::object() : held(v), any == 1});
      }
      dicts.push_back(std::move(d));
    }
    for (auto item : pybind11::list(w.attr("lists"))) {
      auto t = pybind11::reinterpret_borrow<pybind11::tuple>(item);
      List l{t[0], t[1], {}};
      for (Py_ssize_t i = 0; i < PyList_GET_SIZE(l.list.ptr()); ++i) l.items.push_back(held(PyList_GET_ITEM(l.list.ptr(), i)));
      lists.push_back(std::move(l));
    }
    for (auto item : pybind11::list(w.attr("names"))) {
      auto t = pybind11::reinterpret_borrow<pybind11::tuple>(item);
      PyObject* v = PyDict_GetItemWithError(pybind11::object(t[1]).ptr(), pybind11::object(t[2]).ptr());
      if (!v && PyErr_Occurred()) throw pybind11::error_already_set();
      names.push_back({t[0], t[1], t[2], v ? held(v) : pybind11::object()});
    }
    for (auto item : pybind11::list(w.attr("cells"))) {
      auto t = pybind11::reinterpret_borrow<pybind11::tuple>(item);
      PyObject* v = PyCell_GET(pybind11::object(t[1]).ptr());
      cells.push_back({t[0], t[1], v ? held(v) : pybind11::object()});
    }
    for (auto item : pybind11::list(w.attr("tensors"))) {
      auto t = pybind11::reinterpret_borrow<pybind11::tuple>(item);
      PyObject* o = pybind11::object(t[1]).ptr();
      const Array& a = array_of(o);
      tensors.push_back({t[0], t[1], a.buffer, a.view.data, a.view, needs_grad(o)});
    }
  }

  PyObject* changed() const {  // the label of what has, or null
    for (const Cell& c : cells)
      if (!same(PyCell_GET(c.cell.ptr()), c.value.ptr())) return c.label.ptr();
    for (const Name& n : names) {
      PyObject* v = PyDict_GetItemWithError(n.dict.ptr(), n.key.ptr());
      if (!v && PyErr_Occurred()) throw pybind11::error_already_set();
      if (!same(v, n.value.ptr())) return n.label.ptr();
    }
    for (const Dict& d : dicts) {
      if (PyDict_GET_SIZE(d.dict.ptr()) != Py_ssize_t(d.entries.size())) return d.label.ptr();
      Py_ssize_t at = 0;
      size_t i = 0;
      for (PyObject *k, *v; i < d.entries.size() && PyDict_Next(d.dict.ptr(), &at, &k, &v); ++i) {
        const Entry& e = d.entries[i];
        if (k != e.key.ptr() && !same(k, e.key.ptr())) return d.label.ptr();
        if (!e.any && !same(v, e.value.ptr())) return d.label.ptr();
      }
    }
    for (const List& l : lists) {
      if (PyList_GET_SIZE(l.list.ptr()) != Py_ssize_t(l.items.size())) return l.label.ptr();
      for (size_t i = 0; i < l.items.size(); ++i)
        if (!same(PyList_GET_ITEM(l.list.ptr(), Py_ssize_t(i)), l.items[i].ptr())) return l.label.ptr();
    }
    for (const Memory& m : tensors) {
      const Array& a = array_of(m.tensor.ptr());
      if (a.buffer != m.buffer || a.view.data != m.data || !same_view(a.view, m.view) || needs_grad(m.tensor.ptr()) != m.requires_grad)
        return m.label.ptr();
    }
    return nullptr;
  }

  template <class F> void each_object(const F& f) const {
    for (const Dict& d : dicts) {
      f(d.label.ptr()), f(d.dict.ptr());
      for (const Entry& e : d.entries) f(e.key.ptr()), f(e.value.ptr());
    }
    for (const List& l : lists) {
      f(l.label.ptr()), f(l.list.ptr());
      for (const pybind11::object& o : l.items) f(o.ptr());
    }
    for (const Name& n : names) f(n.label.ptr()), f(n.dict.ptr()), f(n.key.ptr()), f(n.value.ptr());
    for (const Cell& c : cells) f(c.label.ptr()), f(c.cell.ptr()), f(c.value.ptr());
    for (const Memory& m : tensors) f(m.label.ptr()), f(m.tensor.ptr());
  }
};

}  // namespace fastnn
