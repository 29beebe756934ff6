// core/parallel.cpp: the thread pool behind parallel_for. One job at a time; whoever is free takes the next chunk.
//
//   caller   publishes the job: fields, then `ticket` = (generation, none taken); wakes sleepers; takes chunks itself;
//            waits until `finished` == chunks
//   worker   spins on `generation` about 250 us, then sleeps; takes a chunk by advancing ticket from (g, i, j) to (g, i + 1, j)
//            or (g, i, j + 1), where i chunks are taken from the front and j from the back
//
// A worker reads the fields only for a generation that has been published, after they were complete; if the next job
// starts meanwhile, the generation in the ticket differs and its compare-and-swap fails. A worker that took a chunk is
// waited for, so the fields it read stay valid.
// Chunks are taken, not dealt out: a thread that another library's spinning threads keep off its core takes fewer. The caller
// takes them from the front and the first worker from the back, so that in loop after loop over the same arrays a core
// meets the part that it has in its cache (a cache line from the other core's costs about 100 ns here).
// Nothing is created before the first parallel loop; after fork the child starts with no workers and makes new ones.
#include "parallel.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <stdio.h>

#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "error.h"
#include "interrupt.h"
#include "launch.h"
#include "note.h"
#include "arena.h"
#include "memory.h"
#if defined(__x86_64__)
#include <immintrin.h>
#define FN_PAUSE() _mm_pause()
#else
#define FN_PAUSE() __asm__ __volatile__("yield")
#endif

