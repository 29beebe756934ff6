// conv2d/filters.h: forward and input gradient with a vector of filters in the lanes: the tile of matmul/tile.h, whose A is the image.
//
//    sums[position][filter] = Σ over c and taps of in[n, c, t·stride + row, u·stride + col] · a[filter, c, tap]
//
//    A   up to MR neighbouring positions, each number broadcast from where it lies: any offset, any stride, nothing is packed
//    B   weights [k][NR filters], packed once per call; they stream from L2
//
//    for each block of positions (a task)
//      copy its part of the images          window.h: whole rows with their borders
//      for each chunk of weights            what stays in L2
//        for each few positions of a row    for each NR filters: tile, then turned back into planes
//
// gather.h has it the other way round: positions in the lanes, which a stride or a border tears apart, so that every panel is copied.
// Here the results are turned, once for all of k: it pays from k near 200 on.
//
// dx of stride s has s² phases, each a convolution of g of stride 1 with the taps of its own; two phases of columns are
// computed side by side and interleaved where they are stored.
#pragma once
#include "../../core/cache.h"
#include "depthwise.h"
#include "gather.h"

namespace fastnn::FN_ISA {

constexpr int FILTER_AHEAD = 8;  // steps of k by which lines of A are asked for

template <class T> struct Filters {
  Gather<T> p;            // its out_row, out_col are not read
  Window s;               // positions of a phase, and the taps of all phases, one phase after the other
  int64_t phases[2];      // of rows and columns of the results
  const int64_t* first;   // [phases + 1] where the taps of a phase begin
  int64_t height, width;  // of the results
  int64_t filter;         // taps of a filter, as it lies in memory
};

// Emerald Rapids (AVX2 there), two cores, how much faster than gather.h: 64x56x56 to 128, 3×3 stride 2, 1.09 (1.04), dx 1.26 (1.11);
// 256x14x14 to 512 1.40, dx 1.44; 64x16x16 to 128, 4×4 stride 2, 1.09 (1.2), dx 1.4; 32x28x28, 7×7, 1.3 (1.2). Lost: 1×1
// 0.8 to 1; 24 filters (8 lanes idle) 0.8, 50 0.95; dx towards 6 to 8 channels 0.4 to 0.6.
// Zen 5, results turned by 16: stride 2, k from 72 on 1.05 to 1.6, dx of stride 2 from any k on 1.5 to 2.3; stride 1, k = 256, 0.85;
// images of 3 channels and 7×7 filters, k = 147, 0.90 to 1.05.
template <class T> FN bool filters_pay(int64_t m, int64_t k, int64_t taps, int64_t enough) {
  const int64_t whole = ceil_div(m, lanes<T>) * lanes<T>;
  return m && taps > 1 && k >= enough && 5 * m >= 4 * whole;
}

// M positions, S apart, Row of them in one row of the slab and the others in the next.
template <int Row, int S, class T> struct Spots {
  const T* base;
  const int64_t* offset;
  int64_t pitch;
  FN T at(int i) const { return base[*offset + i / Row * pitch + i % Row * S]; }
  FN void next() {  // 64x56x56 to 128, 3×3 stride 2: 5 % slower without
    ++offset;
    __builtin_prefetch(base + offset[FILTER_AHEAD]), __builtin_prefetch(base + offset[FILTER_AHEAD] + (Row - 1) * S);
  }
};

constexpr int SPOTS = 16;  // positions whose sums are turned together: those of one or two rows, whole vectors

// sums[V][SPOTS][L], the second row of positions `next` after the first. In blocks of k that start from zero each: shorter chains
// of sums, smaller errors.
template <int M, int Row, int S, int V, class T>
static void filter_tile(int64_t k, const T* base, int64_t pitch, const int64_t* offset, const T* w, const T* bias, T* sums, int64_t next) {
  constexpr int64_t L = lanes<T>;
  const int64_t depth = most(1, ceil_div(k, most(1, ceil_div(k, KC))));
  for (int64_t at = 0; at == 0 || at < k; at += depth) {
    vec<T> acc[M][V];
    multiply<M, V, T>(least(depth, k - at), Spots<Row, S, T>{base, offset + at, pitch}, w + at * NR<T>, NR<T>, acc);
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i)
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        T* to = sums + (v * SPOTS + i / Row * next + i % Row) * L;
        store(to, at ? load(to) + acc[i][v] : bias ? load(bias + v * L) + acc[i][v] : acc[i][v]);
      }
  }
}

