// testing/streams.cpp: streams and events of the host shim. What a stream is told is noted, and done when the host waits for it: so a
// wait that is missing, of the host or of another stream, shows as wrong numbers. What else is done meanwhile, and in which order, events
// leave open; FASTNN_SHIM_STREAMS says:
//
//    latest   of what may be done the part that was said last (the default): a stream that should have waited has not
//    lazy     only what must be, for what is waited for: nothing happens because it could have happened by now
//    random   any part that may be
#include "streams.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "../core/cuda/graph.h"
#include "../core/error.h"
#include "shim.h"

namespace fastnn::cuda {
namespace {

struct Mark {  // an event, as it was recorded once
  bool done = false;
  double time = 0;
  int64_t stream = 0;
  int asked = 0;
};
struct Work {
  std::function<void()> run;          // or one of:
  std::shared_ptr<Mark> marks, waits;
  bool own = false;                   // the shim's, not the program's
  uint64_t number = 0;                // when it was said
};
struct Event {
  std::shared_ptr<Mark> mark;
  bool timed;
};

constexpr int PATIENCE = 16;                      // who asks so often whether something is done is told in the end
constexpr size_t MOST = 4096;                     // parts that wait; a GPU does not wait for ever either
constexpr int64_t FIRST = 0x1000;                 // handle of stream 0
std::map<int64_t, std::deque<Work>> queues;       // by handle
int64_t adopted[STREAMS];
std::recursive_mutex mutex;
uint64_t said = 0;
size_t waiting = 0;
unsigned seed = 1;
int64_t refuse_after = -1, fail_after = -1;       // launches, from now on: fastnn_shim_fail
bool refuse_graphs = false;

enum class Order { latest, lazy, random };
Order order() {
  const char* s = getenv("FASTNN_SHIM_STREAMS");
  if (!s || !strcmp(s, "latest")) return Order::latest;
  if (!strcmp(s, "lazy")) return Order::lazy;
  if (!strcmp(s, "random")) return Order::random;
  raise_error(ErrorKind::value, "FASTNN_SHIM_STREAMS: latest, lazy or random, not %s", s);
}

double now_seconds() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}

bool ready(const std::deque<Work>& q) { return !q.empty() && !(q.front().waits && !q.front().waits->done); }
void step(std::deque<Work>& q) {
  Work w = std::move(q.front());
  q.pop_front();
  --waiting;
  if (w.marks) w.marks->time = now_seconds(), w.marks->done = true;
  if (w.run) w.run();
}
// One part of what must be done before `stream` is through.
void towards(int64_t stream) {
  auto* q = &queues[stream];
  while (!ready(*q)) q = &queues[q->front().waits->stream];  // ends: what an event stands for was said before
  step(*q);
}
// One part, of any stream.
void any(Order how) {
  std::vector<std::deque<Work>*> open;
  for (auto& [handle, q] : queues) {
    while (!q.empty() && q.front().own) step(q);
    if (ready(q)) open.push_back(&q);
  }
  if (open.empty()) return;
  size_t best = 0;
  seed = seed * 1664525u + 1013904223u;
  if (how == Order::random) best = (seed >> 8) % open.size();
  for (size_t i = 1; how == Order::latest && i < open.size(); ++i)
    if (open[i]->front().number > open[best]->front().number) best = i;
  step(*open[best]);
}
template <class Done> void drive(int64_t stream, const Done& done) {
  const Order how = order();
  while (!done()) {
    if (how == Order::lazy) towards(stream);
    else any(how);
  }
}

void say(int64_t handle, Work w) {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  w.number = ++said;
  queues[handle].push_back(std::move(w));
  ++waiting;
  while (waiting > MOST) any(Order::latest);
}
int64_t handle_of(int stream) { return adopted[stream] ? adopted[stream] : FIRST + stream; }
std::shared_ptr<Mark> record(int64_t handle) {
  auto m = std::make_shared<Mark>();
  m->stream = handle;
  say(handle, {nullptr, m, nullptr});
  return m;
}
Event* as_event(void* e) { return static_cast<Event*>(e); }

}  // namespace

void shim::later(int stream, std::function<void()> work) { say(handle_of(stream), {std::move(work), nullptr, nullptr}); }
void shim::in_passing(int stream, std::function<void()> work) { say(handle_of(stream), {std::move(work), nullptr, nullptr, true}); }
void shim::finish_all() {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  while (waiting > 0) any(order());
}

