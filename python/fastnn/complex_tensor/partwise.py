"""Functions that do to each part what they do to a real tensor: shapes, joins, indexing, sums."""

from __future__ import annotations

import functools
import inspect

import numpy as np

from .. import dtypes, ops
from ..autodiff import Array
from ..dtypes import is_complex
from ..tensor import Tensor
from .forms import form
from .tensor import REAL, ComplexTensor, as_complex, known, parts, whole


def _part(x, i):
    """Part i of what is complex in x, which may be a list."""
    if isinstance(x, (ComplexTensor, complex, np.complexfloating)) or (isinstance(x, np.ndarray) and x.dtype.kind == "c"):
        return parts(known(x))[i]
    if type(x) in (list, tuple):
        return type(x)(_part(v, i) for v in x)
    return REAL.get(x, x) if isinstance(x, dtypes.dtype) else x


def _valued(x):
    """x with the real tensors and numbers in it as complex ones: their imaginary part is 0, not they themselves."""
    if type(x) in (list, tuple):
        return type(x)(map(_valued, x))
    if isinstance(x, Array):
        return as_complex(x)
    x = known(x)
    return x if isinstance(x, ComplexTensor) else complex(x)


def _together(re, im):
    if isinstance(re, Array):
        return ComplexTensor(re, im)
    return type(re)(_together(a, b) for a, b in zip(re, im, strict=True))


def of_each_part(f, values=(), filled=False):
    """The complex form of f: f of all real parts, and f of all imaginary ones. values: the arguments that are numbers of the result, so
    that real ones among them have an imaginary part of 0; others (indices, masks, sizes) are the same for both parts.
    filled: the first of them is what numbers are put into, so that it cannot be real."""
    signature = inspect.signature(f) if values else None

    @functools.wraps(f)
    def g(*args, **kwargs):
        if values:
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError as e:
                raise TypeError(f"{f.__name__}(): {e}") from None
            if filled and not is_complex(bound.arguments[values[0]]):
                raise RuntimeError(f"{f.__name__}: a complex value cannot be converted to type {bound.arguments[values[0]].dtype.name} without overflow")
            for name in values:
                if bound.arguments.get(name) is not None:
                    bound.arguments[name] = _valued(bound.arguments[name])
            args, kwargs = bound.args, bound.kwargs
        elif args and isinstance(args[0], Array):
            if not is_complex(kwargs):  # x.view_as(z): only the shape of z matters
                return f(*(_part(a, 0) for a in args), **kwargs)
            args = (as_complex(args[0]), *args[1:])  # x.sum(dtype=complex64)
        return _together(*(f(*(_part(a, i) for a in args), **{k: _part(a, i) for k, a in kwargs.items()}) for i in (0, 1)))

    del g.__wrapped__
    return g


_FUNCTIONS = ops.exported("FUNCTIONAL") | {n: f for n, f in vars(Tensor).items() if not n.startswith("_")} | ops.exported("__all__")


def _register(names, values="", filled=False):
    for name in names.split():
        f = _FUNCTIONS[name]
        form(f.__name__)(of_each_part(f, tuple(values.split()), filled))


_register(
    "broadcast_to chunk clone contiguous cumsum diag diag_embed diagflat diagonal dsplit expand "
    "expand_as flatten flip fliplr flipud gather hsplit index_select masked_select mean movedim narrow permute ravel repeat "
    "repeat_interleave reshape reshape_as roll rot90 select split split_with_sizes squeeze sum sum_to_size swapaxes swapdims t take "
    "take_along_dim tensor_split tile trace transpose tril triu unbind unflatten unsqueeze view_as vsplit"
)
_register("cat column_stack dstack hstack stack vstack meshgrid block_diag", "tensors")
_register("scatter", "input src value", filled=True)
_register("scatter_add select_scatter slice_scatter diagonal_scatter", "input src", filled=True)
_register("index_add index_copy masked_scatter put", "input source", filled=True)
_register("masked_fill index_fill pad", "input value", filled=True)
_register("index_put", "input values", filled=True)
_register("cartesian_prod", "tensors")
_register("combinations nan_to_num pixel_shuffle pixel_unshuffle channel_shuffle")
_register("diff", "input prepend append")
_register("where", "input other")
for _name in "diagonal expand narrow permute select split split_with_sizes squeeze t transpose unbind unsqueeze unfold view".split():
    form(f"{_name}_copy")(of_each_part(lambda *args, _f=_FUNCTIONS[_name], **kwargs: _copied(_f(*args, **kwargs))))


