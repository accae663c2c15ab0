"""What checkpoints near one another cost, on real weights that drift as training makes them drift."""

import json
import shutil

import pytest
import repository as wfs

# Checkpoints of some layers of a real model, each some optimizer steps of the size of its learning
# rate behind the one before, kept in bf16; and what becomes of the last one: pruned, cast, renamed.
SERIES = """
import pathlib, sys, torch
from safetensors.torch import load_file, save_file
source, out, count = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
torch.manual_seed(7)
torch.set_num_threads(1)
names = 'encoder.layer.'
master = {k: v.float() for k, v in load_file(source + '/model.safetensors').items() if names in k}
bf16 = lambda weights: {k: v.bfloat16() for k, v in weights.items()}
for number in range(count):
    folder = out / f'checkpoint-{100 * (number + 1)}'
    folder.mkdir(parents=True)
    save_file(bf16(master), folder / 'model.safetensors', metadata={'format': 'pt'})
    moments = {f'{k}.exp_avg_sq': (v.square() * 1e-4 + 1e-12) for k, v in list(master.items())[:24]}
    torch.save(moments, folder / 'optimizer.pt')
    (folder / 'config.json').write_text('{"step": %d}' % number)
    if number + 1 < count:
        for v in master.values():
            v += 4e-5 * torch.randn_like(v)
save_file(master, out / 'master.safetensors')
pruned = {}
for name, weight in bf16(master).items():
    weight = weight.clone()
    if weight.dim() == 2:
        flat = weight.abs().float().flatten()
        weight[weight.abs() < flat.kthvalue(flat.numel() // 2).values] = 0
    pruned[name] = weight
save_file(pruned, out / 'pruned.safetensors')
"""
COUNT = 4


@pytest.fixture(scope="module")
def series(minilm, tmp_path_factory):
    folder = tmp_path_factory.mktemp("series")
    wfs.python(SERIES, minilm, folder, COUNT)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def pack_bytes(repo):
    repo.quiet()
    return sum(p.stat().st_size for p in repo.packs())


def cost(repo, source, path, message):
    """The bytes that packs grow by when `source` is copied to `path` and committed."""
    before = pack_bytes(repo)
    path.parent.mkdir(parents=True, exist_ok=True)
    wfs.run("cp", "-r", source, path)
    repo.commit(message)
    return pack_bytes(repo) - before


def model_of(series, number):
    return series / f"checkpoint-{100 * (number + 1)}" / "model.safetensors"


def bases(repo, path, revision="main"):
    """Why the bases of a file were taken, as explain tells it, all segments together."""
    told = json.loads(repo.ctl("explain", f"{revision}:{path}", "--json").stdout)
    return {base["reason"] for segment in told["segments"] for base in segment.get("bases", [])}


def test_a_fine_tune_over_the_model_costs_what_moved(make_repo, series):
    repo = make_repo()
    whole = cost(repo, model_of(series, 0), repo.branch() / "model.safetensors", "base")
    raw = model_of(series, 0).stat().st_size
    assert 0.55 * raw < whole < 0.70 * raw
    moved = cost(repo, model_of(series, 1), repo.branch() / "model.safetensors", "tuned")
    assert moved < 0.30 * raw, f"{moved / raw:.3f} of the file"
    assert "parent" in bases(repo, "model.safetensors")
    for number, revision in enumerate(("main~1", "main")):
        wfs.assert_same_bytes(
            repo.mnt / f"@{revision}" / "model.safetensors", model_of(series, number)
        )


def test_a_checkpoint_folder_uses_the_one_before_it(make_repo, series):
    repo = make_repo()
    costs = []
    for number in range(COUNT):
        name = f"checkpoint-{100 * (number + 1)}"
        costs.append(cost(repo, series / name, repo.branch() / "run" / name, name))
    assert max(costs[1:]) < 0.6 * costs[0], costs
    last = f"run/checkpoint-{100 * COUNT}"
    assert "sibling" in bases(repo, f"{last}/model.safetensors")
    assert "sibling" in bases(repo, f"{last}/optimizer.pt")
    for number in range(COUNT):
        name = f"checkpoint-{100 * (number + 1)}"
        wfs.assert_same_tree(repo.branch() / "run" / name, series / name)


