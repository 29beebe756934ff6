"""Registers, spills and shared memory of every CUDA kernel, from ptxas' own report, against tools/nvcc_budget.tsv.

Usage: nvcc_budget.py [--write] ARCH LOG ...   (tools/nvcc.sh calls it)
"""

import re
import subprocess
import sys
from pathlib import Path

BUDGET = Path(__file__).with_name("nvcc_budget.tsv")
SLACK = 8  # registers: what another release of nvcc may need


def measured(logs):
    """{kernel: (registers, spilled bytes, shared bytes)}; the worst of a template's instances."""
    found, mangled, files = [], [], []
    for log in logs:
        file = re.sub(r".*csrc_(kernels_|core_)?|\.log$", "", log).replace("_", "/", 1)
        name = spills = None
        for line in Path(log).read_text().splitlines():
            if m := re.search(r"Compiling entry function '(\w+)'", line):
                name = m[1]
            elif m := re.search(r"(\d+) bytes spill stores", line):
                spills = int(m[1])
            elif (m := re.search(r"Used (\d+) registers", line)) and name:
                shared = re.search(r"(\d+) bytes smem", line)
                mangled.append(name)
                files.append(file)
                found.append((int(m[1]), spills or 0, int(shared[1]) if shared else 0))
                name = None
    names = subprocess.run(["c++filt"], input="\n".join(mangled), capture_output=True, text=True, check=True).stdout.splitlines()
    kernels = {}
    for full, values, file in zip(names, found, files, strict=True):
        kernel = re.sub(r"\(anonymous namespace\)::|^void |fastnn::cuda::|\b_GLOBAL__N_\w+::", "", full)
        rule = re.match(r"each<(\w+)", kernel)  # the kernel of all rules (core/cuda/each.cuh)
        kind = "<double>" if re.search(r"<double|double>", full) else "<half>" if re.search(r"\b(Half|BFloat)\b", full) else ""
        kernel = f"{file}: " + (rule[1] if rule else re.sub(r"[<(].*", "", kernel)) + kind
        kernels[kernel] = tuple(map(max, kernels.get(kernel, values), values))
    return kernels


def main():
    arguments = sys.argv[1:]
    write = arguments[:1] == ["--write"]
    arch, *logs = arguments[write:]
    now = measured(logs)
    if write:
        lines = [f"{k}\t{r}\t{s}\t{m}" for k, (r, s, m) in sorted(now.items())]
        BUDGET.write_text(f"# kernel\tregisters\tspilled bytes\tshared bytes ({arch}, the worst instance of each template)\n" + "\n".join(lines) + "\n")
        return 0
    rows = [line.split("\t") for line in BUDGET.read_text().splitlines() if not line.startswith("#")]
    budget = {k: tuple(map(int, rest)) for k, *rest in rows}
    worse = [
        f"{k}: {now[k]} registers, spills, shared memory; the budget is {budget.get(k)}"
        for k in sorted(now)
        if k not in budget or now[k][0] > budget[k][0] + SLACK or now[k][1] > budget[k][1] or now[k][2] > budget[k][2]
    ]
    print("\n".join(worse) or f"nvcc: {len(now)} kernels within their budget ({arch})")
    return bool(worse)


if __name__ == "__main__":
    sys.exit(main())
