// elementwise.cpp: from arrays to lines: which pieces of memory a formula runs over, and on which thread.
//
//    all contiguous, or one number   pieces of `grain` elements, straight from memory to memory
//    otherwise                       axes are merged; the flattened index is cut into tiles of at most TILE elements;
//                                    each operand is either contiguous within its tile, or one number, or gathered
//
//    cost   a stream through memory for cheap formulas. A result larger than the cache is written past it (stream), which
//           saves reading its lines first: 1/3 of the traffic of a unary operation.
#include "../../core/stream.h"
#include "tile.h"

namespace fastnn::FN_ISA {

void not_for(const char* op, DType t) {
  static const char* const NAMES[] = {"float32", "float64", "int64", "int32", "uint8", "bool"};
  raise_error(ErrorKind::dtype, "\"%s\" not implemented for '%s'", op, NAMES[int(t)]);
}

namespace {

constexpr int64_t TILE = 1024;               // elements; a tile of doubles is 8 KiB, four of them fit L1
constexpr int64_t STREAM_BYTES = 24 << 20;   // results from this size on are written past the cache
// Elements computed and then written at a time, and how far ahead of them the operands are asked for, by bytes: while results are
// written nothing is read. 25M elements, Zen 5, two cores, 1,024 at a time and nothing asked for: relu 1.07 times as long, gelu and
// log 1.15; asked for by pieces of 512: 1.08, of 1,024: 1.3 to 1.4, too many lines at once.
constexpr int64_t PIECE = 256, AHEAD = 4096;

template <class F> FN void with_size(int size, const F& f) {
  if (size == 4) f(int32_t{});
  else if (size == 8) f(int64_t{});
  else f(uint8_t{});
}

// n elements, `stride` elements apart, from or to contiguous memory
template <class T> FN void gather(T* to, const T* from, int64_t stride, int64_t n) {
  if (stride == 1) __builtin_memcpy(to, from, size_t(n) * sizeof(T));
  else if (stride == 0) for (int64_t i = 0; i < n; ++i) to[i] = *from;
  else
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) to[i] = from[i * stride];
}
template <class T> FN void scatter(T* to, int64_t stride, const T* from, int64_t n) {
  if (stride == 1) __builtin_memcpy(to, from, size_t(n) * sizeof(T));
  else
    for (int64_t i = 0; i < n; ++i) to[i * stride] = from[i];
}
void splat_granule(char* to, const char* value, int size, int n) {
  with_size(size, [&](auto t) {
    using T = decltype(t);
    gather(reinterpret_cast<T*>(to), reinterpret_cast<const T*>(value), 0, n);
  });
}

FN void move_by(const Line& line, Operand* to, const Operand* in, int64_t i) {
  for (int k = 0; k < line.inputs; ++k) to[k] = {in[k].step ? in[k].p + i * line.in_size[k] : in[k].p, in[k].step};
}

// n elements, contiguous or step 0. Where the results overwrite no operand, granules may overlap: the first one leads to where
// the results are aligned, the last one ends where they do (rows of 1,000: a store that spans two cache lines costs two).
// Elsewhere whole granules in place, and the tail through padded copies.
void run_contiguous(const Line& line, char* y, const Operand* in, int64_t n) {
  bool apart = n >= 4 * line.granule;
  for (int k = 0; k < line.inputs; ++k) apart &= in[k].p != y;
  if (apart) {
    Operand here[MAX_INPUTS];
    const uintptr_t granule = uintptr_t(line.granule) * line.y_size, unit = granule < 64 ? granule : 64;  // powers of 2
    const int64_t lead = int64_t(-reinterpret_cast<uintptr_t>(y) & (unit - 1)) >> __builtin_ctz(line.y_size), body = (n - lead) & -int64_t(line.granule);
    if (lead) line.run(y, in, line.granule);
    move_by(line, here, in, lead);
    line.run(y + lead * line.y_size, here, body);
    if (lead + body == n) return;
    move_by(line, here, in, n - line.granule);
    return line.run(y + (n - line.granule) * line.y_size, here, line.granule);
  }
  const int64_t whole = n & -int64_t(line.granule), tail = n - whole;
  if (whole) line.run(y, in, whole);
  if (!tail) return;
  alignas(64) char pad[MAX_INPUTS][BLOCK * 8], out[BLOCK * 8];
  Operand padded[MAX_INPUTS];
  for (int k = 0; k < line.inputs; ++k) {
    padded[k] = in[k];
    if (in[k].step == 0) continue;
    const int size = line.in_size[k];
    const char* from = in[k].p + whole * size;
    // Padding repeats the last element, so that it cannot divide by zero where the data does not.
    __builtin_memcpy(pad[k], from, size_t(tail * size));
    splat_granule(pad[k] + tail * size, from + (tail - 1) * size, size, int(line.granule - tail));
    padded[k].p = pad[k];
  }
  line.run(out, padded, line.granule);
  __builtin_memcpy(y + whole * line.y_size, out, size_t(tail * line.y_size));
}

struct Splats { alignas(64) char v[MAX_INPUTS][BLOCK * 8]; };

// Every operand is contiguous in the order of y, or one number.
void run_flat(const Line& line, char* y, const View* const* in, const bool* number, int64_t n) {
  Splats splats;
  Operand ops[MAX_INPUTS];
  for (int k = 0; k < line.inputs; ++k) {
    auto* p = static_cast<const char*>(in[k]->data);
    if (number[k]) {
      splat_granule(splats.v[k], p, line.in_size[k], line.granule);
      ops[k] = {splats.v[k], 0};
    } else {
      ops[k] = {p, int64_t(line.granule) * line.in_size[k]};
    }
  }
  const bool streamed = n * line.y_size >= STREAM_BYTES && reinterpret_cast<uintptr_t>(y) % 64 == 0;
  auto moved = [&](int64_t i, Operand* to) __attribute__((always_inline)) { move_by(line, to, ops, i); };
  if (!streamed && n <= line.grain) return run_contiguous(line, y, ops, n);
  parallel_for(n, line.grain, [&](int64_t begin, int64_t end) {
    Operand here[MAX_INPUTS];
    if (!streamed) {
      moved(begin, here);
      return run_contiguous(line, y + begin * line.y_size, here, end - begin);
    }
    alignas(64) char tile[PIECE * 8];
    int64_t i = begin;
    for (; i + PIECE <= end; i += PIECE) {
      moved(i, here);
      for (int k = 0; k < line.inputs; ++k)
        for (int64_t at = 0; here[k].step && at < PIECE * line.in_size[k]; at += 64) __builtin_prefetch(here[k].p + AHEAD + at);
      line.run(tile, here, PIECE);
      stream(y + i * line.y_size, tile, PIECE * line.y_size);
    }
    stream_end();
    moved(i, here);
    run_contiguous(line, y + i * line.y_size, here, end - i);
  });
}

// The axes of y and the inputs together: sorted by y's strides, length 1 dropped, merged where contiguous for everyone.
struct Axes {
  int n;
  int64_t size[MAX_DIMS], stride[1 + MAX_INPUTS][MAX_DIMS];  // stride[0]: y
};
FN int64_t magnitude(int64_t s) { return s < 0 ? -s : s; }

Axes merge_axes(const View& y, const View* const* in, int inputs) {
  Axes a;
  a.n = 0;
  int order[MAX_DIMS];
  for (int d = 0; d < y.ndim; ++d) {
    if (y.shape[d] == 1) continue;
    int i = a.n++;
    for (; i > 0 && magnitude(y.strides[order[i - 1]]) < magnitude(y.strides[d]); --i) order[i] = order[i - 1];
    order[i] = d;
  }
  auto stride = [&](int k, int d) { return k == 0 ? y.strides[d] : in[k - 1]->strides[d]; };
  int m = -1;
  for (int i = 0; i < a.n; ++i) {
    const int d = order[i];
    bool joins = m >= 0;
    for (int k = 0; joins && k <= inputs; ++k) joins = a.stride[k][m] == y.shape[d] * stride(k, d);
    if (joins) {
      a.size[m] *= y.shape[d];
    } else {
      a.size[++m] = y.shape[d];
    }
    for (int k = 0; k <= inputs; ++k) a.stride[k][m] = stride(k, d);
  }
  a.n = m + 1;
  return a;
}

// Position r of the outer axes (all but the last) as an offset of operand k
FN int64_t offset_of(const Axes& a, int k, int64_t r) {
  int64_t o = 0;
  for (int d = a.n - 2; d >= 0; --d) {
    o += r % a.size[d] * a.stride[k][d];
    r /= a.size[d];
  }
  return o;
}

enum class Reach { flat, number, rows, strided };  // flat: contiguous over the whole; rows: the same for every row

// Elements [begin, begin + n) of the flattened index, of an operand with any strides, to or from contiguous memory.
template <class T, bool OUT> FN void move_range(const Axes& a, int k, char* array, char* tile, int64_t begin, int64_t n) {
  const int last = a.n - 1;
  const int64_t length = a.size[last], s = a.stride[k][last];
  auto* t = reinterpret_cast<T*>(tile);
  int64_t row = begin / length, col = begin % length;
  for (int64_t i = 0; i < n; ++row, col = 0) {
    int64_t m = length - col < n - i ? length - col : n - i;
    T* p = reinterpret_cast<T*>(array) + offset_of(a, k, row) + col * s;
    if constexpr (OUT) scatter(p, s, t + i, m);
    else gather(t + i, p, s, m);
    i += m;
  }
}

// An operand that is contiguous along another axis than y (a transpose): rows of that axis are taken ACROSS at a time, so
// that every cache line fetched is used whole. Returns the axis, or -1.
constexpr int64_t ACROSS = 16, ALONG = 64;  // a block: 16 x 64 elements, one TILE
int crossed_axis(const Axes& a, int inputs) {
  const int last = a.n - 1;
  if (a.stride[0][last] != 1 || a.size[last] < ACROSS) return -1;
  for (int k = 1; k <= inputs; ++k)
    if (magnitude(a.stride[k][last]) > 1)
      for (int d = 0; d < last; ++d)
        if (magnitude(a.stride[k][d]) == 1 && a.size[d] >= ACROSS) return d;
  return -1;
}

void run_crossed(const Line& line, const View& y, const View* const* in, const Axes& a, int turn) {
  const int last = a.n - 1;
  const int64_t length = a.size[last], across = a.size[turn], blocks = ceil_div(across, ACROSS);
  int64_t outer = 1;
  for (int d = 0; d < last; ++d)
    if (d != turn) outer *= a.size[d];
  const int64_t grain = line.grain / (ACROSS * length) + 1;
  parallel_for(outer * blocks, grain, [&](int64_t first, int64_t end) {
    alignas(64) char tile[MAX_INPUTS][TILE * 8];
    Splats splats;
    for (int64_t t = first; t < end; ++t) {
      const int64_t r0 = t % blocks * ACROSS, rows = across - r0 < ACROSS ? across - r0 : ACROSS;
      int64_t at[1 + MAX_INPUTS] = {}, rest = t / blocks;
      for (int d = last - 1; d >= 0; --d) {
        const int64_t i = d == turn ? r0 : rest % a.size[d];
        if (d != turn) rest /= a.size[d];
        for (int k = 0; k <= line.inputs; ++k) at[k] += i * a.stride[k][d];
      }
      for (int64_t c0 = 0; c0 < length; c0 += ALONG) {
        const int64_t n = length - c0 < ALONG ? length - c0 : ALONG;
        for (int k = 0; k < line.inputs; ++k) {
          const int64_t s = a.stride[k + 1][last], sr = a.stride[k + 1][turn];
          if (s == 1 || s == 0) continue;
          with_size(line.in_size[k], [&](auto type) {
            using T = decltype(type);
            auto* to = reinterpret_cast<T*>(tile[k]);
            auto* from = static_cast<const T*>(in[k]->data) + at[k + 1] + c0 * s;
            for (int64_t c = 0; c < n; ++c)
              for (int64_t r = 0; r < rows; ++r) to[r * ALONG + c] = from[c * s + r * sr];
          });
        }
        for (int64_t r = 0; r < rows; ++r) {
          Operand ops[MAX_INPUTS];
          for (int k = 0; k < line.inputs; ++k) {
            const int size = line.in_size[k];
            const int64_t s = a.stride[k + 1][last];
            const char* p = static_cast<const char*>(in[k]->data) + (at[k + 1] + r * a.stride[k + 1][turn] + c0 * s) * size;
            ops[k] = {p, int64_t(line.granule) * size};
            if (s == 0) {
              splat_granule(splats.v[k], p, size, line.granule);
              ops[k] = {splats.v[k], 0};
            } else if (s != 1) {
              ops[k].p = tile[k] + r * ALONG * size;
            }
          }
          run_contiguous(line, static_cast<char*>(y.data) + (at[0] + r * a.stride[0][turn] + c0) * line.y_size, ops, n);
        }
      }
    }
  });
}

void run_strided(const Line& line, const View& y, const View* const* in) {
  const Axes a = merge_axes(y, in, line.inputs);
  const int last = a.n - 1;
  if (const int turn = crossed_axis(a, line.inputs); turn >= 0) return run_crossed(line, y, in, a, turn);
  const int64_t length = a.size[last], n = y.numel();
  // How each operand is reached. A long row is cut; short rows share a tile, a whole number of them.
  Reach reach[1 + MAX_INPUTS];
  for (int k = 0; k <= line.inputs; ++k) {
    bool outer0 = true, flat = a.stride[k][last] == 1;
    int64_t expect = length;
    for (int d = last - 1; d >= 0; expect *= a.size[d--]) {
      outer0 &= a.stride[k][d] == 0;
      flat &= a.stride[k][d] == expect;
    }
    reach[k] = flat ? Reach::flat : !outer0 ? Reach::strided : a.stride[k][last] == 0 ? Reach::number : Reach::rows;
  }
  const bool cut = length >= TILE / 2;
  const int64_t pieces = cut ? ceil_div(length, TILE) : 1;            // of a row
  const int64_t rows = cut ? 1 : TILE / length;                       // in a tile
  const int64_t tiles = cut ? n / length * pieces : ceil_div(n / length, rows);
  const int64_t tile_elements = cut ? (length < TILE ? length : TILE) : rows * length;

  parallel_for(tiles, ceil_div(line.grain, tile_elements), [&](int64_t first, int64_t end) {
    alignas(64) char tile[1 + MAX_INPUTS][TILE * 8];
    Splats splats;
    bool filled[MAX_INPUTS] = {};
    for (int64_t t = first; t < end; ++t) {
      const int64_t row = !cut ? t * rows : pieces == 1 ? t : t / pieces, col = cut ? (t - row * pieces) * TILE : 0;
      const int64_t begin = row * length + col;
      int64_t m = cut ? (length - col < TILE ? length - col : TILE) : (n - begin < rows * length ? n - begin : rows * length);
      Operand ops[MAX_INPUTS];
      for (int k = 0; k < line.inputs; ++k) {
        const int size = line.in_size[k];
        char* p = static_cast<char*>(in[k]->data);
        const int64_t s = a.stride[k + 1][last];
        ops[k] = {tile[k], int64_t(line.granule) * size};
        if (reach[k + 1] == Reach::flat) {
          ops[k].p = p + begin * size;
        } else if (reach[k + 1] == Reach::number || (cut && s == 0)) {
          if (!filled[k] || (reach[k + 1] != Reach::number && (col == 0 || t == first)))
            splat_granule(splats.v[k], p + offset_of(a, k + 1, row) * size, size, line.granule);
          filled[k] = true;
          ops[k] = {splats.v[k], 0};
        } else if (cut && s == 1) {
          ops[k].p = p + ((reach[k + 1] == Reach::rows ? 0 : offset_of(a, k + 1, row)) + col) * size;
        } else if (!(filled[k] && reach[k + 1] == Reach::rows && !cut)) {
          with_size(size, [&](auto type) { move_range<decltype(type), false>(a, k + 1, p, tile[k], begin, m); });
          filled[k] = true;
        }
      }
      char* out = static_cast<char*>(y.data);
      if (reach[0] == Reach::flat) run_contiguous(line, out + begin * line.y_size, ops, m);
      else if (cut && a.stride[0][last] == 1) run_contiguous(line, out + (offset_of(a, 0, row) + col) * line.y_size, ops, m);
      else {
        run_contiguous(line, tile[MAX_INPUTS], ops, m);
        with_size(line.y_size, [&](auto type) { move_range<decltype(type), true>(a, 0, out, tile[MAX_INPUTS], begin, m); });
      }
    }
  });
}

FN bool same_strides(const View& a, const View& b) {
  for (int d = 0; d < a.ndim; ++d)
    if (a.strides[d] != b.strides[d] && a.shape[d] != 1) return false;
  return true;
}

}  // namespace

void run_line(const Line& line, const View& y, const View* const* in) {
  const int64_t n = y.numel();
  if (n == 0) return;
  bool flat = y.packed(), number[MAX_INPUTS];
  for (int k = 0; flat && k < line.inputs; ++k) {
    number[k] = n > 1 && in[k]->one_number();
    flat = number[k] || same_strides(*in[k], y);
  }
  if (flat) run_flat(line, static_cast<char*>(y.data), in, number, n);
  else run_strided(line, y, in);
}

}  // namespace fastnn::FN_ISA