def test_a_file_of_torch_is_known_by_its_tensors(make_repo, series):
    repo = make_repo()
    first, second = (series / f"checkpoint-{step}" / "optimizer.pt" for step in (100, 200))
    cost(repo, first, repo.branch() / "a" / "optimizer.pt", "first")
    told = json.loads(repo.ctl("explain", "main:a/optimizer.pt", "--json").stdout)
    tensors = [segment for segment in told["segments"] if "exp_avg_sq" in segment["tensor"]]
    assert len(tensors) == 24 and {tensor["dtype"] for tensor in tensors} == {"F32"}
    cost(repo, second, repo.branch() / "elsewhere.pth", "second")
    assert bases(repo, "elsewhere.pth") <= {"name", "similar"} and bases(repo, "elsewhere.pth")


def test_a_run_that_arrives_in_one_commit_is_stored_as_deltas(make_repo, series):
    repo = make_repo()
    checkpoints = sorted(series.glob("checkpoint-*"))
    repo.ctl("stats")
    for checkpoint in checkpoints:
        wfs.run("cp", "-r", checkpoint, repo.branch() / checkpoint.name)
    repo.commit("a whole run")
    raw = sum(p.stat().st_size for c in checkpoints for p in c.iterdir())
    assert pack_bytes(repo) < 0.6 * raw
    repo.remount()
    for checkpoint in checkpoints:
        wfs.assert_same_tree(repo.branch() / checkpoint.name, checkpoint)


def test_a_fine_tune_under_an_unrelated_path_finds_its_base(make_repo, series):
    right, foreign = make_repo(), make_repo()
    for repo in (right, foreign):
        cost(repo, model_of(series, 0), repo.branch() / "base" / "model.safetensors", "base")
    known = cost(right, model_of(series, 1), right.branch() / "base" / "model.safetensors", "tuned")
    found = cost(
        foreign, model_of(series, 1), foreign.branch() / "somebody" / "weights.safetensors", "found"
    )
    assert found < 1.03 * known + 20_000, (found, known)


def test_a_pruned_copy_and_a_cast_find_their_base(make_repo, series):
    repo = make_repo()
    raw = model_of(series, COUNT - 1).stat().st_size
    cost(repo, model_of(series, COUNT - 1), repo.branch() / "dense.safetensors", "dense")
    pruned = cost(repo, series / "pruned.safetensors", repo.branch() / "a" / "p.safetensors", "p")
    assert pruned < 0.37 * raw, f"{pruned / raw:.3f} of the file"
    other = make_repo()
    cost(other, series / "master.safetensors", other.branch() / "master.safetensors", "master")
    cast = cost(other, model_of(series, COUNT - 1), other.branch() / "b" / "c.safetensors", "cast")
    assert cast < 0.05 * raw, f"{cast / raw:.3f} of the file"
    wfs.assert_same_bytes(other.branch() / "b" / "c.safetensors", model_of(series, COUNT - 1))


def test_deltas_survive_the_loss_of_the_index(make_repo, series):
    repo = make_repo()
    for number in range(COUNT):
        cost(repo, model_of(series, number), repo.branch() / "model.safetensors", str(number))
    repo.umount()
    for name in repo.path.glob("index.sqlite*"):
        name.unlink()
    repo.ctl("rebuild")
    repo.check(data=True)
    repo.mount()
    for number in range(COUNT):
        revision = f"main~{COUNT - 1 - number}" if number < COUNT - 1 else "main"
        wfs.assert_same_bytes(
            repo.mnt / f"@{revision}" / "model.safetensors", model_of(series, number)
        )
    assert "delta" in repo.ctl("explain", "main:model.safetensors").stdout


def test_random_reads_of_a_delta_are_the_bytes_of_the_file(make_repo, series):
    repo = make_repo()
    for number in range(2):
        cost(repo, model_of(series, number), repo.branch() / "model.safetensors", str(number))
    repo.remount()
    plain = model_of(series, 1).read_bytes()
    steps = range(0, len(plain) - 4096, 999_983)
    with open(repo.mnt / "@main" / "model.safetensors", "rb", buffering=0) as file:
        for offset in [*steps, *reversed(steps)]:
            file.seek(offset)
            assert file.read(4096) == plain[offset : offset + 4096], offset