namespace fastnn {

bool (*interrupt_hook)() = nullptr;

namespace {

constexpr int MAX_THREADS = 256;
constexpr int64_t MAX_CHUNKS = 0xfffe;
constexpr int SPINS = 20000;  // of PAUSE, 200-300 us: bridges the Python between two kernels; waking up costs 30-150 us
constexpr auto RELAXED = std::memory_order_relaxed;

enum { AWAKE, ASLEEP, HELD };  // HELD: asleep, and the caller is changing where it may run
struct Worker {
  std::thread::native_handle_type thread;
  std::atomic<int> state{AWAKE};
};

struct Pool {  // what different threads write lies in different cache lines
  alignas(64) std::atomic<uint64_t> ticket{0};      // generation << 32 | taken from the front << 16 | from the back
  alignas(64) std::atomic<int64_t> finished{0};
  alignas(64) std::atomic<uint32_t> generation{0};  // what workers wait for
  std::atomic<ChunkFn> run{nullptr};
  std::atomic<void*> context{nullptr};
  std::atomic<int64_t> n{0}, grain{1}, chunks{0};
  std::atomic<int> helpers_wanted{0};               // workers with a smaller number may take chunks
  std::atomic<int> core{-1};                        // where the caller was when it published
  alignas(64) std::atomic<int> sleepers{0};
  std::atomic<bool> cancelled{false};
  std::exception_ptr error;
  std::atomic_flag error_taken = ATOMIC_FLAG_INIT;
  std::mutex busy;                                  // held by the caller while its job runs
  int workers = 0;
  Worker worker[MAX_THREADS];
};

Pool* pool = new Pool;  // never destroyed: workers may outlive static destructors
std::atomic<int> thread_count{0};
thread_local bool inside = false, shielded = false;

int default_threads() {
  for (const char* name : {"FASTNN_NUM_THREADS", "OMP_NUM_THREADS"})
    if (const char* s = getenv(name)) {
      int n = atoi(s);
      if (n > 0) return n < MAX_THREADS ? n : MAX_THREADS;
    }
  int n = 1;
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) n = CPU_COUNT(&set);
  if (FILE* f = fopen("/sys/fs/cgroup/cpu.max", "r")) {  // "max 100000" or "150000 100000"
    long quota = 0, period = 0;
    if (fscanf(f, "%ld %ld", &quota, &period) == 2 && quota > 0 && period > 0) {
      int q = int((quota + period - 1) / period);
      if (q < n) n = q;
    }
    fclose(f);
  }
#else
  n = int(std::thread::hardware_concurrency());
#endif
  return n < 1 ? 1 : n < MAX_THREADS ? n : MAX_THREADS;
}

int64_t milliseconds() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void keep_error() {
  if (!pool->error_taken.test_and_set()) pool->error = std::current_exception();
  pool->cancelled = true;
}

void run_chunk(ChunkFn run, void* context, int64_t n, int64_t grain, int64_t i) {
  if (!pool->cancelled.load(RELAXED)) try {
      int64_t begin = i * grain;
      run(context, begin, begin + grain < n ? begin + grain : n);
    } catch (...) {
      keep_error();
    }
}

// Takes and runs chunks of generation g until none is left. `check` is called between chunks (caller only).
template <class Check> void take_chunks(uint32_t g, bool from_the_back, const Check& check) {
  ChunkFn run = pool->run.load(RELAXED);
  void* context = pool->context.load(RELAXED);
  int64_t n = pool->n.load(RELAXED), grain = pool->grain.load(RELAXED), chunks = pool->chunks.load(RELAXED), done = 0;
  std::atomic_thread_fence(std::memory_order_acquire);  // fields of a later job: then the ticket is seen closed
  uint64_t t = pool->ticket.load();
  for (;;) {
    int64_t front = t >> 16 & 0xffff, back = t & 0xffff;
    if (uint32_t(t >> 32) != g || front + back >= chunks) break;
    if (!pool->ticket.compare_exchange_weak(t, t + (from_the_back ? 1 : 1 << 16))) continue;
    run_chunk(run, context, n, grain, from_the_back ? chunks - 1 - back : front);
    ++done;
    check();
    t = pool->ticket.load();
  }
  if (done) pool->finished.fetch_add(done, std::memory_order_acq_rel);
}

// A thread that starts or wakes is often put on the core of the one that woke it, and left there, behind a caller that
// computes (measured with the other core idle: sgemm 512 stays at 2.5 ms, for seconds, instead of 1.4). So the caller bars
// its own core before it wakes workers, and a worker that finds itself there moves; each may go anywhere afterwards. A worker
// that is waking waits until the caller is done with it: barred after it has allowed itself every core again, it would stay so.
#ifdef __linux__
int this_core() { return sched_getcpu(); }
struct Anywhere {  // remembers where the calling thread may run, and allows it again at the end of the scope
  cpu_set_t allowed;
  bool known = sched_getaffinity(0, sizeof allowed, &allowed) == 0;
  ~Anywhere() {
    if (known) sched_setaffinity(0, sizeof allowed, &allowed);
  }
};
void bar(std::thread::native_handle_type thread, int core) {
  cpu_set_t allowed;
  if (core < 0 || core >= CPU_SETSIZE || pthread_getaffinity_np(thread, sizeof allowed, &allowed) != 0) return;
  if (CPU_COUNT(&allowed) < num_threads() || CPU_COUNT(&allowed) < 2) return;
  CPU_CLR(core, &allowed);
  pthread_setaffinity_np(thread, sizeof allowed, &allowed);
}
#else
int this_core() { return -1; }
struct Anywhere {};
void bar(std::thread::native_handle_type, int) {}
#endif

void move_away_from(int core) {
  if (core < 0 || this_core() != core) return;
  Anywhere after;
  bar(pthread_self(), core);
}

void work(int id) {
  inside = true;  // a kernel that calls parallel_for from a worker runs it in place
  uint32_t seen = pool->generation.load();
  for (;;) {
    if (id < pool->helpers_wanted.load(RELAXED)) {
      move_away_from(pool->core.load(RELAXED));
      take_chunks(seen, id % 2 == 0, [] {});
    }
    for (int i = 0; i < SPINS && pool->generation.load(RELAXED) == seen; ++i) FN_PAUSE();
    if (pool->generation.load() == seen) {
      Anywhere after;
      pool->worker[id].state = ASLEEP;
      pool->sleepers.fetch_add(1);
      pool->generation.wait(seen);
      pool->sleepers.fetch_sub(1);
      for (int s = ASLEEP; !pool->worker[id].state.compare_exchange_weak(s, AWAKE); s = ASLEEP) FN_PAUSE();
    }
    seen = pool->generation.load();
  }
}

void before_fork() { pool->busy.lock(); arena_lock(); pool_lock(); }
void after_fork_parent() { pool_unlock(); arena_unlock(); pool->busy.unlock(); }
void after_fork_child() {  // the workers are gone; their pool is left behind and a fresh one made
  pool_unlock();
  pool = new Pool;
}

void start_workers(int wanted) {
  static bool registered = false;
  if (!registered) registered = pthread_atfork(before_fork, after_fork_parent, after_fork_child) == 0;
  while (pool->workers < wanted) {
    try {
      std::thread thread(work, pool->workers);
      pool->worker[pool->workers].thread = thread.native_handle();
      thread.detach();
    } catch (...) {
      return;  // no more threads to be had: the caller does the rest
    }
    pool->workers += 1;
  }
}

// Whether a brief loop is not worth waking the workers for: they sleep, and no such loop was there in the last 50 us.
bool alone() {
  if (pool->workers > 0 && pool->sleepers.load(RELAXED) == 0) return false;
  thread_local int64_t last = 0;
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  int64_t now = t.tv_sec * 1'000'000'000 + t.tv_nsec, since = now - last;
  last = now;
  return since > 50'000;
}

}  // namespace

