"""Cora: which field a paper is in, from its words and its citations, with 20 labels a class. Graph convolution and graph attention.

    python examples/cora.py                      (graphs/planetoid below --root or $FASTNN_DATA)
    python examples/cora.py --graph citeseer     (other papers in the same files: 3,327, six fields)

2,708 papers, 5,278 links, 1,433 words; Planetoid's split (Yang et al. 2016): 140 labels to learn from, 500 to choose the epoch, 1,000
to test. GCN: Kipf and Welling 2017; GAT: Velickovic et al. 2018, both with the settings of the papers. Printed is the mean over seeds.
"""

import argparse
import re
import time
from dataclasses import dataclass

import numpy as np

import fastnn
import fastnn.nn.functional as F
from fastnn import datasets, nn, optim

BARS = {"GCN": 80.5, "GAT": 82.0}


# The files are pickles of Python 2. Unpickling runs whatever a file says, so nothing is unpickled here: arrays lie in them as their
# plain bytes after a mark and a length, and the links as lists of short integers.


def whole(path):
    data = path.read_bytes()
    if not data.endswith(b"."):  # the last instruction of a pickle
        raise ValueError(f"{path.name} is not whole")
    return data


def arrays(path):
    data = whole(path)
    found = [(m.end(), m.end() + int.from_bytes(m[1], "little")) for m in re.finditer(rb"\x89T(....)", data, re.DOTALL)]
    return [np.frombuffer(data[a:b], "<i4") for a, b in found if data[b : b + 2] == b"tb"]


def links(path):
    """(from, to) of every list entry: node, then ']' and its neighbours up to 'a' or 'e'; numbers have 1, 2 or 4 bytes."""
    data, pairs, node, inside = whole(path), [], None, False
    i, width = data.index(b"Rq\x03(") + 3, {75: 1, 77: 2, 74: 4, 113: 1, 114: 4}  # K M J: numbers, q r: notes
    while i < len(data):
        code, size = data[i], width.get(data[i], 0)
        value = int.from_bytes(data[i + 1 : i + 1 + size], "little")
        i += 1 + size
        if code in (75, 77, 74):
            if inside:
                pairs.append((node, value))
            else:
                node = value
        elif code in b"]ae":
            inside = code == ord("]")
    return np.array(pairs)


@dataclass
class Graph:
    """n papers: words as CSR, labels, links (to, from) sorted, both ways and to itself, as CSR too; which labels are for what."""

    offsets: np.ndarray  # (n + 1) of columns: the words of each paper
    columns: np.ndarray
    labels: np.ndarray  # (n)
    crow: np.ndarray  # (n + 1) of col: the links to each paper
    col: np.ndarray
    train: slice
    choose: slice
    test: np.ndarray  # the papers

    @property
    def classes(self):
        return int(self.labels.max()) + 1


def load(root, name):
    where = datasets.find(f"graphs/planetoid/ind.{name}.x", root=root).parent / f"ind.{name}"
    try:
        return planetoid(where)
    except (ValueError, IndexError) as e:
        raise ValueError(f"{where}.*: not as Planetoid's files are: {e}") from None


def planetoid(where):
    file = lambda end: where.with_name(f"{where.name}.{end}")  # noqa: E731
    test = np.loadtxt(file("test.index"), dtype=int, ndmin=1)
    (first, *_), counts, words, kinds = arrays(file("x")), [], [], []
    for part in ("all", "t"):
        offsets, columns, _ = arrays(file(f"{part}x"))
        counts, words = [*counts, np.diff(offsets)], [*words, columns]
        kinds.append(arrays(file(f"{part}y"))[0].reshape(len(offsets) - 1, -1).argmax(1))
    place = np.concatenate([np.arange(len(kinds[0])), test])  # of each row; some graphs have papers without words, which no row is of
    n = place.max() + 1
    words, labels, rows = np.split(np.concatenate(words), np.cumsum(np.concatenate(counts))[:-1]), np.zeros(n, int), [[]] * n
    labels[place] = np.concatenate(kinds)
    for i, row in zip(place, words, strict=True):
        rows[i] = row
    edges = links(file("graph"))
    edges = np.unique(np.concatenate([edges, edges[:, ::-1], np.arange(n)[:, None].repeat(2, 1)]), axis=0)
    if edges.max() >= n:
        raise ValueError(f"a link to paper {edges.max()} of {n}")
    offsets, crow = np.cumsum([0, *map(len, rows)]), np.searchsorted(edges[:, 0], np.arange(n + 1))
    learn = len(first) - 1
    return Graph(offsets, np.concatenate(rows).astype(int), labels, crow, edges[:, 1].copy(), slice(0, learn), slice(learn, learn + 500), test)


class Words(nn.Module):
    """A linear layer on bags of words (n, words) kept as CSR; each row is divided by its length, and words are dropped."""

    def __init__(self, words, outputs, drop):
        super().__init__()
        self.weight, self.drop = nn.Parameter(fastnn.empty(words, outputs)), drop
        nn.init.xavier_uniform_(self.weight)

    def forward(self, crow, col, values):
        return fastnn.csr_matmul(crow, col, F.dropout(values, self.drop, self.training), self.weight)


class GCN(nn.Module):
    """Â ReLU(Â X W) V with Â = D^-1/2 (A + I) D^-1/2."""

    def __init__(self, words, classes, crow, col, hidden=16, drop=0.5):
        super().__init__()
        self.first, self.second, self.drop = Words(words, hidden, drop), nn.Linear(hidden, classes, bias=False), drop
        nn.init.xavier_uniform_(self.second.weight)
        self.bias, self.out = nn.Parameter(fastnn.zeros(hidden)), nn.Parameter(fastnn.zeros(classes))
        degree = np.diff(crow) ** -0.5
        self.graph = fastnn.tensor(crow), fastnn.tensor(col), fastnn.tensor((np.repeat(degree, np.diff(crow)) * degree[col]).astype(np.float32))

    def forward(self, *x):
        h = F.relu(fastnn.csr_matmul(*self.graph, self.first(*x)) + self.bias)
        return fastnn.csr_matmul(*self.graph, self.second(F.dropout(h, self.drop, self.training))) + self.out


