"""Spoken digits: a convolutional network on log-mel spectrograms, and strings of digits read without being told where each one is.

    python examples/sequences/spoken_digits.py            (speech/fsdd.tar.gz below --root or $FASTNN_DATA)

Free Spoken Digit Dataset (Jakobovski): 3,000 recordings at 8 kHz; its official test split is those of indices 0-4 (300). Strings
are 3 to 7 recordings of any speakers, one after the other; a convolution, a bidirectional GRU and the CTC loss (Graves 2006) read them.
"""

import argparse
import re
import time

import numpy as np

import fastnn
import fastnn.nn.functional as F
from fastnn import datasets, nn, optim

BAR, STRING_BAR, RATE, WINDOW, HOP, MELS, FRAMES = 97.0, 5.0, 8000, 256, 128, 40, 64


def load(root):
    """[(digit, index, samples)], in the order of the names; of several channels the mean."""
    path, clips = datasets.find("speech/fsdd.tar.gz", root=root), []
    for file in sorted(datasets.unpack(path, ".wav"), key=lambda f: f.name):
        said = re.search(r"(\d)_[^_/]*_(\d+)\.wav$", file.name)
        samples, rate = datasets.read_wav(file)
        if not said or rate != RATE:
            raise ValueError(f"{file.name}: expected DIGIT_SPEAKER_INDEX.wav of {RATE} samples a second, and found {rate}")
        clips.append((int(said[1]), int(said[2]), samples.mean(0)))
    if {c[1] <= 4 for c in clips} != {True, False}:
        raise ValueError(f"{path}: expected recordings of indices 0-4, to test, and of others, to learn from")
    return clips


def mel_filters():
    """(WINDOW / 2 + 1, MELS): triangles evenly spaced on the mel scale, 2595 log10(1 + f / 700)."""
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), MELS + 2) / 2595) - 1)
    f = np.fft.rfftfreq(WINDOW, 1 / RATE)[:, None]
    rise, fall = (f - edges[:-2]) / np.diff(edges[:-1]), (edges[2:] - f) / np.diff(edges[1:])
    return np.maximum(0, np.minimum(rise, fall))


