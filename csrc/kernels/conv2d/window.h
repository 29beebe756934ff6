// conv2d/window.h: which input elements a block of positions reads, copied once into a slab where every tap is an offset.
//
// A convolution, its input gradient and its weight gradient all walk positions (t, u) and taps (row, col):
//
//    in[n, c, t·stride + row, u·stride + col]         zero outside the image (that is what padding means)
//
// A block of positions copies its part of `in`, border zeros included, into a slab. Column phases (and row phases) of a
// strided window are stored apart, so neighbours in u are neighbours in memory at every stride and dilation:
//
//    slab [channel][image][row phase][col phase][height][width]
//
//    stride 2, taps 0 1 2      in     a b c d e f g      position u, tap q  ->  phase q % 2, offset u + q / 2
//                              slab   a c e g   b d f    tap 0: a c e   tap 1: b d f   tap 2: c e g
//
// Then element (position, tap) is at  slab + place(position) + offset[tap]:  no bounds, no division, unit steps. The slab
// holds one block of a few rows or images and a few channels, sized for L2; im2col never exists.
// Read on: gather.h (forward and input gradient), weights.h (weight gradient).
#pragma once
#include "../../core/parallel.h"
#include "../../core/simd.h"
#include "../geometry.h"
#include "../matmul/pack.h"

