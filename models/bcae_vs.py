"""Writes the bundle of BCAE-VS from the authors' weights.

    python3 models/bcae_vs.py bcae_vs_weights.npz models/bcae_vs.bundle

The archive holds the tensors of their checkpoint under their names. Normalisation is folded into the dense
convolutions in double precision, as docs/format.md says (Bundles); nothing else is changed. Needs numpy and xxhash.
"""

import json
import sys

import numpy as np
import xxhash

CONFIG = {
    "dilations": [1, 2, 4, 2],
    "floor": 6,
    "ceiling": 1023,
    "origin": "BCAE-VS of Y. Huang, Y. Ren and others (Brookhaven National Laboratory), pretrained weights",
    "licence": "BSD-3-Clause",
}


def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def string(text):
    text = text.encode()
    return varint(len(text)) + text


def tensors(z):
    for n, layer in enumerate((0, 2, 4, 6)):
        yield f"encoder.{n}.weight", z[f"encoder.model.{layer}.kernel"]
    yield "encoder.last", z["encoder.model.8.kernel"]
    for name, short in (("regression", "reg"), ("segmentation", "clf")):
        for n in range(8):
            at = f"decoder.{short}.model.{n}."
            part = {k: z[at + k].astype(np.float64) for k in
                    ("weight", "bias", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var")}
            s = part["norm.weight"] / np.sqrt(part["norm.running_var"] + 1e-5)
            yield f"{name}.{n}.weight", part["weight"] * s[:, None, None, None, None]
            yield f"{name}.{n}.bias", (part["bias"] - part["norm.running_mean"]) * s + part["norm.bias"]
        yield f"{name}.head", z[f"decoder.{short}.model.8.weight"].reshape(-1)
        yield f"{name}.head_bias", z[f"decoder.{short}.model.8.bias"].reshape(())


def main(source, target):
    z = np.load(source)
    items = [(name, np.asarray(t).astype("<f4", order="C")) for name, t in tensors(z)]
    out = b"\x89SGB\r\n\x1a\x01" + string("bcae-vs") + string(json.dumps(CONFIG, separators=(",", ":")))
    out += varint(len(items))
    for name, t in items:
        out += string(name) + varint(t.ndim) + b"".join(varint(n) for n in t.shape)
    out += b"".join(t.tobytes() for _, t in items)
    out += xxhash.xxh3_128_intdigest(out).to_bytes(16, "little")
    open(target, "wb").write(out)
    print(f"{target}: {len(items)} tensors, {len(out)} bytes, xxh3-64 {xxhash.xxh3_64_hexdigest(out)}")


main(*sys.argv[1:])
