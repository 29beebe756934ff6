"""MNIST and FashionMNIST: 70,000 images of 28x28 pixels in 10 classes."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np

from ..tensor import from_numpy
from .files import find
from .idx import read_idx
from .images import Images

__all__ = ["MNIST", "FashionMNIST"]


class MNIST(Images):
    """Handwritten digits (LeCun, Cortes, Burges 1998). `data` (N, 28, 28) uint8, `targets` (N) int64.

    The four IDX files are looked for in root and $FASTNN_DATA, in subfolders `mnist` and `MNIST/raw` too, compressed or
    not. Where they are missing they are downloaded into root, or without one into the user's cache, which needs pooch,
    unless download is False. The content of each file is checked against its sha256: `read_idx` reads other sets in this format.
    FileNotFoundError if a file is missing and cannot be downloaded, ValueError if it is damaged or another.
    """

    classes = tuple(f"{i} - {name}" for i, name in enumerate("zero one two three four five six seven eight nine".split()))
    url = "https://ossci-datasets.s3.amazonaws.com/mnist/"
    digests = {  # sha256 of the uncompressed content: the same however it was compressed
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    }

    def __init__(self, root=None, train=True, transform=None, target_transform=None, download=None):
        part, count = ("train", 60000) if train else ("t10k", 10000)
        images = self._read(root, f"{part}-images-idx3-ubyte", (count, 28, 28), download)
        labels = self._read(root, f"{part}-labels-idx1-ubyte", (count,), download)
        super().__init__(from_numpy(images), from_numpy(labels.astype(np.int64)), transform, target_transform)

    def _read(self, root, name, shape, download):
        kind = type(self).__name__
        try:
            path = find(name + ".gz", name, root=root, folders=("", kind.lower(), kind, f"{kind}/raw"))
        except FileNotFoundError as error:
            path = self._download(root, name, download, f"{kind}: {error}")
        else:
            self._verify(path, name)
        array = read_idx(path)
        if array.shape != shape or array.dtype != np.uint8:
            raise ValueError(f"{path}: expected uint8 of shape {shape}, found {array.dtype} of shape {array.shape}")
        return array

    def _verify(self, path, name):
        raw = path.read_bytes()
        try:
            content = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
        except Exception as error:
            raise ValueError(f"{path}: damaged gzip file: {error}") from None
        if hashlib.sha256(content).hexdigest() != self.digests[name]:
            raise ValueError(f"{path}: this is not the {name} of {type(self).__name__} (its sha256 differs)")

    def _download(self, root, name, download, hint):
        if download is False:
            raise FileNotFoundError(hint) from None
        try:
            import pooch
        except ImportError:
            raise FileNotFoundError(f"{hint}; or install pooch: pip install 'fastnn[data]'") from None
        folder = Path(pooch.os_cache("fastnn") if root is None else root).expanduser() / type(self).__name__.lower()
        url = self.url + name + ".gz"
        try:
            path = Path(pooch.retrieve(url, None, f"{name}.gz", folder))
        except OSError as error:  # no network, no such page, no space
            raise FileNotFoundError(f"{hint}; {url} could not be downloaded: {error}") from None
        try:
            self._verify(path, name)
        except ValueError:
            path.unlink()  # else it would be found, and refused, the next time
            raise
        return path


class FashionMNIST(MNIST):
    """Zalando's clothes, a harder drop-in for MNIST (Xiao, Rasul, Vollgraf 2017; MIT licence).

    Files and arguments are as MNIST's. The .gz files are checked against the md5 that their authors publish, others for their shape.
    """

    classes = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
    url = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
    digests = {  # md5 of the .gz files, as their authors publish them
        "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
    }

    def _verify(self, path, name):
        if path.suffix == ".gz" and hashlib.md5(path.read_bytes()).hexdigest() != self.digests[name]:
            raise ValueError(f"{path}: this is not the {name}.gz of FashionMNIST (its md5 differs)")
