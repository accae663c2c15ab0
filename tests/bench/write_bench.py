#!/usr/bin/env python3
"""What writing costs next to the plain disk, in one run.

    tests/bench/write_bench.py SERIES [--only NAME...] [--rounds 5] [--mountctl PATH] [--scratch FOLDER] [--json]

SERIES: a folder made by make_series.py, for the bytes that are written. The plain disk and a mounted
repository on the same disk take turns; each figure is the median of --rounds. Before each turn the
repository has committed and encoded all it held and the disk has written all it was given; what a turn
wrote is removed after it, and the same bytes are written again in the next one. Memory that a virtual machine
gave back to its host comes back slowly: as much as a turn needs is touched before its time starts.

--only: cp, save, trainer, small, commit, hdf5
"""

import json
import mmap
import os
import random
import shutil
import time

import bench
from bench import MB, wfs

PIECE = 1 << 20
SETTLE = 2.0  # seconds, the default of `mountctl mount`
TOUCHED_BYTES = 2500 << 20
MAPPED_BYTES = 256 << 20
HDF5_BYTES = 2_000_000_000
TESTS = {}


def test(run):
    TESTS[run.__name__.removeprefix("run_")] = run
    return run


class Places:
    """A folder on the plain disk and one in a branch, and how a turn is taken in them."""

    def __init__(self, scratch, repo, series):
        self.repo, self.series = repo, series
        self.plain, self.ours = scratch / "plain", repo.branch() / "bench"
        self.plain.mkdir()
        self.ours.mkdir()

    def in_turn(self, act, figure=lambda seconds: seconds):
        """Measures for Table.ratio: `act` is called with an empty folder; what it returns, or else the
        time it took, is the figure."""

        def measure(folder):
            self.at_rest()
            place = folder / "turn"
            place.mkdir()
            start = time.perf_counter()
            given = act(place)
            seconds = time.perf_counter() - start
            shutil.rmtree(place)
            return figure(seconds if given is None else given)

        return {"plain": lambda: measure(self.plain), "mount": lambda: measure(self.ours)}

    def at_rest(self):
        self.repo.quiet()
        os.sync()
        with mmap.mmap(-1, TOUCHED_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_POPULATE):
            pass

    def source(self, size):
        """A file of so many bytes of weights on the plain disk, in the page cache."""
        path = self.plain.parent / f"source-{size}"
        if not path.exists():
            weights = [p for p in bench.files_of(self.series) if p.suffix == ".safetensors"]
            with open(path, "wb") as to:
                while left := size - to.tell():
                    for one in weights:
                        to.write(one.read_bytes()[: size - to.tell()])
                    assert size - to.tell() < left, "no weights in SERIES"
            bench.drop_pages([path])  # they are written: only reading is left
        path.read_bytes()
        return path

    def tensors(self, size):
        """Tensors of the series of so many bytes in all, in memory."""
        from safetensors.torch import load_file

        found, total = {}, 0
        for path in bench.files_of(self.series):
            if path.suffix != ".safetensors":
                continue
            for name, tensor in load_file(path).items():
                if total >= size:
                    return found
                found[f"{len(found)}.{name}"] = tensor.clone()
                total += tensor.numel() * tensor.element_size()
        return found


def sync_file(path):
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


@test
def run_cp(places, table, rounds):
    source = places.source(1 << 30)
    speed = lambda seconds: source.stat().st_size / MB / seconds

    def copy(to):
        wfs.run("cp", source, to / "model.safetensors")

    def copy_and_sync(to):
        copy(to)
        sync_file(to / "model.safetensors")

    table.ratio("cp of 1 GiB", "MB/s", rounds, **places.in_turn(copy, speed))
    table.ratio("cp of 1 GiB and fsync", "MB/s", rounds, **places.in_turn(copy_and_sync, speed))


@test
def run_save(places, table, rounds):
    from safetensors.torch import save_file

    tensors = places.tensors(500_000_000)
    act = lambda to: save_file(tensors, to / "model.safetensors")
    table.ratio("safetensors save_file, 500 MB", "s", rounds, **places.in_turn(act))


@test
def run_trainer(places, table, rounds):
    """What a Trainer writes at a step: a model, an optimizer of twice its size, small files."""
    import torch

    tensors = places.tensors(400_000_000)
    state = {k: {"exp_avg": t, "exp_avg_sq": t * 2} for k, t in enumerate(tensors.values())}

    def save_step(to):
        torch.save(tensors, to / "pytorch_model.bin")
        torch.save({"state": state, "param_groups": [{"lr": 1e-4}]}, to / "optimizer.pt")
        torch.save({"last_epoch": 1}, to / "scheduler.pt")
        torch.save(torch.get_rng_state(), to / "rng_state.pth")
        for name in ("config", "trainer_state", "tokenizer_config", "special_tokens_map"):
            (to / f"{name}.json").write_text(json.dumps({"step": 1, "name": name}))

    table.ratio("a Trainer's step, 1.2 GB", "s", rounds, **places.in_turn(save_step))


