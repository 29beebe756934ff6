"""The cases of the board. One function serves fastnn and PyTorch, whose names are the same; JAX and NumPy have their own.

A case is a name, its dimensions (those in `scaled` are multiplied by U(0.7, 1.3) for its twin), the arrays it works on, and
`f(lib, F, *tensors)`: lib is fastnn or torch, F its nn.functional.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace as Dims

import numpy as np


@dataclass
class BoardCase:
    """flops and bytes are functions of the dimensions: compulsory work of the forward; the derivative's is `back` times it."""

    name: str
    dims: dict
    arrays: Callable  # (rng, d) -> arrays; floating ones are differentiated in the derivative row
    f: Callable
    flops: Callable
    bytes: Callable
    scaled: str = ""
    numpy: Callable | None = None
    jax: Callable | None = None
    forward: bool = True
    back: tuple[float, float] | None = None  # (flops, bytes) of the derivative relative to the forward's; None: no such row
    images: bool = False  # torch may lay the first argument out channels-last
    checked: bool = True

    def dimensions(self, rng=None):
        """Of the named case, or of its twin."""
        d = dict(self.dims)
        for key in self.scaled.split() if rng is not None else ():
            one = [max(1, round(n * rng.uniform(0.7, 1.3))) for n in np.atleast_1d(d[key]).tolist()]
            d[key] = tuple(one) if isinstance(d[key], tuple) else one[0]
        return Dims(**d)


def normal(rng, *shape):
    return rng.standard_normal(shape, dtype=np.float32)


def matmul_case(name, m, k, n, layout="NN", scale=1.0):
    def arrays(rng, d):
        a = normal(rng, d.m, d.k) if layout[0] == "N" else normal(rng, d.k, d.m)
        b = normal(rng, d.k, d.n) if layout[1] == "N" else normal(rng, d.n, d.k)
        return a, b * np.float32(scale)

    def f(lib, F, a, b, d=None):
        return (a if layout[0] == "N" else a.T) @ (b if layout[1] == "N" else b.T)

    return BoardCase(
        name, {"m": m, "k": k, "n": n}, arrays, f, lambda d: 2.0 * d.m * d.k * d.n,
        lambda d: 4.0 * (d.m * d.k + d.k * d.n + d.m * d.n), "m k n",
        numpy=lambda a, b, d: f(None, None, a, b), jax=lambda jnp, jax, a, b, d: f(None, None, a, b),
    )  # fmt: skip


def conv_case(name, n, c, o, h, kernel=3, stride=1, padding=1, groups=1, **more):
    def arrays(rng, d):
        channels, filters = (d.c, d.c) if d.groups > 1 else (d.c, d.o)
        return normal(rng, d.n, channels, d.h, d.h), normal(rng, filters, 1 if d.groups > 1 else channels, d.kernel, d.kernel)

    def f(lib, F, x, w, d):
        return F.conv2d(x, w, None, d.stride, d.padding, 1, d.c if d.groups > 1 else 1)

    def jax_conv(jnp, jax, x, w, d):
        return jax.lax.conv_general_dilated(
            x, w, (d.stride,) * 2, [(d.padding,) * 2] * 2, dimension_numbers=("NCHW", "OIHW", "NCHW"),
            feature_group_count=d.c if d.groups > 1 else 1,
        )  # fmt: skip

    def outputs(d):
        return d.n * (d.c if d.groups > 1 else d.o) * ((d.h + 2 * d.padding - d.kernel) // d.stride + 1) ** 2

    return BoardCase(
        name, {"n": n, "c": c, "o": o, "h": h, "kernel": kernel, "stride": stride, "padding": padding, "groups": groups},
        arrays, f, lambda d: 2.0 * outputs(d) * d.kernel**2 * (1 if d.groups > 1 else d.c),
        lambda d: 4.0 * (d.n * d.c * d.h**2 + outputs(d)), "n c o h" if groups == 1 and c > 4 else "n c h" if groups > 1 else "n o h",
        jax=jax_conv, images=True, **more,
    )  # fmt: skip


def gelu_chain(lib, F, x, b, r, d=None):
    return r + F.dropout(F.gelu(x + b), 0.1)


def softmax_numpy(x, y, d):
    c = x - x.max(1, keepdims=True)
    return (np.log(np.exp(c).sum(1)) - c[np.arange(len(y)), y]).mean()


def xent_case(name, rows, classes):
    def jax_xent(jnp, jax, x, y, d):
        return -jax.nn.log_softmax(x, 1)[jnp.arange(d.rows), y].mean()

    return BoardCase(
        name, {"rows": rows, "classes": classes}, lambda rng, d: (normal(rng, d.rows, d.classes), rng.integers(0, d.classes, d.rows)),
        lambda lib, F, x, y, d: F.cross_entropy(x, y), lambda d: 14.0 * d.rows * d.classes, lambda d: 4.0 * d.rows * d.classes,
        "rows classes", softmax_numpy, jax_xent, back=(1.0, 2.0),
    )  # fmt: skip


def reduce_case(name, f, axis_of):
    return BoardCase(
        name, {"a": 512, "b": 512, "c": 64}, lambda rng, d: (normal(rng, d.a, d.b, d.c),), f,
        lambda d: 1.0 * d.a * d.b * d.c, lambda d: 4.0 * d.a * d.b * d.c, "a b c",
        numpy=axis_of(np), jax=lambda jnp, jax, x, d: axis_of(jnp)(x, d),
    )  # fmt: skip


def layer_norm_jax(jnp, jax, x, w, b, d):
    m = x.mean(-1, keepdims=True)
    v = ((x - m) ** 2).mean(-1, keepdims=True)
    return (x - m) * jax.lax.rsqrt(v + 1e-5) * w + b


def layer_norm_numpy(x, w, b, d):
    c = x - x.mean(-1, keepdims=True)
    return c / np.sqrt((c * c).mean(-1, keepdims=True) + 1e-5) * w + b


def batch_norm_jax(jnp, jax, x, w, b, d):
    m = x.mean((0, 2, 3), keepdims=True)
    v = ((x - m) ** 2).mean((0, 2, 3), keepdims=True)
    return (x - m) * jax.lax.rsqrt(v + 1e-5) * w[:, None, None] + b[:, None, None]


def zipf_ids(rng, d):
    return normal(rng, d.vocabulary, d.width), np.minimum(rng.zipf(1.2, d.ids) - 1, d.vocabulary - 1)


def max_pool_jax(jnp, jax, x, d):
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 3, 3), (1, 1, 2, 2), ((0, 0), (0, 0), (1, 1), (1, 1)))


