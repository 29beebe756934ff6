"""The training steps of bench/capture.py in JAX: networks as functions of a list of arrays, the whole step jitted."""

from __future__ import annotations

import numpy as np

from .rivals import library

RATE = 1e-3


def jax_step(parameters, loss, *data):
    """A call that makes one jitted Adam step of loss(parameters, *data)."""
    jax = library("jax")
    np_ = jax.numpy

    def update(p, m, v, t, *data):
        value, g = jax.value_and_grad(loss)(p, *data)
        t = t + 1
        m = [0.9 * a + 0.1 * b for a, b in zip(m, g, strict=True)]
        v = [0.999 * a + 0.001 * b * b for a, b in zip(v, g, strict=True)]
        p = [q - RATE * (a / (1 - 0.9**t)) / (np_.sqrt(b / (1 - 0.999**t)) + 1e-8) for q, a, b in zip(p, m, v, strict=True)]
        return p, m, v, t, value

    jitted = jax.jit(update, donate_argnums=(0, 1, 2, 3))
    parameters = [np_.asarray(p) for p in parameters]
    state = [parameters, [np_.zeros_like(p) for p in parameters], [np_.zeros_like(p) for p in parameters], np_.float32(0)]
    data = [np_.asarray(a) for a in data]

    def step():
        *state[:], value = jitted(*state, *data)
        return value.block_until_ready()

    return step


def uniform(rng, *shape, fan=None):
    return rng.uniform(-1, 1, shape).astype(np.float32) / (fan or shape[0]) ** 0.5


def jax_dense(p, x, activation):
    for i in range(0, len(p), 2):
        x = x @ p[i] + p[i + 1]
        x = activation(x) if i + 2 < len(p) else x
    return x


def dense_parameters(rng, sizes):
    return [a for i, o in zip(sizes, sizes[1:], strict=False) for a in (uniform(rng, i, o), np.zeros(o, np.float32))]


def cross_entropy(z, y):
    jax = library("jax")
    return -jax.numpy.mean(jax.numpy.take_along_axis(jax.nn.log_softmax(z), y[:, None], 1))


def perceptron(d, rng):
    jax = library("jax")
    activation = {"ReLU": jax.nn.relu, "Tanh": jax.numpy.tanh}[d.activation]
    return dense_parameters(rng, d.sizes), lambda p, x: jax_dense(p, x, activation)


