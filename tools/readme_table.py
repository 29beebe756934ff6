"""Puts the bench's results into README.md, between the markers: python tools/readme_table.py RESULTS.json

Make the results with: fastnn bench --json RESULTS.json --rival torch
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


if __name__ == "__main__":
    text = README.read_text()
    new = table(json.loads(Path(sys.argv[1]).read_text()))
    pattern = r"(<!-- table: .*? -->\n).*?(<!-- end of table -->)"
    README.write_text(re.sub(pattern, lambda m: f"{m[1]}{new}\n\n{m[2]}", text, flags=re.S))
