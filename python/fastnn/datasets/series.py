"""Time series in .ts files, the format of the UCR/UEA archive of classification problems."""

from __future__ import annotations

from pathlib import Path

import numpy as np

__all__ = ["read_ts"]

MISSING = ("?", "nan")


def read_ts(path):
    """(series, labels): a float64 array (channels, steps) for each case, NaN where a value is missing, and the class of each as text.

    Series may differ in length, all have the same channels. Classes are spelt as in the header; labels are numbers (float) after
    ``@targetLabel true``, and None in a file without classes. Source: the archive's format, https://www.timeseriesclassification.com.
    ValueError, with file and line, for what is no such file, and for series with time stamps.
    """
    head, series, labels, data = {}, [], [], False
    try:
        lines = Path(path).read_bytes().decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not text: {error}") from None
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line[0] == "#":
            continue
        try:
            if data:
                label, x = _case(line, head)
                if series and len(x) != len(series[0]):
                    raise ValueError(f"{len(x)} channels, where the first case has {len(series[0])}")
                series.append(x)
                labels.append(label)
            elif line[0] == "@":
                key, *words = line[1:].split()
                data = key.lower() == "data"
                head[key.lower()] = words
            else:
                raise ValueError("expected a line that begins with @, before @data")
        except (ValueError, IndexError) as error:
            raise ValueError(f"{path}, line {number}: {error}") from None
    if not series:
        raise ValueError(f"{path}: no cases after @data" if data else f"{path}: no @data")
    return series, None if labels[0] is None else labels


def _says(head, key):
    """Whether the header has ``@key true``."""
    return head.get(key, ["false"])[:1] in (["true"], ["True"], ["TRUE"])


def _case(line, head):
    if _says(head, "timestamps"):
        raise ValueError("series with time stamps are not supported")
    parts, label = line.split(":"), None
    if _says(head, "targetlabel"):
        label = float(parts.pop())
    elif _says(head, "classlabel"):
        names = {name.lower(): name for name in head["classlabel"][1:]}
        found = parts.pop().strip()
        if found.lower() not in names:
            raise ValueError(f"class {found!r}; the header has {' '.join(names.values())}")
        label = names[found.lower()]
    if not parts:
        raise ValueError("no values")
    channels = [[float("nan" if v.strip().lower() in MISSING else v) for v in part.split(",")] for part in parts]
    if len({len(c) for c in channels}) > 1:
        raise ValueError(f"channels of different lengths: {', '.join(str(len(c)) for c in channels)}")
    return label, np.array(channels)
