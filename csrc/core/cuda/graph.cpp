#include "graph.h"

#include <string.h>

#include "../device.h"
#include "../error.h"

namespace fastnn::cuda {

Kept::Kept(const Launch& l) : launch(l), at(size_t(l.n)), sizes(l.sizes, l.sizes + l.n) {
  const auto whole = [](unsigned bytes) { return (bytes + sizeof(Line) - 1) / sizeof(Line); };
  size_t total = 0;
  for (unsigned s : sizes) total += whole(s);
  lines.resize(total);
  Line* to = lines.data();
  for (size_t i = 0; i < at.size(); to += whole(sizes[i]), ++i) at[i] = memcpy(to, l.parameters[i], sizes[i]);
  launch.parameters = at.data(), launch.sizes = sizes.data();
}
bool Kept::same(const Launch& l) const {
  if (!same_kernel(l) || launch.memory != l.memory) return false;
  if (memcmp(launch.blocks, l.blocks, sizeof l.blocks) || memcmp(launch.threads, l.threads, sizeof l.threads)) return false;
  for (size_t i = 0; i < at.size(); ++i)
    if (memcmp(at[i], l.parameters[i], sizes[i])) return false;
  return true;
}

namespace {
struct Block {
  void* data;
  size_t bytes;
};
struct Part {  // a step's
  int64_t step;
  std::vector<Kept> launches;
  std::vector<Block> scratch;
};
}  // namespace

struct Graph {
  std::vector<Part> parts;     // by step
  std::vector<Block> blocks, unused;
  int home = runtime::stream_current();
  uint64_t used = 0;           // a bit for each stream that it has been launched on
  void* native = nullptr;
  bool stale = false;          // other launches than the native one has
  std::string refusal;
  void* last = nullptr;        // event: the end of the last launch
  int last_stream = 0;

  Part* part = nullptr;        // that is being told, and how much of it has been
  size_t launches = 0, scratches = 0;
  bool again = false;
  std::vector<Kept*> changed;
};

namespace runtime {

thread_local Graph* building = nullptr;

Graph* graph_new() { return new Graph; }
void graph_free(Graph* g) {
  if (g->last) {
    try {
      event_wait(g->last);
    } catch (...) {  // a GPU that is lost does not run it any more
    }
    event_free(g->last);
  }
  if (g->native) native_free(g->native);
  for (const Block& b : g->blocks) pool_free(b.data, b.bytes, g->home, g->used);
  delete g;
}

void graph_begin(Graph* g, int64_t step) {
  building = g;
  size_t i = 0;
  while (i < g->parts.size() && g->parts[i].step < step) ++i;
  g->again = i < g->parts.size() && g->parts[i].step == step;
  if (!g->again) g->parts.insert(g->parts.begin() + int64_t(i), Part{step, {}, {}}), g->stale = true;
  g->part = &g->parts[i];
  g->launches = g->scratches = 0;
}
void graph_end() {
  Graph* g = building;
  building = nullptr;
  if (!g || !g->part) return;
  if (g->launches < g->part->launches.size()) {
    g->part->launches.erase(g->part->launches.begin() + int64_t(g->launches), g->part->launches.end());
    g->stale = true;
  }
  if (g->part->launches.empty() && !g->again) g->parts.erase(g->parts.begin() + (g->part - g->parts.data()));
  g->part = nullptr;
}
void graph_refuse(const char* what) {
  Graph* g = building;
  g->parts.erase(g->parts.begin() + (g->part - g->parts.data()));  // what it has launched before will be launched by itself
  g->part = nullptr, g->stale = true;
  building = nullptr;
  throw Uncapturable{what};
}

void graph_add(const Launch& l) {
  Graph& g = *building;
  auto& list = g.part->launches;
  if (g.launches == list.size()) {
    list.emplace_back(l);
    g.stale = true;
  } else if (Kept& k = list[g.launches]; !k.same(l)) {
    Kept other(l);
    if (k.same_kernel(l)) other.node = k.node;
    else g.stale = true;
    k = std::move(other);
    g.changed.push_back(&k);
  }
  ++g.launches;
}

void* scratch_alloc(size_t bytes) {
  if (!building) return pool_alloc(bytes);
  Graph& g = *building;
  auto& mine = g.part->scratch;
  if (g.scratches < mine.size() && mine[g.scratches].bytes >= bytes) return mine[g.scratches++].data;
  Block b{nullptr, bytes};
  size_t best = g.unused.size();
  for (size_t i = 0; !g.again && i < g.unused.size(); ++i)  // launches come one after another: what one has used the next may have
    if (g.unused[i].bytes >= bytes && (best == g.unused.size() || g.unused[i].bytes < g.unused[best].bytes)) best = i;
  if (best < g.unused.size()) {
    b = g.unused[best];
    g.unused.erase(g.unused.begin() + int64_t(best));
  } else {
    b.data = pool_alloc(bytes);
    g.blocks.push_back(b);
  }
  if (g.scratches < mine.size()) mine[g.scratches] = b;
  else mine.push_back(b);
  ++g.scratches;
  return b.data;
}
void scratch_free(void* p, size_t bytes) {
  if (!building) return pool_free(p, bytes, stream_current(), 0);
  if (building->again) return;
  for (const Block& b : building->blocks)
    if (b.data == p) building->unused.push_back(b);
}

void graph_launch(Graph* g) {
  raise_faults();
  const int here = stream_current();
  if (g->last && g->last_stream != here) event_lead(g->last, here);  // it does not run beside itself
  std::vector<Kept*> nodes;
  for (Part& p : g->parts)
    for (Kept& k : p.launches) nodes.push_back(&k);
  if (g->refusal.empty() && (!g->native || g->stale)) {
    if (g->native) {
      if (g->last) event_wait(g->last);
      native_free(g->native);
    }
    g->native = nullptr;
    try {
      if (!nodes.empty()) g->native = native_new(nodes);
    } catch (const Error& e) {
      g->refusal = e.message;
    } catch (const OutOfMemory& e) {
      g->refusal = e.message;
    }
  } else if (g->native) {
    for (const Kept* k : g->changed) native_set(g->native, *k);
  }
  g->stale = false;
  g->changed.clear();
  if (g->native) native_launch(g->native);
  else
    for (Kept* k : nodes) launch_now(k->launch);
  g->used |= uint64_t(1) << here;
  if (!g->last) g->last = event_new(false, false);
  event_record(g->last, here);
  g->last_stream = here;
}
int64_t graph_count(const Graph* g) {
  size_t n = 0;
  for (const Part& p : g->parts) n += p.launches.size();
  return int64_t(n);
}
const char* graph_refusal(const Graph* g) { return g->refusal.c_str(); }

}  // namespace runtime
}  // namespace fastnn::cuda
