"""Where the files of a data set are."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["find"]


def find(*names, root=None, folders=("",)):
    """The path of the first file of `names` in root, else in the folder named by FASTNN_DATA, or in one of their `folders`.

    A name may have folders in it: ``find("text/names/names.txt")``. FileNotFoundError if there is none.
    """
    for base in (root, os.environ.get("FASTNN_DATA")):
        if base:
            for folder in folders:
                for name in names:
                    if (path := Path(base) / folder / name).is_file():
                        return path
    raise FileNotFoundError(f"{names[0]} not found: set FASTNN_DATA to the folder that holds it, or give root")
