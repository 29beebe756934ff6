// core/cuda/streams.cu: streams and events behind runtime.h.
#include <string.h>

#include <mutex>

#include "call.h"
#include "graph.h"

namespace fastnn::cuda::runtime {
namespace {

cudaStream_t streams[STREAMS];
std::mutex mutex;

void start() {  // what the first kernel needs
  must("cudaHostAlloc", cudaHostAlloc(reinterpret_cast<void**>(&fault_words), 64, cudaHostAllocMapped));
  memset(fault_words, 0, 64);
}
cudaStream_t at(int stream) { return reinterpret_cast<cudaStream_t>(stream_handle(stream)); }
cudaEvent_t as_event(void* e) { return static_cast<cudaEvent_t>(e); }

bool is_done(const char* what, cudaError_t e) {
  if (e == cudaErrorNotReady) {
    cudaGetLastError();
    return false;
  }
  must(what, e);
  return true;
}

}  // namespace

int64_t stream_handle(int stream) {
  cudaStream_t& s = streams[stream];
  if (__atomic_load_n(&s, __ATOMIC_ACQUIRE)) [[likely]] return reinterpret_cast<int64_t>(s);
  std::lock_guard<std::mutex> lock(mutex);
  if (s) return reinterpret_cast<int64_t>(s);
  if (!fault_words) start();
  int lowest = 0, highest = 0;
  cudaDeviceGetStreamPriorityRange(&lowest, &highest);
  cudaStream_t made;  // non-blocking: it does not wait for the legacy stream 0
  must("cudaStreamCreate", cudaStreamCreateWithPriority(&made, cudaStreamNonBlocking, is_high(stream) ? highest : 0));
  __atomic_store_n(&s, made, __ATOMIC_RELEASE);
  return reinterpret_cast<int64_t>(made);
}
bool stream_exists(int stream) { return streams[stream] != nullptr; }
void stream_adopt(int stream, int64_t handle) { streams[stream] = reinterpret_cast<cudaStream_t>(handle); }
bool stream_done(int stream) { return is_done("query", cudaStreamQuery(at(stream))); }
void stream_wait(int stream) { must("synchronize", cudaStreamSynchronize(at(stream))); }
void stream_lead(int64_t handle) {
  static thread_local const cudaEvent_t event = [] {
    cudaEvent_t e;
    must("cudaEventCreate", cudaEventCreateWithFlags(&e, cudaEventDisableTiming));
    return e;
  }();
  must("cudaEventRecord", cudaEventRecord(event, at(stream_current())));
  must("cudaStreamWaitEvent", cudaStreamWaitEvent(reinterpret_cast<cudaStream_t>(handle), event, 0));
}
void drain() { must("synchronize", cudaDeviceSynchronize()); }

void* event_new(bool timed, bool blocking) {
  cudaEvent_t e;
  must("cudaEventCreate",
       cudaEventCreateWithFlags(&e, (timed ? cudaEventDefault : cudaEventDisableTiming) | (blocking ? cudaEventBlockingSync : cudaEventDefault)));
  return e;
}
void event_free(void* event) { cudaEventDestroy(as_event(event)); }
void event_record(void* event, int stream) { must("cudaEventRecord", cudaEventRecord(as_event(event), at(stream))); }
void event_lead(void* event, int stream) { must("cudaStreamWaitEvent", cudaStreamWaitEvent(at(stream), as_event(event), 0)); }
bool event_done(void* event) { return is_done("query", cudaEventQuery(as_event(event))); }
void event_wait(void* event) { must("synchronize", cudaEventSynchronize(as_event(event))); }
double event_milliseconds(void* from, void* to) {
  float ms = 0;
  must("elapsed_time", cudaEventElapsedTime(&ms, as_event(from), as_event(to)));
  return double(ms);
}
int64_t event_handle(void* event) { return reinterpret_cast<int64_t>(event); }

// ---- graphs ---------------------------------------------------------------------------------------------------------------
namespace {
struct Native {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t ready = nullptr;
};
cudaKernelNodeParams parameters_of(const Kept& k) {
  const Launch& l = k.launch;
  cudaKernelNodeParams p{};
  p.func = const_cast<void*>(l.kernel);
  p.gridDim = dim3(l.blocks[0], l.blocks[1], l.blocks[2]);
  p.blockDim = dim3(l.threads[0], l.threads[1], l.threads[2]);
  p.sharedMemBytes = unsigned(l.memory);
  p.kernelParams = const_cast<void**>(l.parameters);
  return p;
}
}  // namespace

void native_free(void* native) {
  auto* n = static_cast<Native*>(native);
  if (n->ready) cudaGraphExecDestroy(n->ready);
  if (n->graph) cudaGraphDestroy(n->graph);
  delete n;
}
void* native_new(std::vector<Kept*>& nodes) {
  auto* n = new Native;
  try {
    must("cudaGraphCreate", cudaGraphCreate(&n->graph, 0));
    cudaGraphNode_t before = nullptr;
    for (Kept* k : nodes) {
      const cudaKernelNodeParams p = parameters_of(*k);
      if (k->launch.memory > 0) cudaFuncSetAttribute(k->launch.kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, k->launch.memory);
      cudaGraphNode_t node;
      must("cudaGraphAddKernelNode", cudaGraphAddKernelNode(&node, n->graph, &before, before ? 1 : 0, &p));
      k->node = before = node;
    }
    must("cudaGraphInstantiate", cudaGraphInstantiate(&n->ready, n->graph, 0));
  } catch (...) {
    native_free(n);
    throw;
  }
  return n;
}
void native_set(void* native, const Kept& k) {
  const cudaKernelNodeParams p = parameters_of(k);
  must("cudaGraphExecKernelNodeSetParams",
       cudaGraphExecKernelNodeSetParams(static_cast<Native*>(native)->ready, static_cast<cudaGraphNode_t>(k.node), &p));
}
void native_launch(void* native) { must("cudaGraphLaunch", cudaGraphLaunch(static_cast<Native*>(native)->ready, at(stream_current()))); }

}  // namespace fastnn::cuda::runtime