def edges(rng, d):
    """Numbers at the edges of a graph, and the node each edge leads to, in any order."""
    return normal(rng, d.edges, d.width), rng.integers(0, d.nodes, d.edges)


def segment_sum(lib, F, x, i, d):
    return lib.segment_sum(x, i, d.nodes) if hasattr(lib, "segment_sum") else x.new_zeros(d.nodes, d.width).index_add(0, i, x)


def segment_softmax(lib, F, x, i, d):
    if hasattr(lib, "segment_softmax"):
        return lib.segment_softmax(x, i, d.nodes)
    largest = x.new_zeros(d.nodes, d.width).scatter_reduce(0, i[:, None].expand_as(x), x, "amax", include_self=False)
    e = (x - largest[i]).exp()
    return e / x.new_zeros(d.nodes, d.width).index_add(0, i, e)[i]


def attention_jax(jnp, jax, q, k, v, d):
    q, k, v = (x.swapaxes(1, 2) for x in (q, k, v))  # JAX wants the heads behind the places
    return jax.nn.dot_product_attention(q, k, v, is_causal=True).swapaxes(1, 2)


def bags_of_ids(rng, d):
    starts = np.sort(rng.integers(0, d.ids, d.bags))
    starts[0] = 0
    return normal(rng, d.vocabulary, d.width), rng.integers(0, d.vocabulary, d.ids), starts


