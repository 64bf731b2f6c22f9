"""One error-bounded compressor on log2(ADC + 1) of frames, as float32.

usage: NAME TOLERANCE FRAMES.npy RESTORED.f32

Both orders of the axes are tried, that of the file (azimuth, drift, layer) and (layer, azimuth, drift), and with SZ3 two
predictors; the smallest result counts. Prints one JSON object; times are of this process' processor, of the library's calls only.
"""

import json
import sys
import time

import numpy as np

REPEATS = 3


def best(call):
    """The result and the least seconds of a few calls."""
    least = None
    for _ in range(REPEATS):
        start = time.process_time()
        result = call()
        seconds = time.process_time() - start
        least = seconds if least is None else min(least, seconds)
    return result, least


def sz3(tolerance):
    from pysz import sz, szAlgorithm, szConfig, szErrorBoundMode

    def with_predictor(predictor):
        def compress(x):
            config = szConfig(x.shape)
            config.errorBoundMode = szErrorBoundMode.ABS
            config.absErrorBound = tolerance
            config.cmprAlgo = predictor
            return sz.compress(x, config)[0]

        return compress

    def decompress(packed, x):
        return sz.decompress(packed, np.float32, x.shape)[0]

    predictors = {"INTERP_LORENZO": szAlgorithm.INTERP_LORENZO, "LORENZO_REG": szAlgorithm.LORENZO_REG}
    return [(name, with_predictor(p)) for name, p in predictors.items()], decompress


def zfp(tolerance):
    import zfpy

    def compress(x):
        return np.frombuffer(zfpy.compress_numpy(x, tolerance=tolerance), np.uint8)

    def decompress(packed, _):
        return zfpy.decompress_numpy(packed.tobytes())

    return [("fixed accuracy", compress)], decompress


name, tolerance, source, target = sys.argv[1:5]
variants, decompress = {"sz3": sz3, "zfp": zfp}[name](float(tolerance))
adc = np.load(source)
x = np.log2(adc.astype(np.float32) + 1).astype(np.float32)
n = x.ndim
orders = {"file": tuple(range(n)), "layer first": (*range(n - 3), n - 1, n - 3, n - 2)}
found = None
for order_name, order in orders.items():
    y = np.ascontiguousarray(x.transpose(order))
    for variant, compress in variants:
        size = compress(y).nbytes
        if found is None or size < found[0]:
            found = (size, f"{variant}, order: {order_name}", compress, y, order)
size, about, compress, y, order = found
packed, encode_s = best(lambda: compress(y))
back, decode_s = best(lambda: decompress(packed, y))
np.ascontiguousarray(back.transpose(np.argsort(order))).astype("<f4").tofile(target)
print(json.dumps({"bytes": size, "encode_s": encode_s, "decode_s": decode_s, "about": about}))
