// core/notes.h: what has been noted (note.h) since the last time. For the binding; kernels include note.h only.
#pragma once
#include <string>
#include <vector>

#include "note.h"

namespace fastnn {

std::vector<std::string> take_notes();

}  // namespace fastnn
