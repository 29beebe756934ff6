// conv2d/channels.h: one filter a channel (groups = channels, one result each), with channels in the lanes of a vector.
//
// depthwise.h has neighbouring columns in the lanes: of narrow planes most lanes stay empty, a stride must be taken apart, and
// what was just copied into a slab is read back across those stores. Here L planes are transposed, and every tap, stride and
// dilation is an offset of whole, aligned vectors:
//
//      L planes  ──transpose──▶  slab [row][column][L]  ──taps──▶  results [row][column][L]  ──transpose──▶  L planes
//                                 zeros around the image            AT_ONCE columns grow together
//
//    filter_channels   the convolution, or its input gradient: a phase of rows and columns (one for each remainder of the
//                      stride) has taps of its own, and all read the same slab
//    channel_taps      the weight gradient: a lane sums its own channel, nothing is folded
//
// Cost a result: taps/L multiply-adds, and two elements transposed, 64 shuffles for 16x16 of them.
#pragma once
#include "winograd_points.h"

namespace fastnn::FN_ISA {

constexpr int AT_ONCE = 8;                                   // columns, each with a sum of its own: hides the latency of an addition
constexpr int TAPS_AT_ONCE = VECTOR_BYTES == 64 ? 12 : 6;    // of the weight gradient
constexpr int64_t CHANNEL_SLAB = 256 << 10;                  // bytes: L2 holds it and the results

// Rows and columns begin + i·step of a grid, `count` of them.
struct Steps {
  int64_t begin, count, step;
};
// Of the results at rows × cols: result (i, j) is the sum over taps of w[index] · in[i·step[0] + row, j·step[1] + col].
struct Phase {
  Steps rows, cols;
  int64_t taps;
  const int64_t *row, *col, *index;
};
struct PhaseList {
  int64_t height, width, out_height, out_width;  // planes: of the input, of the results
  int64_t step[2];                               // of the input, from one result of a phase to the next
  int64_t row[2], col[2];                        // smallest and largest offset of a tap
  int64_t count, taps;                           // phases; taps of the filter
  const Phase* phase;
};

// A band of results: rows [begin, end) of every phase. Its slab, and what it reads and writes, whole rows of a plane.
struct ChannelBand {
  int64_t begin, end;
  int64_t slab_rows, slab_cols;
  int64_t first, last;          // rows of the input
  int64_t out_first, out_last;  // rows of the results
};

FN ChannelBand channel_band(const PhaseList& s, int64_t begin, int64_t end) {
  const int64_t top = begin * s.step[0] + s.row[0], bottom = (end - 1) * s.step[0] + s.row[1] + 1;
  const int64_t out_step = s.phase[0].rows.step;
  int64_t cols = 0;
  for (int64_t i = 0; i < s.count; ++i) cols = most(cols, s.phase[i].cols.count);
  return {begin, end, bottom - top, (cols - 1) * s.step[1] + s.col[1] - s.col[0] + 1, least(most(top, 0), s.height), least(most(bottom, 0), s.height),
          least(begin * out_step, s.out_height), least(end * out_step, s.out_height)};
}

// L planes of n elements to vectors at to + place[i]: as turn_pixels, but across the ends of rows, so that short ones fill no vector in vain.
template <class T> static void gather_lanes(T* to, const int64_t* place, const T* from, int64_t plane, int64_t planes, int64_t n) {
  constexpr int L = lanes<T>;
  for (int64_t i = 0; i < n; i += L) {
    const int64_t count = least(L, n - i);
    vec<T> v[L];
#pragma GCC unroll 16
    for (int l = 0; l < L; ++l) v[l] = l >= planes ? vec<T>{} : count == L ? load(from + l * plane + i) : load_n(from + l * plane + i, count);
    transpose<T>(v);
#pragma GCC unroll 16
    for (int l = 0; l < L; ++l)
      if (l < count) store(to + place[i + l], v[l]);
  }
}

// The slab of a band: where each element of its rows of the input goes. Columns that no tap reads go to a place behind it.
template <class T> struct ChannelSlab {
  Scratch<T> data;
  Scratch<int64_t> place;
  ChannelSlab(const PhaseList& s, const ChannelBand& largest)
      : data((largest.slab_rows * largest.slab_cols + 1) * lanes<T>), place(largest.slab_rows * s.width) {}

  void begin(const PhaseList& s, const ChannelBand& b) {
    constexpr int L = lanes<T>;
    for (int64_t i = 0; i < b.slab_rows * b.slab_cols; ++i) store(data + i * L, vec<T>{});
    const int64_t top = b.begin * s.step[0] + s.row[0], dump = b.slab_rows * b.slab_cols;
    int64_t* to = place;
    for (int64_t r = b.first; r < b.last; ++r)
      for (int64_t c = 0; c < s.width; ++c) {
        const int64_t col = c - s.col[0];
        *to++ = L * (col >= 0 && col < b.slab_cols ? (r - top) * b.slab_cols + col : dump);
      }
  }
  void fill(const PhaseList& s, const ChannelBand& b, const T* planes, int64_t count) {
    gather_lanes<T>(data, place, planes + b.first * s.width, s.height * s.width, count, (b.last - b.first) * s.width);
  }
};

FN void tap_offsets(int64_t* to, const PhaseList& s, const Phase& p, const ChannelBand& b, int64_t lanes) {  // in the slab
  for (int64_t t = 0; t < p.taps; ++t) to[t] = lanes * ((p.row[t] - s.row[0]) * b.slab_cols + p.col[t] - s.col[0]);
}

// Bands of as equal heights as may be whose slabs, and results beside them, fit the budget; at least a row.
template <class T> FN Even channel_bands(const PhaseList& s) {
  int64_t rows = 0;
  for (int64_t i = 0; i < s.count; ++i) rows = most(rows, s.phase[i].rows.count);
  const ChannelBand one = channel_band(s, 0, 1), two = channel_band(s, 0, 2);
  const int64_t vector = lanes<T> * int64_t(sizeof(T)), row = (two.slab_rows - one.slab_rows) * one.slab_cols + s.phase[0].rows.step * s.out_width;
  const int64_t fit = (CHANNEL_SLAB / vector - one.slab_rows * one.slab_cols) / most(1, row) + 1;
  return evenly(rows, most(1, fit));
}

// Results of R columns: `x` lies under the first, `S` vectors apart, or `step` elements where S is 0.
template <int R, int S, class T>
FN void channel_sums(const T* x, int64_t step, const T* w, const int64_t* offset, int64_t taps, vec<T> bias, T* to, int64_t to_step) {
  vec<T> acc[R];
  if (S) step = S * lanes<T>;
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) acc[r] = bias;
  for (int64_t t = 0; t < taps; ++t) {
    const vec<T> weight = load(w + t * lanes<T>);
    const T* from = x + offset[t];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) acc[r] += weight * load(from + r * step);
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) store(to + r * to_step, acc[r]);
}

