#!/usr/bin/env python3
"""What reading costs next to the plain disk, in one run.

    tests/bench/read_bench.py SERIES [--throttle] [--only NAME...] [--rounds 5] [--mountctl PATH]
                              [--scratch FOLDER] [--json]

SERIES: a folder made by make_series.py. The same files lie on the plain disk, in a squashfs image
(zstd, blocks of 1 MiB, where squashfuse is installed) and in a repository on the same disk, stored in
one of four ways: bf16 models stored whole, fine-tunes in bf16 and in fp32 stored as deltas, and
random bytes stored as they are. Each figure is the median of --rounds; the plain disk, squashfs and
the mount take turns. "cold": the page cache of what lies on the disk is dropped before, and what is
mounted is mounted anew; the machine beneath may cache on. "decoded": read from the folder of decoded
files, which the kernel does by itself (passthrough).

--throttle: loads from a disk held to 500 MB/s by the blkio controller instead (root; cgroup v1).
"""

import contextlib
import json
import mmap
import os
import pathlib
import random
import shutil
import tempfile

import bench
from bench import MB, wfs

PIECE = 1 << 20
RANDOM_READS = 5000
RAW_BYTES = 1 << 30
THROTTLE = 500_000_000


# ---- readers


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
        with open(path, "rb") as file, mmap.mmap(
            file.fileno(), 0, access=mmap.ACCESS_READ
        ) as mapped:
            mapped[::4096]


def load_safetensors(files):
    """Load and use every tensor: loading alone maps and reads nothing."""
    from safetensors.torch import load_file

    for path in files:
        for tensor in load_file(path).values():
            tensor.clone()


