"""The main job: copy a real model in, and open what was committed, as plain files."""

import os

import repository as wfs

SAME_TENSORS = """
import sys, torch
from transformers import AutoModel
source, shown = (AutoModel.from_pretrained(path).state_dict() for path in sys.argv[1:3])
assert source.keys() == shown.keys() and len(source) > 90, len(source)
for name, tensor in source.items():
    assert tensor.dtype == shown[name].dtype and torch.equal(tensor, shown[name]), name
"""


def assert_shows_the_model(repo, commit, minilm):
    folder = repo.at(commit) / "minilm"
    wfs.assert_same_tree(minilm, folder)
    for name, (kind, file) in wfs.listing(minilm).items():
        if kind == "file":
            assert wfs.run("cmp", file, folder / name).stdout == ""
    wfs.python(SAME_TENSORS, minilm, folder)


def test_copy_a_model_in_and_load_it_from_its_commit(repo, minilm):
    wfs.run("cp", "-r", minilm, repo.branch() / "minilm")
    commit = repo.wait_commit(lambda c: (repo.at(c["id"]) / "minilm/vocab.txt").exists())["id"]
    newest = wfs.run("ls", "-t", repo.mnt).stdout.split()
    assert f"@{commit[:12]}" in newest
    assert repo.commits()[0]["complete"] is True
    wfs.assert_same_tree(minilm, repo.branch() / "minilm")
    assert_shows_the_model(repo, commit, minilm)
    repo.quiet()
    repo.umount()
    repo.mount()
    assert_shows_the_model(repo, commit, minilm)
    repo.kill9()
    repo.mount()
    assert repo.tip() == commit
    assert_shows_the_model(repo, commit, minilm)


def test_kill_right_after_the_copy(repo, minilm):
    """The encoder has not finished; what is committed is there all the same."""
    wfs.run("cp", "-r", minilm, repo.branch() / "minilm")
    commit = repo.commit("a model")
    repo.kill9()
    repo.mount()
    assert repo.tip() == commit
    wfs.assert_same_tree(minilm, repo.at(commit) / "minilm")


def test_export_and_import_give_the_same_files(unmounted, scratch, minilm):
    done = unmounted.ctl("import", f"{minilm}/.", "-b", "main", "-m", "imported")
    commit = unmounted.commits()[0]
    assert commit["message"] == "imported" and commit["id"] in done.stdout
    unmounted.ctl("export", "main", scratch / "out")
    wfs.assert_same_tree(minilm, scratch / "out")
    unmounted.mount()
    wfs.assert_same_tree(minilm, unmounted.at(commit["id"]))
    wfs.assert_same_tree(minilm, unmounted.branch())
    weights = unmounted.at(commit["id"]) / "model.safetensors"
    explained = unmounted.ctl("explain", weights).stdout
    assert "safetensors" in explained


def test_cold_reads_after_dropping_the_page_cache(repo, minilm):
    weights = repo.branch() / "model.safetensors"
    wfs.run("cp", minilm / "model.safetensors", weights)
    committed = repo.at(repo.commit("weights")) / "model.safetensors"
    repo.quiet()
    repo.remount()
    wfs.assert_same_bytes(committed, minilm / "model.safetensors")
    fd = os.open(committed, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)
    wfs.assert_same_bytes(committed, minilm / "model.safetensors")
