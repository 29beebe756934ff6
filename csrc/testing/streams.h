// testing/streams.h: what the shim's streams have still to do. See streams.cpp.
#pragma once
#include <stdint.h>

#include <functional>

namespace fastnn::cuda::shim {

void later(int stream, std::function<void()> work);  // after all that was said to that stream before
void in_passing(int stream, std::function<void()> work);  // the same, for the shim's own accounts: when nothing of the program's is before it
void finish_all();                                   // now

}  // namespace fastnn::cuda::shim
