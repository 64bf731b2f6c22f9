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
# What the level max sees: columns that follow from others, rows of a table, text, events; and a basket of LZMA tokens.
rng = np.random.default_rng(4)
n = 300
p = rng.normal(0, 20, (n, 3)).astype(np.float32)
m = rng.choice([0.13957, 0.49368, 0.93827], n, p=[0.7, 0.2, 0.1]).astype(np.float32)
e = np.sqrt((p.astype(np.float64) ** 2).sum(1) + m.astype(np.float64) ** 2).astype(np.float32)
kind = np.searchsorted([0.3, 0.7], m).astype(np.uint32)
rows = np.rec.fromarrays([p[:, 0], p[:, 1], p[:, 2], e, m, kind])
open("related.bin", "wb").write(rows.tobytes())
a = rng.integers(0, 1000, n) * np.float32(0.01)
np.save("table.npy", np.stack([a, rng.normal(0, 1, n), a * 2, np.arange(n)], 1).astype(np.float32))
words = ["run", "lumi", "trigger", "hlt_mu24", "hlt_ele32", "prescale", "calibration", "pedestal"]
lines = [f"{i:06d} {rng.choice(words)}={rng.choice(words)} value {rng.integers(0, 50)}" for i in range(200)]
open("log.txt", "w").write("\n".join(lines) + "\n")
hepmc = ["HepMC::Version 3.02.06", "HepMC::Asciiv3-START_EVENT_LISTING", "W Weight"]
for event in range(6):
    pairs = rng.normal(0, 15, (4, 3))
    hepmc += [f"E {event} 1 10", "U GEV MM", "W 1.0000000000000000000000e+00", f"A 0 event_scale {rng.exponential(90):.12g}"]
    out = [(v, mass, pid) for v, mass, pid in zip(pairs, [0.13957061, 0.13957061, 0.0, 0.0], [211, -211, 22, 22])]
    out += [(-v, mass, -pid if abs(pid) > 100 else pid) for v, mass, pid in out]
    total = sum(np.sqrt(v @ v + mass * mass) for v, mass, _ in out)
    for k, sign in ((1, 1), (2, -1)):
        half = total / 2
        hepmc.append(f"P {k} 0 {11 * sign} {0.0:.16e} {0.0:.16e} {sign * half:.16e} {half:.16e} {0.0:.16e} 4")
    hepmc.append("V -1 0 [1,2]")
    for k, (v, mass, pid) in enumerate(out):
        px, py, pz = (float(f"{x:.16e}") for x in v)
        hepmc.append(f"P {k + 3} -1 {pid} {px:.16e} {py:.16e} {pz:.16e} {np.sqrt(px * px + py * py + pz * pz + mass * mass):.16e} {mass:.16e} 1")
open("events.hepmc", "w").write("\n".join(hepmc + ["HepMC::Asciiv3-END_EVENT_LISTING", ""]))
lhe = ['<LesHouchesEvents version="1.0">', "<init>", " 2212 2212 6.5e3 6.5e3 0 0 10042 10042 3 1", " 1.0e1 2.0e-2 1.0 1", "</init>"]
for event in range(20):
    c, phi, q = rng.uniform(-1, 1), rng.uniform(-np.pi, np.pi), rng.exponential(30) + 45
    s = np.sqrt(1 - c * c)
    v = q * np.array([s * np.cos(phi), s * np.sin(phi), c])
    lhe += ["<event>", f"4 1 {1.0:.7E} {2 * q:.8E} 7.54677100E-03 1.18E-01"]
    for pid, status, mother, colour, w in ((2, -1, 0, (501, 0), (0, 0, q)), (-2, -1, 0, (0, 501), (0, 0, -q)), (11, 1, 1, (0, 0), v), (-11, 1, 1, (0, 0), -v)):
        lhe.append(f"{pid:8d} {status:2d} {mother:4d} {2 * mother:4d} {colour[0]:4d} {colour[1]:4d} " + " ".join(f"{x:+.10E}" for x in (*w, q, 0.0)) + " 0.0000E+00 9.0000E+00")
    lhe.append("</event>")
