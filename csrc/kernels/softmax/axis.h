// softmax/axis.h: run a row algorithm along any axis of a packed array, whatever it takes to keep the lanes full.
//
//    (outer, n, inner)
//       inner > 1               lanes run across inner; a tile is 4 vectors wide (whole cache lines), n steps deep
//       inner = 1, n small      rows are turned into lanes (transpose.h), same algorithm on the turned tile
//       inner = 1, 8 vectors    one row after the other, held in registers
//       inner = 1               one row after the other
//
// An algorithm A gives
//    A::row<T>(y, a, b, n, fetch)                      contiguous rows; fetch as in core/stream.h
//    A::held<K, T>(y, a, b, c)                         contiguous rows of K <= 8 vectors, c lanes of the last one exist
//    A::columns<U, T>(y, a, b, n, stride, c)           U vectors of rows side by side, c lanes of the last one exist
//    A::turn                                           1, 2: rows of as many vectors are turned;  0: never
//    A::arrays                                         how many it reads and writes
//
// Measured (Cascade Lake, 524288 floats): rows of 8, held 1.5 ms, turned 0.9 ms; of 16, equal for softmax, 1.6 against
// 0.8 ms for log_softmax, whose logarithm then serves 16 rows at once. The derivatives have two inputs to turn and one
// reduction to win: of 16, held 0.4 ms, turned 0.8 ms. Long rows of large arrays are written past the cache, the rows to come
// fetched meanwhile (Zen 5, 8192x1000): softmax 1.8 -> 1.1 ms, log_softmax 1.75 -> 1.15.
#pragma once
#include "../../core/note.h"
#include "../../core/parallel.h"
#include "../../core/stream.h"
#include "../../core/sweep.h"
#include "lse.h"
#include "transpose.h"

namespace fastnn::FN_ISA {

struct Axis {
  int64_t outer = 1, n = 1, inner = 1;
};
FN Axis split_axis(const View& v, int64_t axis) {
  Axis s;
  for (int d = 0; d < v.ndim; ++d) (d < axis ? s.outer : d == axis ? s.n : s.inner) *= v.shape[d];
  return s;
}

constexpr int64_t CHUNK = 16384;  // elements a thread takes at a time: 10-30 us of exp

FN int64_t grain_of(int64_t elements) { return elements < CHUNK ? CHUNK / (elements < 1 ? 1 : elements) : 1; }

template <class T> FN bool worth_turning(Axis s, int turn) {
  return s.inner == 1 && s.n <= turn * lanes<T> && s.outer >= lanes<T>;
}

template <class A, class T> static void along_axis(T* y, const T* a, const T* b, Axis s) {
  constexpr int L = lanes<T>, R = ROWS<T>;
  if (s.outer * s.n * s.inner == 0) return;
  const int64_t moved = A::arrays * s.outer * s.n * s.inner * int64_t(sizeof(T));
  FN_NOTE("%s", s.inner > 1                    ? "numbers of a row lie apart: lanes run across rows"
                : worth_turning<T>(s, A::turn) ? "rows shorter than a vector or two: turned, so that lanes run across rows"
                : s.n <= HELD * L              ? "rows of at most 8 vectors: held in registers"
                : past_cache(s.n, moved)       ? "row by row; results larger than the cache are written past it"
                                               : "row by row");
  if (s.inner > 1) {
    int64_t tiles = ceil_div(s.inner, 4 * L);
    parallel_for(s.outer * tiles, grain_of(s.n * (s.inner < 4 * L ? s.inner : 4 * L)), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        int64_t i = t % tiles * 4 * L, stop = i + 4 * L < s.inner ? i + 4 * L : s.inner, at = t / tiles * s.n * s.inner;
        if (stop - i == 4 * L) {
          A::template columns<4, T>(y + at + i, a + at + i, b + at + i, s.n, s.inner, L);
          continue;
        }
        for (; i < stop; i += L)
          A::template columns<1, T>(y + at + i, a + at + i, b + at + i, s.n, s.inner, stop - i < L ? stop - i : L);
      }
    });
  } else if (worth_turning<T>(s, A::turn)) {
    parallel_for(ceil_div(s.outer, R), grain_of(R * s.n), [&](int64_t begin, int64_t end) {
      alignas(64) T turned[TURNED<T>];
      for (int64_t t = begin; t < end; ++t) {
        int64_t rows = s.outer - t * R < R ? s.outer - t * R : R, at = t * R * s.n;
        rows_to_lanes(turned, a + at, rows, s.n);
        A::template columns<4, T>(turned, turned, turned, s.n, R, L);
        lanes_to_rows(y + at, turned, rows, s.n);
      }
    });
  } else if (s.n <= HELD * lanes<T>) {
    with_vectors<T>(s.n, [&](auto vectors) FN_LAMBDA {
      constexpr int K = decltype(vectors)::count;
      parallel_for(s.outer, grain_of(s.n), [&](int64_t begin, int64_t end) {
        int64_t c = last_lanes<T>(s.n);
        for (int64_t r = begin; r < end; ++r) A::template held<K, T>(y + r * s.n, a + r * s.n, b + r * s.n, c);
      });
    });
  } else {
    parallel_for(s.outer, grain_of(s.n), [&](int64_t begin, int64_t end) {
      rows_to(y, begin, end, s.n, moved, [&](T* to, int64_t r, auto fetch) FN_LAMBDA {
        A::template row<T>(to, a + r * s.n, b + r * s.n, s.n, fetch);
      });
    });
  }
}

}  // namespace fastnn::FN_ISA
