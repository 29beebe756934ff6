"""IDX files, the format of MNIST: two zero bytes, a type, the number of axes, their sizes, the values, all big-endian."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

__all__ = ["read_idx"]

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
DEFLATE = 1032  # no deflate stream grows by more than this factor


def read_idx(path):
    """The ndarray in an IDX file, compressed with gzip or not. ValueError for a file with any fault.

    The size is checked against the length of the file before memory is asked for.
    """
    raw = Path(path).read_bytes()
    most = len(raw)
    compressed = raw[:2] == b"\x1f\x8b"
    if compressed:
        most = len(raw) * DEFLATE
    try:
        head = _start(raw, 4, compressed)
        if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in TYPES:
            raise ValueError("it does not start as an IDX file does")
        axes = head[3]
        head = _start(raw, 4 + 4 * axes, compressed)
        if len(head) < 4 + 4 * axes:
            raise ValueError("it ends within the header")
        shape, dtype = struct.unpack(f">{axes}I", head[4:]), np.dtype(TYPES[head[2]])
        if axes > 8:
            raise ValueError(f"it has {axes} axes; at most 8 are supported")
        size = len(head) + math.prod(shape) * dtype.itemsize
        if size > most:
            raise ValueError(f"its header promises {size} bytes, which a file of {len(raw)} bytes cannot hold")
        data = gzip.decompress(raw) if compressed else raw
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: damaged gzip file: {error}") from None
    except ValueError as error:
        raise ValueError(f"{path}: not a valid IDX file: {error}") from None
    if len(data) != size:
        raise ValueError(f"{path}: not a valid IDX file: its header promises {size} bytes, it has {len(data)}")
    return np.frombuffer(data, dtype, offset=len(head)).reshape(shape).astype(dtype.newbyteorder("="))


def _start(raw, count, compressed):
    """The first `count` bytes of the content, or fewer."""
    if not compressed:
        return raw[:count]
    return zlib.decompressobj(wbits=31).decompress(raw, count)
