"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(path, data):
    """Writes bytes to path (or to a binary file open for writing). What was there stays until all of it is on disk.

    OSError, naming path, where that cannot be written. A link stays one: the file that it leads to is exchanged.
    """
    if hasattr(path, "write"):
        path.write(data)
        return
    if os.path.exists(path) and not os.path.isfile(path):  # a device or a pipe is written to, not exchanged; a folder raises
        with open(path, "wb") as f:
            f.write(data)
        return
    given, path = path, Path(os.path.realpath(path))
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as e:
        raise OSError(e.errno, e.strerror, os.fspath(given)) from None
    try:
        with os.fdopen(handle, "wb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
