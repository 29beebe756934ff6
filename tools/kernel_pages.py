"""Measures the ladders and writes their tables and rooflines into docs/kernels: python tools/kernel_pages.py [family ...]

Each page keeps its own words; what lies between its markers is made here, on this machine.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import fastnn
from fastnn.bench.ladder import draw, ladder

PAGES = Path(__file__).resolve().parent.parent / "docs" / "kernels"


def table(forward, derivative):
    machine = forward["machine"]
    lines = [
        f"{machine['cpu']}, {machine['isa']}, {machine['threads']} threads: {machine['gflops']:.0f} GFLOP/s and "
        f"{machine['stream_gbs']:.0f} GB/s measured in the same run. Forward and derivative of {forward['shape']}, float32.",
        "",
        "| | rung | idea | forward | of the limit | derivative | of the limit |",
        "|---|---|---|---|---|---|---|",
    ]
    for i, (f, d) in enumerate(zip(forward["rungs"], derivative["rungs"], strict=True), 1):
        cells = [f"{r['seconds'] * 1e3:.2f} ms | {r['roofline']:.1%}" for r in (f, d)]
        lines.append(f"| {i} | {f['rung']} | {f['idea']} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def main(families):
    for family in families or fastnn.rungs():
        forward, derivative = ladder(family), ladder(family, derivative=True)
        page = PAGES / f"{family}.md"
        pattern = r"(<!-- table: .*? -->\n).*?(<!-- end of table -->)"
        text = re.sub(pattern, lambda m, t=table(forward, derivative): f"{m[1]}{t}\n\n{m[2]}", page.read_text(), flags=re.S)
        page.write_text(text)
        draw(forward, PAGES / f"{family}.svg")
        print(page)


if __name__ == "__main__":
    main(sys.argv[1:])