// Filters of `channels`, L side by side: [block of channels][place][L].
template <class T> static void lane_weights(T* to, const T* w, int64_t channels, int64_t taps) {
  constexpr int L = lanes<T>;
  for (int64_t c = 0; c < ceil_div(channels, L) * L; ++c)
    for (int64_t t = 0; t < taps; ++t) to[(c / L * taps + t) * L + c % L] = w[least(c, channels - 1) * taps + t];
}

template <class T>
static void filter_channels(const T* in, T* out, const T* w, const T* bias, int64_t images, int64_t channels, const PhaseList& s) {
  constexpr int L = lanes<T>;
  const Even bands = channel_bands<T>(s);
  const int64_t blocks = ceil_div(channels, L), largest = bands.size(0), in_size = s.height * s.width, out_size = s.out_height * s.out_width;
  Scratch<T> weights(blocks * s.taps * L);
  lane_weights<T>(weights, w, channels, s.taps);
  int64_t all = 0;  // of the phases' taps
  for (int64_t i = 0; i < s.count; ++i) all += s.phase[i].taps;
  const int64_t work = largest * s.out_width * s.phase[0].rows.step * (all / s.count + 16);  // cycles of a task, roughly
  parallel_for(bands.parts * images * blocks, ceil_div(1 << 16, most(1, work)), [&](int64_t begin, int64_t end) {
    ChannelSlab<T> slab(s, channel_band(s, 0, largest));
    Scratch<T> results((largest * s.phase[0].rows.step * s.out_width + L) * L), taps_of(all * L);
    Scratch<int64_t> offset(all);
    int64_t now = -1;
    ChannelBand b = {};
    for (int64_t item = begin; item < end; ++item) {
      const int64_t band = item / (images * blocks), image = item / blocks % images, block = item % blocks;
      if (band != now) {
        now = band, b = channel_band(s, bands.begin(band), bands.begin(band) + bands.size(band));
        slab.begin(s, b);
        for (int64_t i = 0, at = 0; i < s.count; at += s.phase[i++].taps) tap_offsets(offset + at, s, s.phase[i], b, L);
      }
      const int64_t plane = image * channels + block * L, count = least(L, channels - block * L);
      slab.fill(s, b, in + plane * in_size, count);
      T sums[L];
      for (int l = 0; l < L; ++l) sums[l] = bias ? bias[block * L + least(l, count - 1)] : T(0);
      const vec<T> start = load(sums);
      const int64_t* at = offset;
      for (int64_t i = 0; i < s.count; at += s.phase[i++].taps) {
        const Phase& p = s.phase[i];
        for (int64_t t = 0; t < p.taps; ++t) store(taps_of + t * L, load(weights + (block * s.taps + p.index[t]) * L));
        for (int64_t t = b.begin; t < least(b.end, p.rows.count); ++t)
          for (int64_t u = 0; u < p.cols.count; u += AT_ONCE) {
            const T* x = slab.data + ((t - b.begin) * s.step[0] * b.slab_cols + u * s.step[1]) * L;
            T* to = results + ((p.rows.begin + t * p.rows.step - b.out_first) * s.out_width + p.cols.begin + u * p.cols.step) * L;
            with_constant<AT_ONCE>(p.cols.count - u, [&](auto n) __attribute__((always_inline)) {
              constexpr int R = decltype(n)::value;
              if (s.step[1] == 1) channel_sums<R, 1, T>(x, 0, taps_of, at, p.taps, start, to, p.cols.step * L);
              else channel_sums<R, 0, T>(x, s.step[1] * L, taps_of, at, p.taps, start, to, p.cols.step * L);
            });
          }
      }
      turn_back<T>(out + plane * out_size + b.out_first * s.out_width, out_size, 0, 1, results, 0, 1, (b.out_last - b.out_first) * s.out_width, count);
    }
  });
}