class Attention(nn.Module):
    """h'_i = Σ_j α_ij h_j over the neighbours j of i, α_i = softmax_j LeakyReLU(a·h_i + b·h_j), in every head: (n, H, D)."""

    def __init__(self, heads, size, to, crow, col, drop):
        super().__init__()
        self.a, self.b = nn.Parameter(fastnn.empty(heads, size)), nn.Parameter(fastnn.empty(heads, size))
        self.bias, self.drop = nn.Parameter(fastnn.zeros(heads, size)), drop
        nn.init.xavier_uniform_(self.a), nn.init.xavier_uniform_(self.b)
        self.graph, self.to = (fastnn.tensor(crow), fastnn.tensor(col)), fastnn.tensor(to)

    def forward(self, h):
        h = h.reshape(len(h), *self.a.shape)
        score = F.leaky_relu((h * self.a).sum(2)[self.to] + (h * self.b).sum(2)[self.graph[1]], 0.2)
        weight = F.dropout(fastnn.segment_softmax(score, self.to, len(h)), self.drop, self.training)
        return fastnn.csr_matmul(*self.graph, weight, F.dropout(h, self.drop, self.training)) + self.bias


class GAT(nn.Module):
    def __init__(self, words, classes, crow, col, heads=8, size=8, drop=0.6):
        super().__init__()
        to = np.repeat(np.arange(len(crow) - 1), np.diff(crow))
        self.first, self.one = Words(words, heads * size, drop), Attention(heads, size, to, crow, col, drop)
        self.second, self.two, self.drop = nn.Linear(heads * size, classes, bias=False), Attention(1, classes, to, crow, col, drop), drop
        nn.init.xavier_uniform_(self.second.weight)

    def forward(self, *x):
        h = F.elu(self.one(self.first(*x))).flatten(1)
        return self.two(self.second(F.dropout(h, self.drop, self.training))).squeeze(1)


def fit(model, x, graph, epochs, rate):
    """Test accuracy (%) at the epoch that is best on the 500 papers kept for that."""
    optimizer, labels = optim.Adam(model.parameters(), lr=rate, weight_decay=5e-4), fastnn.tensor(graph.labels)

    @fastnn.capture
    def step():
        optimizer.zero_grad()
        F.cross_entropy(model(*x)[graph.train], labels[graph.train]).backward()
        optimizer.step()

    best, result = (0.0, 0.0), 0.0
    for _ in range(epochs):
        model.train()
        step()
        model.eval()
        with fastnn.no_grad():
            out = model(*x)
        right = out.numpy().argmax(1) == graph.labels
        quality = right[graph.choose].mean(), -F.cross_entropy(out[graph.choose], labels[graph.choose]).item()
        if quality > best:
            best, result = quality, 100 * right[graph.test].mean()
    return result


def label_propagation(graph, steps=50, alpha=0.9):
    """The trivial baseline: labels flow along links and words are not read. Y <- alpha D^-1 A Y, known labels put back."""
    known = np.zeros((len(graph.labels), graph.classes), np.float32)
    known[np.arange(graph.train.stop), graph.labels[graph.train]] = 1
    degree = np.diff(graph.crow)
    share = np.repeat(1 / degree, degree).astype(np.float32)
    links, y = (fastnn.tensor(graph.crow), fastnn.tensor(graph.col), fastnn.tensor(share)), fastnn.tensor(known)
    for _ in range(steps):
        y = alpha * fastnn.csr_matmul(*links, y) + (1 - alpha) * fastnn.tensor(known)
    return 100 * (y.numpy().argmax(1) == graph.labels)[graph.test].mean()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", help="folder of the data, looked into before $FASTNN_DATA")
    parser.add_argument("--graph", default="cora", help="NAME of the files ind.NAME.*; their words are taken as there or not")
    parser.add_argument("--seed", type=int, default=0, help="the first of the seeds")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--quick", action="store_true", help="one seed, 20 epochs")
    args = parser.parse_args()
    graph = load(args.root, args.graph)
    baseline, count = label_propagation(graph), np.diff(graph.offsets)
    x = fastnn.tensor(graph.offsets), fastnn.tensor(graph.columns), fastnn.tensor((1 / np.repeat(count, count)).astype(np.float32))
    seeds = range(args.seed, args.seed + (1 if args.quick else args.seeds))
    for name, network, epochs, rate in (("GCN", GCN, 200, 0.01), ("GAT", GAT, 300, 0.005)):
        start, scores = time.time(), []
        for seed in seeds:
            fastnn.manual_seed(seed)
            model = network(graph.columns.max() + 1, graph.classes, graph.crow, graph.col)
            scores.append(fit(model, x, graph, 20 if args.quick else epochs, rate))
        bar = f"  bar {BARS[name]} %" if args.graph == "cora" else ""
        print(
            f"{name}  accuracy {np.mean(scores):.1f} +- {np.std(scores):.1f} %{bar}  label propagation {baseline:.1f} %  "
            f"{time.time() - start:.0f} s  seeds {seeds[0]} to {seeds[-1]}", flush=True,
        )  # fmt: skip


if __name__ == "__main__":
    try:
        main()
    except FileNotFoundError as e:  # no data
        raise SystemExit(e)