Interrupts::Interrupts() : next(milliseconds() + 50) {}
void Interrupts::check() {
  if (!interrupt_hook || shielded || milliseconds() < next) return;
  next = milliseconds() + 50;
  if (interrupt_hook()) throw Interrupted{};
}
Shielded::Shielded() : before(shielded) { shielded = true; }
Shielded::~Shielded() { shielded = before; }
Alone::Alone() : before(inside) { inside = true; }
Alone::~Alone() { inside = before; }

int num_threads() {
  int n = thread_count.load(std::memory_order_relaxed);
  if (n == 0) thread_count = n = default_threads();
  return n;
}
int threads_here() { return inside ? 1 : num_threads(); }
void set_num_threads(int n) {
  if (n < 1 || n > MAX_THREADS)
    raise_error(ErrorKind::value, "set_num_threads: expected 1 to %d threads, got %d", MAX_THREADS, n);
  thread_count = n;
}

void parallel_run(int64_t n, int64_t grain, ChunkFn run, void* context, bool brief) {
  if (grain < 1) grain = 1;
  int64_t chunks = ceil_div(n, grain);
  if (chunks > MAX_CHUNKS) grain = ceil_div(n, MAX_CHUNKS), chunks = ceil_div(n, grain);
  int threads = num_threads();
  if (inside || threads == 1 || chunks == 1 || (brief && alone()) || !pool->busy.try_lock()) {
    Interrupts check;
    for (int64_t i = 0; i < chunks; ++i) {
      int64_t begin = i * grain;
      run(context, begin, begin + grain < n ? begin + grain : n);
      if (!inside) check.check();
    }
    return;
  }
  std::lock_guard<std::mutex> lock(pool->busy, std::adopt_lock);
  int helpers = int(chunks - 1 < threads - 1 ? chunks - 1 : threads - 1), here = this_core();
  FN_NOTE("%d threads share %lld chunks", helpers + 1, static_cast<long long>(chunks));
  start_workers(helpers);
  uint32_t g = pool->generation.load() + 1;
  pool->ticket = uint64_t(g) << 32 | 0xffffffffu;  // closed while the fields change
  std::atomic_thread_fence(std::memory_order_seq_cst);
  pool->run.store(run, RELAXED);
  pool->context.store(context, RELAXED);
  pool->n.store(n, RELAXED);
  pool->grain.store(grain, RELAXED);
  pool->chunks.store(chunks, RELAXED);
  pool->helpers_wanted.store(helpers, RELAXED);
  pool->core.store(here, RELAXED);
  pool->finished.store(0, RELAXED);
  pool->cancelled.store(false, RELAXED);
  pool->error = nullptr;
  pool->error_taken.clear();
  pool->ticket.store(uint64_t(g) << 32, std::memory_order_release);  // open
  pool->generation = g;
  if (pool->sleepers.load() > 0) {
    for (int i = 0; i < helpers; ++i)
      if (int s = ASLEEP; pool->worker[i].state.compare_exchange_strong(s, HELD)) {
        bar(pool->worker[i].thread, here);
        pool->worker[i].state = ASLEEP;
      }
    pool->generation.notify_all();
  }
  inside = true;
  Interrupts interrupts;
  take_chunks(g, false, [&] {
    try {
      interrupts.check();
    } catch (...) {
      keep_error();
    }
  });
  for (int spins = 0; pool->finished.load(std::memory_order_acquire) < chunks; ++spins)
    if (spins < SPINS) FN_PAUSE();
    else sched_yield();
  inside = false;
  if (pool->error) {
    std::exception_ptr e = pool->error;
    pool->error = nullptr;
    std::rethrow_exception(e);
  }
}

}  // namespace fastnn
