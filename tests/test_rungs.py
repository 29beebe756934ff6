"""Every rung of every ladder gives what the production kernel gives, on every sample, forward and derivative."""

import subprocess
import sys

import numpy as np
import pytest

import fastnn
import fastnn.nn.functional as F
from samples import families, samples
from test_kernels import ISAS, forward_and_gradients

FAMILY = {"layer_norm": "norm", "max_pool2d": "pool", "lstm": "rnn"}  # named otherwise than the ladder
FAMILY = {family: FAMILY.get(family, family) for family in fastnn.rungs()}
RUNGS = [(family, name) for family, ladder in fastnn.rungs().items() for name in ladder[:-1]]


def test_every_ladder_has_a_family():
    assert set(FAMILY.values()) <= set(families())
    assert all(len(ladder) >= 4 for ladder in fastnn.rungs().values())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("family, name", RUNGS)
def test_rung_is_production(family, name, isa, dtype):
    with fastnn.isa(isa), np.errstate(all="ignore"):
        for _, sample in samples(FAMILY[family]):
            want = forward_and_gradients(sample, dtype)
            with fastnn.rung(**{family: name}):
                got = forward_and_gradients(sample, dtype)
            tolerance = 2e-5 if dtype == "float32" else 1e-11
            for g, w in zip(got, want, strict=True):
                if w.dtype.kind == "f":
                    scale = np.abs(w[np.isfinite(w)]).max(initial=1.0)  # ones through softmax cancel to about 0
                    np.testing.assert_allclose(g, w, rtol=tolerance, atol=tolerance * scale, err_msg=f"{sample}")
                else:
                    np.testing.assert_array_equal(g, w, err_msg=f"{sample}")


@pytest.mark.parametrize("name", fastnn.rungs("matmul")[:-1])
def test_matmul_shapes_and_strides(name, rng):
    for m, k, n in [(1, 1, 1), (0, 3, 2), (3, 0, 2), (17, 33, 65), (50, 400, 31), (3, 700, 5), (130, 7, 600)]:
        a, b, d = rng.standard_normal((m, k)), rng.standard_normal((k, n)), rng.standard_normal(n)
        for flip in (False, True):
            x = fastnn.from_numpy(np.ascontiguousarray(a.T)).T if flip else fastnn.from_numpy(a)
            y = fastnn.from_numpy(b[::-1].copy()).flip(0) if flip else fastnn.from_numpy(np.asfortranarray(b))
            with fastnn.rung(matmul=name):
                np.testing.assert_allclose((x @ y).numpy(), a @ b, atol=1e-12)
                np.testing.assert_allclose(F.linear(x, y.T, fastnn.from_numpy(d)).numpy(), a @ b + d, atol=1e-12)


@pytest.mark.parametrize("name", fastnn.rungs("max_pool2d")[:-1])
def test_max_pool_special_values(name, rng):
    for kernel, stride, padding, dilation in [(2, 2, 0, 1), (3, 2, 1, 1), (3, 1, 1, 2), ((1, 5), (1, 3), (0, 2), 1), (17, 5, 8, 1)]:
        x = rng.integers(-3, 3, (2, 3, 19, 23)).astype(np.float32)  # many ties
        x[rng.random(x.shape) < 0.1] = np.nan
        x[rng.random(x.shape) < 0.1] = -np.inf
        t = fastnn.from_numpy(x)
        args = (t, kernel, stride, padding, dilation)
        want, at = F.max_pool2d(*args, return_indices=True)
        with fastnn.rung(max_pool2d=name):
            got, where = F.max_pool2d(*args, return_indices=True)
        np.testing.assert_array_equal(got.numpy(), want.numpy())
        np.testing.assert_array_equal(where.numpy(), at.numpy())


def test_trains_on_a_rung():
    def train():
        fastnn.manual_seed(0)
        net = fastnn.nn.Sequential(fastnn.nn.Linear(5, 8), fastnn.nn.Tanh(), fastnn.nn.Linear(8, 1))
        optimizer = fastnn.optim.SGD(net.parameters(), lr=0.1)
        x = fastnn.randn(20, 5)
        for _ in range(20):
            optimizer.zero_grad()
            loss = (net(x) ** 2).mean()
            loss.backward()
            optimizer.step()
        return loss.item()

    before = fastnn._cpu.launches()["matmul_bias"]
    want = train()
    assert fastnn._cpu.launches()["matmul_bias"] > before
    with fastnn.rung(matmul="naive"):
        assert train() == pytest.approx(want, rel=1e-4)


