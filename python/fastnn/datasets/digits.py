"""The 1,797 handwritten digits of the UCI repository, part of the package (see DIGITS.md)."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from ..tensor import from_numpy
from .images import Images

__all__ = ["Digits"]


class Digits(Images):
    """Handwritten digits, 8x8 pixels from 0 to 16. Every fifth is held out: train=True 1,438 images, train=False 359.

    train=None: all 1,797, in the order of the source.
    """

    classes = tuple("0123456789")

    def __init__(self, train=True, transform=None, target_transform=None):
        text = gzip.decompress(Path(__file__).with_name("digits.csv.gz").read_bytes())
        rows = np.array(text.replace(b"\n", b",").rstrip(b",").split(b","), dtype=np.uint8).reshape(1797, 65)
        if train is not None:
            held_out = np.arange(len(rows)) % 5 == 4
            rows = rows[~held_out if train else held_out]
        images = np.ascontiguousarray(rows[:, :64]).reshape(-1, 8, 8)
        super().__init__(from_numpy(images), from_numpy(rows[:, 64].astype(np.int64)), transform, target_transform)
