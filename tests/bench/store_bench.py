#!/usr/bin/env python3
"""What a training run costs in a repository, and whether a model finds its base without its name.

    tests/bench/store_bench.py SERIES [--mountctl PATH] [--scratch FOLDER] [--json]

SERIES: a folder made by make_series.py. First, the checkpoints of bf16-run are copied with cp, one
after the other, into a branch of a mounted repository: what is stored for each kind of file and in
all, with the index, next to the distinct files as they are (as git-lfs keeps them), each by
zstd -3, and their distinct tensors; how long encoding took, and the memory of the daemon. Then a
fine-tune, a pruned copy and a bf16 cast of a model are stored below its own path and below another.
"""

import hashlib
import json
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import time
import zipfile

import bench
from bench import MB, folder_size, wfs

MEMORY_MAX_MIB = 500
KINDS = {"model.safetensors": "model", "optimizer.pt": "optimizer"}

SIMILAR_TO = "minilm-fp32/step-0/model.safetensors"
PLACES = {"own": "published/model.safetensors", "unrelated": "x7/part.safetensors"}
SIMILAR = {  # what was made from SIMILAR_TO, and is stored next to it
    "fine-tune": "minilm-fp32/step-90/model.safetensors",
    "50 % pruned": "minilm-fp32-pruned/model.safetensors",
    "bf16 cast": "minilm-bf16/step-0/model.safetensors",
}


def kind_of(path):
    return KINDS.get(path.name, "other")


# ---- what others would store


def parts_of(path):
    """The tensors of a file as bytes, and what is between them as one more piece."""
    data = path.read_bytes()
    if path.suffix == ".safetensors":
        start = 8 + struct.unpack("<Q", data[:8])[0]
        yield data[:start]
        for name, about in json.loads(data[8:start]).items():
            if name != "__metadata__":
                first, last = about["data_offsets"]
                yield data[start + first : start + last]
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            members = [archive.read(name) for name in archive.namelist()]
        yield from members
        yield bytes(len(data) - sum(map(len, members)))
    else:
        yield data


def zstd_size(path):
    done = subprocess.run(
        ["zstd", "-3", "-q", "-T1", "-c", str(path)], stdout=subprocess.PIPE, check=True
    )
    return len(done.stdout)


def rivals(files):
    """Kind -> bytes as whole distinct files, each by zstd -3, and as distinct tensors."""
    sizes = {
        kind: {"raw": 0, "whole": 0, "zstd": 0, "tensors": 0}
        for kind in ("model", "optimizer", "other")
    }
    seen = set()

    def is_new(data):
        digest = hashlib.sha256(data).digest()
        known = digest in seen
        seen.add(digest)
        return not known

    for path in files:
        row, data = sizes[kind_of(path)], path.read_bytes()
        row["raw"] += len(data)
        if not is_new(b"file" + data):
            continue
        row["whole"] += len(data)
        row["zstd"] += zstd_size(path)
        row["tensors"] += sum(len(part) for part in parts_of(path) if is_new(part))
    return sizes


# ---- what weightfs stores


def explained(repository, revision_path):
    return json.loads(repository.ctl("explain", revision_path, "--json").stdout.splitlines()[-1])


def reasons_of(report):
    """Why the bases of a content were taken: reason -> blocks."""
    reasons = {}
    for segment in report["segments"]:
        for base in segment.get("bases", []):
            reasons[base["reason"]] = reasons.get(base["reason"], 0) + base["blocks"]
    return reasons


def encoding_seconds(repository):
    """What the daemon says it took, from a commit being there until its bytes are in a pack."""
    rounds = re.findall(r"packed \d+ contents, .*, (\d+) ms$", repository.log(), re.MULTILINE)
    if not rounds:
        sys.exit("store_bench: the daemon's log tells of no packing")
    return sum(map(int, rounds)) / 1000


def measure_run(run, scratch):
    """The checkpoints of a run through a mount, one after the other."""
    checkpoints = sorted(run.iterdir(), key=lambda folder: int(folder.name.split("-")[1]))
    copying, totals = 0, []
    with bench.repository(scratch) as repository:
        (repository.branch() / "run").mkdir()
        for checkpoint in checkpoints:
            started = time.perf_counter()
            wfs.run("cp", "-r", checkpoint, repository.branch() / "run")
            repository.commit(checkpoint.name)
            copying += time.perf_counter() - started
            repository.quiet()
            totals.append(folder_size(repository.path))
        peak = bench.memory_mib(repository.pid, "VmHWM")
        kinds, seen = {"model": 0, "optimizer": 0, "other": 0}, set()
        files = [path for checkpoint in checkpoints for path in sorted(checkpoint.iterdir())]
        for path in files:
            report = explained(repository, f"main:run/{path.parent.name}/{path.name}")
            if report["sha256"] not in seen:
                kinds[kind_of(path)] += report["stored_bytes"]
            seen.add(report["sha256"])
        report = {
            "stored": kinds,
            "rivals": rivals(files),
            "copy_seconds": copying,
            "encode_seconds": encoding_seconds(repository),
            "memory_mib": peak,
            "totals": totals,
        }
    total = folder_size(repository.path)  # without the index's log, which an open index has
    return {**report, "stats": repository.stats(), "total_bytes": total}


