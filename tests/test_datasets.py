"""Data sets: what comes with the package, what is found, and what is refused."""

import gzip
import io
import os
import struct
import sys
import tarfile
import wave

import numpy as np
import pytest

import fastnn
from fastnn import datasets
from fastnn.datasets import read_idx

DATA = os.environ.get("FASTNN_DATA", "")
needs_mnist = pytest.mark.skipif(not os.path.isdir(os.path.join(DATA, "mnist")), reason="FASTNN_DATA has no MNIST")
needs_housing = pytest.mark.skipif(not os.path.isdir(os.path.join(DATA, "housing")), reason="FASTNN_DATA has no housing")


def test_digits():
    train, test, every = datasets.Digits(), datasets.Digits(train=False), datasets.Digits(train=None)
    assert (len(train), len(test), len(every)) == (1438, 359, 1797)
    assert train.data.dtype is fastnn.uint8 and tuple(train.data.shape) == (1438, 8, 8)
    assert every.data.numpy().max() == 16 and set(every.targets.tolist()) == set(range(10))
    assert every.targets.tolist()[:10] == list(range(10))
    image, target = every[0]
    assert image.tolist()[0] == [0, 0, 5, 13, 9, 1, 0, 0] and target == 0
    assert (test.data.numpy() == every.data.numpy()[4::5]).all()
    assert datasets.Digits(transform=lambda x: "seen", target_transform=lambda y: -y)[5] == ("seen", -int(train.targets[5]))
    assert "1438 images of 8x8" in repr(train)


@needs_mnist
def test_mnist():
    for kind, count, seven in ((True, 60000, 5), (False, 10000, 7)):
        data = datasets.MNIST(train=kind)
        assert tuple(data.data.shape) == (count, 28, 28) and data.data.dtype is fastnn.uint8
        assert len(data) == count and data[0][1] == seven and data.targets.dtype is fastnn.int64
    assert (datasets.MNIST(os.path.join(DATA, "mnist"), train=False).data.numpy() == data.data.numpy()).all()


@needs_mnist
def test_mnist_by_content_not_by_wrapper(tmp_path, monkeypatch):
    monkeypatch.delenv("FASTNN_DATA")
    for part in ("images-idx3", "labels-idx1"):
        content = gzip.open(os.path.join(DATA, "mnist", f"t10k-{part}-ubyte.gz")).read()
        (tmp_path / f"t10k-{part}-ubyte").write_bytes(content)
    assert datasets.MNIST(tmp_path, train=False)[0][1] == 7
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(content[:-1] + b"\0")
    with pytest.raises(ValueError, match="sha256"):
        datasets.MNIST(tmp_path, train=False)


def test_mnist_not_found(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTNN_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="FASTNN_DATA"):
        datasets.MNIST(tmp_path, download=False)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(b"\x1f\x8bnonsense")
    with pytest.raises(ValueError, match="damaged gzip"):
        datasets.MNIST(tmp_path, download=False)
    with pytest.raises(ValueError, match="md5"):
        datasets.FashionMNIST(tmp_path, download=False)


# ---- IDX ----------------------------------------------------------------------------------------------------------------


def idx(kind, shape, data):
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, kind, len(shape), *shape) + data


@pytest.mark.parametrize("kind,dtype", [(8, "u1"), (9, "i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")])
@pytest.mark.parametrize("wrap", [bytes, gzip.compress])
def test_idx(tmp_path, rng, kind, dtype, wrap):
    for shape in [(), (0,), (5,), (2, 3, 4)]:
        values = np.asarray(rng.standard_normal(shape) * 50, dtype=dtype)
        (tmp_path / "f").write_bytes(wrap(idx(kind, shape, values.tobytes())))
        got = read_idx(tmp_path / "f")
        assert got.dtype == np.dtype(dtype).newbyteorder("=") and got.shape == shape
        np.testing.assert_array_equal(got, values)