def test_choice_ends_with_the_block():
    with fastnn.rung(matmul="naive", softmax=1):
        with fastnn.rung(matmul="production"), fastnn.isa(ISAS[0]):
            assert not [r for r in fastnn._cpu.rungs() if r[0] == "matmul" and r[4]]
        chosen = {(r[0], r[2]) for r in fastnn._cpu.rungs() if r[4]}
        assert chosen == {("matmul", "naive"), ("softmax", "naive")}
    assert not any(r[4] for r in fastnn._cpu.rungs())


def test_what_does_not_exist():
    with pytest.raises(ValueError, match="1 naive, 2 streamed, .* production"):
        fastnn.rung(matmul="fast")
    with pytest.raises(ValueError, match="ladders exist for: matmul"):
        fastnn.rung(relu="naive")
    with pytest.raises(ValueError, match="no rung 9"):
        fastnn.rung(softmax=9)
    for name in ("nothing", "kernels/nothing.h", "/etc/passwd", "../README.md"):
        with pytest.raises(ValueError, match="no kernel and no file under csrc"):
            fastnn.source(name)
    with pytest.raises(ValueError, match="matmul has no rung 'fast'; its rungs are: 1 naive"):
        fastnn.source("matmul", rung="fast")
    with pytest.raises(TypeError, match="a kernel's name"):
        fastnn.source(3)
    assert not any(r[4] for r in fastnn._cpu.rungs())


def test_sources():
    for family, name in RUNGS:
        text = fastnn.source(family, rung=name)
        assert text.startswith(f"// {family}, rung {fastnn.rungs(family).index(name) + 1}, "), (family, name)
        lines = text.splitlines()
        assert len(lines) <= 80, f"{family} {name}: {len(lines)} lines"
        assert fastnn.study.idea(family, name)
    assert "void conv2d_dw(" in fastnn.source("conv2d")
    assert "void layer_norm_dx(" in fastnn.source("layer_norm_dx")
    assert "simd.h" in fastnn.source("kernels/matmul/tile.h")
    for name, _, _ in fastnn._cpu.KERNELS:
        assert fastnn.source(name)


def test_sources_for_cuda():
    """The GPU's ladders can be read, and asked for, where there is no GPU."""
    for family, ladder in fastnn.rungs(device="cuda").items():
        for i, name in enumerate(ladder[:-1], 1):
            text = fastnn.source(family, name, device="cuda")
            assert text.startswith(f"// {family} on a GPU, rung {i}, {name}: ") and len(text.splitlines()) <= 80, (family, name)
            assert text == fastnn.source(family, i, "cuda") and fastnn.study.idea(family, name, "cuda")
    assert fastnn.study.source_path("matmul", device="cuda").name == "matmul.cu"
    assert fastnn.study.source_path("tanh", device="cuda").name == "tile.cuh" and "Mse" in fastnn.source("mse_loss", device="cuda")
    with pytest.raises(ValueError, match="no kernel 'peak' for cuda"):
        fastnn.source("peak", device="cuda")
    with pytest.raises(ValueError, match="no rung 'tiled'; its rungs are: 1 naive, 2 coalesced"):
        fastnn.source("matmul", "tiled", "cuda")
    with pytest.raises(ValueError, match="5 packed, 6 production; on cuda: 1 naive, 2 coalesced"):
        fastnn.rung(matmul="fast")
    with pytest.raises(ValueError, match="no rungs on cuda"):
        fastnn.rung(relu="naive", device="cuda")
    with pytest.raises(ValueError, match="'cpu' or 'cuda'"):
        fastnn.rungs(device="tpu")


def operands(rng, scale=1.0):
    shapes = {"x": (2, 3, 13, 17), "w": (5, 3, 3, 3), "m": (19, 37), "v": (37,), "s": (4, 3, 5)}
    return {name: (rng.standard_normal(shape) * scale).astype(np.float32) for name, shape in shapes.items()}


