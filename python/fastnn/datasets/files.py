"""Where the files of a data set are."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["find"]


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