GOOD = idx(8, (2, 3), bytes(6))
HOSTILE = {
    "empty": b"", "text": b"hello, world", "bad zeros": b"\1\0\x08\1\0\0\0\0", "bad type": b"\0\0\x0a\1\0\0\0\0",
    "cut in the header": GOOD[:7], "cut in the data": GOOD[:-1], "too long": GOOD + b"\0",
    "promises 4 GB": idx(8, (2**32 - 1,), b"123"), "promises more than memory": idx(14, (2**32 - 1,) * 3, b""),
    "promises 2**64": idx(8, (2**32 - 1,) * 8, b""), "255 axes": idx(8, (1,) * 255, b"\0"), "9 axes": idx(8, (1,) * 9, b"\0"),
    "gzip cut": gzip.compress(GOOD)[:-5], "gzip garbage": b"\x1f\x8b\x08\0garbage", "gzip bad sum": gzip.compress(GOOD)[:-8] + bytes(8),
    "gzip of nothing": gzip.compress(b""), "gzip promises 4 GB": gzip.compress(idx(8, (2**32 - 1,), b"123")),
    "gzip too long": gzip.compress(GOOD + bytes(100)), "gzip flipped": gzip.compress(GOOD)[:12] + b"\xff\xff\xff" + gzip.compress(GOOD)[15:],
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_idx(tmp_path, name):
    (tmp_path / "hostile").write_bytes(HOSTILE[name])
    with pytest.raises(ValueError, match="hostile"):
        read_idx(tmp_path / "hostile")


# ---- CSV ----------------------------------------------------------------------------------------------------------------


def table(text, **options):
    return datasets.csv(io.StringIO(text, newline=""), **options)


def test_csv_types_and_missing_values():
    t = table('id,x,y,kind,"a, b"\n1,0.5,3,red,1\n2,?,4,"dark ""blue""",\n\n3,-1e3, 5 ,,2\n')
    assert list(t) == ["id", "x", "y", "kind", "a, b"] and len(t) == 3
    assert t["id"].dtype == np.int64 and t["y"].tolist() == [3, 4, 5]
    np.testing.assert_array_equal(t["x"], [0.5, np.nan, -1000])
    assert t["kind"].tolist() == ["red", 'dark "blue"', ""]
    np.testing.assert_array_equal(t["a, b"], [1, np.nan, 2])
    np.testing.assert_array_equal(t.matrix(["id", "y"]), [[1, 3], [2, 4], [3, 5]])
    assert t.matrix().shape == (3, 4)
    with pytest.raises(ValueError, match="text"):
        t.matrix(["kind"])
    codes, values = t.codes("kind")
    assert values == ["", 'dark "blue"', "red"] and codes.tolist() == [2, 1, 0]
    assert t.one_hot("kind")[0].tolist() == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]


def test_csv_headers_and_options(tmp_path):
    assert list(table("1,2\n3,4\n")) == ["0", "1"]
    assert table("1,2\n3,4\n", header=True)["1"].tolist() == [3]
    assert table("a,b\nc,d\n", header=False)["0"].tolist() == ["a", "c"]
    assert table("a;b\n1;2\n", delimiter=";", columns=["b"])["b"].tolist() == [2]
    big = table("a\n99999999999999999999\n")["a"]
    assert big.dtype == np.float64 and big[0] == 1e20
    (tmp_path / "f.csv").write_bytes(b"\xef\xbb\xbfa,b\r\n1,2\r\n")
    assert datasets.csv(tmp_path / "f.csv")["a"].tolist() == [1]


@pytest.mark.parametrize(
    "text,message",
    [
        ("", "no rows"), ("\n\n", "no rows"), ("a,b\n1,2\n3\n", "line 3: 1 fields, where the first row has 2"),
        ("a,b\n1,2,3\n", "line 2: 3 fields"), ('a,b\n1,"2\n', "line 2"), ('a,b\n1,"2"x\n', "line 2"), ("a,a\n1,2\n", "twice"),
        ("a\n" + "x" * 2_000_000 + "\n", "line 2"),
    ],
)  # fmt: skip
def test_bad_csv(text, message):
    with pytest.raises(ValueError, match=message):
        table(text)


