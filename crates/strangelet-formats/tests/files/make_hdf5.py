# Makes the HDF5 files of this folder: python3 make_hdf5.py (h5py, numpy).
import h5py, numpy as np, os, sys
here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(1)
wave = (9000 + rng.normal(0, 8, (25, 100))).astype('<u2')
for name, libver in [('old.h5', 'earliest'), ('new.h5', 'latest')]:
    with h5py.File(os.path.join(here, name), 'w', libver=libver) as f:
        f.create_dataset('plain', data=np.arange(30, dtype='<i4').reshape(10, 3))
        f.create_dataset('big', data=np.arange(20, dtype='>f8'))
        f.create_dataset('scalar', data=np.float32(1.5))
        f.create_dataset('empty', shape=(0,), maxshape=(None,), dtype='i2')
        g = f.create_group('ch1/raw')
        g.create_dataset('wave', data=wave, chunks=(8, 32), compression='gzip', compression_opts=4, shuffle=True, fletcher32=True)
        g.create_dataset('energy', data=rng.exponential(100, 40).astype('<f4'), chunks=(16,), compression='gzip', maxshape=(None,))
        g.create_dataset('holes', shape=(20, 4), dtype='<i8', chunks=(5, 4), maxshape=(None, 4), fillvalue=7)[5:9] = 3
        g.create_dataset('whole', data=wave[:10], chunks=(10, 100), compression='gzip')
        hit = np.dtype({'names': ['id', 'x', 'tag'], 'formats': ['<u2', '<f4', 'S3'], 'offsets': [0, 4, 8], 'itemsize': 12})
        hits = np.zeros(50, hit); hits['id'] = np.arange(50); hits['x'] = rng.normal(size=50); hits['tag'] = b'abc'
        g.create_dataset('hits', data=hits, chunks=(20,), compression='gzip', shuffle=True)
        f.create_dataset('names', data=np.array([b'one', b'two', b'three']))
        f.create_dataset('colour', data=np.arange(9) % 3, dtype=h5py.enum_dtype({'R': 0, 'G': 1, 'B': 2}, basetype='i1'))
        f.create_dataset('text', data=['a', 'bc'], dtype=h5py.string_dtype())
        f.attrs['note'] = 'made for tests'
