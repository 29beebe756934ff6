"""Saving and loading: safetensors files, never pickle, so a file from a stranger can do no more than be refused.

`save` takes any nesting of dicts, lists and tuples of tensors (parameters stay parameters), arrays, numbers, strings, None, dtypes and devices: state dicts of modules,
optimizers, schedulers, or all of them in one dict. Tensors go into the file under their path ("model.0.weight"); the
nesting goes into its metadata as JSON. A flat dict of tensors therefore makes a file that every reader of safetensors
understands, and files written by other libraries load as a flat dict.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path

import numpy as np

from . import dtypes
from .device import TYPES, device, is_cuda
from .errors import named
from .files import write_whole
from .nn.parameter import Parameter
from .parts import is_complex
from .sparse import SparseMatrix, sparse_coo_tensor
from .tensor import Size, Tensor, from_numpy

__all__ = ["add_safe_globals", "load", "load_file", "save", "save_file"]

NUMPY = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1",
         "U16": "<u2", "U32": "<u4", "BOOL": "?", "C64": "<c8"}  # fmt: skip
KINDS = {np.dtype(kind).name: name for name, kind in NUMPY.items()}
DEEPEST = 100  # levels of nesting


# ---- files of tensors ---------------------------------------------------------------------------------------------------


def save_file(tensors, path, metadata=None):
    """Write {name: tensor}, and {str: str} metadata, as one safetensors file. The file appears whole or not at all.

    path may be a binary file that is open for writing, too.
    """
    entries = []
    for name, t in tensors.items():
        if not isinstance(name, str):
            raise TypeError(f"save_file: names must be strings, got {type(name).__name__}")
        entries.append((name, *_array(t)))
    for key, value in (metadata or {}).items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError("save_file: metadata must map strings to strings")
    write_whole(path, _serialized(entries, metadata))


def _serialized(entries, metadata):
    """The bytes of a file: the length of a header, the header (JSON), and the arrays, those of the largest elements first, so that all are
    aligned. https://huggingface.co/docs/safetensors/index#format"""
    header, data, end = {} if metadata is None else {"__metadata__": metadata}, [], 0
    for name, array, kind in sorted(entries, key=lambda e: (-e[1].itemsize, e[0])):
        data.append(array.tobytes())
        begin, end = end, end + array.nbytes
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *data])


def add_safe_globals(safe_globals):
    """Accepted, for scripts that list the classes a file may name: files here name none."""


def load_file(path):
    """{name: tensor} of a safetensors file; ValueError if anything about it is wrong."""
    return _read(path)[0]


def _array(t):
    """(t's numbers as an ndarray, the format's name of their dtype)"""
    if isinstance(t, Tensor) and t.dtype is dtypes.bfloat16:
        return t.detach().view(dtypes.int16).numpy(), "BF16"
    array = t.detach().numpy() if isinstance(t, Tensor) else np.asarray(t)
    if array.dtype.kind not in "fiub" and array.dtype != np.complex64:
        raise TypeError(f"save: cannot save an array of dtype {array.dtype}")
    return array.astype(array.dtype.newbyteorder("<"), copy=False), KINDS[array.dtype.name]


def _unique(pairs):
    d = dict(pairs)
    if len(d) != len(pairs):
        raise ValueError("a name occurs twice in the header")
    return d


def _read(path):
    """(tensors by name, metadata)"""
    import safetensors

    data = path.read() if hasattr(path, "read") else Path(path).read_bytes()
    try:
        if len(data) < 8 or len(data) - 8 < (size := int.from_bytes(data[:8], "little")):
            raise ValueError("the header is cut off")
        header = json.loads(data[8 : 8 + size].decode(), object_pairs_hook=_unique)
        entries = safetensors.deserialize(data)
        metadata = header.get("__metadata__") or {}
        if any(not isinstance(v, str) for v in metadata.values()):
            raise ValueError("metadata must map strings to strings")
        return {name: _decode(name, entry) for name, entry in entries}, metadata
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise ValueError(f"{path}: not a valid safetensors file: {error}") from None
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path}: not a valid safetensors file: {error}") from None


def _decode(name, entry):
    kind, shape = entry["dtype"], entry["shape"]
    if kind in NUMPY or kind == "BF16":
        array = np.frombuffer(entry["data"], NUMPY.get(kind, "<i2"))
    else:
        raise ValueError(f"tensor {name!r} has dtype {kind}, which fastnn does not have")
    if kind == "BOOL" and array.view(np.uint8).max(initial=0) > 1:
        raise ValueError(f"tensor {name!r} is of dtype bool, but has bytes other than 0 and 1")
    if len(shape) > 8:
        raise ValueError(f"tensor {name!r} has {len(shape)} axes; fastnn has at most 8")
    array = array.reshape(shape).copy()
    tensor = named(from_numpy)(array)
    return tensor.view(dtypes.bfloat16) if kind == "BF16" else tensor


# ---- nested objects -----------------------------------------------------------------------------------------------------


def save(obj, f, pickle_module=None, pickle_protocol=None, _use_new_zipfile_serialization=True):
    """Save a nesting of dicts, lists, tuples, tensors, ndarrays, numbers, strings, None, dtypes, devices. TypeError for anything else.

    f: a path, or a file to write to. What PyTorch is told about pickle is accepted: there is none in the file.
    """
    tensors = {}
    structure = _take_apart(obj, "", tensors, 0)
    save_file(tensors, f, {"format": "pt", "fastnn": json.dumps(structure)})


