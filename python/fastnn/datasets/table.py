"""CSV files as columns of numbers or text."""

from __future__ import annotations

import csv as _csv
import io
from pathlib import Path

import numpy as np

__all__ = ["Table", "csv"]

MISSING = ("", "?", "NA", "N/A", "na", "n/a", "nan", "NaN", "null", "None")
LONGEST_FIELD = 1 << 20


class Table(dict):
    """{column name: ndarray}: int64, float64 (missing: NaN) or text (missing: "").

    Its methods raise ValueError, with the name of the file, for a column that is not there or not of numbers.
    """

    name, lines = "table", range(1, 1 << 62)  # of a file: its name, and the line of each row

    def __len__(self):
        """The number of rows."""
        return len(next(iter(self.values()))) if self.keys() else 0

    def matrix(self, columns=None):
        """float64 (rows, columns) of the named columns, or of all that are numbers."""
        if columns is None:
            columns = [name for name, values in self.items() if values.dtype.kind in "if"]
        numbers = [self.numbers(name) for name in columns]
        return np.stack(numbers, 1) if numbers else np.empty((len(self), 0))

    def numbers(self, column):
        """float64 (rows) of a column."""
        values = self._column(column)
        if values.dtype.kind not in "if":
            row, text = next(((i, v) for i, v in enumerate(values.tolist()) if v and not _is_number(v)), (0, ""))
            raise ValueError(f"{self.name}, line {self.lines[row]}: column {column!r} is text, {text!r} for one")
        return values.astype(np.float64)

    def one_hot(self, column):
        """(float64 (rows, values), the values in sorted order) of a column."""
        index, values = self.codes(column)
        return np.eye(len(values))[index], values

    def codes(self, column):
        """(int64 (rows), the values in sorted order): each value of the column as its place among them."""
        values, index = np.unique(self._column(column), return_inverse=True)
        return index.astype(np.int64), values.tolist()

    def _column(self, name):
        if name not in self:
            raise ValueError(f"{self.name}: no column {name!r}; it has {list(self)}")
        return self[name]


def csv(path, header=None, delimiter=",", missing=MISSING, columns=None, encoding="utf-8"):
    """The columns of a delimited text file, given by name or as an open file.

    header: True or False; None looks whether the first row has no number in it. Without one the columns are "0", "1", ...
    columns: read only these. A column is int64 if every field is, float64 if every field is a number or missing, else text.
    ValueError, with file and line, for a row whose length differs, a field that is too long, or bytes that are not text.
    """
    opened = hasattr(path, "read")
    name = getattr(path, "name", "csv") if opened else path
    text = path.read() if opened else Path(path).read_bytes()
    if isinstance(text, bytes):
        try:
            text = text.decode(encoding)
        except UnicodeDecodeError as error:
            line = text[: error.start].count(b"\n") + 1
            raise ValueError(f"{name}, line {line}: not {encoding} text (encoding= names another)") from None
    return _parse(io.StringIO(text.removeprefix("\ufeff"), newline=""), header, delimiter, missing, columns, name)


def _parse(file, header, delimiter, missing, columns, name):
    missing = frozenset(missing)
    reader = _csv.reader(file, delimiter=delimiter, skipinitialspace=True, strict=True)
    rows, lines, width = [], [], None
    try:
        for row in reader:
            if not row:
                continue
            width = len(row) if width is None else width
            if len(row) != width:
                raise ValueError(f"{name}, line {reader.line_num}: {len(row)} fields, where the first row has {width}")
            if max(map(len, row)) > LONGEST_FIELD:
                raise ValueError(f"{name}, line {reader.line_num}: a field of more than {LONGEST_FIELD} characters")
            rows.append(row)
            lines.append(reader.line_num)
    except _csv.Error as error:
        raise ValueError(f"{name}, line {reader.line_num}: {error}") from None
    if not rows:
        raise ValueError(f"{name}: no rows")
    if header is None:
        header = not any(_is_number(field, missing) for field in rows[0])
    names = [field.strip() for field in rows.pop(0)] if header else [str(i) for i in range(width)]
    lines = lines[bool(header) :]
    if len(set(names)) != len(names):
        raise ValueError(f"{name}: a column name occurs twice in {names}")
    wanted = names if columns is None else [columns] if isinstance(columns, str) else list(columns)
    if unknown := [c for c in wanted if c not in names]:
        raise ValueError(f"{name}: no column {unknown[0]!r}; it has {names}")
    position = {n: i for i, n in enumerate(names)}
    table = Table({c: _typed([row[position[c]].strip() for row in rows], missing) for c in wanted})
    table.name, table.lines = str(name), lines
    return table


def _number(field, kind=float):
    if "_" in field:  # 1_000 is a number to Python, and a name in a table
        raise ValueError
    return kind(field)


def _is_number(field, missing=()):
    try:
        _number(field)
    except ValueError:
        return False
    return field.strip() not in missing


def _typed(fields, missing):
    try:
        return np.array([_number(f, int) for f in fields], dtype=np.int64)
    except (ValueError, OverflowError):
        pass
    try:
        return np.array([np.nan if f in missing else _number(f) for f in fields], dtype=np.float64)
    except ValueError:
        return np.array(["" if f in missing else f for f in fields])
