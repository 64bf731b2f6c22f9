#!/usr/bin/env python3
"""What the noise of digitised traces keeps: bits a sample that no model can take away.

Usage: noise_floor.py FILE.npy[.xz] ...      (traces along the last axis; needs numpy only)

Of the traces whose spread is below the median (they hold no pulse, or little of one):
  flatness  entropy of a Gaussian process with their spectrum: what the best prediction from all that was before leaves
  white     the same for the flat part of the spectrum alone (its upper quarter): what would be left if all else were known
  lines     of 24 and 63 samples before, by least squares on one half of the traces, measured on the other
  normal    entropy of the errors of the longer line as counted, minus that of a normal distribution of their spread: 0 for normal noise
  parity    by how much even and odd codes differ in number, in bits: steps of the digitiser that a model could learn
"""
import io
import lzma
import sys

import numpy as np

NORMAL = 0.5 * np.log2(2 * np.pi * np.e)


def load(path):
    data = lzma.open(path).read() if path.endswith(".xz") else open(path, "rb").read()
    traces = np.load(io.BytesIO(data))
    return traces.reshape(-1, traces.shape[-1])


def line(traces, taps, start):
    """Errors on the second half of the traces of the line that is best on the first."""

    def samples(t):
        before = [t[:, start - k : t.shape[1] - k] - t[:, start - 1 : -1] for k in range(2, taps + 1)]
        now = t[:, start:] - t[:, start - 1 : -1]
        return np.stack([*before, np.ones_like(now)], -1).reshape(-1, taps), now.ravel()

    half = len(traces) // 2
    (x, y), (u, v) = samples(traces[:half]), samples(traces[half : 2 * half])
    return v - u @ np.linalg.lstsq(x, y, rcond=None)[0]


def counted(errors):
    n = np.unique(np.round(errors), return_counts=True)[1] / errors.size
    return -(n * np.log2(n)).sum()


for path in sys.argv[1:]:
    codes = load(path)
    spread = codes.std(1)
    quiet = codes[spread < np.median(spread)].astype(float)
    # A trace of a germanium detector is quiet before its pulse: the first 45 of 100 samples.
    if np.median(spread) > 3 * np.median(codes[:, : codes.shape[1] * 45 // 100].std(1)):
        head = codes[:, : codes.shape[1] * 45 // 100].astype(float)
        quiet = head[head.std(1) < np.median(head.std(1))]
    quiet = quiet[:: len(quiet) // 4000 + 1]
    length = quiet.shape[1]
    window = np.hanning(length)
    power = np.abs(np.fft.rfft((quiet - quiet.mean(1, keepdims=True)) * window, axis=1)) ** 2
    power = power.mean(0) / (window**2).sum()
    white = power[len(power) * 3 // 4 : -1].mean()
    print(f"{path}: {len(quiet)} quiet traces of {length}")
    print(f"  flatness {NORMAL + 0.5 * np.log2(power[2:-1]).mean():.3f}  white {NORMAL + 0.5 * np.log2(white):.3f}")
    for taps in (24, 63):
        errors = line(quiet, taps, 63)
        print(f"  line of {taps}: {counted(errors):.3f}")
    print(f"  normal {counted(errors) - NORMAL - 0.5 * np.log2(errors.var() + 1 / 12):+.4f}")
    odd = (codes & 1).mean()
    print(f"  parity {1 + odd * np.log2(odd) + (1 - odd) * np.log2(1 - odd):.6f}")
