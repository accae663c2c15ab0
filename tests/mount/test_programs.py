"""Real programs write into a working folder; every commit of it, and every remount, is held to what they wrote.

The scripts run in processes of their own and know nothing of the filesystem. Each copies what it has
saved to the plain disk, so that history can be compared with it byte for byte.
"""

import hashlib
import os
import shutil
import subprocess
import sys

import hub_server
import repository as wfs


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digests(folder):
    """name -> what it holds, of all below a folder."""
    return {
        name: digest(content) if kind == "file" else content
        for name, (kind, content) in wfs.listing(folder).items()
    }


def history(repo):
    """(commit, folder of the commit), oldest first."""
    return [(c, repo.at(c["id"])) for c in reversed(repo.commits())]


def assert_only_whole(repo, pattern, whole):
    """Every file of the pattern in every commit is one of the whole ones; those that were found."""
    found = set()
    for _, top in history(repo):
        for file in top.glob(pattern):
            if not file.is_symlink():
                assert digest(file) in whole, f"{file} is none of the files that were saved"
                found.add(digest(file))
    return found


def assert_each_commit_changes_something(repo):
    trees = [digests(top) for _, top in history(repo)]
    assert all(a != b for a, b in zip(trees, trees[1:])), "two commits of the same files"


def run_together(commands, env=None):
    """Run programs at the same time; what each has printed."""
    running = [
        subprocess.Popen(
            [str(word) for word in command],
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command in commands
    ]
    try:
        told = [one.communicate(timeout=90 * wfs.SLOW) for one in running]
        for one, (_, complaint) in zip(running, told):
            assert one.returncode == 0, complaint[-4000:]
        return [out for out, _ in told]
    finally:
        for one in running:
            one.kill()
            one.wait()


# Each saver writes one name in a folder of its own, again and again, at first faster than a commit settles.
AGAIN = """
import os, pathlib, shutil, subprocess, sys, time
import gguf, h5py, numpy as np, safetensors.torch, torch
save_file, pause = safetensors.torch.save_file, 0
def save_file_late(*args, **options):
    time.sleep(pause)
    save_file(*args, **options)
safetensors.torch.save_file = save_file_late  # transformers takes this one
from transformers import BertConfig, BertModel
def weights(n):
    return {'w': torch.randn(600, 500, generator=torch.Generator().manual_seed(n))}  # 1.2 MB
def rsync(folder, n, *options):
    (aside / 'source').mkdir(exist_ok=True)
    data = bytearray(weights(0)['w'].numpy().tobytes())
    data[n * 100_000 : n * 100_000 + 50_000] = bytes([n + 1]) * 50_000
    (aside / 'source/model.bin').write_bytes(data)
    subprocess.run(['rsync', '-a', '--ignore-times', *options, f'{aside}/source/', f'{folder}/'], check=True)
def write_gguf(folder, n):
    writer = gguf.GGUFWriter(folder / 'model.gguf', 'llama')
    writer.add_tensor('w', weights(n)['w'].numpy())
    writer.write_header_to_file(); writer.write_kv_data_to_file(); writer.write_tensors_to_file()
    writer.close()
def write_h5(folder, n):
    with h5py.File(folder / 'model.h5', 'w') as f:
        for rows in range(0, 600, 100):
            f.require_dataset('w', (600, 500), 'f4')[rows:rows + 100] = weights(n)['w'][rows:rows + 100].numpy()
            f.flush()
def pretrained(folder, n):
    torch.manual_seed(n)
    model = BertModel(BertConfig(vocab_size=9000, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64))
    model.save_pretrained(folder, max_shard_size='1.5MB')
    assert len(list(folder.glob('*.safetensors'))) == 2
SAVERS = {
    'safetensors': lambda folder, n: safetensors.torch.save_file(weights(n), folder / 'weights.safetensors'),
    'older safetensors': lambda folder, n: (folder / 'weights.safetensors').write_bytes(safetensors.torch.save(weights(n))),
    'torch': lambda folder, n: torch.save(weights(n), folder / 'model.pt'),
    'numpy': lambda folder, n: np.save(folder / 'model.npy', weights(n)['w'].numpy()),
    'gguf': write_gguf, 'h5py': write_h5, 'pretrained': pretrained, 'rsync': rsync,
    'rsync --inplace': lambda folder, n: rsync(folder, n, '--inplace', '--no-whole-file'),
}
top, aside, settle = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), float(sys.argv[3])
for n in range(6):
    for name, save in SAVERS.items():
        pause = 2 * settle if name == 'pretrained' and n > 3 else 0  # between its shards
        (top / name).mkdir(exist_ok=True)
        save(top / name, n)
        shutil.copytree(top / name, aside / name / str(n))
    time.sleep(2 * settle if n > 3 else 0)
"""


def test_no_commit_tears_what_is_saved_over_itself(repo, scratch):
    top = repo.branch() / "run"
    top.mkdir()
    wfs.python(AGAIN, top, scratch, wfs.SETTLE)
    repo.commit("the last")
    repo.remount()
    shutil.rmtree(scratch / "source")
    for saver in sorted(os.listdir(scratch)):
        saved = [digests(scratch / saver / str(n)) for n in range(6)]
        assert digests(top / saver) == saved[5]
        seen = [
            (commit["complete"], digests(folder / "run" / saver))
            for commit, folder in history(repo)
            if (folder / "run" / saver).is_dir()
        ]
        torn = [files for complete, files in seen if files and files not in saved]
        if saver == "pretrained":  # of several files: a save may be cut, and is then marked so
            assert any(complete for complete, _ in seen)
            torn = [files for complete, files in seen if complete and files not in saved]
        assert not torn, f"{saver}: {torn[0]}"
        missing = [n for n in range(6) if saved[n] not in [files for _, files in seen]]
        assert not missing, f"{saver}: of 6 saves {missing} are in no commit"
    assert_each_commit_changes_something(repo)


LOCKED = """
import sys, h5py
path, mode = sys.argv[1:3]
if mode == 'hold':
    with h5py.File(path, 'r+', locking=True) as f:
        f['x'][0] = 1
        f.flush()
        print('held', flush=True)
        sys.stdin.readline()
else:
    try:
        print(h5py.File(path, mode, locking=True)['x'][0])
    except BlockingIOError:
        print('locked')
"""


def test_h5py_locks_out_another_process_and_reads_the_commit(repo):
    path = repo.branch() / "x.h5"
    wfs.python("import h5py, sys; h5py.File(sys.argv[1], 'w')['x'] = [0] * 9", path)
    commit = repo.commit("zeros")
    holder = subprocess.Popen(
        [sys.executable, "-c", LOCKED, path, "hold"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline() == "held\n"
        for mode in ("r+", "r"):
            assert wfs.python(LOCKED, path, mode).stdout == "locked\n"
        assert wfs.python(LOCKED, repo.at(commit) / "x.h5", "r").stdout == "0\n"
        holder.communicate("\n", timeout=30 * wfs.SLOW)
    finally:
        holder.kill()
        holder.wait()
    assert wfs.python(LOCKED, path, "r+").stdout == "1\n"


# Lightning saves to TMPDIR, copies from there, and sets the mode after the close.
LIGHTNING = """
import pathlib, shutil, sys
import lightning, torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO
class Aside(TorchCheckpointIO):
    count = 0
    def save_checkpoint(self, checkpoint, path, storage_options=None):
        super().save_checkpoint(checkpoint, path, storage_options)
        shutil.copy(path, aside / f'{self.count}-{pathlib.Path(path).name}')
        self.count += 1
class Model(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(400, 400)
    def training_step(self, batch, _):
        self.log('at', float(self.current_epoch))
        return self.layer(batch).square().mean()
    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters())
output, aside, epochs, resume = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
torch.manual_seed(4)
model = Model()
keep = dict(save_top_k=1, enable_version_counter=False)
trainer = lightning.Trainer(
    max_epochs=epochs, accelerator='cpu', logger=False, enable_progress_bar=False, enable_model_summary=False,
    plugins=[Aside()], callbacks=[
        ModelCheckpoint(output, filename='{epoch}', monitor='at', mode='max', save_last='link', **keep),
        ModelCheckpoint(output / 'same', filename='same', **keep)])  # one name, written again and again
trainer.fit(model, torch.utils.data.DataLoader(torch.randn(16, 400), batch_size=8), ckpt_path=resume[0] if resume else None)
assert trainer.current_epoch == epochs and trainer.global_step == 2 * epochs
"""


def test_lightning_keeps_one_checkpoint_and_history_all(repo, scratch):
    output = repo.branch() / "run"
    for name in ("tmp", "aside", "resumed"):
        (scratch / name).mkdir()
    tmp = {"TMPDIR": str(scratch / "tmp")}
    wfs.python(LIGHTNING, output, scratch / "aside", 4, env=tmp)
    assert sorted(p.name for p in output.iterdir()) == ["epoch=3.ckpt", "last.ckpt", "same"]
    assert os.readlink(output / "last.ckpt") == "epoch=3.ckpt"
    umask = os.umask(0)
    os.umask(umask)
    assert (output / "epoch=3.ckpt").stat().st_mode & 0o777 == 0o666 & ~umask
    tip = repo.at(repo.commit("trained"))
    repo.remount()
    wfs.assert_same_tree(output, tip / "run")
    for name in ("epoch=?.ckpt", "same/same.ckpt"):
        saved = {digest(p) for p in (scratch / "aside").glob(f"?-{name.split('/')[-1]}")}
        assert len(saved) == 4
        assert assert_only_whole(repo, f"run/{name}", saved) == saved
    assert_each_commit_changes_something(repo)
    wfs.python(LIGHTNING, output, scratch / "resumed", 5, tip / "run/last.ckpt", env=tmp)
    assert sorted(p.name for p in output.iterdir()) == ["epoch=4.ckpt", "last.ckpt", "same"]
    resumed = repo.at(repo.commit("trained on")) / "run"
    assert os.readlink(resumed / "last.ckpt") == "epoch=4.ckpt"
    wfs.assert_same_tree(output, resumed)


# Two processes write one folder; the second is late. `.metadata` replaces the old one last of all.
DCP = """
import os, pathlib, shutil, sys, time
import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Replicate, Shard, distribute_tensor
def state(mesh, step):
    w = torch.randn(800, 700, generator=torch.Generator().manual_seed(step))
    return {'w': distribute_tensor(w, mesh, [Shard(0)]), 'b': distribute_tensor(w[0] * 2, mesh, [Replicate()]),
            'step': torch.tensor(step)}
class Late(dcp.FileSystemWriter):
    def write_data(self, plan, planner):
        time.sleep(pause * dist.get_rank())
        return super().write_data(plan, planner)
rank, folder, aside, pause = int(sys.argv[1]), *map(pathlib.Path, sys.argv[3:5]), float(sys.argv[5])
dist.init_process_group('gloo', init_method='file://' + sys.argv[2], rank=rank, world_size=2)
mesh = init_device_mesh('cpu', (2,))
for step in range(3):
    time.sleep(pause if step else 0)
    dcp.save(state(mesh, step), storage_writer=Late(folder, overwrite=True))
    dist.barrier()
    if rank == 0:
        shutil.copytree(folder, aside / str(step))
    dist.barrier()
dist.destroy_process_group()
"""

# One process reads what two have written.
DCP_LOAD = """
import sys, torch
import torch.distributed.checkpoint as dcp
got = {'w': torch.zeros(800, 700), 'b': torch.zeros(700), 'step': torch.tensor(0)}
dcp.load(got, storage_reader=dcp.FileSystemReader(sys.argv[1]), no_dist=True)
w = torch.randn(800, 700, generator=torch.Generator().manual_seed(2))
assert torch.equal(got['w'], w) and torch.equal(got['b'], w[0] * 2) and got['step'].item() == 2
"""


def test_dcp_of_two_processes_is_never_complete_in_between(repo, scratch):
    (scratch / "aside").mkdir()
    folder = repo.branch() / "run"
    words = [scratch / "meet", folder, scratch / "aside", 2.5 * wfs.SETTLE]
    run_together(
        [[sys.executable, "-c", DCP, rank, *words] for rank in range(2)],
        env={"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"},
    )
    tip = repo.at(repo.commit("saved"))
    repo.remount()
    wfs.assert_same_tree(scratch / "aside/2", folder)
    wfs.assert_same_tree(scratch / "aside/2", tip / "run")
    whole = [digests(scratch / "aside" / str(step)) for step in range(3)]
    told = [(c["complete"], digests(top / "run")) for c, top in history(repo)]
    for complete, files in told:
        assert (files in whole) == complete, f"complete: {complete}, but {sorted(files)}"
        assert ".metadata.tmp" not in files
    assert all(files in [seen for _, seen in told] for files in whole), "a checkpoint is missing"
    wfs.python(DCP_LOAD, tip / "run")


SNAPSHOT = """
import os, pathlib, sys
from huggingface_hub import constants, scan_cache_dir, snapshot_download
constants.DOWNLOAD_CHUNK_SIZE = 1 << 18  # so that something has been written when the download breaks off
path = pathlib.Path(snapshot_download('someone/tiny', revision=sys.argv[1]))
assert path.is_relative_to(os.environ['HF_HOME']), path
cache = scan_cache_dir()
assert not cache.warnings and [r.repo_id for r in cache.repos] == ['someone/tiny']
print(path.name)
"""

FROM_CACHE = """
import sys, torch
from huggingface_hub import scan_cache_dir
from transformers import AutoModel
working, oldest = sys.argv.pop(1), sys.argv.pop(1)
scan_cache_dir(working + '/hub').delete_revisions(oldest).execute()
for home, folder in zip(sys.argv[1::2], sys.argv[2::2]):
    cached = AutoModel.from_pretrained('someone/tiny', cache_dir=home + '/hub').state_dict()
    expected = AutoModel.from_pretrained(folder).state_dict()
    assert len(expected) > 30 and all(torch.equal(cached[k], expected[k]) for k in expected)
"""

SAVE_TINY = """
import sys, torch
from transformers import BertConfig, BertModel
for seed, folder in enumerate(sys.argv[1:]):
    torch.manual_seed(seed)
    BertModel(BertConfig(vocab_size=6000, hidden_size=128, num_hidden_layers=2, num_attention_heads=4,
                         intermediate_size=256, max_position_embeddings=64)).save_pretrained(folder)
"""


def test_a_branch_is_the_cache_of_huggingface_hub(repo, scratch):
    """Two processes download at once; what is in the commit loads with no network and no writing."""
    ids = ["a" * 40, "b" * 40]
    first, second = (scratch / "hub" / i for i in ids)
    wfs.python(SAVE_TINY, first, second)
    home = repo.branch() / "home"
    with hub_server.serve(scratch / "hub") as hub:
        hub.main = ids[0]
        online = {
            "HF_HOME": str(home),
            "HF_ENDPOINT": hub.url,
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "no_proxy": "127.0.0.1",
        }
        both = run_together([[sys.executable, "-c", SNAPSHOT, "main"]] * 2, env=online)
        assert [out.strip() for out in both] == [ids[0]] * 2
        assert any(range_ for _, _, range_ in hub.asked), "the download that broke off went on"
        old = repo.commit("the first revision")
        hub.main = ids[1]
        wfs.python(SNAPSHOT, "main", env=online)
    new = repo.commit("the second revision")
    repo.remount()
    cache = "home/hub/models--someone--tiny"
    for commit, revision in ((old, ids[0]), (new, ids[1])):
        top = repo.at(commit) / cache
        assert (top / "refs/main").read_text() == revision
        for name in os.listdir(scratch / "hub" / revision):
            link = top / "snapshots" / revision / name
            assert link.is_symlink() and digest(link) == digest(scratch / "hub" / revision / name)
    wfs.python(
        FROM_CACHE, home, ids[0], repo.at(old) / "home", first, repo.at(new) / "home", second
    )
    whole = {digest(p) for p in (scratch / "hub").rglob("*") if p.is_file()}
    assert assert_only_whole(repo, f"{cache}/blobs/*", whole) == whole
    assert len(os.listdir(repo.at(new) / cache / "blobs")) == 3, "config.json is one file of both"
    for _, top in history(repo):
        assert not list(top.rglob("*.incomplete"))
