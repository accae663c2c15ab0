#!/usr/bin/env python3
"""Sizes and speeds of the codec and of what others do, on real training series, as one table.

    tests/bench/codec_table.py SERIES [--bench build/release/bin/codec_bench] [--quick] [--simd]

SERIES: a folder made by make_series.py. Runs codec_bench on each pair and, in the same run, ZipNN
from PyPI (requirements.txt) on the same numbers: one thread, the best of three, a fresh copy of the
bytes each time because it changes them, round trip checked. Prints Markdown; a line below the table
names every wanted figure that was missed. --quick: only the rows with wanted figures. --simd: also
how fast each instruction set is.
"""

import argparse
import dataclasses
import json
import pathlib
import struct
import subprocess
import sys
import time

ROUNDS = 3


@dataclasses.dataclass
class Pair:
    what: str
    file: str
    base: str = ""
    zipnn: str = ""  # its name of the type; empty: it has none
    size: float = 0  # wanted: % of raw, at most
    decode: float = 0  # GB/s, at least
    encode: float = 0
    speedup: float = 0  # decode against ZipNN, at least
    share: float = 0  # of the sizes of ZipNN's delta and of xor + zstd -3, at most


def step(kind, file="model.safetensors", steps=(90, 75)):
    return [f"minilm-{kind}/step-{n}/{file}" for n in steps]


PAIRS = [
    Pair(
        "bf16 full model",
        "minilm-bf16/step-0/model.safetensors",
        "",
        "bfloat16",
        66.5,
        4.5,
        0.8,
        3,
        1,
    ),
    Pair(
        "fp32 full model", "minilm-fp32/step-0/model.safetensors", "", "float32", 82.0, 5, 0.8, 3, 1
    ),
    Pair("bf16 adjacent fine-tune", *step("bf16"), "bfloat16", 12.3, 3, 1, 3, 0.55),
    Pair(
        "bf16 adjacent, trained in bf16",
        "bf16-run/checkpoint-120/model.safetensors",
        "bf16-run/checkpoint-100/model.safetensors",
        "bfloat16",
        12.3,
        3,
        1,
        3,
        0.55,
    ),
    Pair("fp32 adjacent fine-tune", *step("fp32"), "float32", 54.3, 4.5, 1.8, 0, 1),
    Pair("AdamW v, fp32", *step("fp32", "exp_avg_sq.safetensors"), "float32", 69.5, 2.5),
    Pair("AdamW m, fp32", *step("fp32", "exp_avg.safetensors"), "float32", 81.5, 2.5),
    Pair(
        "50 % pruned bf16 against dense",
        "minilm-bf16-pruned/model.safetensors",
        "minilm-bf16/step-0/model.safetensors",
        "bfloat16",
        33.5,
        3,
    ),
    Pair("Q8_0 adjacent", *step("q8_0", "model.gguf"), "", 12, 1.5),
    Pair("Q4_0 adjacent", *step("q4_0", "model.gguf")),
    Pair("int8 adjacent", *step("int8")),
    Pair("F16 adjacent", *step("f16"), "float16"),
    Pair("F8_E4M3 adjacent", *step("f8_e4m3")),
    Pair("fp32, 30 steps apart", *step("fp32", steps=(90, 60)), "float32"),
    Pair(
        "GPT from scratch, fp32",
        "gpt-fp32/step-90/model.safetensors",
        "gpt-fp32/step-75/model.safetensors",
        "float32",
    ),
    Pair(
        "GPT from scratch, bf16",
        "gpt-bf16/step-90/model.safetensors",
        "gpt-bf16/step-75/model.safetensors",
        "bfloat16",
    ),
    Pair(
        "LoRA merge, fp32",
        "lora/merged-fp32.safetensors",
        "minilm-fp32/step-0/model.safetensors",
        "float32",
    ),
    Pair(
        "LoRA merge, bf16",
        "lora/merged-bf16.safetensors",
        "minilm-bf16/step-0/model.safetensors",
        "bfloat16",
    ),
    Pair(
        "50 % pruned fp32 against dense",
        "minilm-fp32-pruned/model.safetensors",
        "minilm-fp32/step-0/model.safetensors",
        "float32",
    ),
    Pair("AdamW v, bf16", *step("bf16", "exp_avg_sq.safetensors"), "bfloat16"),
    Pair("AdamW m, bf16", *step("bf16", "exp_avg.safetensors"), "bfloat16"),
    Pair("optimizer.pt, fp32", *step("fp32", "optimizer.pt")),
    Pair("opaque bytes, bf16", "opaque/step-90/bf16.raw", "opaque/step-75/bf16.raw"),
    Pair("opaque bytes, fp32", "opaque/step-90/fp32.raw", "opaque/step-75/fp32.raw"),
    Pair("HDF5, fp32", "opaque/step-90/fp32.h5", "opaque/step-75/fp32.h5"),
]

PEERS = ["zstd -3", "shuffle + zstd -1", "xor + zstd -3", "xor + shuffle + zstd -1"]


def tensor_bytes(path):
    """The numbers of a safetensors file, without its header."""
    data = path.read_bytes()
    return data[8 + struct.unpack("<Q", data[:8])[0] :]


def best_time(prepare, run):
    """Computing time of the fastest run, and what the last one gave; prepare() is not timed."""
    seconds = []
    for _ in range(ROUNDS):
        arguments = prepare()
        start = time.process_time()
        result = run(*arguments)
        seconds.append(time.process_time() - start)
    return min(seconds), result


