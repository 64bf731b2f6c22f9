"""The smallest that openzl makes of the bytes of a file by its generic graphs: as bytes, as numbers of each width
and byte order, as fields of a struct, and by zstd at its strongest. The frame says how it was made."""

import sys

import numpy as np
import openzl.ext as zl


def graphs(compressor, count):
    nodes, ends = zl.nodes, zl.graphs
    yield ends.Compress()(compressor)
    yield ends.Zstd(compression_level=19)(compressor)
    for width, little, big in (
        (2, nodes.ConvertSerialToNumLE16, nodes.ConvertSerialToNumBE16),
        (4, nodes.ConvertSerialToNumLE32, nodes.ConvertSerialToNumBE32),
        (8, nodes.ConvertSerialToNumLE64, nodes.ConvertSerialToNumBE64),
    ):
        if count % width == 0:
            for node in (little, big):
                yield node()(compressor, ends.Compress()(compressor))
            yield nodes.ConvertSerialToStruct(width)(compressor, ends.FieldLz()(compressor))


def compress(data):
    best = None
    count = sum(1 for _ in graphs(zl.Compressor(), len(data)))
    for number in range(count):
        compressor = zl.Compressor()
        chosen = list(graphs(compressor, len(data)))[number]
        compressor.set_parameter(zl.CParam.FormatVersion, zl.MAX_FORMAT_VERSION)
        compressor.set_parameter(zl.CParam.CompressionLevel, 19)
        compressor.select_starting_graph(chosen)
        context = zl.CCtx()
        context.ref_compressor(compressor)
        array = np.frombuffer(data, dtype=np.uint8)
        try:
            frame = context.compress([zl.Input(zl.Type.Serial, array)])
        except RuntimeError:
            continue  # a graph that does not fit these bytes
        if best is None or len(frame) < len(best):
            best = frame
    return best


source, target = sys.argv[2:4]
with open(source, "rb") as file:
    data = file.read()
if sys.argv[1] == "compress":
    # An empty input makes no frame.
    result = compress(data) if data else b""
else:
    result = bytes(zl.DCtx().decompress(data)[0].content.as_nparray()) if data else b""
with open(target, "wb") as file:
    file.write(result)
