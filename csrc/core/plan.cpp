// core/plan.cpp: where the arrays of a recorded step lie.
//
//    group      a value and those made from it in place: of a call that works element by element the result may take the
//               place of an operand that nobody reads afterwards
//    fit        groups, the largest first, each into the tightest gap between those that are in use at the same time
//
// Values still in use at the end of the step, its results and gradients, stay where they are: somebody else has them.
#include <algorithm>
#include <map>

#include "lives.h"

namespace fastnn {

Lives::Lives(Program& p) : uses(p.steps.size()) {
  for (Arena* arena : {p.arena, p.there}) {
    const Lived* log;
    const int64_t n = arena ? arena_log(arena, &log) : 0;
    for (int64_t i = 0; i < n; ++i)
      if (log[i].to >= 0) {
        values.push_back({log[i].from, log[i].to, log[i].block, log[i].block + log[i].bytes});
        values.back().there = arena == p.there;
      }
  }
  std::stable_sort(values.begin(), values.end(), [](const Value& a, const Value& b) { return a.from < b.from; });
  std::map<char*, size_t> now;  // by address
  size_t next = 0;
  for (int64_t i = 0; i < int64_t(p.steps.size()); ++i) {
    for (; next < values.size() && values[next].from <= i; ++next) now[values[next].block] = next;
    p.steps[size_t(i)]->views([&](View& v, bool written) {
      Span s(v);
      auto it = now.upper_bound(s.first);
      if (s.first == s.last || it == now.begin()) return;
      size_t k = std::prev(it)->second;
      Value& value = values[k];
      if (s.first >= value.end || i >= value.to) return;
      char* line = s.first - reinterpret_cast<uintptr_t>(s.first) % LINE;
      value.first = value.begin < 0 ? line : std::min(value.first, line);
      value.last = std::max(value.last, s.last);
      if (value.begin < 0) value.begin = i;
      value.finish = i;
      uses[size_t(i)].push_back({&v, k, written});
    });
  }
}

namespace {

struct Group {
  int64_t begin, finish, bytes;
  bool there;
  int64_t at = -1;
};

bool alike(const View& a, const View& b) {
  if (a.ndim != b.ndim || a.dtype != b.dtype || a.place != b.place) return false;
  for (int d = 0; d < a.ndim; ++d)
    if (a.shape[d] != b.shape[d] || (a.shape[d] > 1 && (a.strides[d] != b.strides[d] || a.strides[d] == 0))) return false;
  return true;
}

// The value whose place the result y of a pointwise call may take, or NONE: it ends here, and y and the one view of it that
// the call reads are alike and the whole of both.
size_t operand_to_take(const Lives& lives, size_t step, const Use& y) {
  auto whole = [&](const Use& u) {
    Span s(*u.view);
    return s.first == lives.values[u.value].first && s.last == lives.values[u.value].last;
  };
  for (const Use& x : lives.uses[step]) {
    if (x.written || x.value == y.value || lives.values[x.value].finish != int64_t(step)) continue;
    int views = 0;
    for (const Use& u : lives.uses[step]) views += u.value == x.value;
    if (views == 1 && alike(*x.view, *y.view) && whole(x) && whole(y)) return x.value;
  }
  return NONE;
}

std::vector<Group> grouped(const Program& p, Lives& lives) {
  std::vector<Group> groups;
  for (size_t i = 0; i < p.steps.size(); ++i)
    for (const Use& u : lives.uses[i]) {
      Value& v = lives.values[u.value];
      if (v.group != NONE || v.local) continue;
      size_t taken = p.steps[i]->pointwise && u.written ? operand_to_take(lives, i, u) : NONE;
      if (taken != NONE) {
        v.group = lives.values[taken].group;
        groups[v.group].finish = v.finish;
      } else {
        v.group = groups.size();
        groups.push_back({v.begin, v.finish, v.last - v.first, v.there});
      }
    }
  return groups;
}

int64_t whole_lines(int64_t bytes) { return (bytes + LINE - 1) / LINE * LINE; }

// Gives every group of one device its `at`; returns the bytes of the block that holds them all.
int64_t fit(std::vector<Group>& groups, bool there) {
  std::vector<Group*> order, placed;
  for (Group& g : groups)
    if (g.there == there) order.push_back(&g);
  std::stable_sort(order.begin(), order.end(), [](Group* a, Group* b) { return a->bytes > b->bytes; });
  int64_t block = 0;
  for (Group* g : order) {
    int64_t size = whole_lines(g->bytes), end = 0, best = -1, tightest = 0;
    for (Group* o : placed) {  // by address
      if (o->begin > g->finish || g->begin > o->finish) continue;
      int64_t gap = o->at - end;
      if (gap >= size && (best < 0 || gap < tightest)) best = end, tightest = gap;
      end = std::max(end, o->at + whole_lines(o->bytes));
    }
    g->at = best < 0 ? end : best;
    block = std::max(block, g->at + size);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), g, [](Group* a, Group* b) { return a->at < b->at; }), g);
  }
  return block;
}

}  // namespace

void Program::place(const char* (*name)(const int64_t& count)) {
  Lives lives(*this);
  drop_zeros(lives, name);
  join_chains(*this, lives);
  std::vector<Group> groups = grouped(*this, lives);
  const int64_t here_bytes = fit(groups, false), there_bytes = fit(groups, true);
  planned = here_bytes + there_bytes;
  char* block = arena_settle(arena, size_t(here_bytes));
  char* block_there = there ? arena_settle(there, size_t(there_bytes)) : nullptr;
  for (auto& uses : lives.uses)
    for (const Use& u : uses) {
      const Value& v = lives.values[u.value];
      if (!v.local) u.view->data = (v.there ? block_there : block) + groups[v.group].at + (static_cast<char*>(u.view->data) - v.first);
    }
}

}  // namespace fastnn
