// core/cuda/launch.cpp: the one door to the GPU: launches and copies go to the stream that the thread has chosen.
#include <mutex>

#include "../error.h"
#include "graph.h"

namespace fastnn::cuda::runtime {

namespace {
constexpr int EACH = 16;  // streams of a priority; more would share the GPU's queues anyway
constexpr int FOREIGN = 1 + 2 * EACH;
thread_local int current = 0;
std::mutex mutex;
}  // namespace

void submit(const Launch& l) {
  if (building) return graph_add(l);
  raise_faults();
  launch_now(l);
  if (!synchronous()) return;
  wait();
  raise_faults();
}
void to_device(void* to, const void* from, size_t bytes, bool direct) {
  if (bytes == 0) return;
  if (building) return graph_put(to, from, bytes);
  raise_faults();
  copy_to_device(to, from, bytes, direct);
  if (synchronous()) wait();
}
void to_host(void* to, const void* from, size_t bytes, bool direct) {
  if (bytes == 0) return;
  if (building) graph_refuse("it copies to the host");
  copy_to_host(to, from, bytes, direct);
  if (synchronous()) wait();
  raise_faults();
}
void wait() { stream_wait(current); }

int stream_current() { return current; }
void stream_use(int stream) { current = stream; }
int stream_new(int priority) {
  static int made[2];
  std::lock_guard<std::mutex> lock(mutex);
  const int first = priority < 0 ? 1 + EACH : 1, stream = first + made[priority < 0]++ % EACH;
  stream_handle(stream);  // raises where it cannot be made
  return stream;
}
bool is_high(int stream) { return stream > EACH && stream < FOREIGN; }
int stream_external(int64_t handle) {
  if (handle == 0) handle = 1;  // the legacy stream, by the name that is not null (cudaStreamLegacy)
  static int64_t known[STREAMS];
  std::lock_guard<std::mutex> lock(mutex);
  for (int s = 0; s < FOREIGN; ++s)
    if (stream_exists(s) && stream_handle(s) == handle) return s;
  for (int s = FOREIGN; s < STREAMS; ++s) {
    if (!known[s]) stream_adopt(s, known[s] = handle);
    if (known[s] == handle) return s;
  }
  raise_error(ErrorKind::runtime, "cuda: ExternalStream: %d streams of other libraries are in use already", STREAMS - FOREIGN);
}

}  // namespace fastnn::cuda::runtime
