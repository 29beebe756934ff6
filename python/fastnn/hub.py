"""State dicts from an address, kept in a folder: PyTorch's `hub` without its running of other people's code.

Files must be safetensors, as everywhere here (`fastnn.load`); a .pth of PyTorch's is a pickle and is refused.
"""

from __future__ import annotations

import hashlib
import os
import re
import urllib.request
from pathlib import Path
from urllib.parse import urlparse

from .files import write_whole
from .serialization import load

__all__ = ["download_url_to_file", "get_dir", "load_state_dict_from_url", "set_dir"]

_dir = None


def get_dir():
    """The folder for what is fetched: what `set_dir` was given, $FASTNN_HOME/hub, or ~/.cache/fastnn/hub."""
    home = os.environ.get("FASTNN_HOME") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "fastnn"
    return os.path.expanduser(_dir or Path(home) / "hub")


def set_dir(d):
    """Sets the folder for what is fetched."""
    global _dir
    _dir = os.fspath(d)


def download_url_to_file(url, dst, hash_prefix=None, progress=True):
    """Writes what is at url to dst, whole or not at all; no progress is shown. RuntimeError unless its SHA-256 begins with hash_prefix, if given."""
    with urllib.request.urlopen(url) as answer:
        data = answer.read()
    digest = hashlib.sha256(data).hexdigest()
    if hash_prefix is not None and not digest.startswith(hash_prefix):
        raise RuntimeError(f'invalid hash value (expected "{hash_prefix}", got "{digest}")')
    write_whole(dst, data)


def load_state_dict_from_url(url, model_dir=None, map_location=None, progress=True, check_hash=False, file_name=None, weights_only=True):
    """`load` of the file at url, fetched to model_dir (`get_dir()`/checkpoints) unless it is there already.

    check_hash: the file's name ends in -<eight digits or more of its SHA-256>.<ending>, and they must agree.
    """
    folder = Path(model_dir or Path(get_dir()) / "checkpoints")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (file_name or Path(urlparse(url).path).name)
    if not path.exists():
        named = re.search(r"-([a-f0-9]{8,})\.", path.name) if check_hash else None
        download_url_to_file(url, path, named and named[1], progress)
    return load(path, map_location)


load_url = load_state_dict_from_url  # its name in utils.model_zoo