def computations(family, arrays):
    """Results of a family on odd shapes, with strides: transposed, every other row, a first column left out."""
    x, w, m, v, s = (fastnn.from_numpy(arrays[n]) for n in "xwmvs")
    if family == "matmul":
        return [m @ m.T, m[:, ::2] @ m[:, ::2].T, m.T[1:] @ m, F.linear(m, m), m @ v, m[:0] @ m.T, m[:, :0] @ m.T[:0]]
    if family == "conv2d":
        cut = x[:, :, ::2, 1:]
        return [F.conv2d(x, w, padding=1), F.conv2d(x, w, stride=2, dilation=2, padding=3), F.conv2d(cut, w), F.conv2d(x[:0], w)]
    if family == "softmax":
        return [F.softmax(m, 1), F.softmax(m, 0), F.softmax(m.T, 1), F.softmax(m[::2, 1:], 1), F.softmax(x, 1), F.softmax(m[:0], 1)]
    if family == "layer_norm":
        return [F.layer_norm(m, (37,)), F.layer_norm(m, (37,), v, v), F.layer_norm(m.T, (19,)), F.layer_norm(m[:0], (37,), v, v)]
    if family == "max_pool2d":
        return [F.max_pool2d(x, 3, 2, 1), F.max_pool2d(x[:, :, ::2, 1:], 2), F.max_pool2d(x, 2, 1, 0, 2), F.max_pool2d(x[:0], 2)]
    if family == "attention":
        attend, wide, mask = F.scaled_dot_product_attention, x[:, :, ::2, 1:], x[:1, :1, :, :13]
        return [attend(x, x, x), attend(x, x, x, is_causal=True), attend(wide, x[..., 1:], x), attend(x[:, :, :, ::2], x[..., ::2], x[:, :1], mask > 0),
                attend(x.transpose(1, 2), x[:, :2].transpose(1, 2), x[:, 1:].transpose(1, 2)), attend(x[:0], x[:0], x[:0]), attend(x, x, x, scale=0.1)]  # fmt: skip
    assert family == "lstm", f"no computations for {family}"
    fastnn.manual_seed(0)
    return list(fastnn.nn.LSTM(5, 7)(s)) + list(fastnn.nn.LSTM(5, 7)(s[:, ::2]))


def flat(results):
    return [t.detach().numpy() for r in results for t in (r if isinstance(r, tuple) else (r,))]


@pytest.mark.parametrize("kind", ["odd", "denormal", "huge", "special"])
@pytest.mark.parametrize("family, name", RUNGS)
def test_same_results_on_awkward_input(family, name, kind, rng):
    """Huge: squares are still finite. Special: infinities and NaNs come out where the production kernel puts them."""
    if kind == "special" and family == "attention":
        pytest.skip("a hidden key's NaN times its weight of zero: NaN where a block holds the key, nothing where it is passed over")
    arrays = operands(rng, {"denormal": 1e-40, "huge": 1e17}.get(kind, 1.0))
    if kind == "denormal":
        arrays["w"] = operands(rng)["w"]  # denormal images, ordinary filters
    if kind == "special":
        for a in (arrays["x"], arrays["m"]):
            a[a > 1.8], a[a < -2.2] = np.inf, np.nan
    with np.errstate(all="ignore"):
        want = flat(computations(family, arrays))
        with fastnn.rung(**{family: name}):
            got = flat(computations(family, arrays))
    for g, w in zip(got, want, strict=True):
        scale = np.abs(w[np.isfinite(w)]).max(initial=0.0)
        np.testing.assert_allclose(g, w, rtol=2e-5, atol=2e-5 * scale + 3e-45)


def bad(family):
    """Calls that must fail: shapes that do not fit, axes and windows that do not exist, types that differ."""
    z = fastnn.zeros
    return {
        "matmul": [lambda: z(3, 4) @ z(3, 4), lambda: F.linear(z(3, 4), z(2, 5)), lambda: z(3) @ z(4), lambda: z(2, 2) @ z(2, 2, dtype=fastnn.float64)],
        "conv2d": [lambda: F.conv2d(z(1, 2, 5, 5), z(3, 3, 3, 3)), lambda: F.conv2d(z(1, 2, 2, 2), z(3, 2, 3, 3)),
                   lambda: F.conv2d(z(1, 2, 5, 5), z(3, 2, 3, 3), stride=0), lambda: F.conv2d(z(5), z(3, 2, 3, 3))],
        "softmax": [lambda: F.softmax(z(3, 4), 5), lambda: F.softmax(z(3, 4).long(), 1)],
        "layer_norm": [lambda: F.layer_norm(z(3, 4), (5,)), lambda: F.layer_norm(z(3, 4), (4,), z(5)), lambda: F.layer_norm(z(3, 4).long(), (4,))],
        "max_pool2d": [lambda: F.max_pool2d(z(1, 1, 4, 4), 0), lambda: F.max_pool2d(z(1, 1, 4, 4), 2, padding=2), lambda: F.max_pool2d(z(1, 1, 2, 2), 5)],
        "attention": [lambda: F.scaled_dot_product_attention(z(1, 2, 3, 4), z(1, 2, 3, 5), z(1, 2, 3, 4)),
                      lambda: F.scaled_dot_product_attention(z(1, 2, 3, 4), z(1, 2, 3, 4), z(1, 2, 5, 4)),
                      lambda: F.scaled_dot_product_attention(z(1, 2, 3, 4), z(1, 2, 3, 4), z(1, 2, 3, 4), z(7, 3)),
                      lambda: F.scaled_dot_product_attention(z(1, 2, 3, 4).long(), z(1, 2, 3, 4).long(), z(1, 2, 3, 4).long())],
        "lstm": [lambda: fastnn.nn.LSTM(5, 7)(z(4, 3, 6)), lambda: fastnn.nn.LSTM(5, 7)(z(4, 3, 5), (z(1, 2, 7), z(1, 3, 7)))],
    }[family]  # fmt: skip


