"""`_foreach_add_(tensors, others, alpha=2)` and its like: a method of each tensor of a list, as PyTorch's optimizers and averages of models
call them. An argument that is a list holds one value a tensor. The forms with an underscore at the end change the tensors and return them."""

from __future__ import annotations

from .tensor import Tensor

_UNARY = (
    "abs acos asin atan ceil cos cosh erf erfc exp expm1 floor frac lgamma log log10 log1p log2 neg reciprocal round rsqrt sigmoid sign sin "
    "sinh sqrt tan tanh trunc"
).split()
_BINARY = "add addcdiv addcmul clamp_max clamp_min div lerp maximum minimum mul pow sub".split()
_OTHERS = ["copy_", "max", "norm", "zero_"]
_CALLED = {"scalars": "value", "ord": "p"}  # what a list's argument is called for one tensor


def _foreach(name):
    public = f"_foreach_{name}"
    missing = None if hasattr(Tensor, name) else name.rstrip("_")  # maximum_: there is no such method

    def of_one(t, args, kwargs):
        if missing is None:
            return getattr(t, name)(*args, **kwargs)
        return t.copy_(getattr(t, missing)(*args, **kwargs))

    def f(tensors, *args, **kwargs):
        tensors = list(tensors)
        kwargs = {_CALLED.get(k, k): a for k, a in kwargs.items()}
        if name.startswith("addc") and len(args) == 3:
            *args, kwargs["value"] = args
        lists = [a for a in (*args, *kwargs.values()) if isinstance(a, (list, tuple))]
        for a in lists:
            if len(a) != len(tensors):
                raise RuntimeError(f"{public}: Tensor lists must have the same number of tensors, got {len(tensors)} and {len(a)}")

        def of(a, i):
            return a[i] if isinstance(a, (list, tuple)) else a

        results = [of_one(t, [of(a, i) for a in args], {k: of(a, i) for k, a in kwargs.items()}) for i, t in enumerate(tensors)]
        return results if name.endswith("_") else tuple(results)

    f.__name__ = f.__qualname__ = public
    f.__doc__ = f"`Tensor.{name}` of each tensor."
    return f


_NAMES = [*_UNARY, *_BINARY, *_OTHERS, *(name + "_" for name in (*_UNARY, *_BINARY))]
globals().update({f"_foreach_{name}": _foreach(name) for name in _NAMES})
__all__ = [f"_foreach_{name}" for name in _NAMES]
