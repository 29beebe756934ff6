// conv2d/gather.h: out[n, m, t, u] = bias[m] + Σ over c and taps of a[m, c, tap] · in[n, c, t·stride + row, u·stride + col].
//
// Forward is this with a = w; the input gradient is this with g read at offsets (phase - p·dilation) / stride, once for
// each phase of the stride. An implicit GEMM: M rows of weights against panels of NR positions, K = channels · taps.
//
//    for each block of positions (a task)
//      for each few channels                 K in steps near KC: the slab and A's part stay in L2
//        fill the slab                       window.h
//        for each NR positions
//          pack their taps: K × NR in L1     skipped where reading the slab costs less (see `by_rows`, `in_place`)
//          for each MR rows: tile            tile.h, streaming A from L2
//
// In place, positions run on over the slab's border columns and the surplus results are dropped; packed, no lane is lost.
// Every output is summed in the same order whatever the threads or blocks: over channels, then taps.
#pragma once
#include "tile.h"
#include "window.h"

namespace fastnn::FN_ISA {

template <class T> struct Gather {
  const T *in, *in_end;
  T* out;
  const T* w;
  const T* bias;                                       // [groups·m] or null
  int64_t groups, m, channels;                         // of each group
  int64_t in_image, in_channel;                        // strides
  int64_t out_image, out_channel, out_row, out_col;    // strides of positions
  int64_t w_group, w_m, w_channel;                     // strides; the tap's index is added
};

template <class T> static Gather<T> gather_images(const View& y, const View& x, const View& w, const View& bias, const Conv2d& s) {
  const int64_t taps = w.shape[2] * w.shape[3], area = x.shape[2] * x.shape[3], y_area = y.shape[2] * y.shape[3];
  return {x.ptr<T>(), x.ptr<T>() + x.numel(), y.ptr<T>(), w.ptr<T>(), bias.ndim < 0 ? nullptr : bias.ptr<T>(), s.groups,
          w.shape[0] / s.groups, w.shape[1], x.shape[1] * area, area, y.shape[1] * y_area, y_area, y.shape[3], 1,
          w.numel() / s.groups, w.shape[1] * taps, taps};
}
// Of the first phase of the stride; `out` moves to the others.
template <class T> static Gather<T> gather_gradients(const View& dx, const View& g, const View& w, const View& bias, const Conv2d& s) {
  const int64_t taps = w.shape[2] * w.shape[3], area = g.shape[2] * g.shape[3], H = dx.shape[2], W = dx.shape[3];
  return {g.ptr<T>(), g.ptr<T>() + g.numel(), dx.ptr<T>(), w.ptr<T>(), bias.ndim < 0 ? nullptr : bias.ptr<T>(), s.groups,
          w.shape[1], w.shape[0] / s.groups, g.shape[1] * area, area, dx.shape[1] * H * W, H * W, s.stride[0] * W, s.stride[1],
          w.numel() / s.groups, taps, w.shape[1] * taps};
}

constexpr int64_t KC = 384, KC_DIRECT = 256, SLAB_BYTES = 256 << 10;  // direct: 1×1 filters (1024 to 256 channels by 384: 6 % slower)

// A as [group][K block][M block][k][MR], blocks `size` apart (with slack: the last vector of a block hangs over).
template <class T>
static void pack_weights(T* packed, int64_t size, const Gather<T>& p, const Window& s, Even mb, Even kb) {
  parallel_for(p.groups * kb.parts * mb.parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t b = i % mb.parts, c0 = kb.begin(i / mb.parts % kb.parts), group = i / mb.parts / kb.parts;
      int64_t channels = kb.size(i / mb.parts % kb.parts), rows = mb.size(b);
      T* to = packed + i * size;
      const T* from = p.w + group * p.w_group + mb.begin(b) * p.w_m + c0 * p.w_channel;
      if (p.w_channel == s.taps && s.index[s.taps - 1] == s.taps - 1) {  // one run of taps for each row
        pack_panel<T>(to, rows, Matrix<T>{from, p.w_m, 1}, rows, channels * s.taps);
        continue;
      }
      for (int64_t c = 0; c < channels; ++c, from += p.w_channel)
        for (int64_t t = 0; t < s.taps; ++t, to += rows)
          for (int64_t r = 0; r < rows; ++r) to[r] = from[r * p.w_m + s.index[t]];
    }
  });
}

