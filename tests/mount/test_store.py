"""What storing costs, on real weights."""

import json
import os

import pytest
import repository as wfs

RESHARD = """
import sys
from transformers import AutoModel
AutoModel.from_pretrained(sys.argv[1]).save_pretrained(sys.argv[2], max_shard_size='25MB')
"""
AS_BIN = """
import sys, torch
from safetensors.torch import load_file
torch.save(load_file(sys.argv[1] + '/model.safetensors'), sys.argv[2])
"""
CHANGE_ONE = """
import sys, torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
tensors = load_file(sys.argv[1] + '/model.safetensors')
torch.manual_seed(1)
tensors[sys.argv[3]] = torch.randn_like(tensors[sys.argv[3]])
with safe_open(sys.argv[1] + '/model.safetensors', framework='pt') as f:
    save_file(tensors, sys.argv[2], metadata=f.metadata())
"""


@pytest.fixture(scope="module")
def stored(shared, minilm):
    """The bytes that the first copy of the model costs."""
    before = shared.stored_bytes()
    wfs.run("cp", "-r", minilm, shared.branch() / "minilm")
    shared.commit("the model")
    cost = shared.stored_bytes() - before
    assert 0 < cost < 1.02 * 91_700_000, "more than the files themselves"
    return cost


def cost_of(repo, act, message):
    before = repo.stored_bytes()
    act()
    repo.commit(message)
    return repo.stored_bytes() - before


def test_stored_bytes_are_what_the_disk_holds(shared, stored):
    on_disk = sum(p.stat().st_size for p in shared.packs())
    told = shared.stored_bytes()
    assert abs(on_disk - told) < 0.02 * on_disk, (on_disk, told)
    assert shared.stats()["logical_bytes"] >= 90_868_376


def test_the_same_model_twice(shared, stored, minilm):
    cost = cost_of(shared, lambda: wfs.run("cp", "-r", minilm, shared.branch() / "twice"), "twice")
    assert cost < 0.03 * stored, cost


def test_renamed(shared, stored):
    cost = cost_of(
        shared,
        lambda: os.rename(shared.branch() / "minilm", shared.branch() / "renamed"),
        "renamed",
    )
    os.rename(shared.branch() / "renamed", shared.branch() / "minilm")
    assert cost < 0.03 * stored, cost


def test_resharded(shared, stored, minilm, scratch):
    wfs.python(RESHARD, minilm, scratch / "shards")
    assert len(list((scratch / "shards").glob("*.safetensors"))) >= 3
    cost = cost_of(
        shared,
        lambda: wfs.run("cp", "-r", scratch / "shards", shared.branch() / "shards"),
        "sharded",
    )
    assert cost < 0.03 * stored, cost
    wfs.assert_same_tree(scratch / "shards", shared.at(shared.tip()) / "shards")


def test_as_a_pytorch_file(shared, stored, minilm, scratch):
    wfs.python(AS_BIN, minilm, scratch / "pytorch_model.bin")
    cost = cost_of(
        shared, lambda: wfs.run("cp", scratch / "pytorch_model.bin", shared.branch()), "as .bin"
    )
    assert cost < 0.03 * stored, cost
    wfs.assert_same_bytes(
        scratch / "pytorch_model.bin", shared.at(shared.tip()) / "pytorch_model.bin"
    )


def test_one_changed_tensor_costs_about_that_tensor(shared, stored, minilm, scratch):
    name, size = "encoder.layer.3.intermediate.dense.weight", 1536 * 384 * 4
    wfs.python(CHANGE_ONE, minilm, scratch / "changed.safetensors", name)
    cost = cost_of(
        shared,
        lambda: wfs.run(
            "cp", scratch / "changed.safetensors", shared.branch() / "minilm/model.safetensors"
        ),
        "one tensor",
    )
    assert 0.5 * size < cost < 1.1 * size + 100_000, cost
    wfs.assert_same_bytes(
        scratch / "changed.safetensors", shared.at(shared.tip()) / "minilm/model.safetensors"
    )


def test_a_commit_of_one_small_file_costs_little(shared, stored):
    def act():
        (shared.branch() / "note.txt").write_text("a few words")

    assert cost_of(shared, act, "a note") < 20_000


def test_an_insertion_in_a_file_of_no_known_format_costs_little(repo):
    import random

    data = random.Random(4).randbytes(12 << 20)
    (repo.branch() / "opaque").write_bytes(data)
    repo.commit("opaque")

    def act():
        (repo.branch() / "opaque").write_bytes(
            data[:5_000_000] + b"an insertion" + data[5_000_000:]
        )

    assert cost_of(repo, act, "an insertion") < 2 << 20
    assert (repo.at(repo.tip()) / "opaque").read_bytes()[5_000_000:5_000_012] == b"an insertion"


def test_the_stored_attribute_of_a_duplicate_is_small(shared, stored, minilm):
    wfs.run("cp", minilm / "model.safetensors", shared.branch() / "duplicate.safetensors")
    committed = shared.at(shared.commit("a duplicate")) / "duplicate.safetensors"
    shared.quiet()
    assert int(os.getxattr(committed, "user.weightfs.stored")) <= 90_868_376
    assert json.loads(shared.ctl("stats", "--json").stdout)["blocks"] > 100
