#include "note.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <mutex>

#include "notes.h"

namespace fastnn {

bool noting = false;

namespace {
std::mutex mutex;
std::vector<std::string> notes;
}  // namespace

void note(const char* format, ...) {
  char text[256];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  std::lock_guard<std::mutex> lock(mutex);
  for (const std::string& n : notes)
    if (n == text) return;  // the same choice in each piece of a batch
  notes.push_back(text);
}

std::vector<std::string> take_notes() {
  std::lock_guard<std::mutex> lock(mutex);
  std::vector<std::string> taken;
  taken.swap(notes);
  return taken;
}

}  // namespace fastnn
