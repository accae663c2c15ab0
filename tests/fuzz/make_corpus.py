"""Writes the small files the fuzz targets start from, which are committed beside it."""

import io
import json
import pathlib
import struct
import zipfile

ROOT = pathlib.Path(__file__).parent / "corpus"


def write(target, name, data):
    folder = ROOT / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def safetensors(header, data):
    text = header if isinstance(header, str) else json.dumps(header, separators=(",", ":"))
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw + bytes(data)


def tensor(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def text(value):
    return struct.pack("<Q", len(value)) + value.encode()


def gguf(metadata, tensors, data, version=3):
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(metadata))
    for key, kind, value in metadata:
        head += text(key) + struct.pack("<I", kind) + value
    for name, shape, kind, offset in tensors:
        head += text(name) + struct.pack("<I", len(shape))
        head += b"".join(struct.pack("<Q", length) for length in shape)
        head += struct.pack("<IQ", kind, offset)
    return head + bytes(-len(head) % 32) + bytes(data)


def npy(header, data, version=1):
    raw = header.encode()
    length = struct.pack("<H" if version == 1 else "<I", len(raw))
    return b"\x93NUMPY" + bytes([version, 0]) + length + raw + bytes(data)


def archive(members, method=zipfile.ZIP_STORED, comment=b""):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as packed:
        packed.comment = comment
        for name, data in members:
            packed.writestr(zipfile.ZipInfo(name), data, method)
    return out.getvalue()


def zstd_frame(data):
    """One frame of one raw block, written by hand."""
    block = struct.pack("<I", 1 | len(data) << 3)[:3]
    return b"\x28\xb5\x2f\xfd\x20" + bytes([len(data)]) + block + data


def decode(encoding, dtype, size, payload):
    return struct.pack("<BBH", encoding, dtype, size) + payload


def planes(head, entries, rest=b""):
    out = bytes([head])
    for form, stored in entries:
        out += struct.pack("<BI", form, len(stored))
    return out + b"".join(stored for _, stored in entries) + rest


def main():
    write("fuzz_safetensors", "empty", safetensors({}, 0))
    write("fuzz_safetensors", "two", safetensors(
        {"__metadata__": {"format": "pt"}, "a": tensor("F32", [2, 3], 0, 24),
         "b": tensor("BF16", [4], 24, 32)}, 32))
    write("fuzz_safetensors", "odd", safetensors(
        '{"e":{"dtype":"F4","shape":[0,2],"data_offsets":[0,0]},"s":["U8",[],[0,1]],'
        '"m":{"dtype":{"I64":null},"shape":[1],"data_offsets":[1,9],"x":[{"y":-1.5e3}]}}  ', 9))
    write("fuzz_safetensors", "escapes", safetensors(
        '{"\\u00e9\\ud83d\\ude00":{"d\\u0074ype":"C64","shape":[1],"data_offsets":[0,8]}}', 8))

    write("fuzz_gguf", "small", gguf(
        [("general.alignment", 4, struct.pack("<I", 32)), ("name", 8, text("llama"))],
        [("w", [32, 2], 8, 0), ("b", [3], 0, 96)], 108))
    write("fuzz_gguf", "arrays", gguf(
        [("tokens", 9, struct.pack("<IQ", 8, 2) + text("a") + text("bc")),
         ("nested", 9, struct.pack("<IQIQ", 9, 1, 6, 2) + bytes(8)), ("flag", 7, b"\1")],
        [("q", [256], 12, 0)], 144, version=2))

    types = [("f4", "<f4", "(2, 3)", 24), ("scalar", "|u1", "()", 1), ("none", "<i8", "(0,)", 0)]
    for name, descr, shape, size in types:
        head = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n"
        write("fuzz_npy", name, npy(head, size))
    write("fuzz_npy", "v2", npy('{"shape":(1L,),"fortran_order":True,"descr":"=c8"}', 8, 2))

    head = "{'descr': '<f2', 'fortran_order': False, 'shape': (4,), }\n"
    storages = [("m/data.pkl", b"pickle"), ("m/data/0", bytes(range(40))), ("m/data/1", b"")]
    write("fuzz_zip", "torch", archive(storages))
    write("fuzz_zip", "npz", archive([("w.npy", npy(head, 8)), ("x.npy", b"?")], comment=b"hi"))
    write("fuzz_zip", "deflated", archive(storages, zipfile.ZIP_DEFLATED))
    start = archive(storages)
    end = start.rfind(b"PK\5\6")
    count, size, offset = struct.unpack("<10xHII", start[end:end + 20])
    write("fuzz_zip", "zip64", start[:end] + b"PK\6\6" + struct.pack(
        "<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, size, offset) + b"PK\6\7" + struct.pack(
        "<IQI", 0, end, 1) + start[end:])

    numbers = bytes(range(64))
    write("fuzz_decode", "raw", decode(0, 0, 8, numbers[:8]))
    write("fuzz_decode", "fill", decode(1, 2, 33, numbers[:4]))
    write("fuzz_decode", "zstd", decode(2, 0, 64, zstd_frame(numbers)))
    write("fuzz_decode", "planes2", decode(3, 4, 33, planes(
        0x82, [(0, numbers[:16]), (2, zstd_frame(numbers[:16]))], b"r")))
    write("fuzz_decode", "planes4", decode(3, 2, 32, planes(
        0x84, [(0, numbers[:8]), (1, b"\0"), (0, numbers[:8]), (2, zstd_frame(numbers[:8]))])))
    write("fuzz_decode", "planes8", decode(3, 7, 16, planes(8, [(1, b"\1")] * 8)))
    weights = b"".join(struct.pack("<f", (i * 37 % 101 - 50) / 1000) for i in range(100))
    write("fuzz_decode", "weights", decode(0, 2, 400, weights))


main()
