#include "program.h"

#include <time.h>

#include <algorithm>

#include "device.h"
#include "error.h"
#include "interrupt.h"
#include "memory.h"

namespace fastnn {

thread_local Program* recording = nullptr;

Span::Span(const View& v) {
  first = last = static_cast<char*>(v.data);
  if (v.numel() == 0) return;
  last += itemsize(v.dtype);
  for (int d = 0; d < v.ndim; ++d) {
    int64_t reach = (v.shape[d] - 1) * v.strides[d] * itemsize(v.dtype);
    (reach < 0 ? first : last) += reach;
  }
}

namespace {

// Overlapping spans become one.
std::vector<Span> merged(std::vector<Span> spans) {
  std::sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) { return a.first < b.first; });
  std::vector<Span> kept;
  for (const Span& s : spans)
    if (!kept.empty() && s.first <= kept.back().last) kept.back().last = std::max(kept.back().last, s.last);
    else kept.push_back(s);
  return kept;
}

size_t total(const std::vector<Span>& spans) {
  size_t n = 0;
  for (const Span& s : spans) n += size_t(s.last - s.first);
  return n;
}
void copy_out(const std::vector<Span>& spans, char* to) {
  for (const Span& s : spans) {
    memcpy(to, s.first, size_t(s.last - s.first));
    to += s.last - s.first;
  }
}
void copy_back(const std::vector<Span>& spans, const char* from) {
  for (const Span& s : spans) {
    memcpy(s.first, from, size_t(s.last - s.first));
    from += s.last - s.first;
  }
}

double now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}

}  // namespace

static void* host_block(size_t bytes) { return system_alloc(bytes); }
static void free_host_block(void* p, size_t, int, uint64_t) { free(p); }

Program::Program() : arena(arena_new({host_block, free_host_block, 0})) {}
Program::~Program() {
  forget_parts();
  for (auto& [buffer, entry] : held)
    each_stream(streams, [&](int s) { note_use(buffer, s); });
  if (done) gpu->event_free(done);
  steps.clear();
  held.clear();
  arena_release(arena);
  if (there) arena_release(there, streams);
}

void Program::kept() {
  Step& s = *steps.back();
  s.backward = walks_back > 0;
  s.file = file;
  s.line = line;
  s.views([&](View& v, bool) { bytes += v.bytes(); });
  arena_tick(arena);
  if (there) arena_tick(there);
}

Step* Program::writer(const void* at) const {
  for (auto it = steps.rbegin(); it != steps.rend(); ++it) {
    bool here = false;
    (*it)->views([&](View& v, bool written) {
      Span s(v);
      here |= written && s.first <= at && at < s.last;
    });
    if (here) return it->get();
  }
  return nullptr;
}

void Program::plan(bool (*pointwise)(const int64_t& count), const char* (*name)(const int64_t& count)) {
  for (auto& s : steps) s->pointwise = pointwise(s->count);
  place(name);
  prepare_undo();
  for (auto& [buffer, entry] : held)
    if (entry.second) written.push_back(buffer);
}

// What a step changes last, its parameters, is not copied every time: from `last_part` on the calls write held memory only
// and take no indices, the one thing in an array that a kernel can refuse; and Ctrl-C waits for them. Everything held that
// an earlier call writes (running means, generators, the first of two optimizers) is kept until then.
void Program::prepare_undo() {
  auto outside = [&](const View& v) {
    return std::any_of(held.begin(), held.end(), [&](const auto& h) {
      auto* first = static_cast<char*>(h.first->data);
      return static_cast<char*>(v.data) >= first && static_cast<char*>(v.data) < first + h.first->bytes;
    });
  };
  last_part = steps.size();
  on_gpu = std::any_of(steps.begin(), steps.end(), [](const auto& s) { return s->there; });
  while (last_part > 0 && !on_gpu) {
    bool only_held = true, refuses = false;
    steps[last_part - 1]->views([&](View& v, bool written) {
      if (written) only_held = only_held && outside(v);
      else refuses |= v.dtype == DType::i64 || v.dtype == DType::i32;
    });
    if (!only_held || refuses) break;
    --last_part;
  }
  for (size_t i = 0; i < last_part; ++i)
    steps[i]->views([&](View& v, bool written) {
      if (written && v.numel() && v.place == Place::cpu && outside(v)) before.push_back(Span(v));
    });
  before = merged(std::move(before));
  undo.resize(total(before));
}

void Program::run() const {
  Interrupts interrupts;
  for (size_t i = 0; i < last_part; ++i) {
    if (i % 32 == 31) interrupts.check();
    steps[i]->run();
  }
  Shielded shielded;
  for (size_t i = last_part; i < steps.size(); ++i) steps[i]->run();
}

void Program::replay() {
  copy_out(before, undo.data());
  if (on_gpu) {
    try {
      run_there();
    } catch (...) {
      copy_back(before, undo.data());
      throw;
    }
    return;
  }
  const double start = sharing.trying() ? now() : 0;
  try {
    if (sharing.alone()) {
      Alone alone;
      run();
    } else {
      run();
    }
  } catch (...) {
    copy_back(before, undo.data());
    throw;
  }
  sharing.took(sharing.trying() ? now() - start : 0);
}

void Sharing::took(double seconds) {
  if (trying()) {
    double& b = best[alone()];
    b = std::min(b, seconds);
    large = !alone() && seconds > LARGE && number > 0;
  }
  if (++number == TRIALS) alone_is_quicker = best[1] < best[0];
  if (number == PERIOD && !large) number = 0, best[0] = best[1] = 1;
}

std::vector<double> Program::seconds(int repeats) {
  std::vector<Span> spans;
  if (on_gpu) return std::vector<double>(steps.size());  // launches end before the work does
  for (auto& s : steps)
    s->views([&](View& v, bool written) {
      if (written && v.numel()) spans.push_back(Span(v));
    });
  spans = merged(std::move(spans));
  std::vector<char> kept(total(spans));
  copy_out(spans, kept.data());
  std::vector<std::vector<double>> taken(steps.size());
  try {
    for (int r = 0; r < repeats; ++r) {
      double start = now();
      for (size_t i = 0; i < steps.size(); ++i) {
        steps[i]->run();
        double end = now();
        taken[i].push_back(end - start);
        start = end;
      }
    }
  } catch (...) {
    copy_back(spans, kept.data());
    throw;
  }
  copy_back(spans, kept.data());
  std::vector<double> medians;
  for (auto& t : taken) {
    std::nth_element(t.begin(), t.begin() + int64_t(t.size() / 2), t.end());
    medians.push_back(t[t.size() / 2]);
  }
  return medians;
}

}  // namespace fastnn
