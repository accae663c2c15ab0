"""kill -9 of the daemon under writers: no acknowledged commit is lost, none is half visible.

WEIGHTFS_KILL_ROUNDS says how many rounds; WEIGHTFS_SEED=N replays the moments (not the machine's timing).
"""

import os
import pathlib
import subprocess
import sys
import time

import pytest
import repository as wfs
from kill_writer import number_in

ROUNDS = int(os.environ.get("WEIGHTFS_KILL_ROUNDS", "5"))
WRITER = pathlib.Path(__file__).parent / "kill_writer.py"
BRANCHES = ("main", "exp")


def assert_whole(repo, commit, exact=None):
    """Both files are whole; with `exact`, both are that number."""
    names = set(os.listdir(repo.at(commit)))
    assert names <= {"one.bin", "two.bin"}, names
    for name in names:
        found = number_in(repo.at(commit) / name)
        assert exact is None or found == exact, f"{commit}: {name} is number {found}, not {exact}"
    assert exact is None or len(names) == 2


@pytest.mark.timeout(int((120 + ROUNDS * 20) * wfs.SLOW))
def test_rounds_of_kill9_under_writers(repo, scratch, rng):
    (repo.mnt / "exp").mkdir()
    acknowledged, seen, last = {}, set(), dict.fromkeys(BRANCHES, 0)
    for turn in range(ROUNDS):
        writers = []
        for branch in BRANCHES:
            writers.append(
                subprocess.Popen(
                    [
                        sys.executable,
                        WRITER,
                        repo.mountctl,
                        repo.path,
                        repo.branch(branch),
                        branch,
                        str(last[branch] + 1000),
                        scratch / branch,
                    ],
                    stdin=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                )
            )
        time.sleep(
            rng.uniform(0.4, 2.0) * wfs.SLOW
        )  # the moment of the kill is what is random here
        repo.kill9()
        for writer in writers:
            writer.communicate(timeout=60)
            assert writer.returncode != 0, "the writer was told"
        repo.mount()

        for branch in BRANCHES:
            lines = (
                (scratch / branch).read_text().splitlines() if (scratch / branch).exists() else []
            )
            ours = dict(line.split() for line in lines)
            history = {c["id"]: c for c in repo.history(branch)}
            lost = set(ours) - set(history)
            assert not lost, f"round {turn}: acknowledged commits are lost: {lost}"
            for commit in history.keys() - seen:
                exact = int(ours[commit]) if commit in ours else None
                assert_whole(repo, commit, exact)
                seen.add(commit)
            acknowledged.update(ours)
            last[branch] = max([last[branch] + 1000, *map(int, ours.values())])
            for name in os.listdir(
                repo.branch(branch)
            ):  # the working folder is usable, whatever it holds
                (repo.branch(branch) / name).read_bytes()
        repo.ctl("check")
    print(f"{len(acknowledged)} acknowledged commits in {ROUNDS} rounds")
    assert len(acknowledged) >= ROUNDS, "the writers hardly wrote: the test shows nothing"
    repo.quiet()
    repo.remount()
    for commit, number in acknowledged.items():
        assert_whole(repo, commit, int(number))


def test_kill9_during_recovery(repo, rng):
    """The daemon dies again while it takes up what the first death left."""
    import random

    data = random.Random(1).randbytes(8 << 20)
    (repo.branch() / "model.bin").write_bytes(data)
    commit = repo.commit("not encoded yet")
    for _ in range(3):
        repo.kill9()
        repo.mount()
        time.sleep(rng.uniform(0, 0.1))
    assert (repo.at(commit) / "model.bin").read_bytes() == data
    assert repo.tip() == commit
