// reduce/drive.h: tasks and threads. A reduction is a grid of units × pieces:
//
//                 pieces (the reduced elements)           across: a unit is one output, a piece a stretch of its row
//               ┌───┬───┬───┬───┐                         down:   a unit is up to TILE columns, a piece one row
//    units      │   │   │   │   │ → y
//    (outputs)  └───┴───┴───┴───┘
//
// Many units: a task takes some units and all their pieces. Few units and many pieces: a task takes one unit and a
// fixed share of the pieces, the shares are joined in order afterwards. The grid depends on shapes and strides only,
// so results are the same bits for any number of threads.
//
// A program is one or two ops: `first` gives totals; param() turns them into p, one value an output (a mean, a maximum);
// `second` runs with p over the same elements, while they are still in L2 when they fit; finish() makes the results.
// Nothing here knows a type: arrays are bytes, arithmetic is behind Steps (pass.h).
#pragma once
#include "pass.h"

namespace fastnn::FN_ISA {

constexpr int64_t TASK = 65536;      // elements in a task, 10 to 30 us
constexpr int64_t PACK_TILE = 256;   // columns in a tile when they must be packed
constexpr int64_t MAX_PARTS = 128;
constexpr int64_t ROWS_AT_ONCE = 64;  // across: totals kept as vectors

using Formula = void (*)(double a, int64_t n, const void* hi, const void* lo, const void* p, void* out);

struct Program {
  const Steps *first, *second;  // second: null where one pass does
  int64_t y_size;
  Formula param, finish;
  double a, b;  // a for param, b for finish: the number of elements, a divisor
};

struct Grid {
  int64_t units, pieces;
  int64_t tiles = 1;                  // down: units of one row
  int64_t width = 1, pad = 1;         // down: columns in a unit, and their totals' room: whole vectors
  int64_t rows = 1;                   // down: pieces for one index of the outer reduced axes
  int64_t segment = 0, segments = 1;  // across: elements in a piece, pieces in a row
};

static Grid make_grid(const Plan& p, const Program& program) {
  Grid g;
  const Axis &k = p.kept[p.nk - 1], &r = p.reduced[p.nr - 1];
  if (p.down) {
    const int64_t w = VECTOR_BYTES / program.first->e_size;
    int64_t tile = k.x == 1 ? TILE : PACK_TILE;
    if (program.second && k.x == 1 && 256 * p.length <= 2 * TASK)
      while (tile * p.length > 2 * TASK) tile /= 2;  // the second pass finds x in L2
    g.tiles = p.group > 1 ? 1 : ceil_div(k.size, tile);
    g.width = p.group > 1 || k.size < tile ? k.size : tile;
    g.pad = ceil_div(g.width * p.group, w) * w + (p.group > 1 ? w : 0);
    g.units = p.outputs / k.size * g.tiles;
    g.rows = ceil_div(r.size, p.group);
    g.pieces = p.length / r.size * g.rows;
  } else {
    g.segment = 16 * program.first->row_block;
    g.segments = ceil_div(r.size, g.segment);
    g.units = p.outputs;
    g.pieces = p.length / r.size * g.segments;
  }
  return g;
}

// What one task works on: units u0 .. u1, pieces q0 .. q1, and their totals.
struct Part {
  int64_t u0, u1, q0, q1;
  const char* p;
  char *hi, *lo;
};

// rows × columns elements, `rs` and `cs` apart, copied to adjacent columns, `pitch` apart.
// Vectorised, the strided loads become chains of inserts, three times slower (Cascade Lake): plain loads and stores win.
template <class T>
__attribute__((optimize("no-tree-vectorize"))) static void pack(char* to, const char* from, int64_t rows, int64_t columns, int64_t rs, int64_t cs, int64_t pitch) {
  for (int64_t r = 0; r < rows; ++r) {
    T* row = reinterpret_cast<T*>(to) + r * pitch;
    const T* source = reinterpret_cast<const T*>(from) + r * rs;
#pragma GCC unroll 4
    for (int64_t c = 0; c < columns; ++c) row[c] = source[c * cs];
  }
}
static void pack_bytes(int64_t size, char* to, const char* from, int64_t rows, int64_t columns, int64_t rs, int64_t cs,
                       int64_t pitch) {
  auto copy = size == 1 ? pack<uint8_t> : size == 4 ? pack<uint32_t> : pack<uint64_t>;
  copy(to, from, rows, columns, rs, cs, pitch);
}

static void accumulate_across(const Plan& plan, const Grid& g, const Steps& op, const char* x, const Part& t) {
  const Axis k = plan.kept[plan.nk - 1], r = plan.reduced[plan.nr - 1];
  const int64_t units = t.u1 - t.u0;
  if (t.q1 - t.q0 == 1 && r.x == 1 && r.size <= op.row_block) {  // short rows: as many at a time as are evenly apart
    const int64_t offset = Walk(plan.reduced, plan.nr - 1, t.q0).x;
    for (int64_t u = t.u0, n; u < t.u1; u += n) {
      n = k.size - u % k.size < t.u1 - u ? k.size - u % k.size : t.u1 - u;
      const int64_t i = u - t.u0;
      op.rows(x + (Walk(plan.kept, plan.nk, u).x + offset) * op.x_size, k.x, n, r.size, t.p + i * op.p_size,
              t.hi + i * op.e_size, t.lo + i * op.e_size);
    }
    return;
  }
  alignas(64) char totals[ROWS_AT_ONCE][2 * VECTOR_BYTES];
  alignas(64) char buffer[8192];
  const int64_t block = r.x == 1 || op.row_block * op.x_size <= 8192 ? op.row_block : 8192 / op.x_size;
  Walk outer(plan.reduced, plan.nr - 1, t.q0 / g.segments);
  int64_t s = t.q0 % g.segments;
  for (int64_t q = t.q0; q < t.q1; ++q) {
    const int64_t n = (s + 1) * g.segment < r.size ? g.segment : r.size - s * g.segment;
    Walk unit(plan.kept, plan.nk, t.u0);
    if (r.x == 1 && n <= block && t.u0 % k.size + units <= k.size) {
      op.rows_into(x + (unit.x + outer.x + s * g.segment) * op.x_size, k.x, units, n, t.p, totals, q == t.q0);
      if (++s == g.segments) s = 0, outer.next();
      continue;
    }
    for (int64_t u = 0; u < units; ++u, unit.next()) {
      const char* row = x + (unit.x + outer.x + s * g.segment * r.x) * op.x_size;
      for (int64_t i = 0; i < n; i += block) {
        const int64_t m = n - i < block ? n - i : block;
        const char* from = row + i * r.x * op.x_size;
        if (r.x != 1) {
          pack_bytes(op.x_size, buffer, from, 1, m, 0, r.x, 0);
          from = buffer;
        }
        if (op.across(from, m, t.p + u * op.p_size, totals[u], q == t.q0 && i == 0)) break;
      }
    }
    if (++s == g.segments) s = 0, outer.next();
  }
  for (int64_t u = 0; u < units; ++u) op.fold(totals[u], t.hi + u * op.e_size, t.lo + u * op.e_size);
}

static void accumulate_down(const Plan& plan, const Grid& g, const Steps& op, const char* x, const Part& t) {
  const Axis k = plan.kept[plan.nk - 1], r = plan.reduced[plan.nr - 1];
  const int64_t stride = r.x * plan.group, whole = plan.group > 1 ? r.size / plan.group : g.rows;
  // Rows side by side are one stream from memory: then 16 are joined before the totals are touched, (512, 512, 64) over axis 1
  // 2.3 to 1.6 ms. Rows far apart are streams of their own, and 8 is what memory takes (axis 0: 16 cost a third more).
  const bool near = stride * op.x_size <= 512;
  alignas(64) char buffer[16 * PACK_TILE * 8];
  for (int64_t u = t.u0; u < t.u1; ++u) {
    const int64_t c0 = u % g.tiles * g.width, at = (u - t.u0) * g.pad;
    const int64_t width = k.size - c0 < g.width ? k.size - c0 : g.width, n = width * plan.group;
    const char* base = x + (Walk(plan.kept, plan.nk - 1, u / g.tiles).x + c0 * k.x) * op.x_size;
    const char* p = t.p + at * op.p_size;
    char *hi = t.hi + at * op.e_size, *lo = t.lo + at * op.e_size;
    Walk outer(plan.reduced, plan.nr - 1, t.q0 / g.rows);
    int64_t row = t.q0 % g.rows;
    bool first = true;
    for (int64_t q = t.q0, rows; q < t.q1; q += rows) {
      const int64_t left = whole - row < t.q1 - q ? whole - row : t.q1 - q;
      rows = left >= 16 && near ? 16 : left >= 8 ? 8 : 1;
      const bool cut = row == whole;  // the last group has fewer rows
      if (cut && first) op.fill(g.pad, hi, lo);
      const int64_t m = cut ? (r.size - whole * plan.group) * width : n;
      const char* from = base + (outer.x + row * stride) * op.x_size;
      int64_t from_stride = stride;
      if (k.x != 1) {
        pack_bytes(op.x_size, buffer, from, rows, m, stride, k.x, PACK_TILE);
        from = buffer;
        from_stride = PACK_TILE;
      }
      (rows == 16 ? op.down16 : rows == 8 ? op.down8 : op.down1)(from, from_stride, m, p, hi, lo, first && !cut);
      first = false;
      row += rows;
      if (row == g.rows) row = 0, outer.next();
    }
    if (plan.group > 1) {  // the groups are joined into the first columns
      alignas(64) char sum[2][(LONG / 2 + 64) * 8];
      const int64_t bytes = width * op.e_size;
      __builtin_memcpy(sum[0], hi, bytes);
      if (op.wide) __builtin_memcpy(sum[1], lo, bytes);
      for (int64_t i = 1; i < plan.group; ++i) op.join(width, sum[0], sum[1], hi + i * bytes, op.wide ? lo + i * bytes : nullptr);
      __builtin_memcpy(hi, sum[0], bytes);
      if (op.wide) __builtin_memcpy(lo, sum[1], bytes);
    }
  }
}

static void accumulate(const Plan& plan, const Grid& g, const Steps& op, const char* x, const Part& t) {
  plan.down ? accumulate_down(plan, g, op, x, t) : accumulate_across(plan, g, op, x, t);
}

static void make_param(const Plan& plan, const Grid& g, const Program& program, int64_t units, char* p, const char* hi,
                       const char* lo) {
  program.param(program.a, units * g.pad, hi, lo, nullptr, p);
  const int64_t size = program.second->p_size, row = g.width * size;
  for (int64_t u = 0; u < units && plan.group > 1; ++u)  // every row of a group needs its copy
    for (int64_t i = 1; i < plan.group; ++i) __builtin_memcpy(p + u * g.pad * size + i * row, p + u * g.pad * size, row);
}

// n adjacent results to y, `stride` elements apart.
template <class T> static void scatter(char* y, int64_t stride, const char* from, int64_t n) {
  for (int64_t i = 0; i < n; ++i) reinterpret_cast<T*>(y)[i * stride] = reinterpret_cast<const T*>(from)[i];
}

constexpr int64_t BATCH = TILE + 64;  // totals held at once

static void write(const Plan& plan, const Grid& g, const Program& program, char* y, const Part& t) {
  alignas(64) char out[BATCH * 8];
  const int64_t size = program.y_size, e = program.first->e_size;
  auto put = size == 1 ? scatter<uint8_t> : size == 4 ? scatter<uint32_t> : scatter<uint64_t>;
  const Axis k = plan.kept[plan.nk - 1];
  const int64_t batch = plan.down ? (BATCH / g.pad > 1 ? BATCH / g.pad : 1) : TILE;
  for (int64_t u0 = t.u0; u0 < t.u1; u0 += batch) {
    const int64_t u1 = u0 + batch < t.u1 ? u0 + batch : t.u1, at = (u0 - t.u0) * g.pad;
    program.finish(program.b, (u1 - u0) * g.pad, t.hi + at * e, t.lo + at * e, t.p + at * e, out);
    for (int64_t u = u0, n; u < u1; u += plan.down ? 1 : n) {
      const char* from = out + (u - u0) * g.pad * size;
      if (plan.down) {
        const int64_t c0 = u % g.tiles * g.width;
        n = k.size - c0 < g.width ? k.size - c0 : g.width;
        put(y + (Walk(plan.kept, plan.nk - 1, u / g.tiles).y + c0 * k.y) * size, k.y, from, n);
      } else {
        n = k.size - u % k.size < u1 - u ? k.size - u % k.size : u1 - u;
        put(y + Walk(plan.kept, plan.nk, u).y * size, k.y, from, n);
      }
    }
  }
}

static void reduce(const Program& program, const Out& y_view, const In& x_view, const Ints& axes) {
  Plan plan = make_plan(y_view, x_view, axes);
  if (plan.outputs == 0) return;
  const Steps &first = *program.first, &last = program.second ? *program.second : first;
  char* y = y_view.ptr<char>() + plan.y_start * program.y_size;
  const char* x = x_view.ptr<char>() + plan.x_start * first.x_size;
  if (plan.length == 0) {  // nothing to join: every result is made of the neutral element
    alignas(64) char hi[64 * 8], lo[64 * 8] = {}, p[64 * 8], out[64 * 8];
    first.fill(64, hi, lo);
    if (program.second) {
      program.param(program.a, 1, hi, lo, nullptr, p);
      last.fill(64, hi, lo);
    }
    program.finish(program.b, 1, hi, lo, p, out);
    Walk unit(plan.kept, plan.nk, 0);
    for (int64_t o = 0; o < plan.outputs; ++o, unit.next())
      __builtin_memcpy(y + unit.y * program.y_size, out, program.y_size);
    return;
  }
  group_rows(plan, VECTOR_BYTES / first.e_size);
  const Grid g = make_grid(plan, program);
  const int64_t unit_work = g.width * plan.length;
  int64_t task_units = unit_work >= TASK ? 1 : TASK / unit_work;
  if (!plan.down && plan.nr > 1 && task_units < ROWS_AT_ONCE)  // neighbours are read together: x comes in longer runs
    task_units = ceil_div(g.units, 8) < ROWS_AT_ONCE ? ceil_div(g.units, 8) : ROWS_AT_ONCE;
  int64_t parts = 1;
  if (g.units * unit_work > TASK && (ceil_div(g.units, task_units) < 8 || unit_work > 64 * TASK)) {
    parts = ceil_div(unit_work, TASK);
    parts = parts < g.pieces ? parts : g.pieces;
    parts = parts < MAX_PARTS ? parts : MAX_PARTS;
  }

  if (parts == 1) {
    int64_t batch = plan.down ? TILE / g.pad : ROWS_AT_ONCE;
    if (program.second && TASK / unit_work < batch) batch = TASK / unit_work;
    if (batch < 1) batch = 1;
    parallel_for(g.units, task_units, [&](int64_t begin, int64_t end) {
      alignas(64) char hi[BATCH * 8], lo[BATCH * 8], p[BATCH * 8];
      for (int64_t u = begin; u < end; u += batch) {
        const Part t = {u, u + batch < end ? u + batch : end, 0, g.pieces, p, hi, lo};
        accumulate(plan, g, first, x, t);
        if (program.second) {
          make_param(plan, g, program, t.u1 - t.u0, p, hi, lo);
          accumulate(plan, g, last, x, t);
        }
        write(plan, g, program, y, t);
      }
    });
    return;
  }

  int64_t share = ceil_div(g.pieces, parts);
  if (plan.down) share = ceil_div(share, 8) * 8;
  parts = ceil_div(g.pieces, share);
  const int64_t e = first.e_size, n = ceil_div(g.units * g.pad, 64) * 64;  // totals of one part
  Scratch<char> hi(parts * n * e), lo(parts * n * e), p(n * e);
  auto pass = [&](const Steps& op) {
    parallel_for(g.units * parts, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t part = i % parts, unit = i / parts, at = (part * n + unit * g.pad) * e;
        const int64_t stop = (part + 1) * share < g.pieces ? (part + 1) * share : g.pieces;
        accumulate(plan, g, op, x, {unit, unit + 1, part * share, stop, p + unit * g.pad * e, hi + at, lo + at});
      }
    });
    parallel_for(n, 16384, [&](int64_t begin, int64_t end) {
      for (int64_t i = 1; i < parts; ++i)
        op.join(end - begin, hi + begin * e, lo + begin * e, hi + (i * n + begin) * e, lo + (i * n + begin) * e);
    });
  };
  pass(first);
  if (program.second) {
    make_param(plan, g, program, g.units, p, hi, lo);
    pass(last);
  }
  write(plan, g, program, y, {0, g.units, 0, 0, p, hi, lo});
}

}  // namespace fastnn::FN_ISA
