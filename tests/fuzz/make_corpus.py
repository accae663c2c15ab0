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


def coded_stream(words=b""):
    """A stream of which every state is the lower bound."""
    return struct.pack("<I", len(words) // 2) + struct.pack("<I", 1 << 15) * 64 + words


def one_symbol(symbol, bits):
    """The table of one symbol, whose stream has no words."""
    absent = bytes([0, symbol]) if symbol else b""
    return bytes([symbol]) + absent + bytes([0x80 | (1 << bits) >> 8, 0])


def two_symbols(bits):
    """The table of the symbols 0 and 1, equally frequent."""
    half = 1 << (bits - 1)
    return bytes([1]) + bytes([0x80 | half >> 8, half & 0xff]) * 2


def text16(value):
    return struct.pack("<H", len(value)) + value.encode()


def text32(value):
    return struct.pack("<I", len(value)) + value.encode()


def described(name, dtype, shape):
    return text32(name) + struct.pack("<BI", dtype, len(shape)) + b"".join(
        struct.pack("<Q", length) for length in shape)


def layout():
    return (b"\x01" + text32("a reason") + struct.pack("<I", 2) + struct.pack("<QB", 10, 0)
            + struct.pack("<QB", 20, 1) + described("w", 2, [5, 1])
            + struct.pack("<I", 1) + described("none", 4, [0, 3]))


def pack(records):
    """Without checksums: as a pack whose footer is lost."""
    out = b"WFSPACK1" + struct.pack("<II", 1, 0)
    for kind, encoding, plain, payload in records:
        out += struct.pack("<BBHIII", kind, encoding, 0, len(payload), plain, 0)
        out += bytes(32) + bytes(16) + bytes(8) + payload
    return out


def write_packs():
    blocks = b"".join(bytes([number]) * 16 + struct.pack("<I", length)
                      for number, length in [(1, 10), (2, 20)])
    content = b"\x01" + struct.pack("<Q", 30) + layout() + struct.pack("<I", 2) + blocks
    write("fuzz_pack", "content", content + text32('{"tensors":[]}'))
    write("fuzz_pack", "map", b"\x01" + layout() + struct.pack("<Iqqq", 3, 7, 8, 7))
    entry = struct.pack("<BB", 1, 1) + text16("file") + struct.pack("<qH", 5, 1)
    entry += text16("user.a") + text32("b") + struct.pack("<Q", 3) + bytes(32)
    folder = struct.pack("<BB", 2, 0) + text16("folder") + struct.pack("<qH", 5, 0) + bytes(20)
    link = struct.pack("<BB", 3, 0) + text16("link") + struct.pack("<qH", 5, 0) + text16("target")
    write("fuzz_pack", "tree", b"\x01" + struct.pack("<I", 3) + entry + folder + link)
    commit = b"\x01\x01" + struct.pack("<H", 1) + bytes(20) + bytes(20) + struct.pack("<q", 7)
    commit += text16("main") + text16("author") + text16("") + text32("message") + text32("{}")
    write("fuzz_pack", "commit", commit)
    write("fuzz_pack", "pack", pack([(1, 0, 3, b"abc"), (1, 1, 8, b"xy"), (2, 0, 5, b"12345")]))
    # As the target reads it: type, encoding, plain length, sixteenths of the payload, payload.
    write("fuzz_pack", "records", bytes([0, 0, 0, 16, 1, 0, 0, 0]) + b"0123456789abcdef"
          + bytes([0, 1, 1, 0, 1, 0, 0, 0]) + b"xyxyxyxyxyxyxyxy"
          + bytes([1, 2, 0, 5, 1, 0, 0, 0]) + zstd_frame(b"12345"))


def main():
    write_packs()
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
    words = bytes(range(1, 65)) * 4
    tail = coded_stream(words)
    for name, table in [("one", one_symbol(5, 11)), ("two", two_symbols(11))]:
        write("fuzz_decode", "coded1_" + name, decode(3, 14, 130, planes(1, [(3, table)], tail)))
        write("fuzz_decode", "coded2_" + name, decode(3, 4, 261, planes(
            0x82, [(3, table), (3, table)], tail + b"r")))
        write("fuzz_decode", "coded4_" + name, decode(3, 2, 520, planes(
            0x84, [(1, b"a"), (3, table), (1, b"b"), (3, table)], tail)))
    for width, shift in [(1, 3), (2, 7), (4, 23)]:
        head = bytes([0, width, shift])
        for name, mask, tables in [
                ("one", 0xff, one_symbol(20, 10) * 8), ("two", 0x0f, two_symbols(10) * 4)]:
            write("fuzz_decode", f"tokens{width}_{name}", decode(
                4, 2, 300 * width, head + bytes([mask]) + one_symbol(0, 10) + tables + tail))
    write("fuzz_decode", "delta_planes", decode(4, 4, 130, b"\1\2" + planes(
        2, [(3, two_symbols(11)), (1, b"\0")], tail)))
    for operation in [0, 1]:
        write("fuzz_decode", f"groups{operation}", decode(
            4, 30, 340, struct.pack("<BBH", 2, operation, 34) + bytes([0, 0] + [1] * 32 + [3])
            + two_symbols(10) * 2 + tail))
    weights = b"".join(struct.pack("<f", (i * 37 % 101 - 50) / 1000) for i in range(100))
    write("fuzz_decode", "weights", decode(0, 2, 400, weights))


main()