template <class T> using FilterTile = void (*)(int64_t, const T*, int64_t, const int64_t*, const T*, const T*, T*, int64_t);

// Positions of a tile of that many vectors: one of a single vector has registers for more, and needs them to hide what an FMA takes.
constexpr int filter_tile_high(int64_t vectors) { return MR * NV / vectors < SPOTS ? int(MR * NV / vectors) : SPOTS; }

// A tile of `cols` positions in each of one or two rows.
template <int S, class T> static FilterTile<T> filter_tile_of(int64_t rows, int64_t cols, int64_t vectors) {
  FilterTile<T> tile = nullptr;
  with_constant<NV>(vectors, [&](auto v) {
    constexpr int V = decltype(v)::value;
    with_constant<filter_tile_high(V)>(cols, [&](auto m) {
      constexpr int M = decltype(m)::value;
      if constexpr (2 * M <= filter_tile_high(V)) tile = rows == 2 ? filter_tile<2 * M, M, S, V, T> : filter_tile<M, M, S, V, T>;
      else tile = filter_tile<M, M, S, V, T>;
    });
  });
  return tile;
}

// Weights as [group][phase][panel][k][NR], `size` elements a group.
template <class T> static void pack_filters(T* packed, int64_t size, const Filters<T>& f, int64_t panels) {
  const Gather<T>& p = f.p;
  const int64_t count = f.phases[0] * f.phases[1];
  parallel_for(p.groups * panels, 1, [&](int64_t begin, int64_t end) {
    Scratch<T> turned(f.filter * NR<T> + lanes<T>);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i / panels, panel = i % panels, rows = least(NR<T>, p.m - panel * NR<T>);
      const T* w = p.w + group * p.w_group + panel * NR<T> * p.w_m;
      for (int64_t phase = 0; phase < count; ++phase) {
        const int64_t first = f.first[phase], taps = f.first[phase + 1] - first;
        T* to = packed + group * size + (first * panels + panel * taps) * p.channels * NR<T>;
        if (count == 1 && p.w_channel == taps && f.s.index[taps - 1] == taps - 1) {  // one run of taps for each row
          pack_panel<T>(to, NR<T>, Matrix<T>{w, p.w_m, 1}, rows, p.channels * taps);
          continue;
        }
        for (int64_t c = 0; c < p.channels; ++c) {
          pack_panel<T>(turned, NR<T>, Matrix<T>{w + c * p.w_channel, p.w_m, 1}, rows, f.filter);
          for (int64_t t = 0; t < taps; ++t, to += NR<T>) copy_run(to, turned + f.s.index[first + t] * NR<T>, NR<T>);
        }
      }
    }
  });
}

// Results of one tile: where they begin, how far rows and channels lie apart, and how many of each.
template <class T> struct Patch {
  T* out;
  int64_t channel, row, filters, rows, cols;

  // Asks for its lines, which lie in no cache: 256x56x56 to 512, 1×1 stride 2: 1.35 times as long without, 3×3 from 64 1.15 times.
  FN void fetch() const {
    for (int64_t m = 0; m < filters; ++m)
      for (int64_t r = 0; r < rows; ++r) {
        const T* to = out + m * channel + r * row;
        __builtin_prefetch(to, 1), __builtin_prefetch(to + cols - 1, 1);
      }
  }
};

// A vector of positions of L filters, filter by filter.
template <class T> FN void turn_sums(vec<T> (&block)[lanes<T>], const T* sums) {
#pragma GCC unroll 16
  for (int i = 0; i < lanes<T>; ++i) block[i] = load(sums + i * lanes<T>);
  transpose<T>(block);
}

// Positions that lie beside each other, also of two rows.
template <class T> static void put_run(const Patch<T>& p, const T* sums) {
  constexpr int64_t L = lanes<T>;
  const int64_t count = p.rows * p.cols;
  for (int64_t v = 0; v * L < p.filters; ++v)
    for (int64_t q = 0; q < count; q += L) {
      T* to = p.out + v * L * p.channel + q;
      vec<T> block[L];
      turn_sums<T>(block, sums + (v * SPOTS + q) * L);
#pragma GCC unroll 16
      for (int i = 0; i < L; ++i)
        if (i < p.filters - v * L) {
          if (count - q >= L) store(to + i * p.channel, block[i]);
          else store_n(to + i * p.channel, block[i], count - q);
        }
    }
}

