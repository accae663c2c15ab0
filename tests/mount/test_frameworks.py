"""Real frameworks save to a working folder and load from it and from the commit.

Each script defines save(folder) and load(folder). It saves on the mount and on the plain disk; both
must hold the same bytes, and so must the commit; load() asserts the values.
"""

import os

import pytest
import repository as wfs

RUN = """
import pathlib, sys
for folder in map(pathlib.Path, sys.argv[2:]):
    folder.mkdir(parents=True, exist_ok=True)
    {'save': save, 'load': load}[sys.argv[1]](folder)
"""

SAFETENSORS = """
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
def tensors(seed):
    g = torch.Generator().manual_seed(seed)
    return {'a': torch.randn(300, 700, generator=g), 'b': torch.randn(1000, generator=g).to(torch.bfloat16),
            'c': torch.arange(7), 'empty': torch.zeros(0, 4), 'scalar': torch.tensor(1.5, dtype=torch.float64)}
def same(x, y):
    assert x.keys() == y.keys()
    assert all(torch.equal(x[k], y[k]) and x[k].dtype == y[k].dtype for k in x)
def save(folder):
    save_file(tensors(1), folder / 'model.safetensors')
    mapped = load_file(folder / 'model.safetensors')
    save_file(tensors(2), folder / 'model.safetensors', metadata={'format': 'pt'})  # over what is mapped
    same(mapped, tensors(1))
    save_file(tensors(3), folder / 'other.safetensors')
def load(folder):
    same(load_file(folder / 'model.safetensors'), tensors(2))
    with safe_open(folder / 'other.safetensors', framework='pt') as f:
        assert set(f.keys()) == set(tensors(3))
        assert torch.equal(f.get_slice('a')[10:20, 5:9], tensors(3)['a'][10:20, 5:9])
        same({k: f.get_tensor(k) for k in f.keys()}, tensors(3))
"""

TORCH = """
import torch
def state():
    g = torch.Generator().manual_seed(5)
    w = torch.randn(256, 1024, generator=g)
    return {'w': w, 'view': w[3], 'half': w.half(), 'n': 17, 'list': [1, 'x', None]}
def save(folder):
    torch.save({'old': torch.zeros(10)}, folder / 'model.bin')
    torch.save(state(), folder / 'model.bin')  # truncates what is there
    torch.save(state(), folder / 'legacy.pt', _use_new_zipfile_serialization=False)
def load(folder):
    for mmap in (True, False):
        got = torch.load(folder / 'model.bin', mmap=mmap, weights_only=True)
        assert torch.equal(got['w'], state()['w']) and torch.equal(got['half'], state()['half'])
        assert torch.equal(got['view'], state()['w'][3]) and got['n'] == 17
    assert torch.equal(torch.load(folder / 'legacy.pt', weights_only=True)['w'], state()['w'])
"""

PRETRAINED = """
import torch
from transformers import AutoModel, BertConfig, BertModel
def model():
    torch.manual_seed(7)
    return BertModel(BertConfig(vocab_size=800, hidden_size=64, num_hidden_layers=3, num_attention_heads=4,
                                intermediate_size=128, max_position_embeddings=64))
def save(folder):
    model().save_pretrained(folder, max_shard_size='200KB')
    assert len(list(folder.glob('model-*.safetensors'))) > 2
    model().save_pretrained(folder / 'whole')
    model().save_pretrained(folder / 'whole', max_shard_size='300KB')
    (folder / 'whole/model.safetensors').unlink(missing_ok=True)  # left over, and loaders prefer it
def load(folder):
    for path in (folder, folder / 'whole'):
        got, expected = AutoModel.from_pretrained(path).state_dict(), model().state_dict()
        assert all(torch.equal(got[k], expected[k]) for k in expected)
"""

H5PY = """
import os
import h5py, numpy as np
os.environ['HDF5_USE_FILE_LOCKING'] = 'TRUE'
def save(folder):
    path = folder / 'activations.h5'
    with h5py.File(path, 'w', libver='latest', locking=True) as f:
        d = f.create_dataset('x', (64, 1000), chunks=(8, 1000), dtype='f4', maxshape=(None, 1000))
        for step in range(64):
            d[step] = np.arange(1000, dtype='f4') + step
            f.flush()
        try:
            os.stat(path); h5py.File(path, 'r+', locking=True)
        except OSError as error:
            pass  # locked, or already open
    with h5py.File(path, 'r+', locking=True) as f:
        f['x'].resize((80, 1000))
        f['x'][64:] = 5
        f['x'][3, :10] = -1
        f.create_group('g').attrs['note'] = 'kept'
def load(folder):
    with h5py.File(folder / 'activations.h5', 'r', locking=True) as f:
        x = f['x'][:]
        assert x.shape == (80, 1000) and (x[64:] == 5).all() and (x[3, :10] == -1).all()
        assert (x[10] == np.arange(1000) + 10).all() and f['g'].attrs['note'] == 'kept'
"""

