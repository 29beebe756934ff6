// kernels/table.cu: the table of the GPU's kernels, and the one thing that its library hands over (core/device.h). A kernel that
// no .cu file defines has the address 0 here, because it is declared weak: the binding then says that there is none yet.
#include "../core/cuda/graph.h"
#include "../core/device.h"
#include "table.h"

namespace fastnn::cuda {

#define KERNEL(name, params) __attribute__((weak)) void name params;
#include "../kernels.def"
#undef KERNEL

static const Table table = {
#define KERNEL(name, params) &cuda::name,
#include "../kernels.def"
#undef KERNEL
};

#define KERNEL(name, params)
#define CUDA_RUNG(family, number, name, kernel) decltype(cuda::kernel) kernel##_##name;
#include "../kernels.def"
#undef CUDA_RUNG

#define CUDA_RUNG(family, number, name, kernel) \
  {#family, #kernel, #name, number, offsetof(Table, kernel), reinterpret_cast<void (*)()>(&cuda::kernel##_##name)},
static const Rung list[] = {
#include "../kernels.def"
};
#undef CUDA_RUNG
#undef KERNEL
static const Rungs rungs = {list, int(sizeof list / sizeof list[0])};

static void synchronize() {
  runtime::drain();
  runtime::raise_faults();
}
static void wait(int stream) {
  runtime::stream_wait(stream);
  runtime::raise_faults();
}

#if defined(FN_SHIM)
namespace shim { void counts(void (*each)(void*, const char*, const int64_t*), void* context); }
constexpr auto counted = &shim::counts;
#else
constexpr void (*counted)(void (*)(void*, const char*, const int64_t*), void*) = nullptr;
#endif

static const Device device = {
    .signature = KERNELS_SIGNATURE,
    .table = &table,
    .rungs = &rungs,
    .count = runtime::device_count,
    .why = runtime::why_none,
    .describe = runtime::describe,
    .memory = runtime::memory_info,
    .alloc = runtime::pool_alloc,
    .free = runtime::pool_free,
    .host_alloc = runtime::host_alloc,
    .host_free = runtime::host_free,
    .to_device = runtime::to_device,
    .to_host = runtime::to_host,
    .synchronize = synchronize,
    .stream_current = runtime::stream_current,
    .stream_use = runtime::stream_use,
    .stream_new = runtime::stream_new,
    .stream_external = runtime::stream_external,
    .stream_handle = runtime::stream_handle,
    .drain = runtime::drain,
    .stream_done = runtime::stream_done,
    .stream_wait = wait,
    .stream_lead = runtime::stream_lead,
    .event_new = runtime::event_new,
    .event_free = runtime::event_free,
    .event_record = runtime::event_record,
    .event_lead = runtime::event_lead,
    .event_done = runtime::event_done,
    .event_wait = runtime::event_wait,
    .event_milliseconds = runtime::event_milliseconds,
    .event_handle = runtime::event_handle,
    .graph_new = [] { return static_cast<void*>(runtime::graph_new()); },
    .graph_free = [](void* g) { runtime::graph_free(static_cast<Graph*>(g)); },
    .graph_begin = [](void* g, int64_t step) { runtime::graph_begin(static_cast<Graph*>(g), step); },
    .graph_end = runtime::graph_end,
    .graph_launch = [](void* g) { runtime::graph_launch(static_cast<Graph*>(g)); },
    .graph_count = [](const void* g) { return runtime::graph_count(static_cast<const Graph*>(g)); },
    .graph_refusal = [](const void* g) { return runtime::graph_refusal(static_cast<const Graph*>(g)); },
    .every_call_waits = runtime::synchronous,
    .stats = runtime::pool_stats,
    .reset_peak = runtime::pool_reset_peak,
    .trim = runtime::pool_trim,
    .halves = runtime::has_tensor_cores,
    .matmul_precision = runtime::set_matmul_precision,
    .counts = counted,
};

}  // namespace fastnn::cuda

extern "C" __attribute__((visibility("default"))) const fastnn::Device* fastnn_device() { return &fastnn::cuda::device; }
