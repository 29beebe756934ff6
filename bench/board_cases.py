"""The cases of the board. One function serves fastnn and PyTorch, whose names are the same; JAX and NumPy have their own.

A case is a name, its dimensions (those in `scaled` are multiplied by U(0.7, 1.3) for its twin), the arrays it works on, and
`f(lib, F, *tensors)`: lib is fastnn or torch, F its nn.functional.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
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
            d[key] = max(1, round(d[key] * rng.uniform(0.7, 1.3)))
        return Dims(**d)


def normal(rng, *shape):
    return rng.standard_normal(shape, dtype=np.float32)


def matmul_case(name, m, k, n, layout="NN"):
    def arrays(rng, d):
        a = normal(rng, d.m, d.k) if layout[0] == "N" else normal(rng, d.k, d.m)
        b = normal(rng, d.k, d.n) if layout[1] == "N" else normal(rng, d.n, d.k)
        return a, b

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


def bags_of_ids(rng, d):
    starts = np.sort(rng.integers(0, d.ids, d.bags))
    starts[0] = 0
    return normal(rng, d.vocabulary, d.width), rng.integers(0, d.vocabulary, d.ids), starts


def alignments(rng, d):
    x = normal(rng, d.steps, d.batch, d.classes)
    x -= np.log(np.exp(x).sum(2, keepdims=True))
    lengths = rng.integers(d.labels // 2, d.labels + 1, d.batch)
    return x, rng.integers(1, d.classes, (d.batch, d.labels)), np.full(d.batch, d.steps), lengths


KERNELS = (
    matmul_case("1 gemm_square", 1024, 1024, 1024),
    matmul_case("2 gemm_odd", 509, 1021, 769, "NT"),
    matmul_case("3 gemm_skinny", 8, 1024, 4096),
    matmul_case("4 gemm_wgrad", 784, 4096, 256, "TN"),
    BoardCase(
        "5 bmm_small", {"batch": 512, "n": 48}, lambda rng, d: (normal(rng, d.batch, d.n, d.n), normal(rng, d.batch, d.n, d.n)),
        lambda lib, F, a, b, d: a @ b, lambda d: 2.0 * d.batch * d.n**3, lambda d: 12.0 * d.batch * d.n**2, "batch n",
        lambda a, b, d: a @ b, lambda jnp, jax, a, b, d: a @ b,
    ),
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
        "21a embedding_bag", {"vocabulary": 20000, "width": 64, "bags": 256, "ids": 10240}, bags_of_ids,
        lambda lib, F, w, i, at, d: F.embedding_bag(i, w, at), lambda d: 0.0, lambda d: 4.0 * d.ids * d.width,
        "vocabulary width bags ids", back=(0.0, 2.0),
    ),
    BoardCase(
        "21b ctc_loss", {"steps": 150, "batch": 32, "classes": 29, "labels": 30}, alignments,
        lambda lib, F, x, y, steps, labels, d: F.ctc_loss(x, y, steps, labels),
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


# -- training steps: build(nn, F, d) makes the model of either library ---------------------------------------------------------


@dataclass
class StepCase:
    name: str
    dims: dict
    build: Callable
    batch: Callable  # (rng, d) -> x, y
    flops: Callable
    loss: str = "cross_entropy"
    optimizer: str = "Adam"
    options: dict = field(default_factory=lambda: {"lr": 1e-3})
    scaled: str = ""
    dimensions = BoardCase.dimensions


def perceptron(nn, F, d):
    layers = []
    for a, b in zip(d.sizes, d.sizes[1:], strict=False):
        layers += [nn.Linear(a, b), getattr(nn, d.activation)()]
    return nn.Sequential(*layers[:-1])


def mlp_dims(activation, batch, *sizes):
    return {"activation": activation, "batch": batch, "sizes": sizes}


def mlp_batch(rng, d):
    return normal(rng, d.batch, d.sizes[0]), rng.integers(0, d.sizes[-1], d.batch)


def regression_batch(rng, d):
    return normal(rng, d.batch, d.sizes[0]), normal(rng, d.batch, d.sizes[-1])


def mlp_flops(d):
    pairs = list(zip(d.sizes, d.sizes[1:], strict=False))
    return 6.0 * d.batch * sum(a * b for a, b in pairs) - 2.0 * d.batch * pairs[0][0] * pairs[0][1]


def mnist_cnn(nn, F, d):
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip


def resnet20(nn, F, d):
    """He et al. 2015, section 4.2: three stages of three blocks, 16, 32 and 64 channels, shortcuts padded with zeros."""

    class Block(nn.Module):
        def __init__(self, c, o, stride):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(c, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
            self.conv2, self.bn2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
            self.stride, self.grow = stride, o - c

        def forward(self, x):
            y = F.relu(self.bn1(self.conv1(x)))
            y = self.bn2(self.conv2(y))
            if self.grow:
                x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.grow // 2, self.grow - self.grow // 2))
            return F.relu(y + x)

    layers = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    c = 16
    for o, stride in ((16, 1), (32, 2), (64, 2)):
        for i in range(3):
            layers.append(Block(c, o, stride if i == 0 else 1))
            c = o
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def recurrent(nn, F, d):
    """One layer, and a linear one on its last state."""

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.head = getattr(nn, d.kind)(d.inputs, d.units), nn.Linear(d.units, 10)

        def forward(self, x):
            return self.head(self.layer(x)[0][-1])

    return Model()


def recurrent_case(name, kind, gates):
    return StepCase(
        name, {"kind": kind, "steps": 100, "batch": 32, "inputs": 64, "units": 128}, recurrent,
        lambda rng, d: (normal(rng, d.steps, d.batch, d.inputs), rng.integers(0, 10, d.batch)),
        lambda d: 2.0 * gates * d.steps * d.batch * d.units * (2 * d.inputs + 3 * d.units), scaled="steps batch inputs units",
    )  # fmt: skip


def char_gpt(nn, F, d):
    """nanoGPT's configuration for a CPU: attention and a small network, each added to its input, in every layer."""

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(d.width), nn.LayerNorm(d.width)
            self.inward, self.outward = nn.Linear(d.width, 3 * d.width, bias=False), nn.Linear(d.width, d.width, bias=False)
            self.wide, self.narrow = nn.Linear(d.width, 4 * d.width, bias=False), nn.Linear(4 * d.width, d.width, bias=False)

        def forward(self, x):
            n, t, _ = x.shape
            q, k, v = (h.reshape(n, t, d.heads, -1).transpose(1, 2) for h in self.inward(self.norm1(x)).split(d.width, -1))
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.outward(y.transpose(1, 2).reshape(n, t, d.width))
            return x + self.narrow(F.gelu(self.wide(self.norm2(x))))

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.places = nn.Embedding(d.letters, d.width), nn.Embedding(d.context, d.width)
            self.layers = nn.Sequential(*[Block() for _ in range(d.layers)], nn.LayerNorm(d.width))

        def forward(self, x):
            h = self.layers(self.table(x) + self.places.weight[: x.shape[1]])
            return F.linear(h, self.table.weight).reshape(-1, d.letters)

    return Model()


