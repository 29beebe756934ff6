// testing/shim.cpp: threads as fibers, and their schedules. See shim.h.
#include "shim.h"

#include <setjmp.h>
#include <stdlib.h>
#include <ucontext.h>

#include <memory>
#include <vector>

#include "../core/cuda/runtime.h"
#include "../core/error.h"
#include "counts.h"

namespace fastnn::cuda {

void fault(Fault kind, const char* kernel, int64_t value, int64_t size) {
  int64_t* w = runtime::fault_words;
  if (w[0]) return;
  w[0] = int64_t(kind), w[1] = reinterpret_cast<int64_t>(kernel), w[2] = value, w[3] = size;
}

namespace shim {

Thread* now = nullptr;

namespace {

constexpr size_t STACK = 256 << 10;
constexpr int LANES = 32, MOST = 1024;
enum class State { ready, at_block, at_warp, asleep, done };
enum class Schedule { first, last, turn, random };

// A fiber's first start is by ucontext; from then on it is left and entered by longjmp, which asks nothing of the system (swapcontext
// sets the signal mask, 0.3 us: half of the tests' time). AddressSanitizer keeps track of stacks, and of ucontext only.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool BY_JUMPING = false;
#else
constexpr bool BY_JUMPING = true;
#endif
struct Place {
  ucontext_t context;
  jmp_buf jump;
  bool left = false;  // by longjmp: `jump` says where
};
[[gnu::noinline]] void switch_to(Place& from, Place& to) {
  if (!BY_JUMPING) {
    swapcontext(&from.context, &to.context);
    return;
  }
  from.left = true;
  if (_setjmp(from.jump)) return;
  if (to.left) _longjmp(to.jump, 1);
  setcontext(&to.context);
}

struct Fiber : Place {
  std::unique_ptr<char[]> stack{new char[STACK]};
};
struct Running : Thread {
  State state = State::ready;
  Fiber* fiber = nullptr;  // once it has started
  const char* file = nullptr;
  int line = 0, exchanges = 0;
  unsigned lanes = 0;
};

struct Warp {
  uint64_t values[2][LANES];  // of this exchange and the one before: a lane can be ahead by one
  int arrived;                // at a barrier of the whole warp
};

std::vector<std::unique_ptr<Fiber>> fibers;
std::vector<Fiber*> idle;
Place scheduler;
Running all[MOST];
Warp warps[MOST / LANES];
uint64_t ready[MOST / 64];  // a bit a thread
int count, last_run;
Running* current;
int64_t block_serial = 0;
bool failed;
Error error;
const char* kernel;
Body body;
const void* context;
unsigned seed = 1;

Schedule schedule() {
  const char* s = getenv("FASTNN_SHIM_SCHEDULE");
  if (!s || !strcmp(s, "first")) return Schedule::first;
  if (!strcmp(s, "last")) return Schedule::last;
  if (!strcmp(s, "turn")) return Schedule::turn;
  if (!strcmp(s, "random")) return Schedule::random;
  raise_error(ErrorKind::value, "FASTNN_SHIM_SCHEDULE: first, last, turn or random, not %s", s);
}
Schedule order;

void set(Running& t, State s) {
  t.state = s;
  const uint64_t bit = uint64_t(1) << (t.number % 64);
  if (s == State::ready) ready[t.number / 64] |= bit;
  else ready[t.number / 64] &= ~bit;
}

int from(int start) {  // the first ready thread from there on, or -1
  for (int w = start / 64; w < MOST / 64; ++w) {
    uint64_t bits = ready[w];
    if (w == start / 64) bits &= ~uint64_t(0) << (start % 64);
    if (bits) return w * 64 + __builtin_ctzll(bits);
  }
  return -1;
}
int pick() {
  switch (order) {
    case Schedule::first: return from(0);
    case Schedule::last:
      for (int w = MOST / 64 - 1; w >= 0; --w)
        if (ready[w]) return w * 64 + 63 - __builtin_clzll(ready[w]);
      return -1;
    case Schedule::turn: {
      int next = last_run + 1 < MOST ? from(last_run + 1) : -1;
      return next < 0 ? from(0) : next;
    }
    default: {
      seed = seed * 1664525u + 1013904223u;
      int next = from(int((seed >> 8) % unsigned(count)));
      return next < 0 ? from(0) : next;
    }
  }
}

void become(Running* t) {
  current = t;
  now = t;
  last_run = t->number;
}

// What a fiber does: one thread after another, as long as the schedule wants threads that have not started.
void work() {
  for (;;) {
    for (Running* t = current; t;) {
      try {
        body(context);
      } catch (const Error& e) {
        if (!failed) error = e;
        failed = true;
      }
      set(*t, State::done);
      const int next = failed ? -1 : pick();
      if (next < 0 || all[next].fiber) break;
      all[next].fiber = t->fiber;
      t->fiber = nullptr;
      become(t = &all[next]);
    }
    idle.push_back(current->fiber);
    Fiber* self = current->fiber;
    current->fiber = nullptr;
    switch_to(*self, scheduler);
  }
}

Fiber* new_fiber() {
  if (!idle.empty()) {
    Fiber* f = idle.back();
    idle.pop_back();
    return f;
  }
  fibers.push_back(std::make_unique<Fiber>());
  Fiber* f = fibers.back().get();
  getcontext(&f->context);
  f->context.uc_stack.ss_sp = f->stack.get();
  f->context.uc_stack.ss_size = STACK;
  f->context.uc_link = nullptr;
  makecontext(&f->context, work, 0);
  return f;
}

void resume(Running& t) {
  if (!t.fiber) t.fiber = new_fiber();
  become(&t);
  switch_to(scheduler, *t.fiber);
}
void pause(State s, const char* file, int line) {
  Running* t = current;
  t->file = file, t->line = line;
  set(*t, s);
  switch_to(*t->fiber, scheduler);
}

[[noreturn]] void raise_divergent(const char* what, const Running& a, const Running& b) {
  raise_error(ErrorKind::runtime, "shim: %s: block (%u, %u, %u): %s: thread %d waits at %s:%d, thread %d %s (%s:%d)", kernel,
              a.block.x, a.block.y, a.block.z, what, a.number, a.file, a.line, b.number,
              b.state == State::done ? "has ended" : "waits elsewhere", b.file ? b.file : "", b.line);
}

// Nobody can go on: everybody must be at the same barrier.
bool open_barrier() {
  Running* waiting = nullptr;
  for (int i = 0; i < count; ++i)
    if (all[i].state != State::done) waiting = &all[i];
  if (!waiting) return false;
  for (int i = 0; i < count; ++i)
    if (all[i].state != waiting->state || all[i].line != waiting->line || all[i].state != State::at_block)
      if (&all[i] != waiting || all[i].state != State::at_block) raise_divergent("a barrier that not all threads reach", *waiting, all[i]);
  for (int i = 0; i < count; ++i) set(all[i], State::ready);
  count_barrier();
  return true;
}

void forget_fibers() {  // of threads that will not go on
  idle.clear();
  fibers.clear();
}

void run_block() {
  ++block_serial;
  for (Warp& w : warps) w.arrived = 0;
  begin_block(count);
  begin_async();
  for (;;) {
    const int next = pick();
    if (next < 0 && !open_barrier()) break;
    if (next < 0) continue;
    resume(all[next]);
    if (failed) throw error;
  }
  end_block();
}

}  // namespace

void check_grid(const char* name, dim3 blocks, dim3 threads) {
  const unsigned n = threads.x * threads.y * threads.z;
  if (n < 1 || n > unsigned(MOST)) raise_error(ErrorKind::runtime, "shim: %s: %u threads in a block", name, n);
  if (blocks.x > 0x7fffffff || blocks.y > 65535 || blocks.z > 65535)
    raise_error(ErrorKind::runtime, "shim: %s: a grid of %u x %u x %u blocks", name, blocks.x, blocks.y, blocks.z);
}
void run_grid(const char* name, dim3 blocks, dim3 threads, Body f, const void* c) {
  kernel = name, body = f, context = c;
  order = schedule();
  failed = false;
  count = int(threads.x * threads.y * threads.z);
  begin_kernel(name);
  try {
    for (unsigned z = 0; z < blocks.z; ++z)
      for (unsigned y = 0; y < blocks.y; ++y)
        for (unsigned x = 0; x < blocks.x; ++x) {
          for (int i = 0; i < count; ++i) {
            Running& t = all[i];
            t = Running{};
            t.number = i;
            t.index = dim3(unsigned(i) % threads.x, unsigned(i) / threads.x % threads.y, unsigned(i) / threads.x / threads.y);
            t.block = dim3(x, y, z), t.threads = threads, t.blocks = blocks;
            set(t, State::ready);
          }
          last_run = -1;
          run_block();
        }
  } catch (...) {
    memset(ready, 0, sizeof ready);
    forget_fibers();
    throw;
  }
}

bool enter_shared(int64_t& block) {
  if (block == block_serial) return false;
  block = block_serial;
  return true;
}
void outside_shared(const char* name, int64_t i, int64_t n) {
  raise_error(ErrorKind::runtime, "shim: %s: block (%u, %u, %u) thread %d: shared %s[%lld] of %lld elements", kernel, now->block.x,
              now->block.y, now->block.z, now->number, name, (long long)i, (long long)n);
}
void outside_global(const void* address, size_t bytes) {
  raise_error(ErrorKind::runtime, "shim: %s: block (%u, %u, %u) thread %d: %d bytes at %p, where nothing is allocated", kernel,
              now->block.x, now->block.y, now->block.z, now->number, int(bytes), address);
}

void sleep(const char* file, int line) { pause(State::asleep, file, line); }
void wake() {
  for (int i = 0; i < count; ++i)
    if (all[i].state == State::asleep) set(all[i], State::ready);
}
void block_barrier(const char* file, int line) { pause(State::at_block, file, line); }

void warp_barrier(unsigned lanes, const char* file, int line) {
  Running* t = current;
  t->lanes = lanes, t->file = file, t->line = line;
  const int first = t->number / LANES * LANES, end = first + LANES < count ? first + LANES : count;
  if (!(lanes >> (t->number - first) & 1)) raise_error(ErrorKind::runtime, "shim: %s: %s:%d: a lane outside of its own mask", kernel, file, line);
  bool complete = true;
  t->state = State::at_warp;
  int& arrived = warps[t->number / LANES].arrived;
  if (lanes == 0xffffffffu && ++arrived < end - first) return pause(State::at_warp, file, line);  // no need to look at all others
  for (int i = first; i < end; ++i)
    if (lanes >> (i - first) & 1)
      complete &= all[i].state == State::at_warp && all[i].line == line && all[i].lanes == lanes;
  if (!complete) return pause(State::at_warp, file, line);
  arrived = 0;
  for (int i = first; i < end; ++i)
    if (lanes >> (i - first) & 1) set(all[i], State::ready);
}

static const uint64_t* gathered(unsigned lanes, uint64_t value, const char* file, int line) {
  Running* t = current;
  Warp& w = warps[t->number / LANES];
  const int turn = t->exchanges++ & 1;
  w.values[turn][t->number % LANES] = value;
  warp_barrier(lanes, file, line);
  return w.values[turn];
}
const uint64_t* gather(uint64_t value, const char* file, int line) { return gathered(0xffffffffu, value, file, line); }
uint64_t exchange(unsigned lanes, uint64_t value, int lane, const char* file, int line) {
  return gathered(lanes, value, file, line)[lane & (LANES - 1)];
}
unsigned match(unsigned lanes, uint64_t value, const char* file, int line) {
  Running* t = current;
  Warp& w = warps[t->number / LANES];
  const int turn = t->exchanges++ & 1, first = t->number / LANES * LANES;
  w.values[turn][t->number % LANES] = value;
  warp_barrier(lanes, file, line);
  unsigned bits = 0;
  for (int i = 0; i < LANES && first + i < count; ++i)
    if (lanes >> i & 1) bits |= unsigned(w.values[turn][i] == value) << i;
  return bits;
}
unsigned ballot(unsigned lanes, bool flag, const char* file, int line) {
  Running* t = current;
  Warp& w = warps[t->number / LANES];
  const int turn = t->exchanges++ & 1, first = t->number / LANES * LANES;
  w.values[turn][t->number % LANES] = flag;
  warp_barrier(lanes, file, line);
  unsigned bits = 0;
  for (int i = 0; i < LANES && first + i < count; ++i)
    if (lanes >> i & 1) bits |= unsigned(w.values[turn][i]) << i;
  return bits;
}

}  // namespace shim
}  // namespace fastnn::cuda