// Two phases of columns, `positions` in each row.
template <class T> static void put_phases(const Patch<T>& p, const T* sums, int64_t rows, int64_t positions) {
  constexpr int64_t L = lanes<T>;
  alignas(VECTOR_BYTES) T turned[2][L][SPOTS + L];  // a second row begins anywhere
  for (int64_t v = 0; v * L < p.filters; ++v) {
    for (int64_t phase = 0; phase < 2; ++phase)
      for (int64_t q = 0; q < rows * positions; q += L) {
        vec<T> block[L];
        turn_sums<T>(block, sums + ((phase * NV + v) * SPOTS + q) * L);
#pragma GCC unroll 16
        for (int i = 0; i < L; ++i) store(turned[phase][i] + q, block[i]);
      }
    for (int64_t lane = 0; lane < least(L, p.filters - v * L); ++lane)
      for (int64_t r = 0; r < p.rows; ++r) {
        T* to = p.out + (v * L + lane) * p.channel + r * p.row;
        const T *even = turned[0][lane] + r * positions, *odd = turned[1][lane] + r * positions;
        for (int64_t q = 0; q < positions; q += L)
          put_pairs<T>(to + 2 * q, load(even + q), load(odd + q), p.cols - 2 * q, typename MakeSequence<L>::type{});
      }
  }
}

template <int S, class T> static bool filters(const Filters<T>& f) {
  constexpr int64_t L = lanes<T>, size = sizeof(T);
  if (f.s.taps == 0 || f.s.images * f.s.rows * f.s.cols * f.p.groups == 0) return false;
  const Gather<T>& p = f.p;
  const Window s = every_column(f.s);  // of the slab
  const int64_t panels = ceil_div(p.m, NR<T>), count = f.phases[0] * f.phases[1], all = s.images * s.rows * f.s.cols;
  const int64_t slab_bytes = l2_bytes / 4, chunk_bytes = 3 * l2_bytes / 8;  // they stay in L2 together
  // Several tasks for each thread, of 100 positions or more: as often are the weights read from L2.
  const int64_t tasks = most(1, least(4 * num_threads(), all * p.groups * p.m * p.channels * s.taps / count >> 19));
  Blocks b = cut(s, p.channels, slab_bytes / size, S * most(100, all * p.groups / tasks));
  if (b.channels * b.channel * size > 2 * slab_bytes || b.cols < s.cols) return false;
  const int64_t blocks = b.count();

  const int64_t w_size = panels * p.channels * s.taps * NR<T>;
  Scratch<T> packed(p.groups * w_size + NR<T>), bias(p.bias ? p.groups * panels * NR<T> : 0);
  pack_filters<T>(packed, w_size, f, panels);
  for (int64_t i = 0; p.bias && i < p.groups * panels * NR<T>; ++i) {
    const int64_t group = i / (panels * NR<T>), m = i % (panels * NR<T>);
    bias[i] = m < p.m ? p.bias[group * p.m + m] : T(0);
  }
  Scratch<int64_t> offset(p.channels * s.taps + FILTER_AHEAD + 1);
  for (int64_t i = 0; i <= FILTER_AHEAD; ++i) offset[p.channels * s.taps + i] = 0;
  for (int64_t phase = 0; phase < count; ++phase) {
    Window part = s;
    part.taps = f.first[phase + 1] - f.first[phase], part.row += f.first[phase], part.col += f.first[phase];
    slab_offsets(part, b, offset + p.channels * f.first[phase]);
  }

  // Two rows together where they are short. Wider ones: 64x16x32x32 to 32, stride 2, 1.25 times as fast in groups of 8 + 8 than as 2×6, 2×5, 2×5.
  const int64_t high = s.rows > 1 && 2 * f.s.cols <= SPOTS && (f.phases[0] == 1 || f.phases[1] == 2) ? 2 : 1;
  const Even across = evenly(f.s.cols, SPOTS);
  const Even chunks = evenly(panels, most(1, chunk_bytes / (p.channels * s.taps * NR<T> * size)));
  const Even mc = {chunks.parts, most(1, least(tasks / (p.groups * blocks), chunks.parts))};
  parallel_for(p.groups * blocks * mc.parts, 1, [&](int64_t begin, int64_t end) {
    Scratch<T> slab(slab_size<T>(b)), sums(2 * NV * SPOTS * L);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t part = i % mc.parts, group = i / mc.parts / blocks;
      const Block block = block_at(s, b, i / mc.parts % blocks);
      fill_slab<T>(slab, {p.in + group * p.channels * p.in_channel, p.in, p.in_end, p.in_image, p.in_channel}, p.channels, s, b, block);
      // Rows of one phase at `to`, from positions at `base`: every filter of a chunk.
      const auto tiles = [&](int64_t chunk, int64_t h, const T* base, int64_t rows, int64_t positions, T* to, int64_t rows_left, int64_t cols_left) {
        for (int64_t panel = chunks.begin(chunk); panel < chunks.begin(chunk) + chunks.size(chunk); ++panel) {
          const int64_t m0 = panel * NR<T>, m = least(NR<T>, p.m - m0);
          const Patch<T> patch = {to + m0 * p.out_channel, p.out_channel, f.phases[0] * f.width, m, least(rows, rows_left), least(positions * f.phases[1], cols_left)};
          patch.fetch();
          const Even parts = evenly(positions, filter_tile_high(ceil_div(m, L)) / rows);
          for (int64_t i = 0; i < parts.parts; ++i) {
            const int64_t u = parts.begin(i);
            const FilterTile<T> run_tile = filter_tile_of<S, T>(rows, parts.size(i), ceil_div(m, L));
            for (int64_t w = 0; w < f.phases[1]; ++w) {
              const int64_t phase = h * f.phases[1] + w, first = f.first[phase], taps = f.first[phase + 1] - first;
              run_tile(p.channels * taps, base + u * S, b.width, offset + p.channels * first,
                       packed + group * w_size + (first * panels + panel * taps) * p.channels * NR<T>,
                       p.bias ? bias + group * panels * NR<T> + m0 : nullptr, sums + (w * NV * SPOTS + u) * L, positions);
            }
          }
          if (f.phases[1] == 1) put_run<T>(patch, sums);
          else put_phases<T>(patch, sums, rows, positions);
        }
      };
      for (int64_t chunk = mc.begin(part); chunk < mc.begin(part) + mc.size(part); ++chunk)
        for (int64_t image = 0; image < block.images; ++image)
          for (int64_t t = 0; t < block.rows; t += high)
            for (int64_t x = 0; x < across.parts; ++x) {
              const int64_t u = across.begin(x), col = u * f.phases[1];
              T* out = p.out + (block.n + image) * p.out_image + group * p.m * p.out_channel + col;
              for (int64_t h = 0, row = (block.t + t) * f.phases[0]; h < f.phases[0] && row < f.height; ++h, ++row)
                tiles(chunk, h, slab + image * b.image + t * b.width + u * S, least(high, block.rows - t), across.size(x), out + row * f.width,
                      ceil_div(f.height - row, f.phases[0]), f.width - col);
            }
    }
  });
  return true;
}

