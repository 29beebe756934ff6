// conv2d/weights.h: dw[o, c, p, q] = Σ over n, i, j of g[n, o, i, j] · x[n, c, i·s + p·d - pad, j·s + q·d - pad].
//
// A matrix product whose inner dimension, the positions, is huge and whose result is small. So positions are cut, too:
//
//    tasks     (group, rows of o, channels of c, chunk of blocks); each adds to its chunk's own dw, and the chunks are
//              summed in order: the result does not depend on the number of threads
//    a block   x to a slab, g to rows beside it; then dots.h (few filters or taps) or outer.h (many)
//
// A 1×1 filter's x is packed from where it lies (16x256x56x56 to 64: 14.4 -> 10.8 ms).
// Measured, 2.5 GHz Cascade Lake, one core: inner loops 117 (dots) and 130 (outer) GFLOP/s of 150.
#pragma once
#include "dots.h"
#include "outer.h"

namespace fastnn::FN_ISA {

template <class T> struct Weights {
  const T *g, *x;
  T* dw;
  int64_t groups, m, channels;  // of each group: filters, input channels
  int64_t g_image, g_channel, x_image, x_channel;
  const T* x_end;
  int64_t filter;  // elements of dw for one (o, c): P·Q
};

template <class T> static Weights<T> weights_of(const View& dw, const View& g, const View& x, const Conv2d& s) {
  const int64_t area = x.shape[2] * x.shape[3], g_area = g.shape[2] * g.shape[3];
  return {g.ptr<T>(), x.ptr<T>(), dw.ptr<T>(), s.groups, dw.shape[0] / s.groups, dw.shape[1], g.shape[1] * g_area, g_area,
          x.shape[1] * area, area, x.ptr<T>() + x.numel(), dw.shape[2] * dw.shape[3]};
}

// Copy m rows of a block of g: dense, or `width` apart with zeros between.
template <class T>
static void fill_gradient(T* to, int64_t row, int64_t image, int64_t width, const T* g, const Weights<T>& p, int64_t m,
                          const Window& s, const Block& block) {
  for (int64_t o = 0; o < m; ++o)
    for (int64_t n = 0; n < block.images; ++n) {
      const T* from = g + (block.n + n) * p.g_image + o * p.g_channel + block.t * s.cols + block.u;
      T* line = to + o * row + n * image;
      if (width == block.cols && block.cols == s.cols) {
        copy_run(line, from, block.rows * block.cols);
        continue;
      }
      for (int64_t r = 0; r < block.rows; ++r, from += s.cols, line += width) {
        copy_run(line, from, block.cols);
        zero_run(line + block.cols, r + 1 < block.rows ? width - block.cols : 0);
      }
    }
}

// Blocks of positions as chunks with sums of their own: enough for every machine's threads, few enough that their sums stay small; never
// a function of the threads. A wave is at most ~0.5 GFLOP a task, so that Ctrl-C is answered between waves.
struct Chunks {
  int64_t count, each, wave;
  FN Chunks(int64_t blocks, int64_t parts, int64_t sums_bytes, int64_t block_work) {
    count = least(blocks, most(1, least(ceil_div(32, parts), (int64_t(16) << 20) / sums_bytes)));
    count = least(count, most(1, blocks * block_work >> 17));
    each = ceil_div(blocks, count), count = ceil_div(blocks, each);
    wave = most(1, (int64_t(1) << 28) / most(1, block_work));
  }
};

template <class T> static void weights(const Weights<T>& p, const Window& s) {
  constexpr int64_t L = lanes<T>, budget = (256 << 10) / int64_t(sizeof(T));
  const int64_t size = p.groups * p.m * p.channels * p.filter;
  if (s.taps == 0 || size == 0 || s.images * s.rows * s.cols == 0) {
    parallel_for(size, 1 << 16, [&](int64_t begin, int64_t end) { zero_run(p.dw + begin, end - begin); });
    return;
  }
  const bool outer = p.m >= 64 && p.channels * s.taps >= 2 * L;
  const Even cb = evenly(p.channels, most(1, 320 / s.taps)), ob = evenly(p.m, 128);
  const int64_t channels = ceil_div(p.channels, cb.parts), filters = ceil_div(p.m, ob.parts), k_full = channels * s.taps;
  const int64_t parts = p.groups * cb.parts * ob.parts;
  const int64_t share = s.images * s.rows * s.cols / ceil_div(32, parts);
  Blocks b = cut(s, channels, budget, least(most(share, 256), outer ? 384 : 1024));

  const Chunks share_of(b.count(), parts, size * int64_t(sizeof(T)), filters * k_full * b.images * b.rows * b.cols);
  const int64_t chunks = share_of.count, per_chunk = share_of.each, wave = share_of.wave;

  // Without borders x is read where it is, and g by dots.
  const bool direct = is_slab(s, b), g_direct = !outer && b.cols == s.cols && b.extra[1] == 0;
  if (direct) use_as_slab(b, p.x_image, p.x_channel);

  Scratch<T> sums(chunks > 1 ? chunks * size : 0);
  Scratch<int64_t> offset(k_full), place(k_full);
  slab_offsets(s, b, offset);
  for (int64_t k = 0; k < k_full; ++k) place[k] = k / s.taps * p.filter + s.index[k % s.taps];
  const int64_t g_width = outer ? b.cols : b.width, g_image = b.rows * g_width;
  const int64_t g_row = (ceil_div(b.images * g_image, L) | 1) * L;

  T* first = chunks > 1 ? sums.data : p.dw;
  parallel_for(most(1, chunks) * size, 1 << 16, [&](int64_t begin, int64_t end) { zero_run(first + begin, end - begin); });

  for (int64_t from = 0; from < per_chunk; from += wave)
    parallel_for(parts * chunks, 1, [&](int64_t begin, int64_t end) {
      Scratch<T> filled(direct ? 0 : slab_size<T>(b)), gradient(g_direct ? 0 : filters * g_row + L);
      Scratch<T> panel(outer ? b.images * b.rows * b.cols * NR<T> : 0);
      for (int64_t i = begin; i < end; ++i) {
        const int64_t chunk = i / parts, o_block = i % ob.parts, c_block = i / ob.parts % cb.parts;
        const int64_t group = i / ob.parts / cb.parts % p.groups;
        const int64_t o0 = ob.begin(o_block), m = ob.size(o_block), c0 = cb.begin(c_block), k = cb.size(c_block) * s.taps;
        const T* g = p.g + (group * p.m + o0) * p.g_channel;
        const T* x = p.x + (group * p.channels + c0) * p.x_channel;
        T* dw = first + (chunks > 1 ? chunk * size : 0) + ((group * p.m + o0) * p.channels + c0) * p.filter;
        const int64_t dw_row = p.channels * p.filter;
        const int64_t last = least(b.count(), least(per_chunk, from + wave) + chunk * per_chunk);
        for (int64_t j = chunk * per_chunk + from; j < last; ++j) {
          const Block block = block_at(s, b, j);
          const int64_t n = block.rows * block.cols;
          const T* slab = filled;
          if (direct) slab = x + block.n * p.x_image + block.t * s.width;
          else fill_slab<T>(filled, {x, p.x, p.x_end, p.x_image, p.x_channel}, cb.size(c_block), s, b, block);
          if (outer) {
            fill_gradient<T>(gradient, g_row, n, block.cols, g, p, m, s, block);
            add_outer<T>(gradient, g_row, m, slab, direct ? p.x_end : slab + slab_size<T>(b), offset, k, b, block, panel, dw, dw_row, place);
            continue;
          }
          Rows<T> rows = {block.images, n, g + block.n * p.g_image + block.t * s.cols, slab, p.g_channel, p.g_image, b.image,
                          false};
          if (!g_direct) {
            fill_gradient<T>(gradient, g_row, g_image, b.width, g, p, m, s, block);
            rows = {block.images, (block.rows - 1) * b.width + block.cols, gradient, slab, g_row, g_image, b.image,
                    b.extra[1] > 0};
          }
          add_dots<T>(rows, m, offset, k, b, block, dw, dw_row, place);
        }
      }
    });
  if (chunks > 1)
    parallel_for(size, 1 << 14, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i += L) {
        const int64_t n = least(L, end - i);
        vec<T> sum{};
        for (int64_t chunk = 0; chunk < chunks; ++chunk) {
          const T* v = sums + chunk * size + i;
          sum += n == L ? load(v) : load_n(v, n);
        }
        if (n == L) store(p.dw + i, sum);
        else store_n(p.dw + i, sum, n);
      }
    });
}

}  // namespace fastnn::FN_ISA
