// index/group.cuh: which of n elements go to the same place, in their order: sums then do not depend on who adds them.
//
// The places are sorted (../sort/radix.cuh; as many passes as their number has bytes), and where each begins is looked up by halving.
#pragma once
#include "../sort/radix.cuh"

namespace fastnn::cuda {

struct Groups {  // order[start[g]] … order[start[g + 1] - 1] are group g's
  global<const int> order;
  global<const int64_t> start;
};
struct Starts {
  int64_t n;
  global<const uint32_t> key;
  global<int64_t> start;
  __device__ void operator()(int64_t g) const {
    int64_t low = 0, length = n;  // the first element of group g or later
    while (length > 0) {
      const int64_t half = length / 2;
      const bool up = int64_t(key[low + half]) < g;
      low = up ? low + half + 1 : low;
      length = up ? length - half - 1 : half;
    }
    start[g] = low;
  }
};
struct Narrow {  // places as keys; what goes nowhere (< 0) comes last
  global<const int64_t> place;
  global<uint32_t> key;
  int64_t groups;
  __device__ void operator()(int64_t i) const { key[i] = uint32_t(place[i] < 0 ? groups : place[i]); }
};

// Elements in the order of their places: rows.key (the place, `groups` where there is none) and rows.index (the element).
struct Sorted {
  Scratch<uint32_t> keys;
  Radix<uint32_t> rows;
  // place: int64 [n] on the device, 0 … groups - 1, or negative for elements that go nowhere
  Sorted(const char* name, global<const int64_t> place, int64_t n, int64_t groups)
      : keys(n), rows(name, narrowed(name, place, n, groups), 1, n, bits_of(groups)) {}

 private:
  global<const uint32_t> narrowed(const char* name, global<const int64_t> place, int64_t n, int64_t groups) {
    if (groups >= (int64_t(1) << 32) - 1 || n >= (int64_t(1) << 31)) raise_error(ErrorKind::value, "%s: too many places or indices", name);
    launch_each(name, n, Narrow{place, global<uint32_t>(keys), groups});
    return keys.read();
  }
  static int bits_of(int64_t n) {
    int b = 0;
    while (n >> b) ++b;
    return b;
  }
};
struct Grouping : Sorted {  // and where each place's elements begin
  Scratch<int64_t> start;
  Grouping(const char* name, global<const int64_t> place, int64_t n, int64_t groups) : Sorted(name, place, n, groups), start(groups + 1) {
    launch_each(name, groups + 1, Starts{n, rows.key, global<int64_t>(start)});
  }
  Groups groups() const { return {rows.index, start.read()}; }
};

}  // namespace fastnn::cuda