// y = x ∗ w, if it pays.
template <class T> static bool filter_images(const View& y, const View& x, const View& w, const View& bias, const Conv2d& s) {
  const int64_t taps = w.shape[2] * w.shape[3];
  if (s.stride[1] > 2 || !filters_pay<T>(w.shape[0] / s.groups, w.shape[1] * taps, taps, s.stride[1] == 1 || w.shape[1] < 4 ? 192 : 64)) return false;
  Taps t(taps, x.shape[0], y, x, {s.stride[0], s.stride[1]});
  add_taps(t.window, w, s);
  const int64_t first[2] = {0, t.window.taps};
  const Filters<T> f = {gather_images<T>(y, x, w, bias, s), t.window, {1, 1}, first, y.shape[2], y.shape[3], taps};
  return s.stride[1] == 1 ? filters<1, T>(f) : filters<2, T>(f);
}

// dx, if it pays.
template <class T> static bool filter_gradients(const View& dx, const View& g, const View& w, const View& bias, const Conv2d& s) {
  const int64_t taps = w.shape[2] * w.shape[3], H = dx.shape[2], W = dx.shape[3], down = s.stride[0], across = s.stride[1], phases = down * across;
  if (across > 2 || H < down || W < across || !filters_pay<T>(w.shape[1], w.shape[0] / s.groups * taps, taps, phases > 1 ? 1 : 192)) return false;
  Scratch<int64_t> row(taps), col(taps), index(taps), first(phases + 1);
  Window window{g.shape[0], ceil_div(H, down), ceil_div(W, across), g.shape[2], g.shape[3], {1, 1}, 0, row, col, index};
  for (int64_t phase = 0; phase < phases; ++phase) {
    first[phase] = window.taps;
    add_phase_taps(window, w, s, phase / across, phase % across);
  }
  first[phases] = window.taps;
  return filters<1, T>({gather_gradients<T>(dx, g, w, bias, s), window, {down, across}, first, H, W, taps});
}

}  // namespace fastnn::FN_ISA