def log_mel(samples, filters):
    """(MELS, frames), with mean 0 and variance 1 over the clip."""
    samples = np.pad(samples, (0, max(0, WINDOW - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP] * np.hanning(WINDOW)
    mel = np.log(np.abs(np.fft.rfft(frames)) ** 2 @ filters + 1e-6).T
    return (mel - mel.mean()) / (mel.std() + 1e-6)


def features(clips):
    """(N, 1, MELS, FRAMES) and digits (N): longer clips are cut, shorter ones filled with their minimum."""
    filters = mel_filters()
    x = np.empty((len(clips), 1, MELS, FRAMES), np.float32)
    for row, (_, _, samples) in zip(x, clips, strict=True):
        mel = log_mel(samples, filters)[:, :FRAMES]
        row[0] = mel.min()
        row[0, :, : mel.shape[1]] = mel
    return fastnn.tensor(x), fastnn.tensor(np.array([digit for digit, _, _ in clips]))


def network():
    def block(i, o):
        return nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(), nn.MaxPool2d(2)

    return nn.Sequential(*block(1, 16), *block(16, 32), *block(32, 64), nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * (MELS // 8) * (FRAMES // 8), 10))


def fit(model, x, y, epochs, batch=50, rate=3e-3):
    optimizer = optim.AdamW(model.parameters(), lr=rate, weight_decay=0.02)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * -(-len(y) // batch))
    model.train()

    @fastnn.capture
    def step(rows):
        optimizer.zero_grad()
        F.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()

    for _ in range(epochs):
        for rows in fastnn.randperm(len(y)).split(batch):
            step(rows)
            schedule.step()


# -- strings of digits --------------------------------------------------------------------------------------------------------


def strings(clips, rng, filters):
    """Every clip once, in random strings of 3 to 7 with up to 0.1 s of silence before each: [(log-mel (MELS, frames), digits)]."""
    order, made = list(rng.permutation(len(clips))), []
    while order:
        picked = [clips[order.pop()] for _ in range(min(len(order), rng.integers(3, 8)))]
        parts = [part for _, _, samples in picked for part in (np.zeros(rng.integers(0, RATE // 10)), samples)]
        made.append((log_mel(np.concatenate(parts), filters), [digit for digit, _, _ in picked]))
    return made


def batches(made, size=25):
    """Strings of similar lengths side by side: x (N, 1, MELS, frames), frames of each, digits + 1 in one row, digits of each."""
    made = sorted(made, key=lambda m: m[0].shape[1])
    for i in range(0, len(made), size):
        part = made[i : i + size]
        x = np.zeros((len(part), 1, MELS, max(mel.shape[1] for mel, _ in part)), np.float32)
        for row, (mel, _) in zip(x, part, strict=True):
            row[0, :, : mel.shape[1]] = mel
        digits = [d + 1 for _, said in part for d in said]
        yield fastnn.tensor(x), [mel.shape[1] for mel, _ in part], fastnn.tensor(digits), [len(said) for _, said in part]


class Reader(nn.Module):
    """Two convolutions that halve frequency and time, a GRU both ways, and 11 scores a step: a digit, or (0) nothing new."""

    def __init__(self, hidden=96):
        super().__init__()
        self.look = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d((2, 1)),
        )  # fmt: skip
        self.drop = nn.Dropout(0.3)
        self.read = nn.GRU(32 * (MELS // 4), hidden, bidirectional=True)
        self.head = nn.Linear(2 * hidden, 11)

    def forward(self, x, frames):
        """log p (steps, N, 11), and the steps of each string."""
        steps = [n // 2 for n in frames]
        rows = self.drop(self.look(x).permute(3, 0, 1, 2).flatten(2))
        packed = nn.utils.rnn.pack_padded_sequence(rows, steps, enforce_sorted=False)
        rows = nn.utils.rnn.pad_packed_sequence(self.read(packed)[0])[0]
        return F.log_softmax(self.head(self.drop(rows)), -1), steps


def fit_reader(model, clips, epochs, rng, rate=3e-3):
    filters, first = mel_filters(), True
    optimizer = optim.AdamW(model.parameters(), lr=rate, weight_decay=0.02)
    model.train()
    for epoch in range(epochs):
        parts = list(batches(strings(clips, rng, filters)))
        if first:
            schedule, first = optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * (len(parts) + 5)), False
        for i in rng.permutation(len(parts)):
            x, frames, digits, lengths = parts[i]
            optimizer.zero_grad()
            log_p, steps = model(x, frames)
            F.ctc_loss(log_p, digits, steps, lengths).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            schedule.step()


def distance(a, b):
    """Fewest digits inserted, left out or exchanged between two strings (Levenshtein)."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a):
        last, row[0] = row[0], i + 1
        for j, y in enumerate(b):
            last, row[j + 1] = row[j + 1], min(row[j] + 1, row[j + 1] + 1, last + (x != y))
    return row[-1]


def heard(log_p, steps):
    """The likeliest symbol of every step, repetitions merged, blanks removed: a string of digits each."""
    best = log_p.numpy().argmax(2).T
    return [[int(s) - 1 for s, before in zip(row[:n], [0, *row[: n - 1]], strict=True) if s and s != before] for row, n in zip(best, steps, strict=True)]


def digit_errors(model, made):
    """% of digits wrong, and what one guess for all would give: the most frequent digit, three times (longer guesses are worse)."""
    wrong = trivial = count = 0
    guess = [int(np.bincount([d for _, said in made for d in said]).argmax())] * 3
    model.eval()
    for x, frames, digits, lengths in batches(made):
        with fastnn.no_grad():
            texts = heard(*model(x, frames))
        for text, said in zip(texts, np.split(digits.numpy() - 1, np.cumsum(lengths)[:-1]), strict=True):
            wrong, trivial, count = wrong + distance(text, list(said)), trivial + distance(guess, list(said)), count + len(said)
    return 100 * wrong / count, 100 * trivial / count


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", help="folder of the data, looked into before $FASTNN_DATA")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="one epoch")
    args = parser.parse_args()
    start, clips = time.time(), load(args.root)
    train, held = [c for c in clips if c[1] > 4], [c for c in clips if c[1] <= 4]
    x, y = features(train)
    held_x, held_y = features(held)
    fastnn.manual_seed(args.seed)
    model = network()
    fit(model, x, y, 1 if args.quick else 10)
    model.eval()
    with fastnn.no_grad():
        right = 100 * (model(held_x).numpy().argmax(1) == held_y.numpy()).mean()
    chance = 100 * np.bincount(held_y.numpy()).max() / len(held_y)
    print(f"CNN on log-mel  accuracy {right:.1f} %  bar {BAR} %  most frequent digit {chance:.0f} %  {time.time() - start:.0f} s  seed {args.seed}", flush=True)
    start, reader, rng = time.time(), Reader(), np.random.default_rng(args.seed)
    fit_reader(reader, train, 1 if args.quick else 12, rng)
    spliced = [made for _ in range(5) for made in strings(held, rng, mel_filters())]
    wrong, trivial = digit_errors(reader, spliced)
    print(
        f"conv + BiGRU + CTC  digit error rate {wrong:.1f} % of {sum(len(said) for _, said in spliced)}  bar {STRING_BAR} %  "
        f"one guess for all {trivial:.0f} %  {time.time() - start:.0f} s  seed {args.seed}"
    )


if __name__ == "__main__":
    try:
        main()
    except FileNotFoundError as e:  # no data
        raise SystemExit(e)
