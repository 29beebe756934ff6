// core/parallel.cpp: the thread pool behind parallel_for. One job at a time; whoever is free takes the next chunk.
//
//   caller   publishes the job: fields, then `ticket` = (generation, chunk 0); wakes sleepers; takes chunks itself;
//            waits until `finished` == chunks
//   worker   spins on `ticket` about 50 us, then sleeps; takes chunk i by advancing ticket from (g, i) to (g, i + 1)
//
// A worker reads the fields only for a generation that has been published, after they were complete; if the next job
// starts meanwhile, the generation in the ticket differs and its compare-and-swap fails. A worker that took a chunk is waited for, so the fields it read stay valid.
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
#include "launch.h"
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
constexpr int64_t MAX_CHUNKS = int64_t(1) << 30;
constexpr int SPINS = 4000;  // about 50-100 us of PAUSE: long enough to bridge two kernels of one training step

struct Pool {
  std::atomic<uint64_t> ticket{0};       // generation << 32 | next chunk
  std::atomic<uint32_t> generation{0};   // what sleepers wait on
  std::atomic<int> sleepers{0};
  std::atomic<int64_t> finished{0};
  std::atomic<ChunkFn> run{nullptr};
  std::atomic<void*> context{nullptr};
  std::atomic<int64_t> n{0}, grain{1}, chunks{0};
  std::atomic<bool> cancelled{false};
  std::atomic<int> helpers_wanted{0};    // workers with a smaller number may take chunks
  std::exception_ptr error;
  std::atomic_flag error_taken = ATOMIC_FLAG_INIT;
  std::mutex busy;                       // held by the caller while its job runs
  int workers = 0;
};

Pool* pool = new Pool;  // never destroyed: workers may outlive static destructors
std::atomic<int> thread_count{0};
thread_local bool inside = false;

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
  if (!pool->cancelled.load(std::memory_order_relaxed)) try {
      int64_t begin = i * grain;
      run(context, begin, begin + grain < n ? begin + grain : n);
    } catch (...) {
      keep_error();
    }
  pool->finished.fetch_add(1, std::memory_order_acq_rel);
}

// Takes and runs chunks of generation g until none is left. `check` is called between chunks (caller only).
template <class Check> void take_chunks(uint32_t g, const Check& check) {
  ChunkFn run = pool->run.load();
  void* context = pool->context.load();
  int64_t n = pool->n.load(), grain = pool->grain.load(), chunks = pool->chunks.load();
  uint64_t t = pool->ticket.load();
  while (uint32_t(t >> 32) == g && int64_t(t & 0xffffffffu) < chunks) {
    if (!pool->ticket.compare_exchange_weak(t, t + 1)) continue;
    run_chunk(run, context, n, grain, int64_t(t & 0xffffffffu));
    check();
    t = pool->ticket.load();
  }
}

void work(int id) {
  inside = true;  // a kernel that calls parallel_for from a worker runs it in place
  uint32_t seen = pool->generation.load();
  for (;;) {
    if (id < pool->helpers_wanted.load()) take_chunks(seen, [] {});
    for (int i = 0; i < SPINS && pool->generation.load(std::memory_order_relaxed) == seen; ++i) FN_PAUSE();
    if (pool->generation.load() == seen) {
      pool->sleepers.fetch_add(1);
      pool->generation.wait(seen);
      pool->sleepers.fetch_sub(1);
    }
    seen = pool->generation.load();
  }
}

void before_fork() { pool->busy.lock(); pool_lock(); }
void after_fork_parent() { pool_unlock(); pool->busy.unlock(); }
void after_fork_child() {  // the workers are gone; their pool is left behind and a fresh one made
  pool_unlock();
  pool = new Pool;
}

void start_workers(int wanted) {
  static bool registered = false;
  if (!registered) registered = pthread_atfork(before_fork, after_fork_parent, after_fork_child) == 0;
  while (pool->workers < wanted) {
    try {
      std::thread(work, pool->workers).detach();
    } catch (...) {
      return;  // no more threads to be had: the caller does the rest
    }
    pool->workers += 1;
  }
}

struct Interrupts {  // asks Python about Ctrl-C at most every 50 ms
  int64_t next = milliseconds() + 50;
  void operator()() {
    if (!interrupt_hook || milliseconds() < next) return;
    next = milliseconds() + 50;
    if (interrupt_hook()) throw Interrupted{};
  }
};

}  // namespace

int num_threads() {
  int n = thread_count.load(std::memory_order_relaxed);
  if (n == 0) thread_count = n = default_threads();
  return n;
}
void set_num_threads(int n) {
  if (n < 1 || n > MAX_THREADS)
    raise_error(ErrorKind::value, "set_num_threads: expected 1 to %d threads, got %d", MAX_THREADS, n);
  thread_count = n;
}

void parallel_run(int64_t n, int64_t grain, ChunkFn run, void* context) {
  if (grain < 1) grain = 1;
  int64_t chunks = ceil_div(n, grain);
  if (chunks > MAX_CHUNKS) grain = ceil_div(n, MAX_CHUNKS), chunks = ceil_div(n, grain);
  int threads = num_threads();
  if (inside || threads == 1 || chunks == 1 || !pool->busy.try_lock()) {
    Interrupts check;
    for (int64_t i = 0; i < chunks; ++i) {
      int64_t begin = i * grain;
      run(context, begin, begin + grain < n ? begin + grain : n);
      if (!inside) check();
    }
    return;
  }
  std::lock_guard<std::mutex> lock(pool->busy, std::adopt_lock);
  int helpers = int(chunks - 1 < threads - 1 ? chunks - 1 : threads - 1);
  start_workers(helpers);
  uint32_t g = pool->generation.load() + 1;
  pool->chunks = 0;
  pool->ticket = uint64_t(g) << 32 | 0xffffffffu;  // closed while the fields change
  pool->run = run;
  pool->context = context;
  pool->n = n;
  pool->grain = grain;
  pool->finished = 0;
  pool->cancelled = false;
  pool->error = nullptr;
  pool->error_taken.clear();
  pool->helpers_wanted = helpers;
  pool->chunks = chunks;
  pool->ticket = uint64_t(g) << 32;  // open
  pool->generation = g;
  if (pool->sleepers.load() > 0) pool->generation.notify_all();
  inside = true;
  Interrupts interrupts;
  take_chunks(g, [&] {
    try {
      interrupts();
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
