#include "program.h"

namespace fastnn {

thread_local Program* recording = nullptr;

}  // namespace fastnn
