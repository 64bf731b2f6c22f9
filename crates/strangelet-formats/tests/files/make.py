"""Makes the tiny generated files of this folder: python3 make.py (uproot 5.7.7, numpy, seed fixed)."""
import gzip, io, lzma
import awkward as ak
import numpy as np
import uproot

rng = np.random.default_rng(20261121)
n = 60
counts = rng.integers(0, 4, n)
pt = ak.unflatten(rng.exponential(30, counts.sum()).astype(np.float32), counts)
data = {"run": np.full(n, 6633, np.int32), "weight": rng.normal(1, 0.1, n), "pt": pt,
        "hit": rng.integers(0, 1024, n).astype(np.uint16), "ok": rng.random(n) < 0.9}
for name, compression in [("zlib", uproot.ZLIB(1)), ("lzma", uproot.LZMA(9)), ("lz4", uproot.LZ4(4)), ("zstd", uproot.ZSTD(5))]:
    with uproot.recreate(f"tree_{name}.root", compression=compression) as f:
        f.mktree("Events", {k: v.type if isinstance(v, ak.Array) else v.dtype for k, v in data.items()})
        f["Events"].extend({k: v for k, v in data.items()})
with uproot.recreate("ntuple.root", compression=uproot.ZSTD(5)) as f:
    f["Events"] = data
np.save("wave.npy", (100 + 50 * np.sin(np.arange(600) / 9) + rng.normal(0, 2, 600)).astype(np.uint16).reshape(6, 100))
np.savez_compressed("two.npz", a=rng.normal(size=50).astype(np.float32), b=np.arange(40))
text = "Run,Event,E1,pt1,Q1\n" + "".join(f"{165617 + i // 20},{74969122 + 7 * i},{e:.4f},{p:.3f},{q}\n"
    for i, (e, p, q) in enumerate(zip(rng.exponential(50, 60), rng.exponential(30, 60), rng.choice([-1, 1], 60))))
open("zee.csv", "w").write(text)
with open("zee.csv.gz", "wb") as f:
    with gzip.GzipFile("zee.csv", "wb", 9, f, mtime=0) as g: g.write(text.encode())
open("zee.csv.xz", "wb").write(lzma.compress(text.encode()))
rec = np.zeros(80, dtype=[("t", "<u4"), ("adc", "<u2"), ("pad", "<u2"), ("q", "<f4")])
rec["t"] = np.cumsum(rng.integers(1, 50, 80)); rec["adc"] = rng.integers(60, 200, 80); rec["pad"] = rng.integers(0, 96, 80)
rec["q"] = rng.exponential(1, 80)
open("records.bin", "wb").write(rec.tobytes() + b"odd")
# What a level chooses for arrays: a smooth field, and pulses with noise.
rng = np.random.default_rng(3)
k, j, i = np.meshgrid(np.arange(10), np.arange(16), np.arange(24), indexing="ij")
waves = [rng.normal() * np.sin(i * a + j * b + k * c + d) for a, b, c, d in rng.uniform(-0.4, 0.4, (9, 4))]
np.save("field.npy", sum(waves).astype(np.float32))
t = np.arange(128)
noise = np.cumsum(rng.normal(0, 3, (40, 128)), axis=1) * 0.3 + rng.normal(0, 3, (40, 128))
shape = np.where(t > 50, np.exp(-(t - 50.) / 25), 0)
np.save("pulses.npy", (500 + noise + rng.exponential(300, (40, 1)) * shape).astype(np.uint16))