open("events.lhe", "w").write("\n".join(lhe + ["</LesHouchesEvents>", ""]))
with uproot.recreate("tokens.root", compression=uproot.LZMA(9)) as f:
    f["T"] = {"n": (np.arange(12000) // 40 % 17).astype(np.int32)}
# What the level max sees as frames of hits: pulses on neighbouring pads in eight layers, zeros elsewhere.
rng = np.random.default_rng(6)
hits = np.zeros((24, 50, 8), np.uint16)
for pad, time, height in zip(rng.integers(0, 16, 14), rng.integers(0, 44, 14), rng.exponential(60, 14)):
    for layer in range(8):
        for k, share in enumerate([.3, .6, .2]):
            hits[pad + k + layer // 2 % 5, time:time + 5, layer] += (height * share * np.array([.5, 1, .8, .3, .1])).astype(np.uint16)
hits[hits > 0] += 70 + rng.integers(0, 3, (hits > 0).sum()).astype(np.uint16)
np.save("hits.npy", hits)
# What the level max sees as channels in turn: pedestals of 16 pixels, photons of one shape at any time, noise.
rng = np.random.default_rng(9)
camera = rng.normal(0, 1.4, (10, 16, 64)) + 500 + rng.normal(0, 4, (1, 16, 1))
photon = np.array([.2, .6, .9, 1, .9, .7, .5, .3, .2, .1])
for event, pixel, time in zip(rng.integers(0, 10, 500), rng.integers(0, 16, 500), rng.integers(0, 54, 500)):
    camera[event, pixel, time:time + 10] += 7 * photon
np.save("camera.npy", camera.round().astype(np.uint16))
# Frames, one behind the other as a file that stays open takes them: tracks through four layers, and one frame without hits.
rng = np.random.default_rng(7)
with open("frames.npy", "wb") as f:
    for number in range(6):
        frame = np.zeros((4, 24, 48), np.uint16)
        for pad, time, height in zip(rng.integers(0, 20, 9), rng.integers(0, 42, 9), rng.exponential(80, 9)):
            for layer in range(4):
                for k, share in enumerate([.3, .7, .2]):
                    pulse = (height * share * np.array([.6, 1, .7, .3])).astype(np.uint16)
                    frame[layer, pad + k, time:time + 4] += pulse * (number != 3)
        frame[frame > 0] += 64 + rng.integers(0, 3, (frame > 0).sum()).astype(np.uint16)
        np.save(f, frame)

# Parameter sets that name each other by their MD5, with their sums beside them, as CMS writes them.
import hashlib
rng = np.random.default_rng(5)
sets, sums = [], []
for i in range(60):
    inner = sorted(set(rng.integers(0, i, min(i, 3)))) if i else []
    body = f"{{module_label=+S(producer{i:03d}),minPt=+D({rng.exponential(9):.3f}),maxEta=+D({rng.choice([1.5, 2.4, 4.7])}),"
    body += "".join(f"set{k}=+Q({hashlib.md5(sets[k].encode()).hexdigest()})," for k in inner)
    sets.append(body + "untracked=-B(false)}")
    sums.append(list(hashlib.md5(sets[-1].encode()).digest()))
order = rng.permutation(60)
with uproot.recreate("sets.root", compression=None) as f:
    f["ParameterSets"] = {"text": ak.Array([sets[k] for k in order]),
                          "sum": ak.values_astype(ak.Array([sums[k] for k in order]), np.uint8)}

# Features as tables of them hold them: normalised in binary32, as decimals by their mean, in another unit, as differences, with a broken line of
# angles, in parts of a whole number.
rng = np.random.default_rng(8)
rows, single = 600, np.float32
six = lambda v: np.array([float(f"{x:.5e}") for x in v]).astype(single)
pt = (rng.exponential(30, rows) + 10).round(2).astype(single) / single(54.642094)
eta = (rng.normal(0, 1, rows).round(3).astype(single) - single(5.56e-5)) / single(1.026727)
mass = six(rng.exponential(90, 3000) + 20) / single(137.21)
phi = rng.uniform(-np.pi, np.pi, rows).round(3)
phi = ((phi - np.where(phi < 0, 0.000185, 0)) / 1.8022518)
first, second = (six(rng.exponential(200, rows) + 30).astype(float) for _ in range(2))
np.savez("steps.npz", pt=pt, eta=eta, mass=mass, phi=phi, m1=first / 1000, dm=(second - first) / 1000, parts=rng.integers(0, 60000, rows) / 128.0)

# A camera: each pixel counts steps of its own size, rounded to nine binary digits; some pixels are dead. Times know of the light.
rng = np.random.default_rng(19)
events, pixels = 100, 90
gain, pedestal = rng.uniform(0.011, 0.017, pixels), rng.uniform(0, 1, pixels)
light = rng.normal(1.2, 1.1, (events, pixels)) + (rng.random((events, pixels)) < 0.05) * rng.exponential(8, (events, pixels))
steps = np.rint(light / gain)
nine = lambda x: ((x.astype("f4").view("u4") + (1 << 14)) >> 15 << 15).view("f4")
photons = nine((steps - pedestal) * gain)
times = nine(np.where(light > 5, rng.normal(27, 2, light.shape), rng.uniform(2, 60, light.shape)))
dead = rng.choice(pixels, 9, replace=False)
photons[:, dead] = 0
times[:, dead[:6]] = 30
# Modules in the order in which they are read out, each with its hits.
modules = 817565000 + rng.choice(50000, 300, replace=False)
hits = [np.repeat(modules, rng.poisson(1.5, 300)) for _ in range(30)]
np.savez_compressed("camera.npz", photons=photons, times=times, modules=np.concatenate(hits).astype("i4"), rate=np.float64(photons[:, :40]) * 7.3)
