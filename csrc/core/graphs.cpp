// core/graphs.cpp: replays on a GPU. Calls that follow one another there are one CUDA graph, which one launch starts.
//
//    first replay   each call runs as ever, but what it launches becomes nodes of a graph (core/cuda/graph.h)
//    later ones     calls that read of the host what may have changed (`live`) are told again, and their nodes get the new numbers;
//                   then the graph is launched
//    alone          what belongs in no graph (a copy to the host, a long one to the GPU, a kernel of the CPU) runs between graphs
//
// With FASTNN_CUDA_SYNC=1 there are no graphs: errors come from the call that caused them.
#include <algorithm>
#include <string>

#include "device.h"
#include "program.h"

namespace fastnn {
namespace {

struct Telling {  // a graph what a step launches
  Telling(void* graph, size_t step) { gpu->graph_begin(graph, int64_t(step)); }
  ~Telling() { gpu->graph_end(); }
};

}  // namespace

bool Program::is_constant(const void* at) const {
  return std::any_of(constants.begin(), constants.end(), [&](const auto& c) { return at == c->bytes; });
}

void Program::find_place(Step& s) {
  s.views([&](View& v, bool) { s.there |= v.place == Place::cuda; });
  if (s.there) s.views([&](View& v, bool) { s.live |= v.place != Place::cuda && v.numel() && !is_constant(v.data); });
}

void Program::tell(void* graph, size_t step) {
  Telling telling(graph, step);
  steps[step]->run();
}

void Program::make_parts() {
  size_t i = 0;
  while (i < steps.size()) {
    Part part{i, i, nullptr};
    while (i < steps.size() && (!steps[i]->there || steps[i]->alone)) steps[i++]->run();
    if (i > part.begin) {
      part.end = i;
      parts.push_back(part);
      continue;
    }
    part.graph = gpu->graph_new();
    parts.push_back(part);
    for (; i < steps.size() && steps[i]->there && !steps[i]->alone; ++i) {
      std::vector<Span> spans;  // of the host: a call that turns out to belong in no graph is made once more
      steps[i]->views([&](View& v, bool written) {
        if (written && v.place == Place::cpu && v.numel()) spans.push_back(Span(v));
      });
      std::vector<std::string> kept;
      for (const Span& s : spans) kept.emplace_back(s.first, s.last);
      try {
        tell(part.graph, i);
      } catch (const Uncapturable& e) {
        for (size_t k = 0; k < spans.size(); ++k) memcpy(spans[k].first, kept[k].data(), kept[k].size());
        steps[i]->alone = e.message;
        --steps[i]->count;
        break;
      }
    }
    if (i == part.begin) {
      gpu->graph_free(part.graph);
      parts.pop_back();
      continue;
    }
    parts.back().end = i;
    gpu->graph_launch(part.graph);
  }
}

void Program::forget_parts() {
  for (const Part& p : parts)
    if (p.graph) gpu->graph_free(p.graph);
  parts.clear();
}

void Program::run_there() {
  try {
    if (gpu->every_call_waits()) {
      for (auto& s : steps) s->run();
    } else if (parts.empty()) {
      make_parts();
    } else {
      for (const Part& p : parts) {
        for (size_t i = p.begin; i < p.end; ++i) {
          if (!p.graph) steps[i]->run();
          else if (steps[i]->live) tell(p.graph, i);
          else ++steps[i]->count;
        }
        if (p.graph) gpu->graph_launch(p.graph);
      }
    }
  } catch (...) {
    forget_parts();
    throw;
  }
}

void Program::enter() {
  if (!on_gpu) return;
  const int stream = gpu->stream_current();
  streams |= uint64_t(1) << stream;
  if (done && done_on != stream) gpu->event_lead(done, stream);
}
void Program::leave() {
  if (!on_gpu) return;
  if (!done) done = gpu->event_new(false, false);
  done_on = gpu->stream_current();
  gpu->event_record(done, done_on);
}

Program::Graphs Program::graphs() const {
  Graphs g{};
  for (const Part& p : parts) {
    if (p.graph) {
      const char* refusal = gpu->graph_refusal(p.graph);
      g.graphs += !*refusal;
      g.launches += gpu->graph_count(p.graph);
      if (*refusal) g.why = refusal;
    }
    for (size_t i = p.begin; i < p.end && !p.graph; ++i) {
      ++g.alone;
      if (steps[i]->alone) g.why = steps[i]->alone;
    }
  }
  return g;
}

}  // namespace fastnn
