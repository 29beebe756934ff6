"""Samples of arithmetic, comparisons and elementary functions."""

import numpy as np

import fastnn as ew
from fastnn.reference import elementwise as ref

from . import Sample

# domain of each function: numbers x are mapped into it
UNARY = {
    "neg": (np.negative, None), "square": (np.square, None), "abs": (np.abs, None), "exp": (np.exp, None), "exp2": (np.exp2, None),
    "expm1": (np.expm1, None), "log": (np.log, "positive"), "log2": (np.log2, "positive"), "log10": (np.log10, "positive"),
    "log1p": (np.log1p, "positive"), "sqrt": (np.sqrt, "positive"), "rsqrt": (lambda x: 1 / np.sqrt(x), "positive"),
    "reciprocal": (lambda x: 1 / x, "positive"), "sin": (np.sin, None), "cos": (np.cos, None), "tan": (np.tan, "unit"),
    "asin": (np.arcsin, "unit"), "acos": (np.arccos, "unit"), "atan": (np.arctan, None), "sinh": (np.sinh, None),
    "cosh": (np.cosh, None), "asinh": (np.arcsinh, None), "acosh": (lambda x: np.arccosh(x), "above"),
    "atanh": (np.arctanh, "unit"), "erf": (ref.erf, None), "erfc": (ref.erfc, None), "deg2rad": (np.deg2rad, None),
    "rad2deg": (np.rad2deg, None), "logit": (lambda x: np.log(x / (1 - x)), "open"), "frac": (lambda x: x - np.trunc(x), None),
}  # fmt: skip
STEPS = {"sign": np.sign, "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "round": np.round}
FLAGS = {"isnan": np.isnan, "isinf": np.isinf, "isfinite": np.isfinite, "signbit": np.signbit, "logical_not": np.logical_not}
BINARY = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "maximum": np.maximum, "minimum": np.minimum, "fmax": np.fmax,
    "fmin": np.fmin, "atan2": np.arctan2, "hypot": np.hypot, "logaddexp": np.logaddexp, "copysign": np.copysign,
}  # fmt: skip
POSITIVE = {"div": np.divide, "pow": np.power, "remainder": np.remainder, "fmod": np.fmod, "xlogy": ref.xlogy}
COMPARE = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    "logical_and": np.logical_and, "logical_or": np.logical_or, "logical_xor": np.logical_xor,
}  # fmt: skip
INTEGER = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "floor_divide": np.floor_divide, "remainder": np.remainder,
    "fmod": np.fmod, "maximum": np.maximum, "minimum": np.minimum, "bitwise_and": np.bitwise_and, "bitwise_or": np.bitwise_or,
    "bitwise_xor": np.bitwise_xor, "eq": np.equal, "lt": np.less,
}  # fmt: skip


def into(x, domain):
    return np.asarray(_into(x, domain))


def _into(x, domain):
    if domain == "positive":
        return np.abs(x) + 0.3
    if domain == "unit":
        return np.tanh(x) * 0.9
    if domain == "open":
        return (np.tanh(x) * 0.9 + 1) / 2
    if domain == "above":
        return np.abs(x) + 1.2
    return x


