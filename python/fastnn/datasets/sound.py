"""Sound in WAV files."""

from __future__ import annotations

import wave

import numpy as np

__all__ = ["read_wav"]


def read_wav(path):
    """(samples float64 (channels, n) from -1 to 1, samples a second) of a WAV file: PCM of 8, 16, 24 or 32 bits.

    path may be a binary file that is open for reading, too. ValueError, with its name, for any other content.
    """
    name = getattr(path, "name", "wav") if hasattr(path, "read") else path
    try:
        with wave.open(path if hasattr(path, "read") else str(path), "rb") as file:
            channels, width, rate, count = file.getparams()[:4]
            raw = file.readframes(count)
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{name}: not a WAV file of PCM: {str(error) or 'it ends within the header'}") from None
    if width not in (1, 2, 3, 4):
        raise ValueError(f"{name}: {8 * width} bits a sample; 8, 16, 24 and 32 are supported")
    if len(raw) != count * channels * width:
        raise ValueError(f"{name}: its header promises {count * channels * width} bytes of sound, it has {len(raw)}")
    if width == 1:  # the only one without sign
        samples = (np.frombuffer(raw, np.uint8) - 128.0) / 128
    else:
        wide = np.zeros((count * channels, 4), np.uint8)
        wide[:, 4 - width :] = np.frombuffer(raw, np.uint8).reshape(-1, width)
        samples = wide.view("<i4")[:, 0] / 2.0**31
    return samples.reshape(count, channels).T, rate