def char_gpt_flops(d):  # forward and twice that back; of the causal half of attention
    tokens, row = d.batch * d.context, 12 * d.width**2 * d.layers + d.letters * d.width
    return 6.0 * tokens * (row + d.layers * d.width * d.context)


def image_batch(rng, d):
    return normal(rng, d.batch, d.channels, d.size, d.size), rng.integers(0, 10, d.batch)


STEPS = (
    StepCase("18a MLP 784-512-10", mlp_dims("ReLU", 32, 784, 512, 10), perceptron, mlp_batch, mlp_flops, scaled="batch"),
    StepCase("18b MLP 784-512-10", mlp_dims("ReLU", 128, 784, 512, 10), perceptron, mlp_batch, mlp_flops, scaled="batch"),
    StepCase("18c MLP 784-256-128-10", mlp_dims("ReLU", 64, 784, 256, 128, 10), perceptron, mlp_batch, mlp_flops,
             optimizer="AdamW", scaled="batch"),
    StepCase("18d MLP 32-64-64-1", mlp_dims("ReLU", 32, 32, 64, 64, 1), perceptron, regression_batch, mlp_flops, "mse_loss", "AdamW",
             scaled="batch"),
    StepCase("18e XOR 2-8-1", mlp_dims("Tanh", 4, 2, 8, 1), perceptron, regression_batch, mlp_flops, "mse_loss", "SGD", {"lr": 0.1}),
    StepCase("19a CNN MNIST", {"batch": 64, "channels": 1, "size": 28}, mnist_cnn, image_batch,
             lambda d: d.batch * (2.0 * (26 * 26 * 32 * 9 * 2 + 24 * 24 * 64 * 32 * 9 * 3) + 6.0 * (9216 * 128 + 1280)), scaled="batch"),
    StepCase("19b ResNet-20 CIFAR", {"batch": 64, "channels": 3, "size": 32}, resnet20, image_batch, lambda d: d.batch * 3 * 2 * 40.55e6,
             optimizer="SGD", options={"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}, scaled="batch"),
    recurrent_case("20a LSTM 64-128", "LSTM", 4),
    recurrent_case("20b GRU 64-128", "GRU", 3),
    StepCase("20c nanoGPT on a CPU", {"batch": 12, "context": 64, "layers": 4, "heads": 4, "width": 128, "letters": 65}, char_gpt,
             lambda rng, d: (rng.integers(0, d.letters, (d.batch, d.context)), rng.integers(0, d.letters, d.batch * d.context)),
             char_gpt_flops, optimizer="AdamW", scaled="batch context"),
)  # fmt: skip

RESNET18 = (  # shapes of the 62 parameters of ResNet-18
    [(64, 3, 7, 7), (64,), (64,)]
    + [s for o in (64,) * 4 for s in ((o, 64, 3, 3), (o,), (o,))]
    + [s for c, o in ((64, 128), (128, 256), (256, 512)) for s in (
        (o, c, 3, 3), (o,), (o,), (o, o, 3, 3), (o,), (o,), (o, c, 1, 1), (o,), (o,), (o, o, 3, 3), (o,), (o,), (o, o, 3, 3), (o,), (o,))]
    + [(1000, 512), (1000,)]
)  # fmt: skip
