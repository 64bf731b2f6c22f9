"""Are typed columns right? Compares the columns of containers with what uproot reads from the originals.

    python3 tests/uproot_columns.py STRANGELET FILE.root [FILE.root ...]

For every branch (TTree) or field (RNTuple) that uproot reads as flat or jagged numbers, the column of that name
must have the same type, the same lengths of lists and the same cells, bit for bit (a Double32_t that the file holds as
float32 may stay one: its values are the same). At least 99 % of them in each
file, or the test fails.
"""
import collections
import json
import os
import subprocess
import sys
import tempfile

import awkward as ak
import numpy as np
import uproot

NUMBERS = {"AsDtype", "AsDouble32", "AsFloat16"}


def wanted(branch):
    """Whether uproot reads the branch as flat or jagged numbers."""
    try:
        reading = branch.interpretation
    except Exception:
        return False
    if type(reading).__name__ == "AsJagged":
        if reading.header_bytes not in (0, 10):
            return False
        reading = reading.content
    return type(reading).__name__ in NUMBERS and reading.to_dtype.names is None


def parts(array):
    """Lengths of each level of lists, and the cells."""
    lengths = []
    while array.ndim > 1 and isinstance(array.layout, ak.contents.ListOffsetArray | ak.contents.ListArray):
        lengths.append(ak.to_numpy(ak.num(array)).astype(np.int64))
        array = ak.flatten(array, axis=1)
    return lengths, ak.to_numpy(array)


def same(ours, name, array):
    lengths, cells = parts(array)
    if name not in ours:
        return "no cells"
    got = ours[name]
    if got.dtype.kind == "u" and cells.dtype.kind == "b":
        cells = cells.view(np.uint8)
    if got.dtype == np.float32 and cells.dtype == np.float64:
        got = got.astype(np.float64)
    if got.dtype.newbyteorder("=") != cells.dtype.newbyteorder("="):
        return f"type {got.dtype}, not {cells.dtype}"
    for level, expected in enumerate(lengths):
        offsets = ours.get(f"{name}_offsets{'' if level == 0 else level + 1}")
        if offsets is None or not np.array_equal(np.diff(offsets), expected):
            return f"lengths of level {level}"
    expected = np.ascontiguousarray(cells.astype(got.dtype)).tobytes()
    return None if np.ascontiguousarray(got).tobytes() == expected else "cells"


def branches(tree):
    """Name, path and reader of each thing that should be a column."""
    if not tree.classname.startswith("TTree") and not tree.classname.startswith("TNtuple"):
        for key in tree.keys():
            yield key, key, tree[key]
        return
    for branch in tree.itervalues(recursive=True):
        path, at = [], branch
        while isinstance(at, uproot.behaviors.TBranch.TBranch):
            path.append(at.name)
            at = at.parent
        if branch.num_entries == tree.num_entries > 0 and wanted(branch):
            yield branch.name, "/".join(reversed(path)), branch


def compare(strangelet, file, folder):
    container = os.path.join(folder, "x.sgl")
    subprocess.run([strangelet, "compress", "--force", "-o", container, file], check=True, stdout=subprocess.DEVNULL)
    about = json.loads(subprocess.run([strangelet, "inspect", "--json", "--all", container], check=True, capture_output=True).stdout)
    names = collections.defaultdict(list)
    for column in about["columns"]:
        names[column["table"]].append(column["name"])
    count, wrong = 0, []
    with uproot.open(file) as root:
        for path, classname in root.classnames(cycle=False).items():
            if not classname.startswith(("TTree", "TNtuple", "ROOT::RNTuple")):
                continue
            tree = root[path]
            known = names.get(path, [])
            npz = os.path.join(folder, "x.npz")
            ours = {}
            if known:
                subprocess.run([strangelet, "export", "--force", "--to", "npz", "--table", path, "-o", npz, container], check=True)
                ours = dict(np.load(npz))
            for name, joined, branch in branches(tree):
                ntuple = not isinstance(branch, uproot.behaviors.TBranch.TBranch)
                try:
                    array = branch.array(library="ak")
                except Exception:
                    continue
                if ntuple and not numeric(array):
                    continue
                found = [n for n in (joined, name) if n in known]
                found += [n for n in known if n.startswith((name + ".", joined + "."))]
                if ntuple and not found:
                    continue  # cardinalities and second names of the same cells have no column of their own
                count += 1
                why = "no column" if not found else min((same(ours, n, array) or "" for n in found), key=len)
                if why:
                    wrong.append(f"{path}: {joined}: {why}")
    return count, wrong


def numeric(array):
    layout = array.layout
    while isinstance(layout, ak.contents.ListOffsetArray | ak.contents.ListArray | ak.contents.RegularArray):
        if layout.parameter("__array__") in ("string", "bytestring"):
            return False
        layout = layout.content
    return isinstance(layout, ak.contents.NumpyArray)


def main():
    strangelet, files = sys.argv[1], sys.argv[2:]
    failed = total = 0
    for file in files:
        with tempfile.TemporaryDirectory() as folder:
            count, wrong = compare(strangelet, file, folder)
        total += count
        good = count - len(wrong)
        print(f"{os.path.basename(file)}: {good} of {count} branches are columns with equal cells")
        for line in wrong[:8]:
            print("   ", line)
        failed += good < 0.99 * count or count == 0
    print(f"{total} branches in {len(files)} files")
    print(f"{len(files) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