def measure_import(run, scratch):
    """The whole run at once into a repository that is not mounted."""
    repository = wfs.Repository(scratch).init()
    started = time.perf_counter()
    repository.ctl("import", run, "-m", "all", timeout=300)
    return {"seconds": time.perf_counter() - started, "total_bytes": folder_size(repository.path)}


def store_second(first, second, path, scratch):
    """What is stored for `second` as `path` in a repository that holds `first`, and why."""
    repository = wfs.Repository(scratch).init()
    for number, (source, name) in enumerate(
        [(first, "published/model.safetensors"), (second, path)]
    ):
        copy = scratch / str(number) / name
        copy.parent.mkdir(parents=True)
        shutil.copyfile(source, copy)
        repository.ctl("import", copy.parent, "-m", "model", timeout=300)
    report = explained(repository, f"main:{path}")
    shutil.rmtree(scratch)
    return {"stored": report["stored_bytes"], "bases": reasons_of(report)}


def measure_similar(series, scratch):
    """A file made from a stored one, below its path and below an unrelated one."""
    rows = {}
    for what, name in SIMILAR.items():
        rows[what] = {"raw": (series / name).stat().st_size}
        for place, path in PLACES.items():
            folder = scratch / place
            folder.mkdir()
            rows[what][place] = store_second(series / SIMILAR_TO, series / name, path, folder)
    return rows


# ---- telling


def print_run(report):
    names = ("whole", "zstd", "tensors")
    print("| kind | raw MB | whole files | zstd -3 | distinct tensors | weightfs | % of raw |")
    print("|---|---|---|---|---|---|---|")
    sums = dict.fromkeys(("raw", *names), 0)
    for kind, row in report["rivals"].items():
        for name in sums:
            sums[name] += row[name]
        stored = report["stored"][kind]
        cells = [f"{row[name] / MB:.1f}" for name in names]
        print(
            f"| {kind} | {row['raw'] / MB:.1f} | {' | '.join(cells)} | {stored / MB:.1f} | "
            f"{100 * stored / row['raw']:.1f} |"
        )
    cells = [f"{sums[name] / MB:.1f}" for name in names]
    print(
        f"| all, with index | {sums['raw'] / MB:.1f} | {' | '.join(cells)} | "
        f"{report['total_bytes'] / MB:.1f} | {100 * report['total_bytes'] / sums['raw']:.1f} |"
    )
    stats, limit = report["stats"], sums["raw"] / 1e9
    print(
        f"\nPacks {stats['pack_bytes'] / MB:.1f} MB, index {stats['index_bytes'] / MB:.2f} MB."
        f" cp and commit: {report['copy_seconds']:.2f} s in all; encoded after that:"
        f" {report['encode_seconds']:.2f} s, {sums['raw'] / MB / report['encode_seconds']:.0f} MB/s"
        f" (wanted: below {limit:.2f} s). Import of the whole run at once, reading and encoding:"
        f" {report['import']['seconds']:.2f} s, to {report['import']['total_bytes'] / MB:.1f} MB."
        f" Peak memory of the daemon {report['memory_mib']:.0f} MiB"
        f" (wanted: below {MEMORY_MAX_MIB})."
    )


def print_similar(rows):
    def told(bases):
        return ", ".join(f"{reason} {blocks}" for reason, blocks in sorted(bases.items())) or "none"

    print(
        "\n| made from a stored model | raw MB | below its path | below another | more by | bases |"
    )
    print("|---|---|---|---|---|---|")
    for what, row in rows.items():
        own, unrelated = row["own"], row["unrelated"]
        more = 100 * (unrelated["stored"] / max(own["stored"], 1) - 1)
        print(
            f"| {what} | {row['raw'] / MB:.1f} | {own['stored'] / MB:.2f} MB | "
            f"{unrelated['stored'] / MB:.2f} MB | {more:.1f} % (wanted: <= 3) | "
            f"{told(own['bases'])}; {told(unrelated['bases'])} |"
        )


def main():
    parser = bench.options(__doc__)
    parser.add_argument("series", type=pathlib.Path, metavar="SERIES")
    arguments = bench.chosen(parser)
    with bench.scratch_folder(arguments) as scratch:
        for name in ("run", "import", "similar"):
            (scratch / name).mkdir()
        report = measure_run(arguments.series / "bf16-run", scratch / "run")
        report["import"] = measure_import(arguments.series / "bf16-run", scratch / "import")
        if not arguments.json:
            print_run(report)
        report["similar"] = measure_similar(arguments.series, scratch / "similar")
    if arguments.json:
        print(json.dumps(report))
    else:
        print_similar(report["similar"])


if __name__ == "__main__":
    main()
