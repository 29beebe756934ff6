"""Files: everything comes back bit by bit, hostile files are refused with ValueError, a failed save leaves the old file."""

import copy
import hashlib
import io
import json
import math
import os
import re
import struct
import subprocess

import numpy as np
import pytest

import fastnn
from fastnn import nn, optim
from fastnn.serialization import load_file, save_file

DTYPES = ["float32", "float64", "int64", "int32", "uint8", "bool"]


def same(a, b):
    if isinstance(a, (fastnn.Tensor, np.ndarray)):
        a, b = (np.asarray(x.detach() if isinstance(x, fastnn.Tensor) else x) for x in (a, b))
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and (a == b or (a != a and b != b))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (5, 7), (2, 1, 2, 1, 2, 1, 2, 1)])
def test_round_trip(tmp_path, rng, dtype, shape):
    array = (rng.standard_normal(shape) * 100).astype(dtype)
    fastnn.save(fastnn.tensor(array), tmp_path / "t")
    assert same(fastnn.load(tmp_path / "t"), array)
    save_file({"x": fastnn.tensor(array)}, tmp_path / "u")
    assert same(load_file(tmp_path / "u")["x"], array)


def test_nested(tmp_path):
    special = np.float32([math.nan, -0.0, math.inf, 1e-45])
    x = fastnn.tensor(special)
    obj = {
        "a": [x, (1, 2.5, None, True), {"b": x.double(), 3: "text", "": [], "c": {}}],
        "a.0": fastnn.ones(2),  # the path of the first tensor above
        "strided": fastnn.ones(3, 4)[:, 1:3].t(),
        "numbers": [math.inf, math.nan, 10**30, -1],
        "tuple": (), "unicode": {"größe": fastnn.zeros(1)},
        "parameter": nn.Parameter(fastnn.ones(2)), "places": [x.size(), x.dtype, fastnn.float16, fastnn.device("cuda:1")],
    }  # fmt: skip
    fastnn.save(obj, tmp_path / "f")
    assert same(fastnn.load(tmp_path / "f"), obj)
    assert isinstance(fastnn.load(tmp_path / "f")["places"][0], fastnn.Size)


def test_training_continues_from_a_file(tmp_path):
    fastnn.manual_seed(0)

    def make():
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
        optimizer = optim.AdamW(model.parameters(), lr=0.1, amsgrad=True)
        return model, optimizer, optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)

    def train(parts, steps):
        model, optimizer, schedule = parts
        for _ in range(steps):
            optimizer.zero_grad()
            (model(x) ** 2).sum().backward()
            optimizer.step()
            schedule.step()

    x = fastnn.tensor(np.arange(12.0).reshape(4, 3) / 10, dtype=fastnn.float32)
    one, two = make(), make()
    train(one, 3)
    fastnn.save([part.state_dict() for part in one], tmp_path / "checkpoint")
    for part, state in zip(two, fastnn.load(tmp_path / "checkpoint"), strict=True):
        part.load_state_dict(state)
    train(one, 3)
    train(two, 3)
    for p, q in zip(one[0].parameters(), two[0].parameters(), strict=True):
        assert same(p, q)
    assert one[2].get_last_lr() == two[2].get_last_lr()