namespace runtime {

static void later_run(std::shared_ptr<const Kept> kept, bool fails) {
  shim::later(stream_current(), [kept, fails] {
    const Launch& k = kept->launch;
    if (fails) raise_error(ErrorKind::runtime, "cuda: %s: failed by the shim", k.name);
    shim::run_grid(k.name, dim3(k.blocks[0], k.blocks[1], k.blocks[2]), dim3(k.threads[0], k.threads[1], k.threads[2]), [](const void* context) {
      const Launch& l = *static_cast<const Launch*>(context);
      l.call(l.kernel, l.parameters);
    }, &k);
  });
}
void launch_now(const Launch& l) {
  const dim3 blocks(l.blocks[0], l.blocks[1], l.blocks[2]), threads(l.threads[0], l.threads[1], l.threads[2]);
  shim::check_grid(l.name, blocks, threads);
  if (refuse_after >= 0 && refuse_after-- == 0) raise_error(ErrorKind::runtime, "cuda: %s: refused by the shim", l.name);
  const bool fails = fail_after >= 0 && fail_after-- == 0;
  later_run(std::make_shared<Kept>(l), fails);
}

// A graph is its launches with the parameters that they had when it was instantiated, or were given since.
struct Native {
  std::vector<std::shared_ptr<Kept>> nodes;
};
void* native_new(std::vector<Kept*>& nodes) {
  if (refuse_graphs) raise_error(ErrorKind::runtime, "cuda: cudaGraphInstantiate: refused by the shim");
  auto native = std::make_unique<Native>();
  for (Kept* k : nodes) {
    k->node = reinterpret_cast<void*>(native->nodes.size());
    native->nodes.push_back(std::make_shared<Kept>(k->launch));
  }
  return native.release();
}
void native_set(void* native, const Kept& k) {
  auto& node = static_cast<Native*>(native)->nodes[reinterpret_cast<size_t>(k.node)];
  if (!node->same_kernel(k.launch)) raise_error("shim: a node of a graph is given the parameters of another kernel");
  node = std::make_shared<Kept>(k.launch);  // launches that are under way keep the ones they have
}
void native_launch(void* native) {
  for (const auto& node : static_cast<Native*>(native)->nodes) later_run(node, false);
}
void native_free(void* native) { delete static_cast<Native*>(native); }

int64_t stream_handle(int stream) { return handle_of(stream); }
bool stream_exists(int) { return true; }
void stream_adopt(int stream, int64_t handle) { adopted[stream] = handle; }
bool stream_done(int stream) {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  static std::map<int64_t, int> asked;
  const int64_t h = handle_of(stream);
  if (queues[h].empty()) return asked[h] = 0, true;
  if (++asked[h] > PATIENCE) towards(h);
  return false;
}
void stream_wait(int stream) {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  auto& q = queues[handle_of(stream)];
  drive(handle_of(stream), [&] { return q.empty(); });
}
void stream_lead(int64_t handle) { say(handle, {nullptr, nullptr, record(handle_of(stream_current()))}); }
void drain() { shim::finish_all(); }

void* event_new(bool timed, bool) { return new Event{nullptr, timed}; }
void event_free(void* event) { delete as_event(event); }
void event_record(void* event, int stream) { as_event(event)->mark = record(handle_of(stream)); }
void event_lead(void* event, int stream) {
  if (as_event(event)->mark) say(handle_of(stream), {nullptr, nullptr, as_event(event)->mark});
}
bool event_done(void* event) {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  const auto& m = as_event(event)->mark;
  if (!m || m->done) return true;
  if (++m->asked > PATIENCE) towards(m->stream);
  return false;
}
void event_wait(void* event) {
  std::lock_guard<std::recursive_mutex> lock(mutex);
  const auto m = as_event(event)->mark;
  if (m) drive(m->stream, [&] { return m->done; });
}
double event_milliseconds(void* from, void* to) { return (as_event(to)->mark->time - as_event(from)->mark->time) * 1e3; }
int64_t event_handle(void* event) { return reinterpret_cast<int64_t>(event); }

}  // namespace runtime
}  // namespace fastnn::cuda

// Testing: whether graphs are refused.
extern "C" __attribute__((visibility("default"))) void fastnn_shim_refuse_graphs(bool refuse) { fastnn::cuda::refuse_graphs = refuse; }
// Testing: the launch after so many is refused, or (async) accepted and fails when it runs; negative: none.
extern "C" __attribute__((visibility("default"))) void fastnn_shim_fail(int64_t after, bool async) {
  (async ? fastnn::cuda::fail_after : fastnn::cuda::refuse_after) = after;
}
