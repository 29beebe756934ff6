// core/chain.cpp: calls that work element by element, one after the other on arrays of one shape, run as one: tile by tile,
// all of them on a tile that stays in the core's cache, and in one parallel loop instead of one for each.
//
//    y = x + b          for each tile:  y = x + b        y lies in scratch memory if nobody else reads it
//    z = gelu(y)                        z = gelu(y)
//    r = res + z                        r = res + z
//
// A tile is a few rows of the first axis; where all operands are contiguous, or one number, arrays count as one axis. The kernels
// are the same as without the chain, called on pieces: every element goes through the same arithmetic.
#include <algorithm>

#include "lives.h"
#include "parallel.h"

namespace fastnn {
namespace {

constexpr int64_t TILE = 4096;         // elements
constexpr int64_t CHUNK = 4;           // tiles that a thread takes at a time
constexpr int64_t SHORTEST = 4 * TILE; // arrays below that fit the cache as they are
constexpr int64_t LONGEST_ROW = 8 * TILE;
constexpr size_t LONGEST = 16;         // calls: the arrays of all are in use together

struct Chain final : Step {
  struct Link {
    std::unique_ptr<Step> step;
    uint32_t in_scratch = 0;  // which of its views are
  };
  std::vector<Link> links;
  int64_t rows = 0, tile = 1, scratch_bytes = 0;
  explicit Chain(int64_t& count) : Step(count) {}
  void run() const override {
    for (const Link& l : links) ++l.step->count;
    parallel_for(rows, tile * CHUNK, [&](int64_t begin, int64_t end) {
      Scratch<char> scratch(scratch_bytes);
      for (int64_t r = begin; r < end; r += tile)
        for (const Link& l : links) l.step->run_rows(r, std::min(tile, end - r), scratch, l.in_scratch);
    });
  }
  void run_rows(int64_t, int64_t, char*, uint32_t) const override {}  // a chain is not a link
  void each_view(void (*f)(void*, View&, bool), void* context) override {
    for (Link& l : links) {
      uint32_t bit = 1;
      l.step->views([&](View& v, bool written) {
        if (!(l.in_scratch & bit)) f(context, v, written);
        bit <<= 1;
      });
    }
  }
  void each_name(void (*f)(void*, const Step&), void* context) const override {
    for (const Link& l : links) f(context, *l.step);
  }
};

bool same_shape(const View& a, const View& b) {
  return a.ndim == b.ndim && std::equal(a.shape, a.shape + a.ndim, b.shape);
}
bool same_view(const View& a, const View& b) {
  return a.data == b.data && a.dtype == b.dtype && same_shape(a, b) && std::equal(a.strides, a.strides + a.ndim, b.strides);
}

std::vector<View*> views_of(Step& s) {
  std::vector<View*> views;
  s.views([&](View& v, bool) { views.push_back(&v); });
  return views;
}

// Whether step `i`, run row by row after step `j` of the same chain, finds what it would after all of `j`.
bool follows(Program& p, const Lives& lives, size_t j, size_t i) {
  bool good = true;
  p.steps[j]->views([&](View& a, bool a_written) {
    p.steps[i]->views([&](View& b, bool b_written) {
      if (!(a_written || b_written)) return;
      const Value *in_a = lives.of(j, a), *in_b = lives.of(i, b);
      if (in_a != in_b) return;  // null: outside the arena
      good = good && (!Span(a).meets(Span(b)) || same_view(a, b));
    });
  });
  return good;
}

// Whether the arrays count as one axis.
bool flat(Step& s) {
  bool all = true;
  s.views([&](View& v, bool) { all = all && (v.packed() || v.one_number()); });
  return all;
}
int64_t row_length(const View& y) { return y.numel() / y.shape[0]; }

// The end of the chain that begins at call i: i + 1 where there is none.
size_t end_of_chain(Program& p, const Lives& lives, size_t i) {
  size_t end = i + 1;
  if (!p.steps[i]->pointwise) return end;
  const View& y = *views_of(*p.steps[i])[0];
  if (y.ndim == 0 || y.numel() < SHORTEST || y.place != Place::cpu) return end;
  const bool short_rows = row_length(y) <= LONGEST_ROW;
  if (!short_rows && !flat(*p.steps[i])) return end;
  for (; end < p.steps.size() && end - i < LONGEST; ++end) {
    Step& next = *p.steps[end];
    if (!next.pointwise || next.there || !same_shape(*views_of(next)[0], y) || (!short_rows && !flat(next))) break;
    bool good = true;
    for (size_t j = i; good && j < end; ++j) good = follows(p, lives, j, end);
    if (!good) break;
  }
  return end;
}

// Values that are made, read and forgotten within the calls [begin, end), through one view, live in scratch memory.
void find_local(Lives& lives, size_t begin, size_t end) {
  for (size_t i = begin; i < end; ++i)
    for (const Use& made : lives.uses[i]) {
      Value& v = lives.values[made.value];
      if (!made.written || v.begin != int64_t(i) || v.finish >= int64_t(end) || !made.view->packed() || Span(*made.view).first != v.first) continue;
      v.local = true;
      for (size_t k = i; k < end; ++k)
        for (const Use& u : lives.uses[k]) v.local = v.local && (u.value != made.value || same_view(*u.view, *made.view));
    }
}

// Each gets a slot of the scratch memory, which is free again after its last use.
void to_scratch(Chain& chain, const Lives& lives, size_t begin, int64_t slot_bytes) {
  std::vector<size_t> slots;  // the value in each, or NONE
  auto place = [&](Chain::Link& link, size_t k, size_t value) {
    auto slot = std::find(slots.begin(), slots.end(), value);
    if (slot == slots.end()) slot = std::find(slots.begin(), slots.end(), NONE);
    if (slot == slots.end()) slot = slots.insert(slots.end(), NONE);
    *slot = value;
    views_of(*link.step)[k]->data = reinterpret_cast<void*>((slot - slots.begin()) * slot_bytes);
    link.in_scratch |= 1u << k;
  };
  for (size_t i = 0; i < chain.links.size(); ++i) {
    std::vector<View*> views = views_of(*chain.links[i].step);
    for (const Use& u : lives.uses[begin + i])
      if (lives.values[u.value].local) place(chain.links[i], size_t(std::find(views.begin(), views.end(), u.view) - views.begin()), u.value);
    for (size_t& value : slots)
      if (value != NONE && lives.values[value].finish == int64_t(begin + i)) value = NONE;
  }
  chain.scratch_bytes = std::max<int64_t>(1, int64_t(slots.size()) * slot_bytes);
}

std::unique_ptr<Chain> chained(Program& p, Lives& lives, size_t begin, size_t end) {
  Step& first = *p.steps[begin];
  auto chain = std::make_unique<Chain>(first.count);
  chain->backward = first.backward, chain->file = first.file, chain->line = first.line;
  find_local(lives, begin, end);
  bool one_axis = true;
  for (size_t i = begin; i < end; ++i) one_axis = one_axis && flat(*p.steps[i]);
  for (size_t i = begin; i < end; ++i) {
    for (View* v : one_axis ? views_of(*p.steps[i]) : std::vector<View*>{}) {
      bool number = v->one_number();
      v->shape[0] = v->numel();
      v->strides[0] = number ? 0 : 1;
      v->ndim = 1;
    }
    chain->links.push_back({std::move(p.steps[i])});
  }
  const View& y = *views_of(*chain->links[0].step)[0];
  chain->rows = y.shape[0];
  chain->tile = std::max<int64_t>(1, TILE / row_length(y));
  to_scratch(*chain, lives, begin, (chain->tile * row_length(y) * 8 + LINE - 1) / LINE * LINE);
  return chain;
}

}  // namespace

void join_chains(Program& p, Lives& lives) {
  std::vector<std::unique_ptr<Step>> steps;
  std::vector<std::vector<Use>> uses;
  std::vector<int64_t> number(p.steps.size());  // of each call among the fewer
  for (size_t i = 0; i < p.steps.size();) {
    size_t end = end_of_chain(p, lives, i);
    uses.emplace_back();
    for (size_t k = i; k < end; ++k) {
      number[k] = int64_t(steps.size());
      uses.back().insert(uses.back().end(), lives.uses[k].begin(), lives.uses[k].end());
    }
    if (end == i + 1) steps.push_back(std::move(p.steps[i]));
    else steps.push_back(chained(p, lives, i, end));
    i = end;
  }
  for (Value& v : lives.values)
    if (v.begin >= 0) v.begin = number[size_t(v.begin)], v.finish = number[size_t(v.finish)];
  p.steps = std::move(steps);
  lives.uses = std::move(uses);
}

}  // namespace fastnn