def measure_zipnn(file, base, dtype):
    from zipnn import ZipNN

    plain = tensor_bytes(file)
    before = tensor_bytes(base) if base else None
    if before is not None and len(before) != len(plain):
        return None
    options = {"bytearray_dtype": dtype, "threads": 1, "input_format": "byte"}
    if before is not None:
        options["delta_compressed_type"] = "byte"

    def copy_of(data):  # not bytes(data), which is the same object
        return bytes(bytearray(data))

    def second():
        return {"delta_second_data": copy_of(before)} if before is not None else {}

    encode_seconds, stored = best_time(
        lambda: (copy_of(plain), second()),
        lambda data, more: ZipNN(**options).compress(data, **more),
    )
    decode_seconds, decoded = best_time(
        lambda: (copy_of(stored), second()),
        lambda data, more: ZipNN(**options).decompress(data, **more),
    )
    if bytes(decoded) != plain:
        return None
    return {
        "percent": 100 * len(stored) / len(plain),
        "encode_mbps": len(plain) / 1e6 / encode_seconds,
        "decode_mbps": len(plain) / 1e6 / decode_seconds,
    }


def run_bench(bench, *arguments):
    done = subprocess.run(
        [str(bench), "--json", *map(str, arguments)], capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"codec_table: {' '.join(map(str, arguments))}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def cell(row):
    if not row:
        return "-"
    return (
        f"{row['percent']:.2f} · {row['encode_mbps'] / 1000:.2f} · "
        f"{row['decode_mbps'] / 1000:.2f}"
    )


def wanted(pair):
    parts = [
        f"<= {pair.size}" if pair.size else "",
        f">= {pair.encode}" if pair.encode else "",
        f">= {pair.decode}" if pair.decode else "",
    ]
    return " · ".join(part or "any" for part in parts) if any(parts) else ""


def missed(pair, own, peers, zipnn):
    def miss(name, value, limit):
        return f"{pair.what}: {name} {value:.2f}, wanted {limit}"

    if pair.size and own["percent"] > pair.size:
        yield miss("size", own["percent"], f"<= {pair.size}")
    for name in ("encode", "decode"):
        speed = own[f"{name}_mbps"] / 1000
        if getattr(pair, name) and speed < getattr(pair, name):
            yield miss(name, speed, f">= {getattr(pair, name)}")
    if pair.speedup and zipnn:
        speedup = own["decode_mbps"] / zipnn["decode_mbps"]
        if speedup < pair.speedup:
            yield miss("decode against ZipNN's", speedup, f">= {pair.speedup}")
    for name, peer in (("ZipNN's", zipnn), ("xor + zstd -3's", peers.get("xor + zstd -3"))):
        if pair.share and peer and own["percent"] > pair.share * peer["percent"]:
            yield miss(f"size against {name}", own["percent"] / peer["percent"], f"<= {pair.share}")


def print_table(pairs, series, bench):
    print("Each cell: size in % of raw · encode GB/s · decode GB/s.\n")
    print("| data | weightfs | wanted | ZipNN | " + " | ".join(PEERS) + " | 4 KiB read |")
    print("|---" * (5 + len(PEERS)) + "|")
    misses, copies = [], []
    for pair in pairs:
        file, base = series / pair.file, series / pair.base if pair.base else None
        if not file.exists():
            print(f"codec_table: no {file}; make it with make_series.py", file=sys.stderr)
            continue
        report = run_bench(bench, file, *(["--base", base] if base else []))
        zipnn = measure_zipnn(file, base, pair.zipnn) if pair.zipnn else None
        copies.append(report["copy_mbps"])
        page = report["page"]
        pages = f"{page['page_us']:.0f} of {page['block_us']:.0f} us" if page else "-"
        cells = [cell(report["all"]), wanted(pair), cell(zipnn)]
        cells += [cell(report["peers"].get(peer)) for peer in PEERS]
        print(f"| {pair.what} | {' | '.join(cells)} | {pages} |", flush=True)
        misses += missed(pair, report["all"], report["peers"], zipnn)
    if copies:
        print(
            f"\nCopying the same blocks, for comparison: {min(copies) / 1000:.1f} to "
            f"{max(copies) / 1000:.1f} GB/s; below 5 the machine was too busy to measure on."
        )
    print("\nMissed: " + ("; ".join(misses) or "nothing") + ".")


def print_simd(pairs, series, bench):
    """Encode and decode speeds of every instruction set that this machine has."""
    names = subprocess.run(
        [str(bench), "--list-simd"], capture_output=True, text=True
    ).stdout.split()
    if not names:
        sys.exit("codec_table: codec_bench knows no instruction sets")
    print("\nEncode · decode GB/s.\n\n| data | " + " | ".join(names) + " |")
    print("|---" * (1 + len(names)) + "|")
    for pair in pairs:
        if not (series / pair.file).exists():
            continue
        base = ["--base", series / pair.base] if pair.base else []
        cells = []
        for name in names:
            row = run_bench(bench, series / pair.file, *base, "--alone", "--simd", name)["all"]
            cells.append(f"{row['encode_mbps'] / 1000:.2f} · {row['decode_mbps'] / 1000:.2f}")
        print(f"| {pair.what} | " + " | ".join(cells) + " |", flush=True)


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("series", type=pathlib.Path, metavar="SERIES")
    parser.add_argument(
        "--bench", type=pathlib.Path, default=root / "build/release/bin/codec_bench"
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--simd", action="store_true")
    arguments = parser.parse_args()
    pairs = [pair for pair in PAIRS if pair.size or not arguments.quick]
    print_table(pairs, arguments.series, arguments.bench)
    if arguments.simd:
        print_simd([pair for pair in pairs if pair.size], arguments.series, arguments.bench)


if __name__ == "__main__":
    main()
