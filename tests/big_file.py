"""Memory follows the chunk: a ROOT file of more than 2 GB through compress and decompress within 1 GB of memory.

    python3 tests/big_file.py STRANGELET FOLDER

Writes FOLDER/big.root (generated: columns of a real file repeated with noise, 2.2 GB, so that places in the file need
64 bits), compresses and restores it and compares the checksums. Prints peak memory and time of both.
"""
import hashlib
import os
import subprocess
import sys

import numpy as np
import uproot

LIMIT_MB = 1000


def make(path, source):
    """Chunks of the real columns with noise, until the file is over 2.2 GB."""
    with uproot.open(source) as root:
        tree = root["Events"]
        real = [tree[n].array(library="np") for n in ("run", "event", "MET_pt", "MET_phi", "PV_z", "Generator_x1")]
    rng = np.random.default_rng(7)
    names = [f"c{i}" for i in range(24)]
    with uproot.recreate(path, compression=uproot.ZLIB(1)) as f:
        f.mktree("Events", {n: (np.float32 if i % 3 else np.float64) for i, n in enumerate(names)})
        while os.path.getsize(path) < 2_200_000_000:
            chunk = {}
            for i, n in enumerate(names):
                column = np.resize(real[2 + i % 4].astype(np.float64), 400_000)
                chunk[n] = (column + rng.normal(0, 1, len(column))).astype(np.float32 if i % 3 else np.float64)
            f["Events"].extend(chunk)


def run(*command):
    """Peak memory in MB and seconds of a command."""
    out = subprocess.run(["/usr/bin/time", "-f", "%M %e", *command], check=True, capture_output=True, text=True)
    kb, seconds = out.stderr.split()[-2:]
    return int(kb) / 1024, float(seconds)


def digest(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def main():
    strangelet, folder = sys.argv[1:3]
    here = os.path.dirname(os.path.abspath(__file__))
    big, container, back = (os.path.join(folder, n) for n in ("big.root", "big.sgl", "back.root"))
    if not os.path.exists(big):
        make(big, os.path.join(here, "../data/nano_tt_v12.root"))
    size = os.path.getsize(big)
    memory, seconds = run(strangelet, "compress", "--force", "--level", "fast", "-o", container, big)
    print(f"compress {size / 1e6:.0f} MB -> {os.path.getsize(container) / 1e6:.0f} MB: peak {memory:.0f} MB, {seconds:.0f} s")
    memory2, seconds = run(strangelet, "decompress", "--force", "-o", back, container)
    print(f"decompress: peak {memory2:.0f} MB, {seconds:.0f} s")
    equal = digest(big) == digest(back)
    print("same sha256" if equal else "DIFFERENT BYTES")
    sys.exit(not (equal and max(memory, memory2) < LIMIT_MB))


main()