// Half a vector of results between half a vector of what is there: v's lanes H·L/2 to (H + 1)·L/2 to the even places of `to`.
template <int H, class T, int... I> FN void put_evens(T* to, vec<T> v, bool add, Sequence<I...>) {
  constexpr int L = lanes<T>;
  const vec<T> there = load(to);
  const vec<T> spread = __builtin_shufflevector(v, there, (I % 2 ? L + I : H * (L / 2) + I / 2)...);
  store(to, add ? __builtin_shufflevector(spread + there, there, (I % 2 ? L + I : I)...) : spread);
}

// Results of a tile that does not land in one contiguous piece of the output.
template <class T> FN void put(T* out, int64_t step, const T* from, int64_t n, bool add) {
  constexpr int L = lanes<T>;
  if (step != 1) {
    int64_t i = 0;
    if (step == 2)  // the element behind the last one may be another thread's
      for (; i + L < n; i += L) {
        typename MakeSequence<L>::type order;
        put_evens<0, T>(out + 2 * i, load(from + i), add, order);
        put_evens<1, T>(out + 2 * i + L, load(from + i), add, order);
      }
    if (add) for (; i < n; ++i) out[i * step] += from[i];
    else for (; i < n; ++i) out[i * step] = from[i];
    return;
  }
  int64_t i = 0;
  for (; i + L <= n; i += L) store(out + i, add ? load(out + i) + load(from + i) : load(from + i));
  if (i < n) store_n(out + i, add ? load_n(out + i, n - i) + load(from + i) : load(from + i), n - i);
}

// Positions that no tap reaches: the bias, or zero.
template <class T> static void fill_bias(const Gather<T>& p, const Window& s) {
  parallel_for(s.images * p.groups * p.m * s.rows, ceil_div(1 << 15, s.cols), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t t = i % s.rows, m = i / s.rows % (p.groups * p.m), n = i / s.rows / (p.groups * p.m);
      T* out = p.out + n * p.out_image + m * p.out_channel + t * p.out_row;
      for (int64_t u = 0; u < s.cols; ++u) out[u * p.out_col] = p.bias ? p.bias[m] : T(0);
    }
  });
}

