// attention/halves.cu: attention of float16 and bfloat16 on tensor cores, and its derivative. Scores, softmax and sums are float32;
// weights are rounded when they meet v, as P in Dao et al. 2022, and what meets q, k and g in the derivative likewise.
//
//    forward      64 rows a block, 64 keys at a time and 64 columns of y, or 32 and 128: rows with more columns are several blocks'
//    derivative   64 keys (dk, dv) or rows (dq, dmask) a block, 64 columns
//
// cost     as attention.cu, on tensor cores; keys and values come in pieces of 16 bytes where they lie so. Not measured on a GPU yet.
// read on  cores.cuh, core_forward.cuh, core_gradients.cuh
#include "core_forward.cuh"
#include "core_gradients.cuh"
#include "deltas.cuh"

namespace fastnn::cuda {

void attention_halves(Out y, PackedOut lse, In q, In k, In v, In mask, PackedIn dropout, double scale, bool causal, double p) {
  with_halves(q.dtype, [&]<class H>(H) {
    const Problem<H> a = problem_of<H>(q, k, v, mask, dropout, scale, causal, p, nullptr, nullptr, &y, false, nullptr, false);
    if (a.heads == 0 || a.rows == 0) return;
    if (a.values > 64 || a.width > 64) launch_core_forward<128>(a, strided<H>(y), out<float>(lse));
    else launch_core_forward<64>(a, strided<H>(y), out<float>(lse));
  });
}

void attention_dx_halves(Out dq, Out dk, Out dv, Out dmask, In g, In y, PackedIn lse, In q, In k, In v, In mask, PackedIn dropout, double scale,
                         bool causal, double p) {
  with_halves(q.dtype, [&]<class H>(H) {
    Gradients<H> d{problem_of<H>(q, k, v, mask, dropout, scale, causal, p, &g, &y, &dq, false, &dmask, false),
                   problem_of<H>(q, k, v, mask, dropout, scale, causal, p, &g, &y, &dk, true, &dv, true),
                   wanted<H>(dq), wanted<H>(dmask), wanted<H>(dk), wanted<H>(dv), in<float>(lse), {}};
    Scratch<float> delta(d.rows.heads * d.rows.rows);
    launch_deltas<H>(d.rows, delta);
    d.delta = delta.read();
    if (d.rows.heads > 0) launch_core_gradients(d);
  });
}

}  // namespace fastnn::cuda
