#!/usr/bin/env python3
"""What the length of a history costs: the same calls at 100, 1,000 and 10,000 commits.

    tests/bench/scale_bench.py [--commits 100 1000 10000] [--mountctl PATH] [--scratch FOLDER] [--json]

A repository grows by commits of one checkpoint of 300 small tensors: each commit changes one tensor
and takes the change before it back. At each length it is mounted afresh and asked for: an old
commit by its id, each time another one; the names of the top folder (ls), and the attributes behind
them (ls -l); the commits 50 to 54 back from the tip by ~N; a file of a commit in the middle of
history, opened and read whole; writing the checkpoint with another tensor changed, until it is a
commit. Times are medians of 5 calls, the first of them on a fresh mount. The daemon's memory is
taken when it has been mounted and at the end. The last column is the last length against the first.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import struct
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "mount"))
import repository as wfs  # noqa: E402

TENSORS = 300
NUMBERS = 64  # of a tensor, F32
ROUNDS = 5


def checkpoint(step):
    """A safetensors file: as at step 0, but for tensor step % TENSORS, which holds this step's value."""
    size = 4 * NUMBERS
    head = {
        f"layers.{i}.weight": {
            "dtype": "F32",
            "shape": [NUMBERS],
            "data_offsets": [i * size, (i + 1) * size],
        }
        for i in range(TENSORS)
    }
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    values = [float(i) for i in range(TENSORS)]
    values[step % TENSORS] += step
    data = b"".join(struct.pack("<f", value) * NUMBERS for value in values)
    return struct.pack("<Q", len(text)) + text + data


def median_ms(act):
    seconds = []
    for k in range(ROUNDS):
        started = time.perf_counter()
        act(k)
        seconds.append(time.perf_counter() - started)
    return 1000 * statistics.median(seconds)


def memory_mib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0


class Grown:
    """A repository and how many commits it has."""

    def __init__(self, scratch):
        self.repository = wfs.Repository(scratch, ["--capture", "manual"])
        self.repository.watch_seconds = 0
        self.repository.init()
        self.commits = 0

    def grow(self, commits):
        self.repository.mount()
        path = self.repository.branch() / "run" / "model.safetensors"
        path.parent.mkdir(exist_ok=True)
        while self.commits < commits:
            self.commits += 1
            path.write_bytes(checkpoint(self.commits))
            self.repository.commit(f"step {self.commits}")
        self.repository.quiet()
        self.repository.umount()

    def measure(self):
        repository = self.repository
        ids = [entry["id"] for entry in repository.commits()]
        middle = ids[len(ids) // 2][:12]
        repository.mount()
        try:
            top = repository.mnt
            figures = {
                "memory after mount, MiB": memory_mib(repository.pid),
                # Before anything is listed: a listing makes the kernel know what it names.
                "@id of an old commit, ms": median_ms(
                    lambda k: os.stat(top / f"@{ids[-1 - k][:12]}")
                ),
                "ls MNT, ms": median_ms(lambda _: os.listdir(top)),
                "ls -l MNT, ms": median_ms(lambda _: [e.stat() for e in os.scandir(top)]),
                "@main~N, ms": median_ms(lambda k: os.stat(top / f"@main~{50 + k}")),
                "open and read an old file, ms": median_ms(
                    lambda k: (top / f"@{middle}/run/model.safetensors").read_bytes()
                ),
            }
            path = repository.branch() / "run/model.safetensors"

            def commit(k):
                path.write_bytes(checkpoint(1_000_000 + self.commits + k))
                repository.commit("one tensor")

            figures["commit of one changed tensor, ms"] = median_ms(commit)
            self.commits += ROUNDS
            repository.quiet()
            figures["memory at the end, MiB"] = memory_mib(repository.pid)
        finally:
            repository.umount()
        return figures


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--commits", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument(
        "--mountctl", type=pathlib.Path, default=root / "build/release/bin/mountctl"
    )
    parser.add_argument("--scratch", type=pathlib.Path, help="where to make the repository")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    os.environ["WEIGHTFS_MOUNTCTL"] = str(arguments.mountctl)
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="scale-bench-", dir=arguments.scratch))
    rows = {}
    grown = Grown(scratch)
    try:
        for commits in arguments.commits:
            grown.grow(commits)
            rows[commits] = grown.measure()
            print(f"{commits} commits: {rows[commits]}", file=sys.stderr)
    finally:
        grown.repository.dispose(check=False)
        shutil.rmtree(scratch, ignore_errors=True)
    if arguments.json:
        print(json.dumps(rows))
        return
    first, last = arguments.commits[0], arguments.commits[-1]
    print(f"| what | {' | '.join(f'{n:,}' for n in rows)} | growth |")
    print("|---|" + "---|" * (len(rows) + 1))
    for what in rows[first]:
        cells = [f"{row[what]:.2f}" for row in rows.values()]
        print(f"| {what} | {' | '.join(cells)} | {rows[last][what] / rows[first][what]:.2f} |")


if __name__ == "__main__":
    main()