def cnn(d, rng):
    jax, f = library("jax"), d.filters
    np_, lax, flat = jax.numpy, jax.lax, 2 * f * (d.size // 2 - 2) ** 2
    p = [uniform(rng, f, 1, 3, 3, fan=9), np.zeros(f, np.float32), uniform(rng, 2 * f, f, 3, 3, fan=9 * f), np.zeros(2 * f, np.float32)]

    def network(p, x):
        for w, b in ((p[0], p[1]), (p[2], p[3])):
            x = jax.nn.relu(lax.conv(x, w, (1, 1), "VALID") + b[:, None, None])
        x = lax.reduce_window(x, -np_.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
        return jax_dense(p[4:], x.reshape(len(x), -1), jax.nn.relu)

    return p + dense_parameters(rng, (flat, 128, 10)), network


def resnet20(d, rng):
    """As board_steps.resnet20; the running means, which a step's loss does not read, are left out. Images stay
    channels-first: with channels last XLA's convolutions on a CPU took 203 ms for 215 (Zen 5)."""
    jax, c = library("jax"), d.filters
    np_, lax = jax.numpy, jax.lax
    p, strides = [], []

    def add(c, o, stride):
        p.extend([uniform(rng, o, c, 3, 3, fan=9 * c), np.ones(o, np.float32), np.zeros(o, np.float32)])
        strides.append(stride)

    add(3, c, 1)
    for o, stride in ((c, 1), (2 * c, 2), (4 * c, 2)):
        for i in range(3):
            add(c, o, stride if i == 0 else 1)
            add(o, o, 1)
            c = o

    def network(p, x):
        def layer(x, i):
            w, scale, shift = p[3 * i : 3 * i + 3]
            x = lax.conv_general_dilated(x, w, (strides[i], strides[i]), ((1, 1), (1, 1)))
            mean, var = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
            return (x - mean) * (lax.rsqrt(var + 1e-5) * scale[:, None, None]) + shift[:, None, None]

        x = jax.nn.relu(layer(x, 0))
        for i in range(1, len(strides), 2):
            y = layer(jax.nn.relu(layer(x, i)), i + 1)
            grow, s = y.shape[1] - x.shape[1], strides[i]
            if grow:
                x = np_.pad(x[:, :, ::s, ::s], ((0, 0), (grow // 2, grow - grow // 2), (0, 0), (0, 0)))
            x = jax.nn.relu(x + y)
        return jax_dense(p[3 * len(strides) :], x.mean((2, 3)), None)

    return p + dense_parameters(rng, (c, 10)), network


def lstm(d, rng):
    jax, n, u = library("jax"), d.inputs, d.units
    np_ = jax.numpy
    p = [uniform(rng, n, 4 * u, fan=u), uniform(rng, u, 4 * u), np.zeros(4 * u, np.float32), np.zeros(4 * u, np.float32)]

    def network(p, x):
        def cell(state, z):
            h, c = state
            i, f, g, o = np_.split(z + h @ p[1] + p[3], 4, -1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * np_.tanh(g)
            h = jax.nn.sigmoid(o) * np_.tanh(c)
            return (h, c), None

        start = np_.zeros((x.shape[1], u))
        (h, _), _ = jax.lax.scan(cell, (start, start), x @ p[0] + p[2])
        return jax_dense(p[4:], h, None)

    return p + dense_parameters(rng, (u, 10)), network


def char_gpt(d, rng):
    """As board_steps.char_gpt."""
    jax, width = library("jax"), d.heads * d.head
    np_ = jax.numpy
    one, zero = np.ones(width, np.float32), np.zeros(width, np.float32)
    p = [rng.standard_normal((n, width)).astype(np.float32) for n in (d.letters, d.context)] + [one, zero]
    for _ in range(d.layers):
        p += [one, zero, one, zero]
        p += [uniform(rng, a * width, b * width) for a, b in ((1, 3), (1, 1), (1, 4), (4, 1))]

    def norm(x, scale, shift):
        return (x - x.mean(-1, keepdims=True)) * jax.lax.rsqrt(x.var(-1, keepdims=True) + 1e-5) * scale + shift

    def network(p, x):
        n, t = x.shape
        h = p[0][x] + p[1][:t]
        for i in range(d.layers):
            s1, b1, s2, b2, inward, outward, wide, narrow = p[4 + 8 * i : 12 + 8 * i]
            q, k, v = (a.reshape(n, t, d.heads, -1) for a in np_.split(norm(h, s1, b1) @ inward, 3, -1))
            h = h + jax.nn.dot_product_attention(q, k, v, is_causal=True).reshape(n, t, width) @ outward
            h = h + jax.nn.gelu(norm(h, s2, b2) @ wide, approximate=False) @ narrow
        return (norm(h, p[2], p[3]) @ p[0].T).reshape(-1, d.letters)

    return p, network


NETWORKS = {"18": perceptron, "19a": cnn, "19b": resnet20, "20a": lstm, "20c": char_gpt}


def jax_of(case, d, x, y):
    """A call that makes a step of the case, or None where there is no such network here."""
    make = next((f for key, f in NETWORKS.items() if case.name.startswith(key)), None)
    if make is None:
        return None
    measure = cross_entropy if case.loss == "cross_entropy" else lambda z, y: library("jax").numpy.mean((z - y) ** 2)
    p, network = make(d, np.random.default_rng(0))
    return jax_step(p, lambda p, x, y: measure(network(p, x), y), x, y)
