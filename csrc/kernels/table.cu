// kernels/table.cu: the table of the GPU's kernels, and the one thing that its library hands over (core/device.h). A kernel that
// no .cu file defines has the address 0 here, because it is declared weak: the binding then says that there is none yet.
#include "../core/cuda/runtime.h"
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

static int64_t stream() { return reinterpret_cast<int64_t>(runtime::stream()); }
static void synchronize() {
  runtime::wait();
  runtime::raise_faults();
}

#if defined(FN_SHIM)
namespace shim { void counts(void (*each)(void*, const char*, const int64_t*), void* context); }
constexpr auto counted = &shim::counts;
#else
constexpr void (*counted)(void (*)(void*, const char*, const int64_t*), void*) = nullptr;
#endif

static const Device device = {KERNELS_SIGNATURE, &table, &rungs, runtime::device_count, runtime::why_none, runtime::describe,
                              runtime::pool_alloc, runtime::pool_free, runtime::to_device, runtime::to_host, synchronize, stream, runtime::drain,
                              runtime::pool_stats, runtime::pool_trim, runtime::has_tensor_cores, runtime::set_matmul_precision, counted};

}  // namespace fastnn::cuda

extern "C" __attribute__((visibility("default"))) const fastnn::Device* fastnn_device() { return &fastnn::cuda::device; }