def random_reads(files, seed):
    """Reads of 4 KiB a second, one after the other, over all files."""
    draw = random.Random(seed)
    fds = [os.open(path, os.O_RDONLY) for path in files]
    for fd in fds:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
    pages = [os.fstat(fd).st_size // 4096 for fd in fds]
    places = [
        (fds[k], draw.randrange(pages[k]) * 4096)
        for k in draw.choices(range(len(fds)), pages, k=RANDOM_READS)
    ]
    seconds = bench.clock(lambda: [os.pread(fd, 4096, offset) for fd, offset in places])
    for fd in fds:
        os.close(fd)
    return RANDOM_READS / seconds


# ---- what is read, and where it lies


class Stored:
    """Files on the plain disk, in a mounted repository and in a squashfs image."""

    def __init__(self, name, sources, depth_max, skip=0):
        self.name, self.sources, self.depth_max, self.skip = name, sources, depth_max, skip

    def copy(self, scratch):
        self.plain_folder = scratch / "plain"
        self.plain_folder.mkdir()
        for n, source in enumerate(self.sources):
            shutil.copyfile(source, self.plain_folder / f"{n:02}.safetensors")
        self.plain = bench.files_of(self.plain_folder)[self.skip :]
        self.size = bench.size_of(self.plain)

    def commit(self, repo):
        """Each file is the next version of the one before."""
        self.repo, self.commits = repo, []
        for path in bench.files_of(self.plain_folder):
            shutil.copyfile(path, repo.branch() / "model.safetensors")
            self.commits.append(repo.commit(path.name)[:40])
            repo.quiet()

    def mounted(self):
        return [self.repo.at(id) / "model.safetensors" for id in self.commits[self.skip :]]

    def cold(self):
        """The committed files, with nothing of them in memory or decoded."""
        self.repo.umount()
        shutil.rmtree(self.repo.path / "cache", ignore_errors=True)
        bench.drop_pages(self.repo.packs())
        self.repo.mount()
        return self.mounted()

    def cold_plain(self):
        bench.drop_pages(self.plain)
        return self.plain

    def pack_squashfs(self, scratch):
        self.image, self.squashed = scratch / "squashfs", scratch / "squashed"
        self.squashed.mkdir()
        wfs.run(
            *("mksquashfs", self.plain_folder, self.image, "-comp", "zstd", "-b", "1M"),
            *("-quiet", "-no-progress"),
            timeout=600,
        )
        wfs.run("squashfuse_ll", self.image, self.squashed)

    def cold_squashfs(self):
        wfs.run("fusermount3", "-u", self.squashed)
        bench.drop_pages([self.image])
        wfs.run("squashfuse_ll", self.image, self.squashed)
        return bench.files_of(self.squashed)[self.skip :]


def stores_of(series, scratch):
    run = sorted((series / "bf16-run").iterdir(), key=lambda f: int(f.name.split("-")[1]))
    bf16_run = [folder / "model.safetensors" for folder in run]
    fp32 = [series / f"minilm-fp32/step-{n}/model.safetensors" for n in (0, 60, 75, 90)]
    more = [
        series / f"{name}/model.safetensors" for name in ("gpt-bf16/step-75", "gpt-bf16/step-90")
    ]
    noise = [scratch / f"noise-{n}" for n in range(4)]
    for path in noise:
        path.write_bytes(os.urandom(RAW_BYTES // len(noise)))
    return [
        Stored("bf16, stored whole", bf16_run + more, depth_max=0),
        Stored("bf16 fine-tune, deltas", bf16_run, depth_max=3, skip=1),
        Stored("fp32 fine-tune, deltas", fp32, depth_max=3, skip=1),
        Stored("random bytes, stored raw", noise, depth_max=0),
    ]


# ---- measuring


def measure(stored, table, rounds):
    name, repo = stored.name, stored.repo
    has_squashfs = hasattr(stored, "image")
    is_noise = "random" in name

    def speed(act, files):
        return lambda: (lambda found: stored.size / MB / bench.clock(lambda: act(found)))(files())

    def row(what, act, plain, ours, **others):
        table.ratio(
            f"{name}: {what}",
            "MB/s",
            rounds,
            plain=speed(act, plain),
            mount=speed(act, ours),
            **others,
        )

    squash = {"squashfs": speed(read_all, stored.cold_squashfs)} if has_squashfs else {}
    row("cold sequential read, 1 MiB", read_all, stored.cold_plain, stored.cold, **squash)
    row("cold mmap, one touch a page", touch_mapped, stored.cold_plain, stored.cold)
    if not is_noise:
        row(
            "cold safetensors load_file and clone", load_safetensors, stored.cold_plain, stored.cold
        )

    passes = repo.status()["passthrough"] == "on"
    if passes:
        stored.cold()
        for commit in stored.commits[stored.skip :]:
            repo.ctl("warm", commit, timeout=300)
    warm = stored.mounted()
    for act in (read_all, touch_mapped):
        act(stored.plain), act(warm)
    row("warm sequential read, 1 MiB", read_all, lambda: stored.plain, lambda: warm)
    row("warm mmap, one touch a page", touch_mapped, lambda: stored.plain, lambda: warm)
    table.ratio(
        f"{name}: warm random 4 KiB reads",
        "/s",
        rounds,
        plain=lambda: random_reads(stored.plain, 1),
        mount=lambda: random_reads(warm, 1),
    )
    if passes:
        decoded = [p for p in (repo.path / "cache").iterdir() if p.suffix != ".sum"]

        def cold_decoded():
            bench.drop_pages(decoded)
            return warm

        row("cold sequential read, decoded", read_all, stored.cold_plain, cold_decoded)
        row("cold mmap, decoded", touch_mapped, stored.cold_plain, cold_decoded)
    table.ratio(
        f"{name}: cold random 4 KiB reads",
        "/s",
        rounds,
        plain=lambda: random_reads(stored.cold_plain(), 2),
        mount=lambda: random_reads(stored.cold(), 2),
    )


@contextlib.contextmanager
def throttled(folder, *pids):
    """This process and others read from the disk of `folder` at THROTTLE bytes a second at most."""
    device = os.stat(folder).st_dev
    top = pathlib.Path("/sys/fs/cgroup/blkio")
    group = pathlib.Path(tempfile.mkdtemp(prefix="weightfs-bench-", dir=top))
    try:
        limit = f"{os.major(device)}:{os.minor(device)} {THROTTLE}"
        (group / "blkio.throttle.read_bps_device").write_text(limit)
        for pid in (os.getpid(), *pids):
            (group / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        for pid in (os.getpid(), *pids):
            (top / "cgroup.procs").write_text(str(pid))
        group.rmdir()


def measure_throttled(stored, table, rounds):
    """Loads of single models; of deltas with their base read before, as a trainer that goes on has."""
    deltas = stored.skip > 0
    chosen = [1, 2, 4, 8] if deltas else range(4)  # all of these are deltas of the first
    chosen = [n for n in chosen if n < len(stored.commits)]
    plain = [bench.files_of(stored.plain_folder)[n] for n in chosen]
    size = bench.size_of(plain)

    def load_plain():
        bench.drop_pages(plain)
        with throttled(stored.plain_folder):
            return size / MB / bench.clock(lambda: load_safetensors(plain))

    def load_mounted():
        stored.cold()
        at = lambda n: stored.repo.at(stored.commits[n]) / "model.safetensors"
        if deltas:
            read_all([at(0)])
            bench.drop_pages(stored.repo.packs())
        with throttled(stored.repo.path, stored.repo.pid):
            return size / MB / bench.clock(lambda: load_safetensors([at(n) for n in chosen]))

    what = "load_file and clone, base read before" if deltas else "load_file and clone"
    table.ratio(f"{stored.name}: {what}", "MB/s", rounds, plain=load_plain, mount=load_mounted)


def main():
    parser = bench.options(__doc__, rounds=5)
    parser.add_argument("series", type=pathlib.Path, metavar="SERIES")
    parser.add_argument("--throttle", action="store_true")
    parser.add_argument("--only", nargs="+", help="stores whose name has one of these words")
    arguments = bench.chosen(parser)
    squashfs = (
        shutil.which("squashfuse_ll") and shutil.which("mksquashfs") and not arguments.throttle
    )
    table = bench.Table(
        ["plain disk", "mount", "ratio"] + (["squashfs", "ratio"] if squashfs else [])
    )
    with bench.scratch_folder(arguments) as scratch:
        stores = stores_of(arguments.series, scratch)
        if arguments.throttle:
            stores = [stored for stored in stores if stored.name.startswith("bf16")]
        for n, stored in enumerate(stores):
            if arguments.only and not any(word in stored.name for word in arguments.only):
                continue
            folder = scratch / str(n)
            folder.mkdir()
            stored.copy(folder)
            os.environ["WEIGHTFS_DELTA_DEPTH_MAX"] = str(stored.depth_max)
            with bench.repository(folder / "at") as repo:
                stored.commit(repo)
                if squashfs:
                    stored.pack_squashfs(folder)
                if arguments.throttle:
                    measure_throttled(stored, table, arguments.rounds)
                else:
                    measure(stored, table, arguments.rounds)
                share = bench.folder_size(repo.path / "packs") / bench.size_of(stored.sources)
                peak = bench.memory_mib(repo.pid, "VmHWM")
                table.add(
                    f"{stored.name}: on disk; daemon's peak memory",
                    [f"{share:.3f}", f"{peak:.0f} MiB"],
                )
            wfs.unmount_below(folder)
            shutil.rmtree(folder)
    if arguments.json:
        for row in table.rows:
            print(json.dumps(row))


if __name__ == "__main__":
    main()
