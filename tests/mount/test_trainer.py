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