def test_files_of_and_for_torch(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file as torch_load
    from safetensors.torch import save_file as torch_save

    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    torch_save(theirs.state_dict(), tmp_path / "theirs.safetensors")
    ours = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    assert str(ours.load_state_dict(fastnn.load(tmp_path / "theirs.safetensors"))) == "<All keys matched successfully>"
    fastnn.save(ours.state_dict(), tmp_path / "ours.safetensors")
    back = torch_load(tmp_path / "ours.safetensors")
    for name, value in theirs.state_dict().items():
        assert torch.equal(back[name], value)
    halves = {"h": torch.arange(5).half() / 3, "b": torch.arange(5).bfloat16() / 3, "c": torch.arange(4, dtype=torch.int16)}
    torch_save(halves, tmp_path / "halves")
    got = load_file(tmp_path / "halves")
    assert [got[k].dtype for k in "hbc"] == [fastnn.float16, fastnn.bfloat16, fastnn.int16]
    fastnn.save(got, tmp_path / "ours")
    back = torch_load(tmp_path / "ours")
    for name, value in halves.items():
        assert back[name].dtype is value.dtype and torch.equal(back[name], value)


def test_what_cannot_be_saved(tmp_path):
    loop = []
    loop.append(loop)
    for obj, error in [
        (object(), TypeError), ({(1, 2): 3}, TypeError), ({True: 1}, TypeError), (lambda: 0, TypeError), (loop, ValueError),
        ({"a": np.array(["text"])}, TypeError), ({"a": np.array([1j])}, TypeError), ({1.5: 2}, TypeError),
    ]:  # fmt: skip
        with pytest.raises(error):
            fastnn.save(obj, tmp_path / "f")
    with pytest.raises(TypeError):
        save_file({1: fastnn.ones(2)}, tmp_path / "f")
    with pytest.raises(TypeError):
        save_file({"a": fastnn.ones(2)}, tmp_path / "f", {"version": 3})
    assert list(tmp_path.iterdir()) == []


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    fastnn.save({"x": fastnn.ones(3)}, tmp_path / "f")
    before = (tmp_path / "f").read_bytes()

    def fail(*args):
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="no space left"):
        fastnn.save({"x": fastnn.zeros(3)}, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_where_files_go(tmp_path):
    """A link leads to the file that is written, a pipe is written to, and errors name the path that was given."""
    (tmp_path / "link").symlink_to("target")
    for value in (1.0, 2.0):
        fastnn.save({"x": fastnn.tensor(value)}, tmp_path / "link")
        assert (tmp_path / "link").is_symlink() and fastnn.load(tmp_path / "target")["x"] == value
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE) as reader:
        fastnn.save({"x": fastnn.tensor(2.0)}, tmp_path / "pipe")
        assert fastnn.load(io.BytesIO(reader.stdout.read()))["x"] == 2.0
    for path, error in ((tmp_path / "no" / "f", FileNotFoundError), (tmp_path, IsADirectoryError)):
        with pytest.raises(error, match=re.escape(f"'{path}'")):
            fastnn.save({"x": fastnn.ones(3)}, path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "pipe", "target"]


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        fastnn.load(tmp_path / "nothing")


# ---- hostile files ------------------------------------------------------------------------------------------------------


