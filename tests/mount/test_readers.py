"""Real programs read one commit: the first read after a mount, by mappings, ranges and many threads.

What they read is a fine-tune, most of it stored as deltas against the model in the commit before it.
"""

import pathlib
import tempfile

import pytest
import repository as wfs

# Tensors and files that are the same whoever makes them.
MODEL = """
import functools, os, pathlib, random, sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np, torch
@functools.cache
def model(step):
    g = torch.Generator().manual_seed(8)
    found = {}
    for n in range(8):
        w = torch.randn(256, 1024, generator=g) * 0.02
        drift = torch.randn(256, 1024, generator=g) * 1e-6
        found[f'layer.{n}.w'] = (w + step * drift).to([torch.float32, torch.bfloat16][n % 2])
    return found
def same(got, step=1):
    expected = model(step)
    assert got.keys() == expected.keys()
    assert all(torch.equal(got[k], expected[k]) and got[k].dtype == expected[k].dtype for k in expected)
def in_threads(work, items, threads=8):
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, items))
"""

WRITE = """
import gguf, torch
from safetensors.torch import save_file
def write(folder, step):
    folder.mkdir(exist_ok=True)
    save_file(model(step), folder / 'model.safetensors')
    torch.save(model(step), folder / 'model.pt')
    np.save(folder / 'a.npy', model(step)['layer.0.w'].repeat(8, 1).numpy())
    for quantized in (False, True):
        writer = gguf.GGUFWriter(folder / ('q8.gguf' if quantized else 'f.gguf'), 'llama', use_temp_file=True)
        writer.add_block_count(8)
        writer.add_array('tokenizer.ggml.tokens', [f'token {n}' for n in range(5000)])
        for name, w in model(step).items():
            data = w.float().numpy()
            if quantized:
                kind = gguf.GGMLQuantizationType.Q8_0
                writer.add_tensor(name, gguf.quants.quantize(data, kind), raw_dtype=kind)
            else:
                writer.add_tensor(name, data)
        writer.write_header_to_file(); writer.write_kv_data_to_file(); writer.write_tensors_to_file()
        writer.close()
for folder in sys.argv[2:]:
    write(pathlib.Path(folder), int(sys.argv[1]))
"""

