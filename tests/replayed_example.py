"""Runs an example up to so many captured calls and prints a digest of each call's results, every 50 calls of all parameters, and how many
calls were replays: `python tests/replayed_example.py examples/xor.py captured 1000 [arguments]`. With "plain" nothing is recorded.

tests/test_examples.py compares the two; here is also how to do so at full length, for every example (minutes):

    python tests/replayed_example.py all 1000
"""

import contextlib
import functools
import gc
import hashlib
import importlib
import io
import runpy
import subprocess
import sys
from pathlib import Path


class Enough(BaseException):
    pass


def digest(value, into):
    import fastnn

    if isinstance(value, fastnn.Tensor):
        into.update(value.detach().contiguous().numpy().tobytes())
    elif isinstance(value, (tuple, list)):
        for v in value:
            digest(v, into)
    elif isinstance(value, dict):
        digest(list(value.values()), into)
    return into


def run(path, mode, steps, arguments):
    import fastnn

    solve = importlib.import_module("fastnn.pinn.solve")  # not the function of that name

    kind, made, lines = fastnn.capture, [], []

    def capture(fn=None, **options):
        if fn is None:
            return functools.partial(capture, **options)
        call = kind(fn, **options) if mode == "captured" else fn
        made.append(call)

        @functools.wraps(fn)
        def logged(*args, **kwargs):
            if len(lines) >= steps:
                raise Enough
            result = call(*args, **kwargs)
            hashed = digest(result, hashlib.sha256())
            if len(lines) % 50 == 49 or len(lines) < 3:
                gc.collect()
                parameters = [digest(p, hashlib.sha256()).hexdigest() for p in gc.get_objects() if isinstance(p, fastnn.nn.Parameter)]
                hashed.update("".join(sorted(parameters)).encode())
            lines.append(hashed.hexdigest()[:16])
            return result

        return logged

    fastnn.capture = solve.record_once = capture
    fastnn.manual_seed(0)  # some draw weights before they set a seed, or none
    sys.argv, sys.path[0] = [path, *arguments], str(Path(path).parent)
    with contextlib.suppress(Enough, SystemExit), contextlib.redirect_stdout(io.StringIO()):
        runpy.run_path(path, run_name="__main__")
    replays = sum(program.replays for call in made if isinstance(call, kind) for program in call.programs)
    return lines, replays


def both(path, steps, arguments, timeout=600):
    """(digests plain, digests captured, replays), each run in a process of its own."""
    found = []
    for mode in ("plain", "captured"):
        command = [sys.executable, __file__, str(path), mode, str(steps), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
        assert done.returncode == 0, done.stderr
        found.append(done.stdout.split())
    return found[0][:-1], found[1][:-1], int(found[1][-1])


if __name__ == "__main__":
    if sys.argv[1] == "all":
        bad = 0
        for example in sorted((Path(__file__).resolve().parent.parent / "examples").rglob("*.py")):
            plain, captured, replays = both(example, int(sys.argv[2]), sys.argv[3:])
            bad += plain != captured
            print(f"{example.stem:20} {len(captured):5} calls, {replays:5} replays: {'the same bits' if plain == captured else 'DIFFERENT'}", flush=True)
        sys.exit(bad > 0)
    found, count = run(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
    print(*found, count, sep="\n")