def samples(rng):
    def x(*shape):  # away from 0, where |x| and its kin have kinks
        v = rng.standard_normal(shape)
        return np.asarray(v + np.sign(v) * 0.05)

    for name, (r, domain) in UNARY.items():
        yield Sample(getattr(ew, name), (into(x(3, 11), domain),), ref=r)
        yield Sample(getattr(ew, name), (into(x(1), domain),), ref=r)
        yield Sample(getattr(ew, name), (into(x(), domain),), ref=r)
        yield Sample(getattr(ew, name), (into(x(0, 3), domain),), ref=r)
        yield Sample(getattr(ew, name), (into(x(5, 263), domain),), ref=r, grad=False)
    for name, r in STEPS.items():
        yield Sample(getattr(ew, name), (x(3, 17) * 3,), ref=r)
        yield Sample(getattr(ew, name), (np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]),), ref=r, grad=False)
    special = np.array([0.0, -0.0, 1.5, -2.0, np.inf, -np.inf, np.nan])
    for name, r in FLAGS.items():
        yield Sample(getattr(ew, name), (np.resize(special, (3, 37)),), ref=r, grad=False)
    for name, r in (BINARY | POSITIVE).items():
        f = getattr(ew, name)
        p = (lambda v: np.asarray(np.abs(v) + 0.3)) if name in POSITIVE else (lambda v: v)
        for a, b in (
            ((33,), (33,)), ((3, 5), (5,)), ((4, 1), (3,)), ((2, 3, 4), (3, 1)), ((), (7,)), ((0, 3), (1, 3)), ((2, 1, 3), (1, 4, 1)),
        ):  # fmt: skip
            yield Sample(f, (p(x(*a)), p(x(*b))), ref=r)
        yield Sample(f, (p(x(3, 700)), p(x(700))), ref=r, grad=False)
        yield Sample(f, (p(x(3, 700)), p(x(3, 1))), ref=r, grad=False)
        yield Sample(f, (p(x(1100)), 1.7), ref=r, grad=False)
        yield Sample(f, (p(x(5)), 1.7), ref=r)
    for name in ("add", "sub", "mul", "div"):
        yield Sample(getattr(ew, name), (1.5, into(x(17), "positive")), ref=(BINARY | POSITIVE)[name])
    yield Sample(ew.add, (x(5), x(5)), {"alpha": 2.5}, ref=lambda a, b, alpha: a + alpha * b)
    yield Sample(ew.sub, (x(5), x(5)), {"alpha": 2.5}, ref=lambda a, b, alpha: a - alpha * b)
    yield Sample(ew.rsub, (x(5), x(5)), {"alpha": 2.5}, ref=lambda a, b, alpha: b - alpha * a)
    for mode in ("floor", "trunc"):
        r = lambda a, b, rounding_mode: np.floor(a / b) if rounding_mode == "floor" else np.trunc(a / b)  # noqa: E731
        yield Sample(ew.div, (x(40) * 5, into(x(40), "positive")), {"rounding_mode": mode}, ref=r)
        i, j = rng.integers(-50, 50, 40), rng.integers(1, 9, 40) * rng.choice([-1, 1], 40)
        yield Sample(ew.div, (i, j), {"rounding_mode": mode}, ref=r, grad=False)
    yield Sample(ew.floor_divide, (x(40) * 5, x(40)), ref=np.floor_divide)
    for p in (0, 1, 2, 3, -1, -2, 0.5, -0.5, 2.5, 4):
        yield Sample(ew.pow, (np.abs(x(9)) + 0.2, p), ref=np.power)
    yield Sample(ew.pow, (x(9), 2), ref=np.power)
    yield Sample(ew.pow, (x(9), 3), ref=np.power)
    yield Sample(ew.pow, (2.0, x(9)), ref=np.power)
    yield Sample(ew.float_power, (np.abs(x(9)), 1.5), ref=np.power, grad=False, rtol=1e-6)
    yield Sample(ew.round, (x(9) * 100,), {"decimals": 1}, ref=np.round, grad=False)
    yield Sample(ew.round, (x(9) * 100,), {"decimals": -1}, ref=np.round, grad=False)
    for name, r in COMPARE.items():
        a, b = np.resize(special, (3, 37)), np.resize(special[::-1], (3, 37))
        yield Sample(getattr(ew, name), (a, b), ref=r, grad=False)
        yield Sample(getattr(ew, name), (a, 1.5), ref=r, grad=False)
        yield Sample(getattr(ew, name), (a, b[:1]), ref=r, grad=False)
    for name, r in INTEGER.items():
        a, b = rng.integers(-20, 20, (3, 41)), rng.integers(1, 9, (3, 41)) * rng.choice([-1, 1], (3, 41))
        for d in (np.int64, np.int32):
            yield Sample(getattr(ew, name), (a.astype(d), b.astype(d)), ref=r, grad=False)
            yield Sample(getattr(ew, name), (a.astype(d), b[:, :1].astype(d)), ref=r, grad=False)
        yield Sample(getattr(ew, name), (np.abs(a).astype(np.uint8), np.abs(b).astype(np.uint8)), ref=r, grad=False)
    a, b = rng.integers(0, 2, (2, 70)).astype(bool)
    for name in ("bitwise_and", "bitwise_or", "bitwise_xor", "logical_and", "eq", "maximum", "minimum"):
        yield Sample(getattr(ew, name), (a, b), ref=(INTEGER | COMPARE)[name], grad=False)
    yield Sample(ew.add, (a, b), ref=np.logical_or, grad=False)
    yield Sample(ew.mul, (a, b), ref=np.logical_and, grad=False)
    yield Sample(ew.bitwise_not, (a,), ref=np.logical_not, grad=False)
    i = rng.integers(-100, 100, 70)
    yield Sample(ew.bitwise_not, (i,), ref=np.invert, grad=False)
    yield Sample(ew.bitwise_left_shift, (i, rng.integers(0, 8, 70)), ref=np.left_shift, grad=False)
    yield Sample(ew.bitwise_right_shift, (i, rng.integers(0, 8, 70)), ref=np.right_shift, grad=False)
    for name, r in (("neg", np.negative), ("abs", np.abs), ("sign", np.sign), ("square", np.square), ("floor", np.floor)):
        yield Sample(getattr(ew, name), (i,), ref=r, grad=False)
    yield Sample(ew.pow, (i, 3), ref=np.power, grad=False)
    yield Sample(ew.pow, (i, 5), ref=np.power, grad=False)

    c = rng.integers(0, 2, (3, 17)).astype(bool)
    yield Sample(ew.where, (c, x(3, 17), x(3, 17)), ref=np.where)
    yield Sample(ew.where, (c, x(17), x(3, 1)), ref=np.where)
    yield Sample(ew.where, (c, x(3, 17), 0.5), ref=np.where)
    yield Sample(ew.where, (c, i[:17], i[17:34]), ref=np.where, grad=False)
    yield Sample(ew.where, (c[0], c, c[:, ::-1].copy()), ref=np.where, grad=False)
    yield Sample(ew.clamp, (x(40), -0.5, 0.7), ref=ref.clamp)
    yield Sample(ew.clamp, (x(40), -0.5), ref=ref.clamp)
    yield Sample(ew.clamp, (x(40), None, 0.5), ref=ref.clamp)
    yield Sample(ew.clamp, (x(3, 17), x(17) - 1, x(3, 1) + 1), ref=ref.clamp)
    yield Sample(ew.clamp, (i, -7, 30), ref=ref.clamp, grad=False)
    yield Sample(ew.lerp, (x(3, 7), x(7), np.abs(x(3, 1))), ref=ref.lerp)
    yield Sample(ew.lerp, (x(7), x(7), 0.3), ref=ref.lerp)
    yield Sample(ew.addcmul, (x(3, 7), x(7), x(3, 1)), {"value": 0.5}, ref=ref.addcmul)
    yield Sample(ew.addcmul, (x(1), x(5, 5, 1), x(1, 5)), ref=ref.addcmul)
    yield Sample(ew.addcdiv, (x(3, 7), x(7), np.abs(x(3, 1)) + 0.5), {"value": 0.5}, ref=ref.addcdiv)
    yield Sample(ew.nan_to_num, (np.resize(special, 20), 1.0, 2.0, -3.0), ref=ref.nan_to_num, grad=False)
