"""Writes the two states of the folder model/ that the golden repository holds."""
import os, struct, sys
import numpy as np, torch
from safetensors.torch import save_file
state = sys.argv[1]
torch.manual_seed(1)
def tensors(dtype):
    torch.manual_seed(7)
    w = {"embed.weight": torch.randn(64, 32) * 0.02, "layer.weight": torch.randn(48, 32) * 0.05,
         "layer.bias": torch.zeros(32), "norm.weight": torch.ones(32)}
    if state == "2":
        torch.manual_seed(8)
        w = {k: v + torch.randn_like(v) * 1e-4 for k, v in w.items()}
    return {k: v.to(dtype).contiguous() for k, v in w.items()}
os.makedirs("model", exist_ok=True)
save_file(tensors(torch.float32), "model/f32.safetensors", metadata={"format": "pt"})
save_file(tensors(torch.bfloat16), "model/bf16.safetensors")
save_file(tensors(torch.float16), "model/f16.safetensors")
torch.save(tensors(torch.float32), "model/pytorch_model.bin")
with open("model/config.json", "w") as f: f.write('{"model_type": "golden", "state": %s}\n' % state)
# GGUF with one Q8_0 and one F32 tensor.
def text(s): b = s.encode(); return struct.pack("<Q", len(b)) + b
rows = tensors(torch.float32)["layer.weight"].numpy()
q = b""
for group in rows.reshape(-1, 32):
    d = np.float16(np.abs(group).max() / 127)
    q += d.tobytes() + np.clip(np.rint(group / np.float32(d)), -127, 127).astype(np.int8).tobytes()
f = tensors(torch.float32)["norm.weight"].numpy().tobytes()
head = b"GGUF" + struct.pack("<IQQ", 3, 2, 1) + text("general.architecture") + struct.pack("<I", 8) + text("golden")
offset = 0
head += text("layer.weight") + struct.pack("<IQQIQ", 2, 32, 48, 8, 0)
pad = -len(q) % 32
head += text("norm.weight") + struct.pack("<IQIQ", 1, 32, 0, len(q) + pad)
head += b"\0" * (-len(head) % 32)
with open("model/model.gguf", "wb") as o: o.write(head + q + b"\0" * pad + f)
rng = np.random.default_rng(3)
with open("model/opaque.dat", "wb") as o:
    o.write(rng.bytes(20000) + b"abc" * 3000 + (b"x" if state == "2" else b""))
