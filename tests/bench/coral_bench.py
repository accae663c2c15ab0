#!/usr/bin/env python3
"""Coral's workload of 18 small models through coral-ml and through weightfs.

    tests/bench/coral_bench.py [--mountctl build/release/bin/mountctl] [--scratch FOLDER] [--json]

A small convolutional net and a small MLP; of each, five copies with noise of 0.001, 0.01 and
three times 0.05, and three exact copies: 5.34M parameters in 126 tensors, seed 0. Each model is one
commit. The saving is to the models as PyTorch saves them; a repository counts whole, with its
index. Every tensor is read back and compared bit by bit.
"""

import json
import time

import bench
import numpy as np
import torch
from bench import folder_size, wfs
from torch import nn

NOISE = (0.001, 0.01, 0.05, 0.05, 0.05)
EXACT_COPIES = 3


class SmallConvolution(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3)
        self.second = nn.Conv2d(16, 32, 3)
        self.last = nn.Linear(32 * 8 * 8, 10)


def mlp():
    widths = (784, 512, 256, 128, 10)
    return nn.Sequential(*[nn.Linear(a, b) for a, b in zip(widths, widths[1:])])


def workload():
    """Name -> state_dict, in the order of the commits."""
    torch.manual_seed(0)
    originals = {"convolution": SmallConvolution().state_dict(), "mlp": mlp().state_dict()}
    models = dict(originals)
    for name, weights in originals.items():
        for i, size in enumerate(NOISE):
            models[f"{name}-noise-{i + 1}"] = {
                key: tensor + torch.randn_like(tensor) * size for key, tensor in weights.items()
            }
        for i in range(EXACT_COPIES):
            models[f"{name}-copy-{i + 1}"] = {
                key: tensor.clone() for key, tensor in weights.items()
            }
    return models


def wrong_numbers(read, wanted):
    """How many numbers of `wanted` differ in any bit from what was read."""
    if read is None or read.shape != wanted.shape or read.dtype != wanted.dtype:
        return wanted.size
    return int((read.view(np.uint32) != wanted.view(np.uint32)).sum())


def through_coral(models, folder):
    from coral import Repository, WeightTensor
    from coral.core.weight_tensor import WeightMetadata

    started = time.perf_counter()
    repository = Repository(folder, init=True)
    commits = {}
    for name, weights in models.items():
        staged = {}
        for key, tensor in weights.items():
            data, full = tensor.numpy(), f"{name}.{key}"
            about = WeightMetadata(name=full, shape=data.shape, dtype=data.dtype, model_name=name)
            staged[full] = WeightTensor(data=data, metadata=about)
        repository.stage_weights(staged)
        commits[name] = repository.commit(f"add {name}").commit_hash
    seconds = time.perf_counter() - started
    reopened, wrong = Repository(folder), 0
    for name, weights in models.items():
        for key, tensor in weights.items():
            read = reopened.get_weight(f"{name}.{key}", commits[name])
            wrong += wrong_numbers(None if read is None else read.data, tensor.numpy())
    return {
        "bytes": folder_size(folder / ".coral"),
        "weights_file_bytes": (folder / ".coral/objects/weights.h5").stat().st_size,
        "seconds": seconds,
        "wrong_numbers": wrong,
    }


def through_weightfs(models, saved, folder):
    repository = wfs.Repository(folder)
    started = time.perf_counter()
    repository.init()
    for name in models:
        repository.ctl("import", saved / f"{name}.pth", "-m", f"add {name}")
    seconds = time.perf_counter() - started
    size = folder_size(repository.path)
    stats = repository.stats()
    repository.ctl("export", "main", folder / "out")
    wrong = 0
    for name, weights in models.items():
        path = folder / "out" / f"{name}.pth"
        if path.read_bytes() != (saved / f"{name}.pth").read_bytes():
            wrong += sum(tensor.numel() for tensor in weights.values())
    return {
        "bytes": size,
        "pack_bytes": stats["pack_bytes"],
        "index_bytes": stats["index_bytes"],
        "seconds": seconds,
        "wrong_numbers": wrong,
    }


def main():
    arguments = bench.chosen(bench.options(__doc__))
    torch.set_num_threads(1)
    with bench.scratch_folder(arguments) as scratch:
        models = workload()
        saved = scratch / "saved"
        saved.mkdir()
        for name, weights in models.items():
            torch.save(weights, saved / f"{name}.pth")
        naive = folder_size(saved)
        numbers = sum(tensor.numel() for weights in models.values() for tensor in weights.values())
        results = {
            "coral-ml": through_coral(models, scratch / "coral"),
            "weightfs": through_weightfs(models, saved, scratch),
        }
    for result in results.values():
        result["saved_percent"] = 100 * (1 - result["bytes"] / naive)
    if arguments.json:
        print(
            json.dumps({"models": len(models), "numbers": numbers, "naive_bytes": naive, **results})
        )
        return
    print(
        f"{len(models)} models, {numbers / 1e6:.2f}M parameters, "
        f"{sum(map(len, models.values()))} tensors, {naive / 1e6:.2f} MB as PyTorch saves them\n"
    )
    print("| | whole repository | saved | wrong numbers | seconds |\n|---|---|---|---|---|")
    for name, result in results.items():
        print(
            f"| {name} | {result['bytes'] / 1e6:.2f} MB | {result['saved_percent']:.1f} % | "
            f"{result['wrong_numbers']} | {result['seconds']:.1f} |"
        )
    ours, coral = results["weightfs"], results["coral-ml"]
    print(
        f"\nweightfs: packs {ours['pack_bytes'] / 1e6:.2f} MB,"
        f" index {ours['index_bytes'] / 1e6:.2f} MB."
        f" coral-ml: its weights alone {coral['weights_file_bytes'] / 1e6:.2f} MB"
        f" ({100 * (1 - coral['weights_file_bytes'] / naive):.1f} % saved)."
    )


if __name__ == "__main__":
    main()
