"""Spoken digits: a convolutional network on log-mel spectrograms.

    python examples/sequences/spoken_digits.py            (speech/fsdd.tar.gz below --root or $FASTNN_DATA)

Free Spoken Digit Dataset (Jakobovski): 3,000 recordings at 8 kHz; its official test split is those of indices 0-4 (300).
"""

import argparse
import io
import os
import tarfile
import time
import wave
from pathlib import Path

import numpy as np

import fastnn
import fastnn.nn.functional as F
from fastnn import nn, optim

BAR, RATE, WINDOW, HOP, MELS, FRAMES = 97.0, 8000, 256, 128, 40, 64


def load(root, file="speech/fsdd.tar.gz"):
    """[(digit, index, samples)], in the order of the names."""
    for base in (root, os.environ.get("FASTNN_DATA")):
        if base and (Path(base) / file).exists():
            break
    else:
        raise SystemExit(f"{file} not found: give --root or set FASTNN_DATA to the folder that holds it")
    clips = []
    with tarfile.open(Path(base) / file) as tar:
        for member in sorted((m for m in tar if m.name.endswith(".wav")), key=lambda m: m.name):
            digit, _, index = Path(member.name).stem.split("_")
            with wave.open(io.BytesIO(tar.extractfile(member).read())) as clip:
                samples = np.frombuffer(clip.readframes(clip.getnframes()), "<i2") / 32768
            clips.append((int(digit), int(index), samples))
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
    for _ in range(epochs):
        for rows in fastnn.randperm(len(y)).split(batch):
            optimizer.zero_grad()
            F.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
            schedule.step()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="one epoch")
    args = parser.parse_args()
    start, clips = time.time(), load(args.root)
    x, y = features([c for c in clips if c[1] > 4])
    held_x, held_y = features([c for c in clips if c[1] <= 4])
    fastnn.manual_seed(args.seed)
    model = network()
    fit(model, x, y, 1 if args.quick else 10)
    model.eval()
    with fastnn.no_grad():
        right = 100 * (model(held_x).numpy().argmax(1) == held_y.numpy()).mean()
    chance = 100 * np.bincount(held_y.numpy()).max() / len(held_y)
    print(f"CNN on log-mel  accuracy {right:.1f} %  bar {BAR} %  most frequent digit {chance:.0f} %  {time.time() - start:.0f} s  seed {args.seed}")


if __name__ == "__main__":
    main()
