#include "program.h"

#include <time.h>

#include <algorithm>

namespace fastnn {

thread_local Program* recording = nullptr;

namespace {

// Everything that a program's calls write, kept to be put back: from the first to the last byte of each view.
class Before {
 public:
  explicit Before(const Program& p) {
    for (const auto& step : p.steps)
      step->each_view([](void* to, const View& v, bool written) {
        if (!written || v.ndim < 0 || v.numel() == 0) return;
        char *first = static_cast<char*>(v.data), *last = first + itemsize(v.dtype);
        for (int d = 0; d < v.ndim; ++d) {
          int64_t reach = (v.shape[d] - 1) * v.strides[d] * itemsize(v.dtype);
          (reach < 0 ? first : last) += reach;
        }
        static_cast<std::vector<Span>*>(to)->push_back({first, last});
      }, &spans);
    std::sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) { return a.first < b.first; });
    size_t kept = 0;
    for (const Span& s : spans)  // overlapping ones become one
      if (kept && s.first <= spans[kept - 1].last) spans[kept - 1].last = std::max(spans[kept - 1].last, s.last);
      else spans[kept++] = s;
    spans.resize(kept);
    for (const Span& s : spans) bytes.insert(bytes.end(), s.first, s.last);
  }
  ~Before() {
    const char* from = bytes.data();
    for (const Span& s : spans) {
      memcpy(s.first, from, size_t(s.last - s.first));
      from += s.last - s.first;
    }
  }

 private:
  struct Span {
    char *first, *last;
  };
  std::vector<Span> spans;
  std::vector<char> bytes;
};

double now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}

}  // namespace

std::vector<double> Program::seconds(int repeats) const {
  Before before(*this);
  std::vector<std::vector<double>> taken(steps.size());
  for (int r = 0; r < repeats; ++r) {
    double start = now();
    for (size_t i = 0; i < steps.size(); ++i) {
      steps[i]->run();
      double end = now();
      taken[i].push_back(end - start);
      start = end;
    }
  }
  std::vector<double> medians;
  for (auto& t : taken) {
    std::nth_element(t.begin(), t.begin() + int64_t(t.size() / 2), t.end());
    medians.push_back(t[t.size() / 2]);
  }
  return medians;
}

}  // namespace fastnn