def test_bad_csv_files(tmp_path):
    (tmp_path / "f.csv").write_bytes(b"a,b\n1,2\n\xff,3\n")
    with pytest.raises(ValueError, match="line 3: not utf-8"):
        datasets.csv(tmp_path / "f.csv")
    with pytest.raises(ValueError, match="no column 'z'"):
        table("a,b\n1,2\n", columns=["z"])
    with pytest.raises(FileNotFoundError):
        datasets.csv(tmp_path / "missing.csv")


@needs_housing
def test_housing():
    x, y, names = datasets.house_prices()
    assert x.shape == (1000, 7) and y.shape == (1000,) and names[0] == "Square_Footage" and x[0, 0] == 1360
    x, y, names = datasets.california_housing()
    assert x.shape == (20640, 13) and y[0] == 452600 and np.isfinite(x).all() and names[-5:] == sorted(names[-5:])


def test_housing_refuses(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTNN_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="FASTNN_DATA"):
        datasets.california_housing()
    (tmp_path / "housing.tgz").write_bytes(b"not a tar file")
    with pytest.raises(ValueError, match=r"housing\.tgz: damaged archive"):
        datasets.california_housing()
    with tarfile.open(tmp_path / "housing.tgz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("other.csv"))
    with pytest.raises(ValueError, match=r"no housing\.csv"):
        datasets.california_housing()


def test_find(tmp_path, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here / "text", there / "text", there / "text" / "b"):
        folder.mkdir(parents=True)
    (there / "text" / "a").write_text("there")
    monkeypatch.setenv("FASTNN_DATA", str(there))
    assert datasets.find("text/a", root=here) == datasets.find("text/b", "a", folders=("", "text")) == there / "text" / "a"
    (here / "text" / "a").write_text("here")
    assert datasets.find("text/a", root=str(here)).read_text() == "here"
    monkeypatch.delenv("FASTNN_DATA")
    with pytest.raises(FileNotFoundError, match="text/b not found in .*there: set FASTNN_DATA"):
        datasets.find("text/b", root=there)  # a folder is no file


def test_find_says_where_it_looked(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FASTNN_DATA", "~/data")
    with pytest.raises(FileNotFoundError, match=f"x/y not found in {tmp_path}/mine or {tmp_path}/data: set FASTNN_DATA"):
        datasets.find("x/y", root="~/mine")
    (tmp_path / "data" / "x").mkdir(parents=True)
    (tmp_path / "data" / "x" / "y").touch()
    assert datasets.find("x/y") == tmp_path / "data" / "x" / "y"


def test_a_table_names_file_and_line(tmp_path):
    (tmp_path / "f.csv").write_text("id,kind\n1_000,\n\n2_000,red\n")
    t = datasets.csv(tmp_path / "f.csv")
    assert t["id"].tolist() == ["1_000", "2_000"]  # names, though Python takes them for numbers
    for call, message in (
        (lambda: t.numbers("kind"), "f.csv, line 4: column 'kind' is text, 'red' for one"),
        (lambda: t.matrix(["id"]), "f.csv, line 2: column 'id' is text, '1_000' for one"),
        (lambda: t.codes("sort"), r"f.csv: no column 'sort'; it has \['id', 'kind'\]"),
        (lambda: t.one_hot("sort"), "f.csv: no column 'sort'"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    with open(tmp_path / "f.csv", "rb") as f:
        assert datasets.csv(f, columns="kind")["kind"].tolist() == ["", "red"]


CALIFORNIA = "longitude,total_bedrooms,median_house_value,ocean_proximity\n"


@pytest.mark.parametrize("packed", [False, True])
def test_other_housing(tmp_path, packed):
    def read(text):
        path = tmp_path / ("housing.tgz" if packed else "housing.csv")
        data = text if isinstance(text, bytes) else text.encode()
        if packed:
            with tarfile.open(path, "w:gz") as tar:
                member = tarfile.TarInfo("housing.csv")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        else:
            path.write_bytes(data)
        return datasets.california_housing(tmp_path)

    x, y, names = read(CALIFORNIA + "1,2,3,INLAND\n2,,4,ISLAND\n")
    assert x.tolist() == [[1, 2, 1, 0], [2, 2, 0, 1]] and y.tolist() == [3, 4] and names == ["longitude", "total_bedrooms", "INLAND", "ISLAND"]
    for text, message in (
        ("longitude,median_house_value\n1,2\n", "no column 'ocean_proximity'"), ("longitude,ocean_proximity\n1,2\n", "no column 'median_house_value'"),
        (CALIFORNIA + "1,2,3,INLAND\n1,2,much,INLAND\n", "line 3: column 'median_house_value' is text, 'much'"),
        (CALIFORNIA + "1,,3,INLAND\n", "column 'total_bedrooms' has no number"), (CALIFORNIA.encode() + b"1,2,3,\xff\n", "line 2: not utf-8"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"housing.*{message}"):
            read(text)


def test_other_house_prices(tmp_path):
    def read(text):
        (tmp_path / "house_price_regression_dataset.csv").write_text(text)
        return datasets.house_prices(tmp_path)

    x, y, names = read("Rooms,House_Price\n1,2\n3,\n")
    assert x.tolist() == [[1], [3]] and y[0] == 2 and np.isnan(y[1]) and names == ["Rooms"]
    for text, message in (
        ("a,b\n1,2\n", "no column 'House_Price'"), ("a,House_Price\n1,x\n", "line 2: column 'House_Price' is text"),
        ("a,House_Price\nred,1\n", "line 2: column 'a' is text, 'red'"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"dataset.csv.*{message}"):
            read(text)


def test_a_download_is_whole_or_nothing(tmp_path, monkeypatch):
    """What comes instead of the file is not kept, and a network that is not there is said in one line."""
    pages = {}

    class Pooch:
        def retrieve(url, known_hash, fname, path):
            if url not in pages:
                raise ConnectionError("no route to host")
            path.mkdir(parents=True, exist_ok=True)
            (path / fname).write_bytes(pages[url])
            return str(path / fname)

    monkeypatch.setitem(sys.modules, "pooch", Pooch)
    monkeypatch.delenv("FASTNN_DATA", raising=False)
    for kind in (datasets.MNIST, datasets.FashionMNIST):
        with pytest.raises(FileNotFoundError, match="train-images-idx3-ubyte.gz could not be downloaded: no route to host"):
            kind(tmp_path)
        pages[kind.url + "train-images-idx3-ubyte.gz"] = b"<html>Please log in</html>"
        with pytest.raises(ValueError, match=f"this is not the train-images.*{kind.__name__}"):
            kind(tmp_path)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


# ---- series -------------------------------------------------------------------------------------------------------------

HEAD = "# made\n@problemName P\n@timeStamps false\n@classLabel true Up down-1\n@data\n"


def test_ts(tmp_path):
    path = tmp_path / "P_TRAIN.ts"
    path.write_text(HEAD + "1,2,3:4,?,6:up\n\n-1e3,NaN:0,.5:down-1 \n")
    series, labels = datasets.read_ts(path)
    assert labels == ["Up", "down-1"] and [x.shape for x in series] == [(2, 3), (2, 2)] and series[0].dtype == np.float64
    np.testing.assert_array_equal(series[0], [[1, 2, 3], [4, np.nan, 6]])
    np.testing.assert_array_equal(series[1], [[-1000, np.nan], [0, 0.5]])
    path.write_text("@targetLabel true\r\n@DATA\r\n1,2:0.25\r\n")
    assert datasets.read_ts(path)[1] == [0.25]
    path.write_bytes(b"\xef\xbb\xbf@classLabel false\n@data\n1,2\n")
    series, labels = datasets.read_ts(path)
    assert labels is None and series[0].tolist() == [[1, 2]]


@pytest.mark.parametrize(
    "text,message",
    [
        ("", "no @data"), (HEAD, "no cases"), ("1,2:up\n", "line 1: expected a line that begins with @"), (HEAD + "1,2:left\n", "line 6: class 'left'"),
        (HEAD + "1,x:up\n", "line 6: could not convert string to float: 'x'"), (HEAD + "1,,2:up\n", "line 6: could not convert"),
        (HEAD + "1:up\n1:2:up\n", "line 7: 2 channels, where the first case has 1"), (HEAD + "1,2:1:up\n", "line 6: channels of different lengths: 2, 1"),
        (HEAD + "up\n", "line 6: no values"), (HEAD + "1,2\n", "line 6: class '1,2'"), (HEAD.replace("false", "true") + "(0,1):up\n", "time stamps"),
        (HEAD + "@\n", "line 6: class '@'"), ("@\n", "line 1"), ("\xff", "not text"),
    ],
)  # fmt: skip
def test_bad_ts(tmp_path, text, message):
    (tmp_path / "P.ts").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=f"P.ts.*{message}"):
        datasets.read_ts(tmp_path / "P.ts")


# ---- sound --------------------------------------------------------------------------------------------------------------


def sound(samples, bits, rate=8000):
    """A WAV file of int samples (channels, n)."""
    file = io.BytesIO()
    with wave.open(file, "wb") as f:
        f.setnchannels(len(samples))
        f.setsampwidth(bits // 8)
        f.setframerate(rate)
        f.writeframes(b"".join(int(v + 128 * (bits == 8)).to_bytes(bits // 8, "little", signed=bits > 8) for v in np.transpose(samples).ravel()))
    return file.getvalue()


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_wav(tmp_path, rng, bits, channels):
    top = 2 ** (bits - 1)
    samples = rng.integers(-top, top, (channels, 11))
    samples[0, :3] = -top, 0, top - 1
    (tmp_path / "a.wav").write_bytes(sound(samples, bits, 44100))
    got, rate = datasets.read_wav(tmp_path / "a.wav")
    assert rate == 44100 and got.dtype == np.float64
    np.testing.assert_array_equal(got, samples / top)
    with open(tmp_path / "a.wav", "rb") as f:
        np.testing.assert_array_equal(datasets.read_wav(f)[0], got)


def test_bad_wav(tmp_path):
    good = sound(np.ones((2, 50), int), 16)
    for data, message in (
        (b"", "not a WAV"), (b"hello, world", "not a WAV"), (good[:30], "not a WAV"), (good[:-7], "promises 200 bytes of sound, it has 193"),
        (good[:20] + b"\3\0" + good[22:], "format: 3"), (good[:34] + b"\x40\0" + good[36:], "64 bits"), (good[:22] + b"\0\0" + good[24:], "not a WAV"),
        (good[:40] + b"\xff\xff\xff\xff" + good[44:], "promises"),
    ):  # fmt: skip
        (tmp_path / "a.wav").write_bytes(data)
        with pytest.raises(ValueError, match=f"a.wav: .*{message}"):
            datasets.read_wav(tmp_path / "a.wav")


def test_unpack(tmp_path):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        for name in ("b.txt", "d/a.txt", "c.wav"):
            member = tarfile.TarInfo(name)
            member.size = 3000
            tar.addfile(member, io.BytesIO(np.random.default_rng(0).bytes(3000)))
    found = datasets.unpack(tmp_path / "a.tar.gz", ".txt")
    assert [f.name for f in found] == [f"{tmp_path}/a.tar.gz, b.txt", f"{tmp_path}/a.tar.gz, d/a.txt"] and len(found[1].read()) == 3000
    data = (tmp_path / "a.tar.gz").read_bytes()
    for bad in (data[:2000], data[:1000] + bytes(50) + data[1050:], b"", b"text"):
        (tmp_path / "a.tar.gz").write_bytes(bad)
        with pytest.raises(ValueError, match="a.tar.gz: damaged archive"):
            datasets.unpack(tmp_path / "a.tar.gz")
    with pytest.raises(FileNotFoundError):
        datasets.unpack(tmp_path / "no.tar")