def raw(header, data=b"", size=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + data


def entry(shape, begin, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def described(structure, **tensors):
    """A good file whose description of the saved object is `structure`."""
    offset, header = 0, {"__metadata__": {"fastnn": structure if isinstance(structure, str) else json.dumps(structure)}}
    for name in tensors:
        header[name] = entry([1], offset, offset + 4)
        offset += 4
    return raw(header, bytes(offset))


HOSTILE = {
    "empty": b"",
    "short": b"\0\0\0",
    "no header": struct.pack("<Q", 0),
    "header cut off": raw({"x": entry([1], 0, 4)}, bytes(4))[:20],
    "huge header": raw({}, size=2**63),
    "largest header": raw({}, size=2**64 - 1),
    "not json": raw(b"{not json"),
    "not utf-8": raw(b'{"\xff": 1}'),
    "a list": raw([1, 2]),
    "a number": raw(b"3"),
    "pickle": b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93.",
    "overlap": raw({"a": entry([2], 0, 8), "b": entry([2], 4, 12)}, bytes(12)),
    "hole": raw({"a": entry([1], 0, 4), "b": entry([1], 8, 12)}, bytes(12)),
    "starts late": raw({"a": entry([1], 4, 8)}, bytes(8)),
    "twice": raw(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
                 bytes(4)),
    "trailing bytes": raw({"a": entry([1], 0, 4)}, bytes(9)),
    "truncated data": raw({"a": entry([4], 0, 16)}, bytes(12)),
    "size too large": raw({"a": entry([2**62], 0, 4)}, bytes(4)),
    "size overflows": raw({"a": entry([2**33, 2**33], 0, 4)}, bytes(4)),
    "size overflows to 4 bytes": raw({"a": entry([2**62 + 1, 4], 0, 16)}, bytes(16)),
    "negative size": raw({"a": entry([-1], 0, 4)}, bytes(4)),
    "fraction": raw({"a": entry([1.5], 0, 4)}, bytes(4)),
    "text for a size": raw({"a": entry(["1"], 0, 4)}, bytes(4)),
    "shape does not fit": raw({"a": entry([3], 0, 4)}, bytes(4)),
    "end before begin": raw({"a": entry([1], 4, 0)}, bytes(4)),
    "negative offset": raw({"a": entry([1], -4, 0)}, bytes(4)),
    "three offsets": raw({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 2, 4]}}, bytes(4)),
    "unknown dtype": raw({"a": entry([1], 0, 4, "F33")}, bytes(4)),
    "unsupported dtype": raw({"a": entry([4], 0, 4, "F8_E4M3")}, bytes(4)),
    "no dtype": raw({"a": {"shape": [1], "data_offsets": [0, 4]}}, bytes(4)),
    "bool of 2": raw({"a": entry([2], 0, 2, "BOOL")}, b"\2\0"),
    "too many axes": raw({"a": entry([1] * 9, 0, 4)}, bytes(4)),
    "metadata not text": raw({"__metadata__": {"fastnn": 3}, "a": entry([1], 0, 4)}, bytes(4)),
    "metadata a list": raw({"__metadata__": [1], "a": entry([1], 0, 4)}, bytes(4)),
    "deep json": raw(b"[" * 100_000),
    "description not json": described("{"),
    "description of a missing tensor": described({"tensor": "y"}, x=1),
    "description names a tensor twice": described([{"tensor": "x"}, {"tensor": "x"}], x=1),
    "description leaves one out": described([], x=1),
    "description with an unknown kind": described({"object": []}),
    "description with no dtype": described({"dtype": ["np"]}),
    "description with a list as device": described({"device": [["cpu"]]}),
    "description with a broken device": described({"device": ["cpu:x"]}),
    "description with two kinds": described({"tuple": [], "dict": []}),
    "description with a bad pair": described({"dict": [["a"]]}),
    "description with a bad key": described({"dict": [[None, 1]]}),
    "description with a key twice": described({"dict": [["a", 1], ["a", 2]]}),
    "description with a list for a name": described({"tensor": ["x"]}, x=1),
    "deep description": described("[" * 900 + "]" * 900),
    "very deep description": described("[" * 20_000 + "]" * 20_000),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(tmp_path, name):
    path = tmp_path / "hostile"
    path.write_bytes(HOSTILE[name])
    with pytest.raises(ValueError, match="hostile"):
        fastnn.load(path)


def test_every_truncation_and_many_flipped_bits(tmp_path, rng):
    """A damaged file is refused or gives tensors; nothing else happens."""
    state = {"w": fastnn.ones(2, 3), "b": [fastnn.zeros(2, dtype=fastnn.float64), 1, (2, None)]}
    path = tmp_path / "f"
    fastnn.save(state, path)
    good = path.read_bytes()
    for length in range(len(good)):
        path.write_bytes(good[:length])
        with pytest.raises(ValueError):
            fastnn.load(path)
    for _ in range(500):
        bad = bytearray(good)
        bad[rng.integers(len(bad))] ^= 1 << rng.integers(8)
        path.write_bytes(bytes(bad))
        try:
            fastnn.load(path)
        except ValueError:
            pass


def test_arrays_stay_arrays(tmp_path):
    fastnn.save({"a": np.arange(3.0), "t": fastnn.arange(3), "n": np.float64(2.5)}, tmp_path / "f.pt")
    back = fastnn.load(tmp_path / "f.pt")
    assert type(back["a"]) is np.ndarray and back["a"].tolist() == [0, 1, 2] and isinstance(back["t"], fastnn.Tensor) and back["n"] == 2.5


def test_arguments_by_pytorchs_names(tmp_path):
    fastnn.save(obj={"a": 1}, f=tmp_path / "f.pt", pickle_protocol=4, _use_new_zipfile_serialization=False)
    assert fastnn.load(f=tmp_path / "f.pt", map_location="cpu") == {"a": 1}


def test_loading_fails_before_anything_changes():
    model = nn.Linear(3, 2)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(RuntimeError, match="size mismatch for bias"):
        model.load_state_dict({"weight": fastnn.zeros(2, 3), "bias": fastnn.zeros(5)})
    assert same(model.state_dict(), before)


def test_state_dicts_from_an_address(tmp_path):
    """Fetched once, checked against the hash in the name, refused where they are no safetensors; here from file:// addresses."""
    from fastnn import hub
    from fastnn.utils.model_zoo import load_url

    weights = nn.Linear(2, 3).state_dict()
    fastnn.save(weights, tmp_path / "w.pt")
    digest = hashlib.sha256((tmp_path / "w.pt").read_bytes()).hexdigest()
    good, bad = tmp_path / f"net-{digest[:8]}.pth", tmp_path / "net-00000000.pth"
    for path in (good, bad):
        path.write_bytes((tmp_path / "w.pt").read_bytes())
    hub.set_dir(tmp_path / "hub")
    try:
        loaded = hub.load_state_dict_from_url(good.as_uri(), progress=False, check_hash=True)
        assert all(fastnn.equal(loaded[k], weights[k]) for k in weights)
        good.unlink()
        assert load_url(good.as_uri()).keys() == weights.keys() and (tmp_path / "hub/checkpoints" / good.name).exists()
        with pytest.raises(RuntimeError, match="invalid hash"):
            hub.load_state_dict_from_url(bad.as_uri(), check_hash=True)
        (tmp_path / "pickle.pth").write_bytes(b"\x80\x04.")
        with pytest.raises(ValueError):
            hub.load_state_dict_from_url((tmp_path / "pickle.pth").as_uri())
    finally:
        hub._dir = None