@test
def run_small(places, table, rounds):
    """Writes of 4 KiB, and shared mappings."""
    speed = lambda seconds: MAPPED_BYTES / MB / seconds
    page = os.urandom(4096)

    def dd(to):
        wfs.run("dd", "if=/dev/zero", f"of={to / 'zeros'}", "bs=4k", f"count={MAPPED_BYTES // 4096}")

    def map_shared(to):
        with open(to / "mapped", "w+b") as file:
            file.truncate(MAPPED_BYTES)
            with mmap.mmap(file.fileno(), MAPPED_BYTES) as mapped:
                for at in range(0, MAPPED_BYTES, 4096):
                    mapped[at : at + 4096] = page
                mapped.flush()

    def patch(to):
        draw = random.Random(7)
        with open(to / "patched", "w+b") as file:
            file.truncate(MAPPED_BYTES)
            start = time.perf_counter()
            for _ in range(10_000):
                os.pwrite(file.fileno(), page, draw.randrange(MAPPED_BYTES // 4096) * 4096)
            return time.perf_counter() - start

    table.ratio("dd bs=4k of 256 MiB", "MB/s", rounds, **places.in_turn(dd, speed))
    table.ratio("256 MiB through a shared mapping", "MB/s", rounds, **places.in_turn(map_shared, speed))
    rate = lambda seconds: 10_000 / seconds
    table.ratio("random 4 KiB pwrite, O_RDWR", "op/s", rounds, **places.in_turn(patch, rate))


@test
def run_commit(places, table, rounds):
    """From the last close to the commit that holds the file."""
    source = places.source(1_000_000_000)
    taken = []
    for _ in range(rounds):
        places.at_rest()
        before = next(iter(places.repo.history()), {"id": None})["id"]
        path = places.ours / "committed.safetensors"
        with open(source, "rb") as file, open(path, "wb", buffering=0) as to:
            while piece := file.read(PIECE):
                to.write(piece)
            closed = time.perf_counter()
        places.repo.wait_for_change(before, timeout=60)
        taken.append(time.perf_counter() - closed - SETTLE)
        path.unlink()
    taken.sort()
    cells = ["", f"{SETTLE:.0f} + {taken[len(taken) // 2]:.2f} s", ""]
    table.add("close of 1 GB to its commit, settle + more", cells, {"mount": taken})


@test
def run_hdf5(places, table, rounds):
    """A patch of 4 KiB in the middle of a committed file of 2 GB, and an append to it."""
    import h5py
    import numpy

    repo, path = places.repo, places.ours / "weights.h5"
    count = HDF5_BYTES // 4
    draw = numpy.random.default_rng(7)
    with h5py.File(path, "w") as file:
        data = file.create_dataset("w", (count,), "f4", maxshape=(None,), chunks=(1 << 16,))
        for at in range(0, count, 1 << 24):
            part = draw.standard_normal(min(1 << 24, count - at), dtype="f4")
            data[at : at + len(part)] = part

    def patch(data):
        data[count // 2 : count // 2 + 1024] = 1.5

    def append(data):
        data.resize((len(data) + 1024,))
        data[-1024:] = 2.5

    for what, change in (("4 KiB patch", patch), ("4 KiB append", append)):
        stored = repo.stored_bytes()
        staged = repo.status()["staged_bytes"]
        with h5py.File(path, "r+") as file:
            change(file["w"])
        staged = repo.status()["staged_bytes"] - staged
        repo.commit(what)
        stored = repo.stored_bytes() - stored
        figures = {"staged": staged, "stored": stored}
        cells = ["", f"{staged / 2**20:.2f} MiB staged, {stored / 2**20:.2f} MiB stored", ""]
        table.add(f"{what}, HDF5 file of 2 GB", cells, figures)
    path.unlink()


def main():
    parser = bench.options(__doc__, rounds=5)
    parser.add_argument("series", type=bench.pathlib.Path)
    parser.add_argument("--only", nargs="+", choices=list(TESTS), default=list(TESTS))
    given = bench.chosen(parser)
    with bench.scratch_folder(given) as scratch:
        with bench.repository(scratch / "at", "--settle", str(SETTLE)) as repo:
            places = Places(scratch, repo, given.series)
            table = bench.Table(["plain disk", "mount", "ratio"])
            for name in given.only:
                TESTS[name](places, table, given.rounds)
            peak = bench.memory_mib(repo.pid, "VmHWM")
            table.add("peak memory of the daemon", ["", f"{peak:.0f} MiB", ""], {"mount": peak})
            places.repo.quiet()
    if given.json:
        print(json.dumps(table.rows))


if __name__ == "__main__":
    main()