@form()
def as_strided(input, size, stride, storage_offset=None):
    return input.as_strided(size, stride, storage_offset)


@form()
def as_strided_copy(input, size, stride, storage_offset=None):
    return input.as_strided(size, stride, storage_offset).clone()


def _reshaped(name):
    """`z.name(...)`: z becomes that view of its memory."""

    def method(self, *args, **kwargs):
        for part in parts(self):
            getattr(part, name)(*args, **kwargs)
        self._whole = None
        return self

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"In-place version of `{name[:-1]}`."
    return method


for _name in "squeeze_ swapaxes_ swapdims_ t_ transpose_ unsqueeze_".split():
    setattr(ComplexTensor, _name, _reshaped(_name))
form(Tensor.where)(of_each_part(Tensor.where, ("input", "other")))
for _f in (Tensor.unfold, ops.exported("FUNCTIONAL")["unfold"], _FUNCTIONS["fold"]):
    form(_f)(of_each_part(_f))


def _each_by_itself(name):
    """Of several tensors, real ones among them."""
    f = _FUNCTIONS[name].__wrapped__
    each = of_each_part(f)

    @form(name)
    def g(*tensors):
        if len(tensors) == 1 and isinstance(tensors[0], ComplexTensor):
            return each(tensors[0])
        return tuple((each if isinstance(t, ComplexTensor) else f)(t) for t in (tensors if len(tensors) > 1 else tensors[0]))


for _name in "atleast_1d atleast_2d atleast_3d".split():
    _each_by_itself(_name)


@form()
def broadcast_tensors(*tensors):
    shape = _FUNCTIONS["broadcast_shapes"](*(t.shape for t in tensors))
    return tuple(t.expand(shape) for t in tensors)


def _copied(x):
    return x.clone() if isinstance(x, Array) else tuple(map(_copied, x))


@form("view")
def view(input, *shape, size=None, dtype=None):
    """Another shape of the same memory, or its numbers as those of a real dtype of half the size: real and imaginary parts in turn."""
    dtype = dtype if dtype is not None else shape[0] if shape and isinstance(shape[0], dtypes.dtype) else None
    if dtype is None or dtype is input.dtype:
        shape = shape if size is None else (size,)
        return input if dtype is input.dtype else _together(*(part.view(*shape) for part in parts(input)))
    if REAL.get(input.dtype) is not dtype:
        raise RuntimeError(f"view: a tensor of dtype {input.dtype} has no view of dtype {dtype}")
    return whole(input).flatten(-2)


@form()
def adjoint(input):
    return input.mH


@form("copy_")
def copy_(input, src, non_blocking=False):
    """Changes input to src, which may be real."""
    for part, value in zip(parts(input), parts(_valued(src)), strict=True):
        part.copy_(value)
    return input


@form("zero_")
def zero_(input):
    for part in parts(input):
        part.zero_()
    return input


@form("fill_")
def fill_(input, value):
    for part, v in zip(parts(input), parts(_valued(value)), strict=True):
        part.fill_(v)
    return input


@form()
def resize_(input, *sizes, memory_format=None):
    for part in parts(input):
        part.resize_(*sizes)
    input._whole = None
    return input


@form()
def resize_as_(input, the_template, memory_format=None):
    return input.resize_(the_template.shape)


@form("set_")
def set_(input, source):
    input.data = source
    return input