namespace fastnn::FN_ISA {

FN int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
FN int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
FN int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

struct Window {
  int64_t images, rows, cols;  // positions
  int64_t height, width;       // of an input image
  int64_t stride[2];
  int64_t taps;                   // at least one
  int64_t *row, *col, *index;     // [taps] offsets of each tap, and its place p·Q + q in the filter
};

// Taps that reach the input from no position are left out, which bounds every slab however large the dilation.
FN bool reaches(int64_t offset, int64_t stride, int64_t positions, int64_t size) {
  int64_t first = offset >= 0 ? 0 : ceil_div(-offset, stride);  // the first position at or after the border
  return first < positions && first * stride + offset < size;
}

FN void add_tap(Window& s, int64_t row, int64_t col, int64_t index) {
  if (!reaches(row, s.stride[0], s.rows, s.height) || !reaches(col, s.stride[1], s.cols, s.width)) return;
  s.row[s.taps] = row, s.col[s.taps] = col, s.index[s.taps++] = index;
}

// The taps of a forward window, and of the input gradient's results at `phase` of the stride: rows h with (h + padding) % stride = phase
// see only the taps with p·dilation % stride = phase, each at a fixed offset of g; columns alike.
FN void add_taps(Window& s, const View& w, const Conv2d& c) {
  for (int64_t i = 0; i < w.shape[2] * w.shape[3]; ++i)
    add_tap(s, i / w.shape[3] * c.dilation[0] - c.padding[0], i % w.shape[3] * c.dilation[1] - c.padding[1], i);
}
FN void add_phase_taps(Window& s, const View& w, const Conv2d& c, int64_t row_phase, int64_t col_phase) {
  for (int64_t i = 0; i < w.shape[2] * w.shape[3]; ++i) {
    const int64_t above = row_phase + c.padding[0] - i / w.shape[3] * c.dilation[0], left = col_phase + c.padding[1] - i % w.shape[3] * c.dilation[1];
    if (above % c.stride[0] == 0 && left % c.stride[1] == 0) add_tap(s, above / c.stride[0], left / c.stride[1], i);
  }
}

// The window whose slab has every column in its place, for a reader that takes the stride itself.
FN Window every_column(Window s) {
  s.cols = (s.cols - 1) * s.stride[1] + 1, s.stride[1] = 1;
  return s;
}

// A window over `images` of `in` and the lists of at most `taps` taps, none of them added yet.
struct Taps {
  Scratch<int64_t> row, col, index;
  Window window;
  Taps(int64_t taps, int64_t images, const View& positions, const View& in, const int64_t (&stride)[2])
      : row(taps), col(taps), index(taps),
        window{images, positions.shape[2], positions.shape[3], in.shape[2], in.shape[3], {stride[0], stride[1]}, 0, row, col, index} {}
};

struct Blocks {
  int64_t images, rows, cols;         // positions in a full block
  int64_t along_n, along_r, along_c;  // number of blocks
  int64_t row0, col0;                 // smallest tap offsets
  int64_t phases[2];                  // phases the taps touch: at most the stride
  int64_t extra[2];                   // slab rows and columns beyond the positions
  int64_t height, width;              // of a plane
  int64_t plane, image, channel;      // slab strides
  int64_t channels;                   // of a slab
  int64_t count() const { return along_n * along_r * along_c; }
};

template <class T> FN int64_t slab_size(const Blocks& b) { return b.channels * b.channel + b.width + 5 * lanes<T>; }

FN void lay_out(Blocks& b) {
  b.height = b.rows + b.extra[0], b.width = b.cols + b.extra[1];
  b.plane = b.height * b.width;
  b.image = b.phases[0] * b.phases[1] * b.plane;
  b.channel = b.images * b.image;
  if (b.channel % 512 < 32) b.channel += 48;  // channels a page apart would share one L1 set
}

// Cut the positions into blocks of about `positions` whose slab of `channels` fits `budget` elements: images together when
// they are small, whole images, then bands of rows, then pieces of a row.
FN Blocks cut(const Window& s, int64_t channels, int64_t budget, int64_t positions) {
  Blocks b;
  int64_t row1 = b.row0 = s.row[0], col1 = b.col0 = s.col[0];
  for (int64_t t = 1; t < s.taps; ++t) {
    b.row0 = least(b.row0, s.row[t]), row1 = most(row1, s.row[t]);
    b.col0 = least(b.col0, s.col[t]), col1 = most(col1, s.col[t]);
  }
  b.phases[0] = least(s.stride[0], row1 - b.row0 + 1), b.phases[1] = least(s.stride[1], col1 - b.col0 + 1);
  b.extra[0] = (row1 - b.row0) / s.stride[0], b.extra[1] = (col1 - b.col0) / s.stride[1];
  b.channels = channels;
  int64_t phases = b.phases[0] * b.phases[1], per_row = channels * phases;
  b.cols = s.cols;
  if (per_row * (s.cols + b.extra[1]) * (1 + b.extra[0]) > budget && s.cols > 1024) b.cols = 1024;
  b.rows = budget / (per_row * (b.cols + b.extra[1])) - b.extra[0];
  b.rows = most(1, least(b.rows, ceil_div(positions, b.cols)));
  b.images = 1;
  if (b.cols == s.cols && b.rows >= s.rows) {
    int64_t size = per_row * (s.rows + b.extra[0]) * (s.cols + b.extra[1]);
    b.images = most(1, least(budget / size, positions / (s.rows * s.cols)));
  }
  b.images = ceil_div(s.images, ceil_div(s.images, b.images)), b.rows = ceil_div(s.rows, ceil_div(s.rows, b.rows));
  b.along_n = ceil_div(s.images, b.images), b.along_r = ceil_div(s.rows, b.rows), b.along_c = ceil_div(s.cols, b.cols);
  lay_out(b);
  return b;
}

// Whether the input already lies as a slab would: whole rows, no border, no stride (1×1 filters). Then none is filled.
FN bool is_slab(const Window& s, const Blocks& b) {
  return s.taps == 1 && s.stride[0] == 1 && s.stride[1] == 1 && s.row[0] == 0 && s.col[0] == 0 && s.rows == s.height &&
         s.cols == s.width && b.cols == s.cols;
}
FN void use_as_slab(Blocks& b, int64_t image, int64_t channel) { b.image = image, b.channel = channel; }

// Offsets of (channel, tap) in the slab, channel by channel.
FN void slab_offsets(const Window& s, const Blocks& b, int64_t* offset) {
  for (int64_t c = 0, k = 0; c < b.channels; ++c)
    for (int64_t t = 0; t < s.taps; ++t, ++k) {
      int64_t row = s.row[t] - b.row0, col = s.col[t] - b.col0;
      int64_t phase = row % s.stride[0] * b.phases[1] + col % s.stride[1];
      offset[k] = c * b.channel + phase * b.plane + row / s.stride[0] * b.width + col / s.stride[1];
    }
}

struct Block {  // one block of positions: the first, and how many
  int64_t n, t, u, images, rows, cols;
};
FN Block block_at(const Window& s, const Blocks& b, int64_t i) {
  int64_t u = i % b.along_c * b.cols, t = i / b.along_c % b.along_r * b.rows, n = i / b.along_c / b.along_r * b.images;
  return {n, t, u, least(b.images, s.images - n), least(b.rows, s.rows - t), least(b.cols, s.cols - u)};
}

template <class T> FN void copy_run(T* to, const T* from, int64_t n) {
  constexpr int L = lanes<T>;
  if (n < L) {
    if (n > 0) store_n(to, load_n(from, n), n);
    return;
  }
  int64_t i = 0;
  for (; i + L <= n; i += L) store(to + i, load(from + i));
  if (i < n) store(to + n - L, load(from + n - L));  // overlaps the vector before: no tail loop
}
template <class T> FN void zero_run(T* to, int64_t n) {
  constexpr int L = lanes<T>;
  int64_t i = 0;
  for (; i + L <= n; i += L) store(to + i, vec<T>{});
  if (i < n) store_n(to + i, vec<T>{}, n - i);
}

template <class T> struct Source {  // a batch of images to fill slabs from; [begin, end) may be read
  const T *data, *begin, *end;
  int64_t image, channel;  // strides
};

// Every second element: the column phases of stride 2.
template <class T, int... I> FN vec<T> evens(vec<T> a, vec<T> b, Sequence<I...>) {
  return __builtin_shufflevector(a, b, (2 * I)...);
}
template <class T, int... I> FN vec<T> odds(vec<T> a, vec<T> b, Sequence<I...>) {
  return __builtin_shufflevector(a, b, (2 * I + 1)...);
}

// `rows` rows of `width` elements, `pitch` apart: every `step`-th (Step: 1, 2, or 0 for any) of a line of the source from
// `from` on, zero before `first` and from `after` on. Only the first and the last vector of a row, which ends where the row
// does, can meet a border unless it is wider than a vector.
template <int Step, class T>
static void fill_rows(T* to, int64_t pitch, int64_t rows, int64_t width, const T* from, int64_t line, int64_t step, int64_t first,
                      int64_t after, const Source<T>& in) {
  constexpr int L = lanes<T>;
  typename MakeSequence<L>::type order;
  const int64_t last = width - L, reach = (most(last, 0) + L) * step;
  const bool vectors = Step && first <= L && after >= last;
  const bits<T> left = lanes_between<T>(first, after), right = lanes_between<T>(first - last, after - last);
  const auto piece = [&](int64_t i) __attribute__((always_inline)) {
    if constexpr (Step == 2) return evens<T>(load(from + 2 * i), load(from + 2 * i + L), order);
    else return load(from + i);
  };
  for (int64_t r = 0; r < rows; ++r, to += pitch, from += line) {
    if (vectors && from >= in.begin && in.end - from >= reach) {
      store(to, from_bits<T>(to_bits<T>(piece(0)) & left));
      for (int64_t i = L; i < last; i += L) store(to + i, piece(i));
      if (last > 0) store(to + last, from_bits<T>(to_bits<T>(piece(last)) & right));
    } else {
      zero_run(to, width);
      for (int64_t i = first; i < least(width, after); ++i) to[i] = from[i * step];
    }
  }
}

// Copy `channels` channels of a block into the slab, border zeros included. Rows narrower than a vector hang over into what is
// written later: the next row, plane or channel, or the slab's slack.
template <class T>
static void fill_slab(T* slab, const Source<T>& in, int64_t channels, const Window& s, const Blocks& b, const Block& block) {
  const int64_t height = block.rows + b.extra[0], width = block.cols + b.extra[1], step = s.stride[1];
  const auto fill = step == 1 ? fill_rows<1, T> : step == 2 ? fill_rows<2, T> : fill_rows<0, T>;
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t n = 0; n < block.images; ++n)
      for (int64_t phase = 0; phase < b.phases[0] * b.phases[1]; ++phase) {
        T* to = slab + c * b.channel + n * b.image + phase * b.plane;
        const int64_t y = block.t * s.stride[0] + b.row0 + phase / b.phases[1];  // input row and column of the slab's first
        const int64_t x = block.u * step + b.col0 + phase % b.phases[1];
        const int64_t top = least(height, y >= 0 ? 0 : ceil_div(-y, s.stride[0]));  // rows above the image, and down to its end
        const int64_t below = most(top, least(height, y < s.height ? ceil_div(s.height - y, s.stride[0]) : 0));
        const T* from = in.data + (block.n + n) * in.image + c * in.channel + (y + top * s.stride[0]) * s.width + x;
        for (int64_t r = 0; r < top; ++r) zero_run(to + r * b.width, width);
        fill(to + top * b.width, b.width, below - top, width, from, s.stride[0] * s.width, step, x >= 0 ? 0 : ceil_div(-x, step),
             x < s.width ? ceil_div(s.width - x, step) : 0, in);
        for (int64_t r = below; r < height; ++r) zero_run(to + r * b.width, width);
      }
}

