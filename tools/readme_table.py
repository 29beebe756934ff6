"""Puts the results of the bench or of the board into README.md, between their markers: python tools/readme_table.py RESULTS.json ...

Make the results with: fastnn bench --quick --rival torch --json RESULTS.json, fastnn board --json RESULTS.json
"""

from __future__ import annotations

import json
import math
import re
import sys
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"


def mean(ratios):
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else None


def table(result):
    machine, rows = result["machine"], result["rows"]
    groups = {}
    for row in rows:
        groups.setdefault(row["family"], []).append(row)
    rivals = sorted({r for row in rows for r in row["rivals"]})
    out = [
        f"{machine['cpu']}, {machine['threads']} threads, {machine['isa']}; "
        f"{machine['gflops']:.0f} GFLOP/s and {machine['stream_gbs']:.0f} GB/s measured in the same run; NumPy {machine['numpy']}.",
        "",
        "| family | cases | " + " | ".join(f"faster than {r} (geometric mean, worst)" for r in rivals) + " |",
        "|---|---|" + "---|" * len(rivals),
    ]
    for family, group in groups.items():
        cells = []
        for r in rivals:
            ratios = [row["rivals"][r] / row["seconds"] for row in group if r in row["rivals"]]
            cells.append(f"{mean(ratios):.1f}x, {min(ratios):.2f}x" if ratios else "")
        out.append(f"| {family} | {len(group)} | " + " | ".join(cells) + " |")
    totals = []
    for r in rivals:
        ratios = [row["rivals"][r] / row["seconds"] for row in rows if r in row["rivals"]]
        totals.append(f"**{mean(ratios):.1f}x**, {min(ratios):.2f}x")
    out.append(f"| **all** | {len(rows)} | " + " | ".join(totals) + " |")
    return "\n".join(out)


def board(result):
    """A line for each case: the ratio to the fastest rival, and that of the twin."""
    machine, rows, names = result["machine"], result["rows"], ("forward", "derivative", "step")
    ratios = {}
    for row in rows:
        right = [s for name, s in row["rivals"].items() if row["errors"].get(name, 0) < 0.1]  # as fastnn board counts
        if right:
            kind = (row["case"], row["direction"], row["twin"], row["cold"], row["alternating"])
            ratios[kind] = min(right) / row["seconds"]
    versions = ", ".join(f"{r} {machine[r]}" for r in ("numpy", "torch", "jax") if r in machine)
    out = [
        f"{machine['cpu']}, {machine['threads']} threads, {machine['isa']}; {machine['gflops']:.0f} GFLOP/s and {machine['stream_gbs']:.0f} GB/s; {versions}.",
        "",
        "| case | " + " | ".join(names) + " |",
        "|---|" + "---|" * len(names),
    ]
    for case in dict.fromkeys(k[0] for k in ratios):
        cells = []
        for direction in names:
            pair = [ratios.get((case, direction, twin, False, False)) for twin in (False, True)]
            cells.append(" / ".join(f"{r:.2f}x" for r in pair if r))
        out.append(f"| {case} | " + " | ".join(cells) + " |")
    for twin, what in ((False, "named shapes"), (True, "twins")):
        here = [r for k, r in ratios.items() if k[2] is twin]
        if here:
            out.append(f"| **{what}**, {len(here)} rows | {mean(here):.2f}x | worst {min(here):.2f}x | {sum(r < 1 for r in here)} below 1.00x |")
    return "\n".join(out)


if __name__ == "__main__":
    for path in sys.argv[1:]:
        result = json.loads(Path(path).read_text())
        name, new = ("board", board(result)) if "seed" in result else ("table", table(result))
        pattern = rf"(<!-- {name}: .*? -->\n).*?(<!-- end of {name} -->)"
        README.write_text(re.sub(pattern, lambda m, new=new: f"{m[1]}{new}\n\n{m[2]}", README.read_text(), flags=re.S))