def alignments(rng, d):
    x = normal(rng, d.steps, d.batch, d.classes)
    lengths = rng.integers(d.labels // 2, d.labels + 1, d.batch)
    return x, rng.integers(1, d.classes, (d.batch, d.labels)), np.full(d.batch, d.steps), lengths


KERNELS = (
    matmul_case("1 gemm_square", 1024, 1024, 1024),
    matmul_case("2 gemm_odd", 509, 1021, 769, "NT"),
    matmul_case("3 gemm_skinny", 8, 1024, 4096),
    matmul_case("4 gemm_wgrad", 784, 4096, 256, "TN"),
    BoardCase(
        "5a bmm_small", {"batch": 512, "n": 48}, lambda rng, d: (normal(rng, d.batch, d.n, d.n), normal(rng, d.batch, d.n, d.n)),
        lambda lib, F, a, b, d: a @ b, lambda d: 2.0 * d.batch * d.n**3, lambda d: 12.0 * d.batch * d.n**2, "batch n",
        lambda a, b, d: a @ b, lambda jnp, jax, a, b, d: a @ b,
    ),
    # numbers below 1.2e-38, which some libraries take for 0 and some processors take long over
    matmul_case("5b gemm_denormal", 256, 256, 256, scale=1e-40),
    conv_case("6 conv3x3", 16, 64, 64, 56),
    conv_case("7 conv3x3_bwd", 64, 128, 128, 16, forward=False, back=(2.0, 2.0)),
    conv_case("8 conv_stem", 8, 3, 64, 224, 7, 2, 3, back=(2.0, 2.0)),
    conv_case("9a conv1x1", 16, 256, 64, 56, 1, 1, 0),
    conv_case("9b depthwise", 16, 144, 144, 56, groups=144, back=(2.0, 2.0)),
    BoardCase(
        "10 max_pool", {"n": 8, "c": 64, "h": 112}, lambda rng, d: (normal(rng, d.n, d.c, d.h, d.h),),
        lambda lib, F, x, d: F.max_pool2d(x, 3, 2, 1), lambda d: 0.0, lambda d: 5.0 * d.n * d.c * d.h**2, "n c h",
        jax=max_pool_jax, back=(0.0, 1.0), images=True,
    ),
    BoardCase(
        "11 ew_chain", {"rows": 4096, "width": 1024},
        lambda rng, d: (normal(rng, d.rows, d.width), normal(rng, d.width), normal(rng, d.rows, d.width)),
        gelu_chain, lambda d: 20.0 * d.rows * d.width, lambda d: 12.0 * d.rows * d.width, "rows width", back=(1.5, 1.0), checked=False,
    ),
    reduce_case("12a sum axis 0", lambda lib, F, x, d: x.sum(0), lambda np: lambda x, d: x.sum(0)),
    reduce_case("12b sum axis 1", lambda lib, F, x, d: x.sum(1), lambda np: lambda x, d: x.sum(1)),
    reduce_case("12c sum axes 0, 2", lambda lib, F, x, d: x.sum((0, 2)), lambda np: lambda x, d: x.sum((0, 2))),
    reduce_case("12d argmax axis -1", lambda lib, F, x, d: x.argmax(-1), lambda np: lambda x, d: x.argmax(-1)),
    xent_case("13a cross_entropy", 256, 32000),
    xent_case("13b cross_entropy", 65536, 10),
    BoardCase(
        "14a layer_norm", {"rows": 8192, "width": 768},
        lambda rng, d: (normal(rng, d.rows, d.width), normal(rng, d.width), normal(rng, d.width)),
        lambda lib, F, x, w, b, d: F.layer_norm(x, (d.width,), w, b), lambda d: 8.0 * d.rows * d.width,
        lambda d: 8.0 * d.rows * d.width, "rows width", layer_norm_numpy, layer_norm_jax, back=(1.6, 1.5),
    ),
    BoardCase(
        "14b batch_norm", {"n": 32, "c": 64, "h": 56},
        lambda rng, d: (normal(rng, d.n, d.c, d.h, d.h), normal(rng, d.c), normal(rng, d.c)),
        lambda lib, F, x, w, b, d: F.batch_norm(x, None, None, w, b, True), lambda d: 8.0 * d.n * d.c * d.h**2,
        lambda d: 12.0 * d.n * d.c * d.h**2, "n c h", None, batch_norm_jax, back=(1.6, 1.6),
    ),
    BoardCase(
        "15 embedding", {"vocabulary": 50257, "width": 256, "ids": 16384}, zipf_ids,
        lambda lib, F, w, i, d: F.embedding(i, w), lambda d: 0.0, lambda d: 8.0 * d.ids * d.width, "vocabulary width ids",
        lambda w, i, d: w[i], lambda jnp, jax, w, i, d: w[i], back=(0.0, 2.0),
    ),
    BoardCase(
        "16 attention", {"batch": 4, "heads": 8, "length": 512, "head": 64},
        lambda rng, d: tuple(normal(rng, d.batch, d.heads, d.length, d.head) for _ in range(3)),
        lambda lib, F, q, k, v, d: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        lambda d: 2.0 * d.batch * d.heads * d.length**2 * d.head, lambda d: 16.0 * d.batch * d.heads * d.length * d.head,
        "batch heads length head", jax=attention_jax, back=(2.5, 2.0),
    ),
    BoardCase(
        "21a embedding_bag", {"vocabulary": 20000, "width": 64, "bags": 256, "ids": 10240}, bags_of_ids,
        lambda lib, F, w, i, at, d: F.embedding_bag(i, w, at), lambda d: 0.0, lambda d: 4.0 * d.ids * d.width,
        "vocabulary width bags ids", back=(0.0, 2.0),
    ),
    BoardCase(
        "21b ctc_loss", {"steps": 150, "batch": 32, "classes": 29, "labels": 30}, alignments,
        lambda lib, F, x, y, steps, labels, d: F.ctc_loss(F.log_softmax(x, 2), y, steps, labels),
        lambda d: 60.0 * d.steps * d.batch * (2 * d.labels + 1), lambda d: 4.0 * d.steps * d.batch * d.classes,
        "steps batch classes labels", back=(2.0, 2.0),
    ),
    BoardCase(
        "22a segment_sum", {"edges": 13264, "nodes": 2708, "width": 64}, edges, segment_sum, lambda d: 1.0 * d.edges * d.width,
        lambda d: 4.0 * (d.edges + d.nodes) * d.width, "edges nodes width", back=(0.0, 1.0),
        jax=lambda jnp, jax, x, i, d: jax.ops.segment_sum(x, i, d.nodes),
    ),
    BoardCase(
        "22b segment_softmax", {"edges": 13264, "nodes": 2708, "width": 8}, edges, segment_softmax,
        lambda d: 20.0 * d.edges * d.width, lambda d: 8.0 * d.edges * d.width, "edges nodes width", back=(0.5, 1.5),
    ),
)  # fmt: skip