template <class T> static void gather(const Gather<T>& p, const Window& s) {
  constexpr int L = lanes<T>;
  if (s.images * s.rows * s.cols * p.groups * p.m == 0) return;
  if (s.taps == 0 || p.channels == 0) return fill_bias(p, s);
  const bool wide = p.m <= MR_FLAT;
  const int64_t columns = (wide ? NV_WIDE : NV) * L;
  const Even mb = evenly(p.m, wide ? MR_FLAT : MR), kb = evenly(p.channels, most(1, (s.taps == 1 ? KC_DIRECT : KC) / s.taps));
  const int64_t channels = ceil_div(p.channels, kb.parts), kmax = channels * s.taps;

  // Tasks of 2 MFLOP to 2 GFLOP (Ctrl-C is answered between them), of several panels each so that A is read from L2 often. Four
  // a thread: parts of M fill and pack the same slabs again (128x28x28 to 256, stride 2: in 32 tasks 9 % slower than in 8).
  const int64_t all = s.images * s.rows * s.cols, work = p.m * p.channels * s.taps, busy = 4 * num_threads();
  const int64_t tasks = most(1, least(busy, work * p.groups * all >> 20));
  const int64_t positions = least(most(12 * columns, all * p.groups / tasks), most(2 * columns, (int64_t(1) << 30) / work));
  Blocks b = cut(s, channels, SLAB_BYTES / int64_t(sizeof(T)), least(2048, positions));
  const Even mc = {mb.parts, most(1, least(tasks / (p.groups * b.count()), mb.parts / 8))};

  // Cycles per K step and columns positions: a row of A costs columns/L/2, copying a piece about 1. By rows, what lies past the
  // end of a row is multiplied in vain, but nothing is packed (Zen 5, 3x224x224 to 64, 7×7 stride 2: 4.5 -> 4.2 ms).
  int64_t pieces = columns / L + columns / b.cols + 1;
  const bool direct = is_slab(s, b) && p.m > MR_FLAT;
  const bool by_rows = !direct && !wide && p.out_col == 1 && (ceil_div(b.cols, L) * L - b.cols) * p.m <= 4 * b.cols;
  const bool in_place = !direct && !by_rows && p.m * columns * b.extra[1] * kmax <= (pieces * kmax - 5 * p.m) * 2 * L * b.cols;
  if (direct) use_as_slab(b, p.in_image, p.in_channel);

  const int64_t a_block = mb.size(0) * kmax + L;
  Scratch<T> packed(p.groups * kb.parts * mb.parts * a_block);
  pack_weights<T>(packed, a_block, p, s, mb, kb);
  Scratch<int64_t> slab_offset(kmax), panel_offset(kmax);
  slab_offsets(s, b, slab_offset);
  for (int64_t i = 0; i < kmax; ++i) panel_offset[i] = i * columns;

  // Results that do not stay in the cache are streamed past it where all begin at a multiple of a vector (3x224x224 to 64, 3×3:
  // 2.3 -> 1.55 ms). Lost: unaligned ones by way of a block in L2 (139x139: 5 % slower).
  const auto aligned = [](int64_t n) { return n % L == 0; };
  const bool streamed = !in_place && kb.parts == 1 && p.out_col == 1 && aligned(b.cols) | direct && aligned(p.out_channel) && aligned(p.out_image) &&
                        aligned(reinterpret_cast<intptr_t>(p.out) / int64_t(sizeof(T))) &&
                        (p.in_end - p.in + all * p.groups * p.m) * int64_t(sizeof(T)) > CACHE_BYTES;
  const int64_t m_max = most(mb.size(0) * mc.size(0), MR);

  parallel_for(p.groups * b.count() * mc.parts, 1, [&](int64_t begin, int64_t end) {
    const int64_t stretch_max = ceil_div((b.rows - 1) * b.width + b.cols, columns) * columns, pitch = stretch_max * b.images + L;
    Scratch<T> filled(direct ? 0 : slab_size<T>(b)), panel(in_place || by_rows ? 0 : kmax * columns + L);
    Scratch<T> results(in_place ? m_max * pitch : MR * columns + L);  // `put` reads whole vectors
    Scratch<Piece> places(columns);
    Scratch<int64_t> lists(3 * columns);
    int64_t *from = lists, *length = from + columns, *where = length + columns;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t m_part = i % mc.parts, group = i / mc.parts / b.count();
      const int64_t first_m = mc.begin(m_part), last_m = first_m + mc.size(m_part);
      const Block block = block_at(s, b, i / mc.parts % b.count());
      const T* in = p.in + group * p.channels * p.in_channel;
      T* out = p.out + group * p.m * p.out_channel + block.n * p.out_image + block.t * p.out_row + block.u * p.out_col;
      const int64_t stretch = (block.rows - 1) * b.width + block.cols, all = block.images * block.rows * block.cols;
      for (int64_t kblock = 0; kblock < kb.parts; ++kblock) {
        const int64_t c0 = kb.begin(kblock), k = kb.size(kblock) * s.taps;
        const bool add = kblock > 0;
        const End end_of = add ? End::add : streamed ? End::stream : End::store;
        const T* slab = filled;
        if (direct) slab = in + c0 * p.in_channel + block.n * p.in_image + block.t * s.width;
        else fill_slab<T>(filled, {in + c0 * p.in_channel, p.in, p.in_end, p.in_image, p.in_channel}, kb.size(kblock), s, b, block);
        const T* a = packed + (group * kb.parts + kblock) * mb.parts * a_block;
        if (in_place) {
          for (int64_t image = 0; image < block.images; ++image)
            for (int64_t at = 0; at < stretch; at += columns)
              for (int64_t part = first_m; part < last_m; ++part) {
                const int64_t m0 = mb.begin(part);
                T* c = results + (m0 - mb.begin(first_m)) * pitch + image * stretch_max + at;
                tile_of<T>(int(mb.size(part)), stretch - at <= L ? 1 : wide ? NV_WIDE : NV)(k, a + part * a_block, slab + image * b.image + at, slab_offset, c, pitch, end_of,
                                                     p.bias && !add ? p.bias + group * p.m + m0 : nullptr, {});
              }
          continue;
        }
        for (int64_t row = 0; by_rows && row < block.images * block.rows; ++row)
          for (int64_t u = 0; u < block.cols; u += columns) {
            const int64_t image = row / block.rows, t = row % block.rows, n = least(columns, block.cols - u);
            const T* base = slab + image * b.image + t * b.width + u;
            for (int64_t part = first_m; part < last_m; ++part) {
              const int64_t m0 = mb.begin(part), rows = mb.size(part);
              Tile<T> run_tile = tile_of<T>(int(rows), n <= L ? 1 : NV);
              const T* bias = p.bias && !add ? p.bias + group * p.m + m0 : nullptr;
              T* c = out + m0 * p.out_channel + image * p.out_image + t * p.out_row + u;
              if (n == columns || n == L) {
                for (int64_t r = 0; r < rows && k >= 64 && !streamed; ++r)
                  for (int64_t q = 0; q <= n; q += L) __builtin_prefetch(c + r * p.out_channel + least(q, n - 1), 1);
                run_tile(k, a + part * a_block, base, slab_offset, c, p.out_channel, end_of, bias, {});
              } else {
                run_tile(k, a + part * a_block, base, slab_offset, results, columns, End::store, bias, {});
                for (int64_t r = 0; r < rows; ++r) put<T>(c + r * p.out_channel, 1, results + r * columns, n, add);
              }
            }
          }
        for (int64_t at = 0; !by_rows && at < all; at += columns) {
          const int64_t n = least(columns, all - at);
          pack_positions<T>(panel, columns, slab, direct ? p.in_end : slab + slab_size<T>(b), slab_offset, k, b, block, at, n, places);
          int64_t runs = 0;  // where the panel's columns go: from[], length[] of them to where[]
          Walk w = walk(block, at, n);
          // Read from memory, the next panel is fetched meanwhile (256 to 64 channels: 10 % faster; 201 to 55 of 50x50 30 %).
          const T* next_panel = slab + w.image * b.image + w.row * b.width + w.col + columns;
          for (int64_t column = 0; w.left;) {
            Run r = next(w, block);
            int64_t place = r.image * p.out_image + r.row * p.out_row + r.col * p.out_col;
            if (runs && where[runs - 1] + length[runs - 1] * p.out_col == place) length[runs - 1] += r.length;
            else from[runs] = column, length[runs] = r.length, where[runs++] = place;
            column += r.length;
          }
          const bool straight = runs == 1 && n == columns && p.out_col == 1;
          for (int64_t part = first_m; part < last_m; ++part) {
            const int64_t m0 = mb.begin(part), rows = mb.size(part);
            const T* bias = p.bias && !add ? p.bias + group * p.m + m0 : nullptr;
            const int64_t line = part - first_m;  // of the next panel's in memory: as many tiles fetch one each
            Tile<T> run_tile = tile_of<T>(int(rows), n <= L ? 1 : wide ? NV_WIDE : NV, direct && line < NV);
            const Ahead<T> ahead = {next_panel + line * L + L - 1, slab_offset};  // where a vector ends: this panel has its first line
            if (straight) {
              T* to = out + m0 * p.out_channel + where[0];
              for (int64_t r = 0; r < rows && k >= 64 && !streamed; ++r)  // results lie in L3 or memory, and end in a line of their own
                for (int64_t c = 0; c <= columns; c += L) __builtin_prefetch(to + r * p.out_channel + least(c, columns - 1), 1);
              run_tile(k, a + part * a_block, panel, panel_offset, to, p.out_channel, end_of, bias, ahead);
              continue;
            }
            run_tile(k, a + part * a_block, panel, panel_offset, results, columns, End::store, bias, ahead);
            for (int64_t r = 0; r < rows; ++r)
              for (int64_t j = 0; j < runs; ++j)
                put<T>(out + (m0 + r) * p.out_channel + where[j], p.out_col, results + r * columns + from[j], length[j], add);
          }
        }
      }
      if (in_place)  // the sums are complete: leave the borders behind
        for (int64_t m = mb.begin(first_m); m < mb.begin(last_m - 1) + mb.size(last_m - 1); ++m)
          for (int64_t image = 0; image < block.images; ++image)
            for (int64_t row = 0; row < block.rows; ++row)
              put<T>(out + m * p.out_channel + image * p.out_image + row * p.out_row, p.out_col,
                     results + (m - mb.begin(first_m)) * pitch + image * stretch_max + row * b.width, block.cols, false);
    }
    if (streamed) stream_end();
  });
}

}  // namespace fastnn::FN_ISA
