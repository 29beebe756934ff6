"""Which op has which derivative. The table is derivatives.tsv, written from the tests' samples by tools/derivatives.py."""

from __future__ import annotations

from pathlib import Path

COLUMNS = ("family", "op", "kind", "vjp", "jvp", "vjp of vjp", "float32", "float64")
TABLE = Path(__file__).with_name("derivatives.tsv")


def derivatives(print=print):
    """Prints the table of every op and its derivatives, and returns it as a list of dicts.

    kind: what forward mode knows of the op (autodiff.Op): pointwise, linear, multilinear, rule, composition (of other
    ops, fused.py) or vjp-trick (the transpose of its reverse mode); "none" for functions without a derivative: asking for one raises. In the other columns "yes" stands
    where a sample agreed with finite differences (float32: with float64), "-" where there is nothing to check.
    print: what to call with each line, or None.
    """
    lines = TABLE.read_text().splitlines()[1:]
    rows = [dict(zip(COLUMNS, line.split("\t"), strict=True)) for line in lines]
    if print is not None:
        for line in text(rows):
            print(line)
    return rows


def text(rows):
    """The table in columns, and how many ops there are of each kind."""
    cells = [COLUMNS, *[tuple(r.values()) for r in rows]]
    widths = [max(len(c[i]) for c in cells) for i in range(len(COLUMNS))]
    for c in cells:
        yield "  ".join(v.ljust(w) for v, w in zip(c, widths, strict=True)).rstrip()
    kinds = [r["kind"] for r in rows]
    yield ", ".join(f"{kinds.count(k)} {k}" for k in dict.fromkeys(kinds))
