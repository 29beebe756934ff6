"""A recorded step as a page: `fastnn.capture(step).graph("step.html")`. One file, no server, opens offline."""

from __future__ import annotations

import html
import math

from .files import write_whole

OPTIMIZERS = {"sgd", "adam", "nadam", "adamax", "rmsprop", "adagrad", "adadelta", "radam", "rprop", "asgd"}


def phase(call):
    return "update" if call.kernel in OPTIMIZERS else "backward" if call.backward else "forward"


def producers(calls):
    """For every call the earlier calls whose results it reads: the last writers of the bytes that its arrays share."""
    writers, found = {}, []  # address -> (end, call) of the values there now
    for i, call in enumerate(calls):
        found.append(
            sorted(
                {j for at, size in call.reads for start, (end, j) in writers.items() if start < at + size and at < end}
            )
        )
        for at, size in call.writes:
            for start in [s for s, (end, _) in writers.items() if at <= s and end <= at + size]:
                del writers[start]
            writers[at] = at + size, i
    return found


def memory(calls, sources):
    """Bytes of values in use during every call: from the call that writes them to the last that reads them."""
    last = list(range(len(calls)))
    for i, producing in enumerate(sources):
        for j in producing:
            last[j] = i
    use = [0] * len(calls)
    for first, call in enumerate(calls):
        size = sum(dict(call.writes).values())
        for i in range(first, last[first] + 1):
            use[i] += size
    return use


def _steps(values, width, height):
    """An SVG path through one step for each value."""
    top = max(values) or 1
    points = [(i / len(values) * width, height - v / top * height) for i, v in enumerate(values)]
    line = " ".join(f"L{x:.1f},{y:.1f}H{x + width / len(values):.1f}" for x, y in points)
    return f"M0,{height}{line}V{height}Z"


def _amount(x, unit):
    for power, prefix in ((9, "G"), (6, "M"), (3, "k")):
        if x >= 10**power:
            return f"{x / 10**power:.3g} {prefix}{unit}"
    return f"{x:.0f} {unit}"


def page(title, calls, arena_bytes):
    """The HTML text: calls in the order of their replay, which is a topological order of their dependencies."""
    sources = producers(calls)
    use = memory(calls, sources)
    total, longest = math.fsum(c.seconds for c in calls), max((c.seconds for c in calls), default=1e-9)
    rows, arcs = [], []
    for i, c in enumerate(calls):
        shapes = " ".join("×".join(map(str, s)) or "number" for s in c.shapes)
        cells = [
            str(i), phase(c), html.escape(c.kernel), html.escape(f"{shapes} {c.dtype}"), _amount(c.flops, "FLOP") if c.flops else "",
            _amount(c.bytes, "B"), f"{c.seconds * 1e6:.1f}",
        ]  # fmt: skip
        bar = f'<td class="bar"><i style="width:{100 * c.seconds / longest:.1f}%"></i></td>'
        rows.append(
            f'<tr class="{phase(c)}" data-from="{" ".join(map(str, sources[i]))}">'
            + "".join(f"<td>{x}</td>" for x in cells)
            + bar
            + "</tr>"
        )
        for j in sources[i]:
            y0, y1, reach = ROW * (j + 0.5), ROW * (i + 0.5), min(60, 6 + 4 * math.sqrt(i - j))
            arcs.append(
                f'<path data-a="{j}" data-b="{i}" d="M64,{y0}C{64 - reach:.0f},{y0} {64 - reach:.0f},{y1} 64,{y1}"/>'
            )
    charts = "".join(
        f'<figure><figcaption>{name}</figcaption><svg viewBox="0 0 800 60" preserveAspectRatio="none"><path d="{_steps(values, 800, 60)}"/></svg></figure>'
        for name, values in (
            (f"bytes in use, call by call (most: {_amount(max(use, default=0), 'B')})", use),
            ("microseconds, call by call", [c.seconds for c in calls]),
        )
        if values
    )
    summary = f"{len(calls)} kernel calls, {total * 1e6:.1f} µs inside kernels, {_amount(arena_bytes, 'B')} of intermediate results"
    return TEMPLATE.format(
        title=html.escape(title),
        summary=summary,
        charts=charts,
        height=ROW * len(calls),
        arcs="".join(arcs),
        rows="".join(rows),
        row=ROW,
    )


def write_page(path, title, calls, arena_bytes):
    """Writes `page` to a file."""
    write_whole(path, page(title, calls, arena_bytes).encode())


ROW = 22  # pixels
TEMPLATE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>
body{{font:14px/1.4 system-ui,sans-serif;margin:24px;max-width:1200px}} figure{{margin:12px 0}} figcaption{{color:#666}}
figure svg{{width:100%;height:60px;background:#f4f4f4}} figure path{{fill:#7a9cc6}} main{{display:flex;align-items:flex-start}}
main>svg{{flex:none;margin-top:{row}px}} main>svg path{{fill:none;stroke:#bbb}} main>svg path.on{{stroke:#c30;stroke-width:2}}
table{{border-collapse:collapse;white-space:nowrap}} tr{{height:{row}px}} td,th{{padding:0 8px;text-align:left}} td:nth-child(n+5){{text-align:right}}
tr.forward td:nth-child(2){{color:#26708f}} tr.backward td:nth-child(2){{color:#a3512b}} tr.update td:nth-child(2){{color:#4c7a2e}}
tbody tr:hover,tr.on{{background:#fde9d9}} .bar{{width:160px}} .bar i{{display:block;height:10px;background:#7a9cc6}}
td:nth-child(4){{max-width:420px;overflow:hidden;text-overflow:ellipsis}}
</style><h1>{title}</h1><p>{summary}. Point at a call to see what it reads from which.</p>{charts}
<main><svg width="66" height="{height}">{arcs}</svg><table><thead><tr><th>#<th>phase<th>kernel<th>arrays (written first)<th>work<th>moved<th>µs<th></tr>
</thead><tbody>{rows}</tbody></table></main><script>
const rows=[...document.querySelectorAll("tbody tr")],arcs=[...document.querySelectorAll("main>svg path")];
rows.forEach((row,i)=>{{const mark=on=>{{(row.dataset.from?row.dataset.from.split(" "):[]).forEach(j=>rows[j].classList.toggle("on",on));
arcs.forEach(a=>(a.dataset.a==i||a.dataset.b==i)&&a.classList.toggle("on",on))}};
row.onmouseenter=()=>mark(true);row.onmouseleave=()=>mark(false)}});
</script></html>
"""
