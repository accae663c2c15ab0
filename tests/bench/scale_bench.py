#!/usr/bin/env python3
"""What the length of a history costs: the same calls at 100, 1,000 and 10,000 commits.

    tests/bench/scale_bench.py [--commits 100 1000 10000] [--large GB] [--mountctl PATH]
                               [--scratch FOLDER] [--json]

A repository grows by commits of one checkpoint of 300 small tensors: each commit changes one tensor
and takes the change before it back. At each length it is mounted afresh and asked for: an old
commit by its id, each time another one; the names of the top folder (ls), and the attributes behind
them (ls -l); the commits 50 to 54 back from the tip by ~N; a file of a commit in the middle of
history, opened and read whole; writing the checkpoint with another tensor changed, until it is a
commit. Times are medians of 5 calls, the first of them on a fresh mount. The daemon's memory is
taken when it has been mounted and at the end. The last column is the last length against the first.

--large: instead, one file of so many GB, which repeats 1 GiB of random bytes, is written, committed,
packed and read from the commit: speeds, and the peak of the daemon's memory after each.
"""

import json
import os
import statistics
import struct
import sys

import bench
from bench import MB, wfs

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
    return 1000 * statistics.median(bench.clock(lambda: act(k)) for k in range(ROUNDS))


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
                "memory after mount, MiB": bench.memory_mib(repository.pid),
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
            figures["memory at the end, MiB"] = bench.memory_mib(repository.pid)
        finally:
            repository.umount()
        return figures


def measure_lengths(scratch, lengths):
    grown, rows = Grown(scratch), {}
    for commits in lengths:
        grown.grow(commits)
        rows[commits] = grown.measure()
        print(f"{commits} commits: {rows[commits]}", file=sys.stderr)
    return rows


def measure_large(scratch, gigabytes):
    piece = os.urandom(1 << 20)
    tile = [piece[n:] + piece[:n] for n in range(1024)]
    pieces = int(gigabytes * 1e9) >> 20
    size = pieces << 20
    figures = {}

    def told(what, seconds):
        peak = bench.memory_mib(repo.pid, "VmHWM")
        figures[what] = {"MB/s": size / MB / seconds, "peak MiB": peak}
        print(f"| {what} | {size / MB / seconds:,.0f} MB/s | {peak:.0f} MiB |", flush=True)

    def write():
        with open(repo.branch() / "large.bin", "wb", buffering=0) as file:
            for n in range(pieces):
                file.write(tile[n % len(tile)])

    def read():
        buffer = bytearray(1 << 20)
        with open(repo.at(commit) / "large.bin", "rb", buffering=0) as file:
            for n in range(pieces):
                assert file.readinto(buffer) == len(buffer) and buffer == tile[n % len(tile)], n

    print(f"| a file of {size / 1e9:.1f} GB | | daemon's peak memory |\n|---|---|---|")
    with bench.repository(scratch / "at", "--capture", "manual") as repo:
        told("written", bench.clock(write))
        commit = None

        def cut():
            nonlocal commit
            commit = repo.ctl("commit", "-m", "large", timeout=600).stdout.strip()

        told("committed", bench.clock(cut))
        told("packed", bench.clock(lambda: repo.ctl("status", "--wait", timeout=1200)))
        repo.remount()
        told("read and compared", bench.clock(read))
    return figures


def main():
    parser = bench.options(__doc__)
    parser.add_argument("--commits", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--large", type=float, metavar="GB")
    arguments = bench.chosen(parser)
    with bench.scratch_folder(arguments) as scratch:
        if arguments.large:
            rows = measure_large(scratch, arguments.large)
        else:
            rows = measure_lengths(scratch, arguments.commits)
    if arguments.json:
        print(json.dumps(rows))
        return
    if arguments.large:
        return
    first, last = arguments.commits[0], arguments.commits[-1]
    print(f"| what | {' | '.join(f'{n:,}' for n in rows)} | growth |")
    print("|---|" + "---|" * (len(rows) + 1))
    for what in rows[first]:
        cells = [f"{row[what]:.2f}" for row in rows.values()]
        print(f"| {what} | {' | '.join(cells)} | {rows[last][what] / rows[first][what]:.2f} |")


if __name__ == "__main__":
    main()
