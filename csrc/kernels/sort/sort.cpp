// sort/sort.cpp: sort, topk, kthvalue along one axis; unique; searchsorted.
//
//    sort      y[o, j] = x[o, index[o, j]], stable; NaN counts as the largest, −0 and 0 as equal
//    topk      the first k of that, by a scan that keeps only what may still belong to them
//    unique    distinct values of the whole array in order, where each element went, how many there were
//
// Values are read again through the index at the end, so keys need not be turned back (and −0 stays −0).
// Rows are shared out among threads; one long row is sorted by all of them (items.h).
#include "../../core/error.h"
#include "items.h"

namespace fastnn::FN_ISA {
namespace {

constexpr int64_t ROW_TASK = 8192, KEY_BLOCK = 512;
constexpr int64_t INSERT_UP_TO = 32;  // topk: so few are kept in order one by one

struct Rows {  // the rows along `axis`: row (o, c) starts at o, c in the other axes
  const View& x;
  const View& y;
  int64_t axis, n, count = 1;
  Rows(const View& y_, const View& x_, int64_t axis_) : x(x_), y(y_), axis(axis_), n(x_.ndim ? x_.shape[axis_] : 1) {
    for (int d = 0; d < x.ndim; ++d)
      if (d != axis) count *= x.shape[d];
  }
  FN int64_t step(const View& v) const { return v.ndim ? v.strides[axis] : 1; }
  FN int64_t start(const View& v, int64_t row) const {
    int64_t at = 0;
    for (int d = v.ndim - 1; d >= 0; --d) {
      if (d == axis) continue;
      at += row % v.shape[d] * v.strides[d];
      row /= v.shape[d];
    }
    return at;
  }
};

template <class S> FN void make_items(Item<typename KeyOf<S>::type>* a, const S* x, int64_t step, int64_t begin, int64_t end, bool descending) {
  using K = typename KeyOf<S>::type;
  const K flip = descending ? K(~K(0)) : K(0);
  if (step == 1)
    for (int64_t i = begin; i < end; ++i) a[i] = Item<K>::make(key_of(x[i]) ^ flip, i);
  else
    for (int64_t i = begin; i < end; ++i) a[i] = Item<K>::make(key_of(x[i * step]) ^ flip, i);
}

// One whole row in order, by all threads when it is long.
template <class S, class I> I* sort_row(I* a, I* spare, const S* x, int64_t step, int64_t n, bool descending, bool wide) {
  if (!wide) {
    make_items(a, x, step, 0, n, descending);
    return sort_items(a, spare, n);
  }
  parallel_for(n, SORT_CHUNK, [&](int64_t begin, int64_t end) { make_items(a, x, step, begin, end, descending); });
  return sort_items_wide(a, spare, n);
}

template <class S> void sort_rows(const View& y_view, const View& index_view, const View& x_view, int64_t axis, bool descending) {
  using I = Item<typename KeyOf<S>::type>;
  const Rows rows(y_view, x_view, axis);
  const int64_t n = rows.n, sx = rows.step(x_view), sy = rows.step(y_view), si = rows.step(index_view);
  if (n == 0 || rows.count == 0) return;
  const bool wide = n > 2 * SORT_CHUNK && rows.count < 8;
  auto one = [&](int64_t row, I* a, I* spare) {
    const S* x = x_view.ptr<S>() + rows.start(x_view, row);
    S* y = y_view.ptr<S>() + rows.start(y_view, row);
    int64_t* index = index_view.ptr<int64_t>() + rows.start(index_view, row);
    const I* sorted = sort_row(a, spare, x, sx, n, descending, wide);
    auto write = [&](int64_t begin, int64_t end) {
      for (int64_t j = begin; j < end; ++j) {
        const int64_t i = sorted[j].index();
        y[j * sy] = x[i * sx];
        index[j * si] = i;
      }
    };
    if (wide) parallel_for(n, SORT_CHUNK, write);
    else write(0, n);
  };
  if (wide) {
    Scratch<I> a(n), spare(n);
    for (int64_t row = 0; row < rows.count; ++row) one(row, a, spare);
    return;
  }
  parallel_for(rows.count, n >= ROW_TASK ? 1 : ROW_TASK / n, [&](int64_t begin, int64_t end) {
    Scratch<I> a(n), spare(n);
    for (int64_t row = begin; row < end; ++row) one(row, a, spare);
  });
}

// The k first of elements begin .. end, unordered, in `kept` (room for 2k + KEY_BLOCK); returns how many. An element is
// kept if it comes before the k-th best so far; when 2k are held they are sorted and the worse half is dropped.
template <class S, class I>
int64_t select(I* kept, I* spare, const S* x, int64_t step, int64_t begin, int64_t end, int64_t k, bool descending) {
  using K = typename KeyOf<S>::type;
  const K flip = descending ? K(~K(0)) : K(0);
  K keys[KEY_BLOCK];
  int64_t held = 0;
  K limit = ~K(0);
  bool full = false;
  for (int64_t at = begin; at < end; at += KEY_BLOCK) {
    const int64_t n = end - at < KEY_BLOCK ? end - at : KEY_BLOCK;
    if (step == 1)
      for (int64_t i = 0; i < n; ++i) keys[i] = key_of(x[at + i]) ^ flip;
    else
      for (int64_t i = 0; i < n; ++i) keys[i] = key_of(x[(at + i) * step]) ^ flip;
    K least = ~K(0);
    for (int64_t i = 0; i < n; ++i) least = keys[i] < least ? keys[i] : least;
    if (full && least >= limit) continue;  // an equal key further on comes later
    if (k <= INSERT_UP_TO) {
      for (int64_t i = 0; i < n; ++i) {
        if (full && keys[i] >= limit) continue;
        const I item = I::make(keys[i], at + i);
        int64_t j = full ? k - 1 : held++;
        for (; j > 0 && item.before(kept[j - 1]); --j) kept[j] = kept[j - 1];
        kept[j] = item;
        full = held == k;
        limit = kept[held - 1].key();
      }
      continue;
    }
    for (int64_t i = 0; i < n; ++i)
      if (!full || keys[i] < limit) kept[held++] = I::make(keys[i], at + i);
    if (held < 2 * k && !(held >= k && !full)) continue;
    I* sorted = sort_items(kept, spare, held);
    held = held < k ? held : k;
    if (sorted != kept) __builtin_memcpy(kept, sorted, held * sizeof(I));
    limit = kept[held - 1].key();
    full = held == k;
  }
  return held;
}

template <class S>
void topk_rows(const View& y_view, const View& index_view, const View& x_view, int64_t axis, bool largest) {
  using I = Item<typename KeyOf<S>::type>;
  const Rows rows(y_view, x_view, axis);
  const int64_t n = rows.n, k = y_view.ndim ? y_view.shape[axis] : 1;
  const int64_t sx = rows.step(x_view), sy = rows.step(y_view), si = rows.step(index_view);
  if (k == 0 || rows.count == 0) return;
  const bool whole = k > n / 8;  // nothing to gain by selecting
  const bool wide = n > 2 * SORT_CHUNK && rows.count < 8;
  const int64_t chunk = k > SORT_CHUNK / 8 ? n : SORT_CHUNK, chunks = wide && !whole ? ceil_div(n, chunk) : 1;
  const int64_t room = whole ? n : 2 * k + KEY_BLOCK;
  auto write = [&](int64_t row, const I* sorted) {
    const S* x = x_view.ptr<S>() + rows.start(x_view, row);
    S* y = y_view.ptr<S>() + rows.start(y_view, row);
    int64_t* index = index_view.ptr<int64_t>() + rows.start(index_view, row);
    for (int64_t j = 0; j < k; ++j) {
      y[j * sy] = x[sorted[j].index() * sx];
      index[j * si] = sorted[j].index();
    }
  };
  if (wide) {
    Scratch<I> a(chunks * room), spare(chunks * room);
    Scratch<int64_t> held(chunks);
    for (int64_t row = 0; row < rows.count; ++row) {
      const S* x = x_view.ptr<S>() + rows.start(x_view, row);
      if (whole) {
        write(row, sort_row(a.data, spare.data, x, sx, n, largest, true));
        continue;
      }
      parallel_for(chunks, 1, [&](int64_t begin, int64_t end) {
        for (int64_t c = begin; c < end; ++c)
          held[c] = select(a + c * room, spare + c * room, x, sx, c * chunk, (c + 1) * chunk < n ? (c + 1) * chunk : n, k, largest);
      });
      int64_t total = held[0];
      for (int64_t c = 1; c < chunks; ++c) {  // the chunks' bests are moved together
        __builtin_memmove(a + total, a + c * room, held[c] * sizeof(I));
        total += held[c];
      }
      write(row, sort_items(a.data, spare.data, total));
    }
    return;
  }
  parallel_for(rows.count, n >= ROW_TASK ? 1 : ROW_TASK / n, [&](int64_t begin, int64_t end) {
    Scratch<I> a(room), spare(room);
    for (int64_t row = begin; row < end; ++row) {
      const S* x = x_view.ptr<S>() + rows.start(x_view, row);
      if (whole) {
        write(row, sort_row(a.data, spare.data, x, sx, n, largest, false));
      } else {
        const int64_t held = select(a.data, spare.data, x, sx, 0, n, k, largest);
        write(row, sort_items(a.data, spare.data, held));
      }
    }
  });
}

template <class S>
void kth_rows(const View& y_view, const View& index_view, const View& x_view, int64_t axis, int64_t k, bool nan_wins) {
  using I = Item<typename KeyOf<S>::type>;
  using K = typename KeyOf<S>::type;
  const Rows rows(y_view, x_view, axis);
  const int64_t n = rows.n, sx = rows.step(x_view);
  parallel_for(rows.count, n >= ROW_TASK ? 1 : ROW_TASK / (n + 1), [&](int64_t begin, int64_t end) {
    Scratch<I> a(n), spare(n);
    for (int64_t row = begin; row < end; ++row) {
      const S* x = x_view.ptr<S>() + rows.start(x_view, row);
      const I* sorted = sort_row(a.data, spare.data, x, sx, n, false, false);
      int64_t j = k - 1;
      if (nan_wins && S(0.5) != S(0) && sorted[n - 1].key() == K(~K(0)))  // the first NaN
        for (j = n - 1; j > 0 && sorted[j - 1].key() == K(~K(0));) --j;
      const int64_t i = sorted[j].index();
      y_view.ptr<S>()[rows.start(y_view, row)] = x[i * sx];
      index_view.ptr<int64_t>()[rows.start(index_view, row)] = i;
    }
  });
}

template <class S> void unique_of(S* y, int64_t* inverse, int64_t* counts, int64_t* found, const S* x, int64_t n) {
  using I = Item<typename KeyOf<S>::type>;
  Scratch<I> a(n), spare(n);
  const I* sorted = sort_row(a.data, spare.data, x, 1, n, false, n > 2 * SORT_CHUNK);
  int64_t groups = 0, first = 0;
  for (int64_t j = 0; j < n; ++j) {
    const S v = x[sorted[j].index()];
    if (j == 0 || sorted[j].key() != sorted[j - 1].key() || v != v) {  // a NaN equals nothing
      if (j) counts[groups - 1] = j - first;
      first = j;
      y[groups++] = v;
    }
    inverse[sorted[j].index()] = groups - 1;
  }
  if (n) counts[groups - 1] = n - first;
  *found = groups;
}

// The position of key among n keys in order, keys(i) giving them; branches would be mispredicted half the time.
template <class K, class F> FN int64_t position(K key, int64_t n, bool right, const F& keys) {
  int64_t low = 0;
  for (int64_t length = n; length > 0;) {
    const int64_t half = length / 2;
    const K middle = keys(low + half);
    const bool up = right ? middle <= key : middle < key;
    low = up ? low + half + 1 : low;
    length = up ? length - half - 1 : half;
  }
  return low;
}

template <class S> void search(int64_t* y, const S* edges, const S* v, int64_t rows, int64_t n, int64_t m, bool right, bool shared) {
  using K = typename KeyOf<S>::type;
  const bool ready = shared && rows * m > n / 4;  // many look-ups in one table: turn it into keys once
  Scratch<K> table(ready ? n : 1);
  for (int64_t i = 0; ready && i < n; ++i) table[i] = key_of(edges[i]);
  parallel_for(rows * m, 2048, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const S* e = edges + (shared ? 0 : i / m * n);
      const K key = key_of(v[i]);
      y[i] = ready ? position(key, n, right, [&](int64_t j) __attribute__((always_inline)) { return table.data[j]; })
                   : position(key, n, right, [&](int64_t j) __attribute__((always_inline)) { return key_of(e[j]); });
    }
  });
}

}  // namespace

