"""The training steps of the board. `build(nn, F, d)` makes the model of either library, fastnn or PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .board_cases import BoardCase, normal


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
    f = d.filters
    return nn.Sequential(
        nn.Conv2d(1, f, 3), nn.ReLU(), nn.Conv2d(f, 2 * f, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(2 * f * (d.size // 2 - 2) ** 2, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip


def mnist_cnn_flops(d):  # the first convolution has no input gradient
    f, flat = d.filters, 2 * d.filters * (d.size // 2 - 2) ** 2
    return d.batch * (2.0 * ((d.size - 2) ** 2 * f * 9 * 2 + (d.size - 4) ** 2 * 2 * f * f * 9 * 3) + 6.0 * (flat * 128 + 1280))


def resnet20(nn, F, d):
    """He et al. 2015, section 4.2: three stages of three blocks, 16, 32 and 64 filters (of the named shape), shortcuts padded with zeros."""

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

    c = d.filters
    layers = [nn.Conv2d(3, c, 3, 1, 1, bias=False), nn.BatchNorm2d(c), nn.ReLU()]
    for o, stride in ((c, 1), (2 * c, 2), (4 * c, 2)):
        for i in range(3):
            layers.append(Block(c, o, stride if i == 0 else 1))
            c = o
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, 10))


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

    width = d.heads * d.head

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.inward, self.outward = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
            self.wide, self.narrow = nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False)

        def forward(self, x):
            n, t, _ = x.shape
            q, k, v = (h.reshape(n, t, d.heads, -1).transpose(1, 2) for h in self.inward(self.norm1(x)).split(width, -1))
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.outward(y.transpose(1, 2).reshape(n, t, width))
            return x + self.narrow(F.gelu(self.wide(self.norm2(x))))

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.places = nn.Embedding(d.letters, width), nn.Embedding(d.context, width)
            self.layers = nn.Sequential(*[Block() for _ in range(d.layers)], nn.LayerNorm(width))

        def forward(self, x):
            h = self.layers(self.table(x) + self.places.weight[: x.shape[1]])
            return F.linear(h, self.table.weight).reshape(-1, d.letters)

    return Model()


def char_gpt_flops(d):  # forward and twice that back; of the causal half of attention
    tokens, width = d.batch * d.context, d.heads * d.head
    return 6.0 * tokens * width * (12 * width * d.layers + d.letters + d.layers * d.context)


def image_batch(rng, d):
    return normal(rng, d.batch, d.channels, d.size, d.size), rng.integers(0, 10, d.batch)


STEPS = (
    StepCase("18a MLP 784-512-10", mlp_dims("ReLU", 32, 784, 512, 10), perceptron, mlp_batch, mlp_flops, scaled="batch sizes"),
    StepCase("18b MLP 784-512-10", mlp_dims("ReLU", 128, 784, 512, 10), perceptron, mlp_batch, mlp_flops, scaled="batch sizes"),
    StepCase("18c MLP 784-256-128-10", mlp_dims("ReLU", 64, 784, 256, 128, 10), perceptron, mlp_batch, mlp_flops,
             optimizer="AdamW", scaled="batch sizes"),
    StepCase("18d MLP 32-64-64-1", mlp_dims("ReLU", 32, 32, 64, 64, 1), perceptron, regression_batch, mlp_flops, "mse_loss", "AdamW",
             scaled="batch sizes"),
    StepCase("18e XOR 2-8-1", mlp_dims("Tanh", 4, 2, 8, 1), perceptron, regression_batch, mlp_flops, "mse_loss", "SGD", {"lr": 0.1}, "sizes"),
    StepCase("19a CNN MNIST", {"batch": 64, "channels": 1, "size": 28, "filters": 32}, mnist_cnn, image_batch, mnist_cnn_flops,
             scaled="batch size filters"),
    StepCase("19b ResNet-20 CIFAR", {"batch": 64, "channels": 3, "size": 32, "filters": 16}, resnet20, image_batch,
             lambda d: d.batch * 3 * 2 * 40.55e6 * (d.size / 32 * d.filters / 16) ** 2,
             optimizer="SGD", options={"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}, scaled="batch size filters"),
    recurrent_case("20a LSTM 64-128", "LSTM", 4),
    recurrent_case("20b GRU 64-128", "GRU", 3),
    StepCase("20c nanoGPT on a CPU", {"batch": 12, "context": 64, "layers": 4, "heads": 4, "head": 32, "letters": 65}, char_gpt,
             lambda rng, d: (rng.integers(0, d.letters, (d.batch, d.context)), rng.integers(0, d.letters, d.batch * d.context)),
             char_gpt_flops, optimizer="AdamW", scaled="batch context head letters"),
)  # fmt: skip

# -- the optimizer alone: shapes(d) of the parameters ----------------------------------------------------------------------------


@dataclass
class AdamWCase:
    name: str
    dims: dict
    shapes: Callable
    scaled: str = ""
    dimensions = BoardCase.dimensions


def resnet18_shapes(d):
    """Of its 62 parameters; d.width, 64 in the paper, is the number of channels of the first stage."""
    a, b, c, e = (d.width << i for i in range(4))
    return (
        [(a, 3, 7, 7), (a,), (a,)]
        + [s for _ in range(4) for s in ((a, a, 3, 3), (a,), (a,))]
        + [s for i, o in ((a, b), (b, c), (c, e)) for s in (
            (o, i, 3, 3), (o,), (o,), (o, o, 3, 3), (o,), (o,), (o, i, 1, 1), (o,), (o,), (o, o, 3, 3), (o,), (o,), (o, o, 3, 3), (o,), (o,))]
        + [(1000, e), (1000,)]
    )  # fmt: skip


ADAMW = (
    AdamWCase("17a AdamW ResNet-18", {"width": 64}, resnet18_shapes, "width"),
    AdamWCase("17b AdamW small", {"tensors": 200, "numbers": 257}, lambda d: [(d.numbers,)] * d.tensors, "tensors numbers"),
)
