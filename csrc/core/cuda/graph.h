// core/cuda/graph.h: launches that are made again and again, as one CUDA graph.
//
//    graph_begin(g, step)   from now on this thread's launches are not made, but belong to that step of g; a step that has its launches
//                           already gets these instead: numbers that the host knows (a random generator's counter, a learning rate) change
//    graph_end()
//    graph_launch(g)        all of them, in the order of the steps, on the current stream
//
// A step that is told again usually launches the same kernels on the same memory, with other numbers: then nodes are given these. Should it
// launch others, the graph is made anew. Small copies to the device are launches of a kernel that has the bytes among its parameters; larger
// ones, and copies to the host, do not belong in a graph: they raise an Error that says so, and the graph is without that step.
//
// Memory for the length of a call (Scratch) comes from the graph's own, at the same addresses each time.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "runtime.h"

namespace fastnn::cuda {

struct alignas(64) Line { char bytes[64]; };

struct Kept {  // a launch with its parameters
  Launch launch;
  std::vector<Line> lines;
  std::vector<void*> at;
  std::vector<unsigned> sizes;
  void* node = nullptr;  // of the platform
  explicit Kept(const Launch& l);
  Kept(Kept&&) = default;
  Kept& operator=(Kept&&) = default;
  bool same_kernel(const Launch& l) const { return launch.kernel == l.kernel && launch.n == l.n; }
  bool same(const Launch& l) const;
};

struct Graph;

namespace runtime {

extern thread_local Graph* building;  // null: launches are made

Graph* graph_new();
void graph_free(Graph*);              // waits for it
void graph_begin(Graph*, int64_t step);
void graph_end();
void graph_launch(Graph*);
int64_t graph_count(const Graph*);    // of launches
const char* graph_refusal(const Graph*);  // why it is launched one by one, not as a CUDA graph; "" where it is not
void graph_add(const Launch& l);      // to `building`
void graph_put(void* to, const void* from, size_t bytes);
[[noreturn]] void graph_refuse(const char* what);

// ---- by platform: streams.cu, and testing/streams.cpp: a row of nodes, each after the one before -----------------------------------
void* native_new(std::vector<Kept*>& nodes);  // instantiated; gives each its `node`; raises Error where it is refused
void native_set(void* native, const Kept& k);  // other parameters, or blocks
void native_launch(void* native);              // on the current stream
void native_free(void* native);

}  // namespace runtime
}  // namespace fastnn::cuda