// acc[k] += g · x[offset[k]] over a band's positions.
template <int N, class T>
static void channel_products(T* sums, const T* x, int64_t x_row, int64_t x_col, const T* g, int64_t rows, int64_t cols, const int64_t* offset) {
  constexpr int L = lanes<T>;
  vec<T> acc[N] = {};
  const T* from[N];
  for (int k = 0; k < N; ++k) from[k] = x + offset[k];
  for (int64_t t = 0; t < rows; ++t)
    for (int64_t u = 0, at = t * x_row; u < cols; ++u, at += x_col, g += L) {
      const vec<T> v = load(g);
#pragma GCC unroll 12
      for (int k = 0; k < N; ++k) acc[k] += v * load(from[k] + at);
    }
#pragma GCC unroll 12
  for (int k = 0; k < N; ++k) store(sums + k * L, load(sums + k * L) + acc[k]);
}

// dw of planes x and g, of one phase. A task is a block of channels and a run of images, whose sums are added in order.
template <class T>
static void channel_taps(const T* x, const T* g, T* dw, int64_t images, int64_t channels, const PhaseList& s) {
  constexpr int L = lanes<T>;
  const Even bands = channel_bands<T>(s), runs = {images, least(images, 4)};
  const Phase& p = s.phase[0];
  const int64_t blocks = ceil_div(channels, L), largest = bands.size(0), x_size = s.height * s.width, g_size = s.out_height * s.out_width;
  Scratch<T> sums(runs.parts * blocks * p.taps * L);
  const int64_t work = ceil_div(images, runs.parts) * g_size * (p.taps + 16);
  parallel_for(runs.parts * blocks, ceil_div(1 << 16, most(1, work)), [&](int64_t begin, int64_t end) {
    ChannelSlab<T> slab(s, channel_band(s, 0, largest));
    Scratch<T> across(largest * s.out_width * L);
    Scratch<int64_t> offset(p.taps);
    const Planes<T> rows_of_g = {g, g + images * channels * g_size, channels * g_size, g_size, 1, g_size};  // each plane one row
    const Even groups = evenly(p.taps, TAPS_AT_ONCE);
    for (int64_t i = begin * p.taps * L; i < end * p.taps * L; ++i) sums[i] = 0;
    for (int64_t band = 0; band < bands.parts; ++band) {
      const ChannelBand b = channel_band(s, bands.begin(band), bands.begin(band) + bands.size(band));
      slab.begin(s, b);
      tap_offsets(offset, s, p, b, L);
      for (int64_t item = begin; item < end; ++item) {
        const int64_t run = item / blocks, block = item % blocks, count = least(L, channels - block * L);
        for (int64_t image = runs.begin(run); image < runs.begin(run) + runs.size(run); ++image) {
          const int64_t plane = image * channels + block * L;
          slab.fill(s, b, x + plane * x_size, count);
          turn_pixels<T>(across, 1, (b.end - b.begin) * s.out_width, rows_of_g, image, block * L, count, 0, b.begin * s.out_width, {1, 1});
          for (int64_t i = 0; i < groups.parts; ++i)
            with_constant<TAPS_AT_ONCE>(groups.size(i), [&](auto n) __attribute__((always_inline)) {
              channel_products<decltype(n)::value, T>(sums + (item * p.taps + groups.begin(i)) * L, slab.data, s.step[0] * b.slab_cols * L,
                                                      s.step[1] * L, across, b.end - b.begin, s.out_width, offset + groups.begin(i));
            });
        }
      }
    }
  });
  for (int64_t i = 0; i < channels * s.taps; ++i) dw[i] = 0;
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t t = 0; t < p.taps; ++t)
      for (int64_t run = 0; run < runs.parts; ++run)
        dw[c * s.taps + p.index[t]] += sums[((run * blocks + c / L) * p.taps + t) * L + c % L];
}

}  // namespace fastnn::FN_ISA
