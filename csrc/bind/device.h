// bind/device.h: which device a call runs on. The arrays say it (View::place); all but single numbers must agree.
#pragma once
#include <vector>

#include "../core/device.h"
#include "../kernels/table.h"
#include "batch.h"

namespace fastnn {

constexpr const char* place_name(Place p) { return p == Place::cpu ? "cpu" : "cuda:0"; }

[[noreturn]] void raise_missing(const char* name);  // NotImplementedError: no CUDA kernel
[[noreturn]] void raise_mixed(const char* name, const View& a, const View& b);

template <class K> K kernel_at(Place place, K Table::* kernel, const char* name) {
  if (place == Place::cpu) [[likely]] return active->*kernel;
  if (K found = active_cuda->*kernel) return found;
  raise_missing(name);
}

// Halves have one algorithm there, the production one: no rungs.
template <class K> K kernel_of_halves(K Table::* kernel) { return gpu->table->*kernel; }

// Of a call in which at least one array is on the GPU: outputs that nothing has been written to yet follow the inputs there,
// single numbers are sent along. An error where anything else is on the CPU.
struct OnDevice {
  std::vector<Array> sent;  // lives as long as the call
  bool done = false;        // it was a copy from one device to the other, which has been made
};
OnDevice on_device(const char* name, std::vector<Slot>& slots);
pybind11::dict dict_of(const PoolStats& s);           // what pool_stats and device_stats tell
bool travels(const View& to, const View& from);       // of different devices: is it a copy, or a number for a launch?
void copy_between(const View& to, const View& from);  // then this does it
void copy_between(const Array& to, const Array& from, bool asynchronous);  // does not wait where the host's memory is page-locked
void launch_transfer(const View& to, const View& from);  // device_transfer, as a call that is recorded (cpu.cpp)
Array pinned_like(const View& v);                     // of that shape and dtype, contiguous, in page-locked memory of the host
inline void in_use(const Array& a) {                  // by the current stream
  if (a.buffer && a.view.place == Place::cuda) note_use(a.buffer);
}

}  // namespace fastnn
