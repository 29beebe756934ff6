"""Where the files of a data set are."""

from __future__ import annotations

import io
import os
import tarfile
import zlib
from pathlib import Path

__all__ = ["find", "unpack"]


def find(*names, root=None, folders=("",)):
    """The path of the first file of `names` in root, else in the folder named by FASTNN_DATA, or in one of their `folders`.

    A name may have folders in it: ``find("text/names/names.txt")``. FileNotFoundError, with the places, if there is none.
    """
    bases = [Path(base).expanduser() for base in (root, os.environ.get("FASTNN_DATA")) if base]
    for base in bases:
        for folder in folders:
            for name in names:
                if (path := base / folder / name).is_file():
                    return path
    places = " in " + " or ".join(map(str, bases)) if bases else ""
    raise FileNotFoundError(f"{names[0]} not found{places}: set FASTNN_DATA to the folder that holds it, or give root")


def unpack(path, ending=""):
    """A list of the files of a tar archive, compressed or not, whose names end so: open in memory, named after archive and member.

    ValueError, with the path, for an archive that is damaged.
    """
    files = []
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                if member.isfile() and member.name.endswith(ending):
                    files.append(io.BytesIO(tar.extractfile(member).read()))
                    files[-1].name = f"{path}, {member.name}"
            while tar.fileobj.read(1 << 20):  # to the end, where the check sum of what is compressed stands
                pass
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path}: damaged archive: {str(error).partition(chr(10))[0]}") from None
    return files
