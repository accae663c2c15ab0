"""A training run that keeps one checkpoint on disk leaves every checkpoint in history.

WEIGHTFS_TRAINER=real fine-tunes the real model instead of a tiny one with random weights.
"""

import os
import pathlib
import sys

import repository as wfs

SCRIPT = pathlib.Path(__file__).parent / "trainer_script.py"
STEPS = [2, 4, 6, 8, 10]


def is_same(a, b):
    try:
        wfs.assert_same_tree(a, b)
    except AssertionError:
        return False
    return True


def test_every_checkpoint_of_a_trainer_is_in_history(repo, scratch, minilm):
    output = repo.branch() / "run"
    model = [minilm] if os.environ.get("WEIGHTFS_TRAINER") == "real" else []
    wfs.run(sys.executable, SCRIPT, output, scratch, *model, timeout=100 if not model else 900)
    repo.commit("the end of the run")
    assert sorted(p.name for p in output.glob("checkpoint-*")) == ["checkpoint-10"]
    wfs.assert_same_tree(scratch / "checkpoint-10", output / "checkpoint-10")
    assert sorted(os.listdir(scratch)) == sorted(f"checkpoint-{n}" for n in STEPS)

    commits = [c["id"] for c in repo.commits()]
    for step in STEPS:
        name = f"run/checkpoint-{step}"
        holders = [c for c in commits if (repo.at(c) / name).is_dir()]
        assert holders, f"no commit holds {name}"
        assert any(
            is_same(scratch / f"checkpoint-{step}", repo.at(c) / name) for c in holders
        ), f"{name} is in {len(holders)} commits and in none of them byte for byte:\n" + "\n".join(
            f"{c[:12]} {sorted(wfs.listing(repo.at(c) / name))}" for c in holders
        )

    events = list(output.rglob("events.out.tfevents.*"))
    assert events, "TensorBoard wrote into output_dir all the while"
    tip = repo.at(commits[0])
    for event in events:
        wfs.assert_same_bytes(event, tip / event.relative_to(repo.branch()))


def test_resume_from_a_checkpoint_in_history(repo, scratch):
    """The last one is deleted; training goes on from the commit."""
    output = repo.branch() / "run"
    wfs.run(sys.executable, SCRIPT, output, scratch)
    commit = repo.commit("a run")
    wfs.run("rm", "-r", output)
    wfs.run("cp", "-r", repo.at(commit) / "run/checkpoint-10", scratch / "resumed")
    wfs.assert_same_tree(scratch / "checkpoint-10", scratch / "resumed")
    assert any(c["metrics"].get("step") == 10 for c in repo.commits())


def test_training_goes_on_where_it_was_after_a_remount(repo, scratch):
    """The Trainer finds its last checkpoint, and deletes the oldest by the mtimes of their folders."""
    output = repo.branch() / "run"
    four = {"TRAIN_STEPS": "4", "TRAIN_KEEP": "2", "OMP_NUM_THREADS": "1"}
    wfs.run(sys.executable, SCRIPT, output, scratch, env=four)
    before = repo.at(repo.commit("four steps"))
    assert sorted(p.name for p in output.glob("checkpoint-*")) == ["checkpoint-2", "checkpoint-4"]
    repo.remount()
    more = {**four, "TRAIN_STEPS": "8", "TRAIN_RESUME": "last"}
    wfs.run(sys.executable, SCRIPT, output, scratch, env=more)
    assert sorted(p.name for p in output.glob("checkpoint-*")) == ["checkpoint-6", "checkpoint-8"]
    after = repo.at(repo.commit("four more"))
    repo.remount()
    assert sorted(os.listdir(scratch)) == [f"checkpoint-{n}" for n in (2, 4, 6, 8)]
    for step, top in ((2, before), (4, before), (6, after), (8, after)):
        name = f"checkpoint-{step}"
        wfs.assert_same_tree(scratch / name, top / "run" / name)
    again = scratch / "again"  # from the commit, which nobody can write
    again.mkdir()
    more["TRAIN_RESUME"] = str(before / "run/checkpoint-4")
    wfs.run(sys.executable, SCRIPT, scratch / "elsewhere", again, env=more)
    for name in ("model.safetensors", "optimizer.pt"):
        wfs.assert_same_bytes(again / "checkpoint-8" / name, after / "run/checkpoint-8" / name)