NUMPY = """
import numpy as np
def save(folder):
    np.save(folder / 'a.npy', np.arange(500_000, dtype='f4').reshape(500, 1000))
    m = np.load(folder / 'a.npy', mmap_mode='r+')
    m[100] = -1
    m.flush()
    m[499, 999] = 12345
    del m
    m = np.memmap(folder / 'raw', dtype='f8', mode='w+', shape=(300, 300))
    m[:] = np.eye(300)
    m.flush()
    del m
    np.savez(folder / 'z.npz', x=np.arange(10), y=np.ones((20, 30)))
def load(folder):
    for mode in (None, 'r', 'c'):
        a = np.load(folder / 'a.npy', mmap_mode=mode)
        assert (a[100] == -1).all() and a[499, 999] == 12345 and a[3, 7] == 3007
    assert (np.memmap(folder / 'raw', dtype='f8', mode='r', shape=(300, 300)) == np.eye(300)).all()
    z = np.load(folder / 'z.npz')
    assert (z['x'] == np.arange(10)).all() and z['y'].shape == (20, 30)
"""

DCP = """
import torch
import torch.distributed.checkpoint as dcp
def state():
    g = torch.Generator().manual_seed(9)
    return {'layer': {'w': torch.randn(200, 500, generator=g), 'b': torch.randn(500, generator=g)}, 'step': torch.tensor(42)}
def save(folder):
    for _ in range(2):  # the second replaces .metadata by unlink and rename
        dcp.save(state(), storage_writer=dcp.FileSystemWriter(folder / 'dcp', overwrite=True))
def load(folder):
    got = {'layer': {'w': torch.zeros(200, 500), 'b': torch.zeros(500)}, 'step': torch.tensor(0)}
    dcp.load(got, storage_reader=dcp.FileSystemReader(folder / 'dcp'))
    assert torch.equal(got['layer']['w'], state()['layer']['w']) and torch.equal(got['layer']['b'], state()['layer']['b'])
    assert got['step'].item() == 42
"""

ZARR = """
import dask.array as da, numpy as np, zarr
def values():
    return np.random.default_rng(2).standard_normal((600, 900), dtype='f4')
def save(folder):  # every key by a temporary name and a rename, from several threads
    a = zarr.create_array(folder / 'a.zarr', shape=(600, 900), chunks=(100, 300), dtype='f4')
    da.from_array(values(), chunks=(100, 300)).store(a, lock=False, scheduler='threads', num_workers=8)
    zarr.open_array(folder / 'a.zarr', mode='r+')[50:450:7, 100:800] = 3  # parts of chunks
    sharded = zarr.create_array(folder / 's.zarr', shape=(600, 900), shards=(300, 900), chunks=(50, 90), dtype='f4', compressors=None)
    sharded[:] = values()
    sharded[299:301, 5] = -1
def load(folder):
    expected = values()
    sharded = expected.copy()
    expected[50:450:7, 100:800] = 3
    sharded[299:301, 5] = -1
    got = da.from_zarr(str(folder / 'a.zarr'))
    assert (got.compute(scheduler='threads', num_workers=8) == expected).all()
    s = zarr.open_array(folder / 's.zarr', mode='r')  # ranges of a shard
    assert (s[:] == sharded).all() and (s[123, 45:600:3] == sharded[123, 45:600:3]).all()
    assert (s.oindex[[5, 299, 300, 599], [5, 899]] == sharded[np.ix_([5, 299, 300, 599], [5, 899])]).all()
"""

# These hold an id that differs from run to run.
NOT_DETERMINISTIC = {"legacy.pt", "dcp/.metadata"}


@pytest.mark.parametrize(
    "name, script",
    [
        ("safetensors", SAFETENSORS),
        ("torch", TORCH),
        ("pretrained", PRETRAINED),
        ("h5py", H5PY),
        ("numpy", NUMPY),
        ("dcp", DCP),
        ("zarr", ZARR),
    ],
    ids=lambda v: v if len(v) < 20 else "",
)
def test_saved_on_the_mount_loaded_from_the_commit(repo, scratch, name, script):
    saved, copy = repo.branch() / "m", scratch / "aside"
    wfs.python(script + RUN, "save", scratch / "plain", saved)
    wfs.assert_same_tree(scratch / "plain", saved, ignore=NOT_DETERMINISTIC)
    wfs.copy_plain(saved, copy)
    committed = repo.at(repo.commit(f"saved by {name}")) / "m"
    wfs.assert_same_tree(copy, committed)
    wfs.python(script + RUN, "load", scratch / "plain", copy, committed)  # from staging
    repo.quiet()
    repo.remount()
    wfs.assert_same_tree(copy, committed)
    wfs.python(script + RUN, "load", saved, committed)  # from packs


def test_a_dcp_folder_is_complete_once_its_metadata_is_renamed_in(repo):
    pytest.importorskip("torch")
    wfs.python(DCP + RUN, "save", repo.branch() / "m")
    repo.commit("saved")
    assert repo.commits()[0]["complete"] is True


def test_what_dcp_has_fsynced_outlives_kill9(make_repo, scratch):
    """Before any commit. The rename of .metadata is the last step, and nothing is fsynced after it."""
    repo = make_repo("--capture", "manual")
    wfs.python(DCP + RUN, "save", repo.branch() / "m")
    saved = wfs.copy_plain(repo.branch() / "m/dcp", scratch / "saved")
    repo.kill9()
    repo.mount()
    found = repo.branch() / "m/dcp"
    if (found / ".metadata.tmp").exists():
        os.rename(found / ".metadata.tmp", found / ".metadata")
    wfs.assert_same_tree(saved, found)
    wfs.python(DCP + RUN, "load", repo.at(repo.commit("recovered")) / "m")