// Positions [at, at + n) of a block, in order of n, t, u, as runs that are contiguous in the slab.
struct Run {
  int64_t image, row, col, length;
};
struct Walk {
  int64_t image, row, col, left;
};
FN Walk walk(const Block& b, int64_t at, int64_t n) {
  int64_t area = b.rows * b.cols;
  return {at / area, at % area / b.cols, at % b.cols, n};
}
FN Run next(Walk& w, const Block& b) {
  Run r = {w.image, w.row, w.col, least(w.left, b.cols - w.col)};
  w.left -= r.length, w.col = 0;
  if (++w.row == b.rows) w.row = 0, ++w.image;
  return r;
}

struct Piece {  // at most a vector of neighbouring positions: from the slab to a panel
  int64_t from, to, length;
};

template <class T, int P>
FN void pack_pieces(T* panel, int64_t pitch, const T* slab, const int64_t* offset, int64_t k, const Piece* piece) {
  int64_t from[P], to[P];  // in registers: a store to the panel may alias what `piece` points to
  for (int j = 0; j < P; ++j) from[j] = piece[j].from, to[j] = piece[j].to;
  for (int64_t i = 0; i < k; ++i, panel += pitch) {
    const T* tap = slab + offset[i];
#pragma GCC unroll 8
    for (int j = 0; j < P; ++j) store(panel + to[j], load(tap + from[j]));
  }
}