@pytest.mark.parametrize("family, name", RUNGS)
def test_same_exceptions_on_bad_input(family, name):
    for call in bad(family):
        with pytest.raises(Exception) as wanted:
            call()
        with fastnn.rung(**{family: name}), pytest.raises(wanted.type) as got:
            call()
        assert str(got.value) == str(wanted.value)


def test_study_command(capsys, tmp_path):
    from fastnn.cli import main

    assert main(["study", "softmax", "--quick"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in fastnn.rungs("softmax"))
    assert main(["study", "relu"]) == 2
    assert "ladders exist for" in capsys.readouterr().err
    pytest.importorskip("matplotlib", reason="the plot needs matplotlib")
    assert main(["study", "softmax", "--quick", "--derivative", "--plot", str(tmp_path / "roof.svg")]) == 0
    assert (tmp_path / "roof.svg").read_text().startswith("<?xml")


def test_board_command(capsys, tmp_path):
    import json

    from fastnn.cli import main

    path = tmp_path / "board.json"
    assert main(["board", "--filter", "18e,22a", "--rivals", "numpy", "--json", str(path)]) == 0
    rows = json.loads(path.read_text())["rows"]
    named = [(r["case"].split()[0], r["direction"], r["cold"]) for r in rows if not r["twin"]]
    assert ("22a", "forward", False) in named and ("22a", "derivative", False) in named and ("18e", "step", False) in named
    assert [r["shape"] for r in rows if r["twin"] and r["case"].startswith("18e")] == ["batch4 (2, 9, 1)"]
    assert all(r["error"] < 1e-5 for r in rows if r["error"] is not None)
    assert "XOR" in capsys.readouterr().out
    assert main(["board", "--rivals", "nobody"]) == 2
    assert main(["board", "--filter", "nothing"]) == 2
    assert "18e XOR" in capsys.readouterr().err


def test_commands_complain_before_they_measure(capsys, tmp_path):
    from fastnn.cli import main

    for arguments, message in (
        ("bench nothing", "unknown benchmark family 'nothing'"),
        ("bench matmul --rival nobody", "rival 'nobody' is not installed"),
        ("bench matmul --threads 0", "expected 1 to 256 threads"),
        ("bench matmul --rival nobody.at.all", "rival 'nobody.at.all' is not installed"),
        (f"bench matmul --json {tmp_path}/no/x.json", "no/x.json cannot be written: No such file"),
        (f"bench matmul --json {tmp_path}", "cannot be written: Is a directory"),
        ("study softmax --plot x.txt", "neither .png nor .svg"),
    ):
        try:
            code = main(arguments.split())
        except SystemExit as e:  # argparse
            code = e.code
        printed = capsys.readouterr()
        assert code == 2 and message in printed.err and not printed.out, (arguments, printed)
    assert main(["bench", "matmul", "--quick", "--filter", "nothing"]) == 2
    assert "contains 'nothing'" in capsys.readouterr().err


def test_info_command(capsys):
    from fastnn.cli import main

    assert main(["info"]) == 0
    text = capsys.readouterr().out
    assert fastnn.__version__ in text and ("no: " in text) != fastnn.cuda.is_available()


def test_a_reader_that_stops_reading_is_no_error():
    with subprocess.Popen([sys.executable, "-m", "fastnn", "info"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
        p.stdout.close()
        assert p.stderr.read() == b"" and p.wait() == 0