# Each gets the folder of a commit; none of it is in any cache.
READERS = {
    "safetensors, mapped, 8 threads fault it in": """
from safetensors import safe_open
with safe_open(top / 'model.safetensors', framework='pt') as f:
    names = list(f.keys())
    same(dict(zip(names, in_threads(lambda name: f.get_tensor(name).clone(), names))))
""",
    "safetensors, every thread opens it": """
from safetensors.torch import load_file
for got in in_threads(lambda _: {k: v.clone() for k, v in load_file(top / 'model.safetensors').items()}, range(8)):
    same(got)
""",
    "safetensors, pread": """
from safetensors.torch import load_file
same(load_file(top / 'model.safetensors', backend='pread'))
""",
    "run:ai's streamer": """
from runai_model_streamer import SafetensorsStreamer
with SafetensorsStreamer() as streamer:
    streamer.stream_file(str(top / 'model.safetensors'))
    same({name: tensor.clone() for name, tensor in streamer.get_tensors()})
""",
    "fastsafetensors": """
from fastsafetensors import SafeTensorsFileLoader, SingleGroup
loader = SafeTensorsFileLoader(SingleGroup(), device='cpu', nogds=True)
loader.add_filenames({0: [str(top / 'model.safetensors')]})
loaded = loader.copy_files_to_device()
same({name: loaded.get_tensor(name).clone() for name in model(1)})
loaded.close()
loader.close()
""",
    "safetensors, one read of the file": """
from safetensors.torch import load
same(load((top / 'model.safetensors').read_bytes()))
""",
    "8 threads pread ranges of one handle, last first": """
size, fd = (top / 'model.safetensors').stat().st_size, os.open(top / 'model.safetensors', os.O_RDONLY)
ranges = [(at, min(300_001, size - at)) for at in range(0, size, 300_001)][::-1]
pieces = in_threads(lambda r: os.pread(fd, r[1], r[0]), ranges)
assert [len(p) for p in pieces] == [length for _, length in ranges], 'a read came back short'
from safetensors.torch import load
same(load(b''.join(pieces[::-1])))
""",
    "torch.load, mapped, 8 threads": """
def load(n):
    got = torch.load(top / 'model.pt', mmap=True, weights_only=True)
    order = list(got)
    random.Random(n).shuffle(order)
    return {k: got[k].clone() for k in order}
for got in in_threads(load, range(8)):
    same(got)
one = torch.load(top / 'model.pt', mmap=True, weights_only=True)
same(dict(zip(one, in_threads(lambda k: one[k].clone(), one))))
one['layer.0.w'][0] = 7  # its mapping is private
same(torch.load(top / 'model.pt', mmap=True, weights_only=True))
""",
    "gguf": """
import gguf
for name in ('f.gguf', 'q8.gguf'):
    reader = gguf.GGUFReader(top / name)
    for tensor in reader.tensors:
        expected = model(1)[tensor.name].float().numpy()
        if name == 'q8.gguf':
            expected = gguf.quants.quantize(expected, gguf.GGMLQuantizationType.Q8_0)
        assert np.array_equal(tensor.data, expected), (name, tensor.name)
    assert len(reader.tensors) == 8 and len(reader.fields['tokenizer.ggml.tokens'].data) == 5000
""",
    "llama.cpp's mapping": """
import ctypes, mmap
c = ctypes.CDLL(None, use_errno=True)
c.mmap.restype = ctypes.c_void_p
c.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
for call in (c.madvise, c.munmap, c.mlock):
    call.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * (call is c.madvise)
path, plain = top / 'f.gguf', (pathlib.Path(sys.argv[2]) / 'f.gguf').read_bytes()
for advice, populate in ((mmap.MADV_WILLNEED, mmap.MAP_POPULATE), (mmap.MADV_RANDOM, 0)):
    fd, size = os.open(path, os.O_RDONLY), len(plain)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    at = c.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED | populate, fd, 0)
    assert at != ctypes.c_void_p(-1).value, os.strerror(ctypes.get_errno())
    os.close(fd)
    assert c.madvise(at, size, advice) == 0 and c.mlock(at + 4096, 32768) == 0
    middle = size // 2 // 4096 * 4096  # fragments that went to another device
    assert c.munmap(at, 4096 * 3) == 0 and c.munmap(at + middle, 1 << 20) == 0
    holes = [(0, 4096 * 3), (middle, middle + (1 << 20))]
    for start, end in ((holes[0][1], middle), (holes[1][1], size)):
        view = memoryview((ctypes.c_char * (end - start)).from_address(at + start)).cast('B')
        pieces = [(o, min(o + 300_000, end - start)) for o in range(0, end - start, 300_000)]
        assert all(in_threads(lambda p: view[p[0]:p[1]] == plain[start + p[0]:start + p[1]], pieces[::-1]))
""",
    "llama.cpp's direct read": """
import mmap
path, plain = top / 'q8.gguf', (pathlib.Path(sys.argv[2]) / 'q8.gguf').read_bytes()
fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
align = os.fstat(fd).st_blksize
assert align & (align - 1) == 0, 'it is used as a mask'
for offset, length in ((0, len(plain)), (1_000_001, 900_000), (len(plain) - 100, 100)):
    start, end = offset & ~(align - 1), (offset + length + align - 1) & ~(align - 1)
    buffer = mmap.mmap(-1, end - start)
    got = os.preadv(fd, [buffer], start)  # once, and believed
    assert got == min(end, len(plain)) - start, 'a short read'
    assert buffer[offset - start:offset - start + length] == plain[offset:offset + length]
""",
    "ranges of an npy file": """
import dask.array as da
expected = model(1)['layer.0.w'].repeat(8, 1).numpy()
def piece(n):
    return np.array(np.load(top / 'a.npy', mmap_mode='r')[n::64, ::7])
for n, got in enumerate(in_threads(piece, range(64))):
    assert np.array_equal(got, expected[n::64, ::7])
with open(top / 'a.npy', 'rb') as file:
    for row in (2047, 3, 1000):
        file.seek(128 + row * 4096)
        assert np.array_equal(np.fromfile(file, 'f4', count=1024), expected[row])
lazy = da.from_array(np.load(top / 'a.npy', mmap_mode='r'), chunks=(100, 300))
assert np.array_equal(lazy[::-1].T.compute(scheduler='threads', num_workers=8), expected[::-1].T)
""",
}


@pytest.fixture(scope="module")
def fine_tune(shared):
    """(its commit, the same files on the plain disk)"""
    with tempfile.TemporaryDirectory(prefix="weightfs-plain-") as folder:
        plain = pathlib.Path(folder) / "m"
        for step in range(2):
            wfs.python(MODEL + WRITE, step, plain, shared.branch() / "m")
            commit = shared.commit(f"step {step}")
            shared.quiet()
        wfs.assert_same_tree(plain, shared.branch() / "m")
        yield commit, plain


@pytest.mark.parametrize("reader", READERS)
def test_the_first_read_of_a_fine_tune(shared, fine_tune, reader):
    commit, plain = fine_tune
    shared.remount()
    top = shared.at(commit) / "m"
    wfs.python(MODEL + "top = pathlib.Path(sys.argv[1])\n" + READERS[reader], top, plain)


def test_what_the_readers_read_is_stored_as_deltas(shared, fine_tune):
    commit, plain = fine_tune
    shared.remount()
    wfs.assert_same_tree(plain, shared.at(commit) / "m")
    assert shared.stored_bytes() < 0.5 * sum(p.stat().st_size for p in plain.iterdir())