#define FN_ALL(...)                                                            \
  switch (x.dtype) {                                                           \
    case DType::f32: { using S = float; __VA_ARGS__; break; }                  \
    case DType::f64: { using S = double; __VA_ARGS__; break; }                 \
    case DType::i64: { using S = int64_t; __VA_ARGS__; break; }                \
    case DType::i32: { using S = int32_t; __VA_ARGS__; break; }                \
    case DType::u8: case DType::b8: { using S = uint8_t; __VA_ARGS__; break; } \
    default: break; /* types that are stored only do not come here (bind/stored.h) */ \
  }
static void check_length(const View& x, int64_t n) {
  if (n >> 32 && itemsize(x.dtype) < 8) raise_error("sort: more than 2^32 elements in a row");
}

void sort(Out y, Out index, In x, int64_t axis, bool descending) {
  check_length(x, x.ndim ? x.shape[axis] : 1);
  FN_ALL(sort_rows<S>(y, index, x, axis, descending))
}
void topk(Out y, Out index, In x, int64_t axis, bool largest) {
  check_length(x, x.ndim ? x.shape[axis] : 1);
  FN_ALL(topk_rows<S>(y, index, x, axis, largest))
}
// y, index: x's shape with 1 at axis. k from 1; nan_wins: a NaN, if there is one (median).
void kthvalue(Out y, Out index, In x, int64_t axis, int64_t k, bool nan_wins) {
  check_length(x, x.ndim ? x.shape[axis] : 1);
  FN_ALL(kth_rows<S>(y, index, x, axis, k, nan_wins))
}
// y, counts have room for every element; `found` says how many there are.
void unique(PackedOut y, PackedOut inverse, PackedOut counts, PackedOut found, PackedIn x) {
  check_length(x, x.numel());
  FN_ALL(unique_of<S>(y.ptr<S>(), inverse.ptr<int64_t>(), counts.ptr<int64_t>(), found.ptr<int64_t>(), x.ptr<S>(), x.numel()))
}
// edges: sorted (n) or, for each row of x, (rows, n). right: after equal edges, else before them.
void searchsorted(PackedOut y, PackedIn edges, PackedIn x, bool right) {
  const int64_t n = edges.ndim ? edges.shape[edges.ndim - 1] : 1, m = x.ndim ? x.shape[x.ndim - 1] : 1;
  if (x.numel() == 0) return;
  FN_ALL(search<S>(y.ptr<int64_t>(), edges.ptr<S>(), x.ptr<S>(), x.numel() / m, n, m, right, edges.ndim == 1))
}

}  // namespace fastnn::FN_ISA