// Copy positions [at, at + n) of each of k taps into rows of `panel`, `pitch` apart. Rows are written in order, each as
// whole vectors whose overhang the next piece or row overwrites: the panel needs a vector of slack at its end. `end`: where
// reading must stop.
template <class T>
static void pack_positions(T* panel, int64_t pitch, const T* slab, const T* end, const int64_t* offset, int64_t k,
                           const Blocks& b, const Block& block, int64_t at, int64_t n, Piece* piece) {
  constexpr int L = lanes<T>;
  int64_t pieces = 0, reach = 0;
  Block rows = block;
  if (b.width == block.cols) rows.cols *= rows.rows, rows.rows = 1;  // no border between rows: one long row
  Walk w = walk(rows, at, n);
  for (int64_t column = 0; w.left;) {
    Run r = next(w, rows);
    int64_t place = r.image * b.image + r.row * b.width + r.col;
    for (int64_t i = 0; i < r.length; i += L) piece[pieces++] = {place + i, column + i, least(L, r.length - i)};
    column += r.length, reach = place + r.length;
  }
  if (end - slab < offset[k - 1] + reach + L) {
    for (int64_t i = 0; i < k; ++i, panel += pitch)
      for (int64_t j = 0; j < pieces; ++j)
        copy_run(panel + piece[j].to, slab + offset[i] + piece[j].from, piece[j].length);
    return;
  }
  switch (pieces) {
    case 1: return pack_pieces<T, 1>(panel, pitch, slab, offset, k, piece);
    case 2: return pack_pieces<T, 2>(panel, pitch, slab, offset, k, piece);
    case 3: return pack_pieces<T, 3>(panel, pitch, slab, offset, k, piece);
    case 4: return pack_pieces<T, 4>(panel, pitch, slab, offset, k, piece);
    case 5: return pack_pieces<T, 5>(panel, pitch, slab, offset, k, piece);
    case 6: return pack_pieces<T, 6>(panel, pitch, slab, offset, k, piece);
  }
  for (int64_t i = 0; i < k; ++i, panel += pitch) {
    const T* tap = slab + offset[i];
    for (int64_t j = 0; j < pieces; ++j) store(panel + piece[j].to, load(tap + piece[j].from));
  }
}

}  // namespace fastnn::FN_ISA
