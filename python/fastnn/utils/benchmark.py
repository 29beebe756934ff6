"""`Timer`: how long a statement takes, as `torch.utils.benchmark`: a warm-up, one thread unless told otherwise, the median of runs.

    Timer("a @ b", globals={"a": a, "b": b}, num_threads=2).blocked_autorange()

`fastnn bench` measures the kernels, against other libraries.
"""

from __future__ import annotations

import statistics
import timeit
from dataclasses import dataclass, field

from ..device import threads

__all__ = ["Compare", "Measurement", "Timer"]


@dataclass(repr=False)
class Measurement:
    """Seconds of several runs (raw_times), each of number_per_run executions; `times` are those of one execution."""

    number_per_run: int
    raw_times: list
    label: str = ""
    sub_label: str = ""
    description: str = ""
    num_threads: int = 1
    metadata: dict | None = field(default=None)

    times = property(lambda self: [t / self.number_per_run for t in self.raw_times])
    median = property(lambda self: statistics.median(self.times))
    mean = property(lambda self: statistics.fmean(self.times))
    title = property(lambda self: ": ".join(filter(None, (self.label, self.sub_label))))

    @property
    def iqr(self):
        """The distance between the quartiles; 0 of one run."""
        if len(self.times) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.times, n=4, method="inclusive")
        return high - low

    def __repr__(self):
        runs = len(self.raw_times)
        lines = [self.title, self.description, f"  {'Median' if runs > 1 else 'Time'}: {_readable(self.median)}"]
        lines += [f"  IQR: {_readable(self.iqr)}"] if runs > 1 else []
        lines.append(f"  {runs} measurement{'s' * (runs > 1)}, {self.number_per_run} runs per measurement, {self.num_threads} thread{'s' * (self.num_threads > 1)}")
        return "\n".join(filter(None, lines))


def _readable(seconds):
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.2f} {unit}"
    return f"{seconds * 1e9:.2f} ns"


class Timer:
    """A statement to be timed, text or a function; setup runs once before. globals: the names that the text knows."""

    def __init__(self, stmt="pass", setup="pass", global_setup="", timer=timeit.default_timer, globals=None, label=None, sub_label=None,
                 description=None, env=None, num_threads=1, language="python"):  # fmt: skip
        if str(getattr(language, "name", language)).lower() not in ("python", "py"):
            raise NotImplementedError("Timer: statements are Python's")
        self._timer = timeit.Timer(stmt, setup, timer, globals)
        self._words = dict(label=label or (stmt if isinstance(stmt, str) else getattr(stmt, "__name__", "")), sub_label=sub_label or "",
                           description=description or "", num_threads=num_threads)  # fmt: skip

    def timeit(self, number=1000000):
        """One run of `number` executions, after a warm-up: a `Measurement`."""
        with threads(self._words["num_threads"]):
            self._timer.timeit(max(number // 100, 2))
            return Measurement(number, [self._timer.timeit(number)], **self._words)

    def blocked_autorange(self, callback=None, min_run_time=0.2):
        """Runs of about a thousandth of min_run_time's length or more, until min_run_time seconds are over: a `Measurement`."""
        with threads(self._words["num_threads"]):
            number = 1
            self._timer.timeit(2)
            while self._timer.timeit(number) < max(min_run_time / 1000, 1e-6):
                number *= 10
            times = []
            while sum(times) < min_run_time:
                times.append(self._timer.timeit(number))
                if callback is not None:
                    callback(number, times[-1])
            return Measurement(number, times, **self._words)

    def adaptive_autorange(self, threshold=0.1, *, min_run_time=0.01, max_run_time=10.0, callback=None):
        """`blocked_autorange`, longer and longer (to max_run_time) until the quartiles lie within threshold times the median."""
        while True:
            told = self.blocked_autorange(callback, min_run_time)
            if told.iqr <= threshold * told.median or min_run_time >= max_run_time:
                return told
            min_run_time = min(10 * min_run_time, max_run_time)


class Compare:
    """Measurements as a table: a row for each label and number of threads, a column for each description."""

    def __init__(self, results):
        self._results = list(results)

    def extend_results(self, results):
        self._results += results

    def trim_significant_figures(self):
        pass

    def colorize(self, rowwise=False):
        pass

    def __str__(self):
        columns = list(dict.fromkeys(m.description for m in self._results))
        rows = list(dict.fromkeys((m.title, m.num_threads) for m in self._results))
        cells = {(m.title, m.num_threads, m.description): _readable(m.median) for m in self._results}
        table = [["", *columns], *([f"{title} ({n} threads)", *(cells.get((title, n, c), "") for c in columns)] for title, n in rows)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        return "\n".join(" | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in table)

    def print(self):
        print(self)