def load(f, map_location=None, pickle_module=None, *, weights_only=True, mmap=None):
    """What `save` was given. Files of other libraries: a flat dict of tensors. ValueError for a file with any fault.

    map_location may name the CPU. weights_only is accepted and has no meaning: a file holds nothing that could run.
    """
    if map_location is not None and not callable(map_location) and not isinstance(map_location, dict):
        is_cuda(map_location)
    tensors, metadata = _read(f)
    if "fastnn" not in metadata:
        return OrderedDict(tensors)
    try:
        structure = json.loads(metadata["fastnn"], object_pairs_hook=_unique)
        used = set()
        obj = _put_together(structure, tensors, used, 0)
        if used != set(tensors):
            raise ValueError("there are tensors that have no place")
        return obj
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise ValueError(f"{f}: its description of the saved object is not valid: {error}") from None


def _take_apart(obj, path, tensors, depth):
    """obj with every tensor replaced by {"tensor": name}, {"parameter": name} or, where it requires grad, {"leaf": name}, every ndarray by
    {"array": name}, complex ones by {"complex": [pairs]}; containers that JSON lacks by {"tuple": [...]}, {"dict": [...]}, {"ordered": [...]}"""
    if depth > DEEPEST:
        raise ValueError(f"save: more than {DEEPEST} levels of nesting (or a container that holds itself)")
    if is_complex(obj):
        from .complex_tensor import view_as_real

        return {"complex": [_take_apart(view_as_real(obj.detach()), path, tensors, depth)]}
    if isinstance(obj, SparseMatrix):
        parts = [obj.indices(), obj.values(), obj.shape, obj.layout is dtypes.sparse_csr]
        return {"sparse": [_take_apart(part, path, tensors, depth + 1) for part in parts]}
    if isinstance(obj, (Tensor, np.ndarray)):
        name, count = path or "tensor", 1
        while name in tensors:
            name, count = f"{path}#{count}", count + 1
        tensors[name] = obj
        return {_kind(obj): name}
    if obj is None or isinstance(obj, (bool, int, float, str)):
        return obj
    if isinstance(obj, np.generic):
        return obj.item()
    if isinstance(obj, (dtypes.dtype, device)):
        return {type(obj).__name__: [obj.name if isinstance(obj, dtypes.dtype) else str(obj)]}
    inside = f"{path}." if path else ""
    if isinstance(obj, dict):
        for key in obj:
            if not isinstance(key, (str, int)) or isinstance(key, bool):
                raise TypeError(f"save: keys must be strings or ints, got {type(key).__name__} at {path or 'the top'}")
        kind = "ordered" if isinstance(obj, OrderedDict) else "dict"
        return {kind: [[k, _take_apart(v, f"{inside}{k}", tensors, depth + 1)] for k, v in obj.items()]}
    if isinstance(obj, (list, tuple)):
        items = [_take_apart(v, f"{inside}{i}", tensors, depth + 1) for i, v in enumerate(obj)]
        return items if isinstance(obj, list) else {"size" if isinstance(obj, Size) else "tuple": items}
    raise TypeError(f"save: cannot save {type(obj).__name__} at {path or 'the top'}")


def _kind(x):
    if not isinstance(x, Tensor):
        return "array"
    return "parameter" if isinstance(x, Parameter) and x.requires_grad else "leaf" if x.requires_grad else "tensor"


_MADE = {"tensor": lambda t: t, "array": lambda t: t.numpy(), "leaf": lambda t: t.requires_grad_(), "parameter": lambda t: Parameter(t)}


def _put_together(node, tensors, used, depth):
    if depth > 2 * DEEPEST:
        raise ValueError("too many levels of nesting")
    if isinstance(node, list):
        return [_put_together(v, tensors, used, depth + 1) for v in node]
    if not isinstance(node, dict):
        return node
    ((kind, value),) = node.items()
    if kind in _MADE:
        if not isinstance(value, str) or value not in tensors or value in used:
            raise ValueError(f"there is no tensor {value!r}")
        used.add(value)
        return _MADE[kind](tensors[value])
    if not isinstance(value, list):
        raise ValueError(f"{kind!r} must hold a list")
    if kind == "complex":
        from .complex_tensor import view_as_complex

        (pairs,) = value
        return view_as_complex(_put_together(pairs, tensors, used, depth + 1))
    if kind == "sparse":
        indices, values, shape, compressed = (_put_together(part, tensors, used, depth + 1) for part in value)
        made = sparse_coo_tensor(indices, values, shape)
        return made.to_sparse_csr() if compressed else made
    if kind in ("dtype", "device"):
        (name,) = value
        if kind == "device" and isinstance(name, str) and name.partition(":")[0] in TYPES:
            return device(name)
        if not isinstance(vars(dtypes).get(name), dtypes.dtype):
            raise ValueError(f"there is no {kind} {name!r}")
        return vars(dtypes)[name]
    if kind in ("tuple", "size"):
        return (Size if kind == "size" else tuple)(_put_together(v, tensors, used, depth + 1) for v in value)
    if kind in ("dict", "ordered"):
        out = OrderedDict() if kind == "ordered" else {}
        for key, item in value:
            if not isinstance(key, (str, int)) or isinstance(key, bool) or key in out:
                raise ValueError(f"bad key {key!r}")
            out[key] = _put_together(item, tensors, used, depth + 1)
        return out
    raise ValueError(f"unknown kind {kind!r}")
