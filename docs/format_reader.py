#!/usr/bin/env python3
"""Reads Trine's packed models, written from docs/format.md alone. Needs NumPy.

    python3 docs/format_reader.py MODEL_DIR                         lists the packed matrices
    python3 docs/format_reader.py MODEL_DIR --dump OUT.safetensors  writes them dequantized, F32
    python3 docs/format_reader.py MODEL_DIR --checksums             needs the package xxhash

A second implementation on purpose: where it and the C++ reader differ, one of them or the
definition is wrong. Refuses what format.md says a reader must refuse, as far as that is known
without knowing architectures; scales and zeros that are not finite show when weights are read,
damaged bytes with --checksums.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Iterator, NamedTuple

import numpy as np

FORMAT_VERSION = 1
BITS = (2, 3, 4, 5, 6, 8)
GROUP_SIZES = (32, 64, 128)
BLOCK_ROWS = 16  # outputs in a block
CHUNK_INPUTS = 32  # inputs whose codes share `bits` lines
LINE_BYTES = 64
MAX_HEADER_BYTES = 100_000_000
PANEL_BLOCKS = 64  # row blocks dequantized at once: 1024 outputs


class FormatError(ValueError):
    """The files break docs/format.md; the message says where and how."""


class Matrix(NamedTuple):
    name: str  # as in the original model
    out_features: int
    in_features: int
    bits: int
    group_size: int
    blocks: np.ndarray  # U8 [row blocks, groups, block bytes], mapped


def require(condition: bool, sentence: str) -> None:
    if not condition:
        raise FormatError(sentence)


def parse_json(text: bytes, where: str) -> dict:
    def unique(pairs: list) -> dict:
        require(len(dict(pairs)) == len(pairs), f"{where}: a key appears twice")
        return dict(pairs)

    value = json.loads(text.decode("utf-8"), object_pairs_hook=unique)
    require(isinstance(value, dict), f"{where}: not a JSON object")
    return value


def read_json(path: Path) -> dict:
    return parse_json(path.read_bytes(), str(path))


def map_tensors(path: Path) -> dict[str, tuple[str, np.ndarray]]:
    """Name → (dtype and shape as text, bytes); checks that the tensors tile the file."""
    data = np.memmap(path, np.uint8, "r")
    length = int.from_bytes(data[:8].tobytes(), "little")
    start = 8 + length
    require(length <= MAX_HEADER_BYTES and start <= len(data), f"{path}: header too long")
    require(start % LINE_BYTES == 0, f"{path}: the data do not start at a multiple of 64")
    entries = parse_json(data[8:start].tobytes(), str(path))
    entries.pop("__metadata__", None)
    tensors, end = {}, 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1]["data_offsets"]):
        first, last = entry["data_offsets"]
        require(first == end and last >= first, f"{path}: {name} leaves a gap or overlaps")
        require(start + last <= len(data), f"{path}: {name} ends behind the file")
        stored = data[start + first : start + last]
        tensors[name] = (f"{entry['dtype']} {entry['shape']}", stored)
        end = last
    require(start + end == len(data), f"{path}: bytes behind the last tensor")
    return tensors


def open_shards(folder: Path) -> dict[str, tuple[str, np.ndarray]]:
    """All tensors of the model; the index and the shards must agree."""
    weight_map = read_json(folder / "model.safetensors.index.json")["weight_map"]
    tensors = {}
    for file in sorted(set(weight_map.values())):
        require(Path(file).name == file, f"{file!r} is not a plain file name")
        for name, tensor in map_tensors(folder / file).items():
            require(weight_map.get(name) == file, f"{name} is not in {file} by the index")
            tensors[name] = tensor
    for name in weight_map:
        require(name in tensors, f"{name} is in the index but not stored")
    return tensors


def open_matrix(name: str, record: dict, tensors: dict[str, tuple[str, np.ndarray]]) -> Matrix:
    require(record["format"] == "affine", f"{name}: unknown format {record['format']!r}")
    require(record["metadata_bits"] == 16, f"{name}: metadata_bits is not 16")
    fields = ("out_features", "in_features", "bits", "group_size")
    out_features, in_features, bits, group_size = (record[field] for field in fields)
    require(bits in BITS and group_size in GROUP_SIZES, f"{name}: unknown bits or group_size")
    require(min(out_features, in_features) > 0, f"{name}: empty")
    block_bytes = group_size // CHUNK_INPUTS * bits * LINE_BYTES + LINE_BYTES
    shape = [-(-out_features // BLOCK_ROWS), -(-in_features // group_size), block_bytes]
    require(f"{name}.packed" in tensors, f"{name}.packed is missing")
    description, data = tensors[f"{name}.packed"]
    require(description == f"U8 {shape}", f"{name}.packed is {description}, not U8 {shape}")
    require(data.size == np.prod(shape), f"{name}.packed has {data.size} bytes")
    require(data.ctypes.data % LINE_BYTES == 0, f"{name}.packed is not aligned to 64 bytes")
    return Matrix(name, out_features, in_features, bits, group_size, data.reshape(shape))


def open_model(folder: Path) -> tuple[list[Matrix], dict[str, str], dict]:
    """The packed matrices in name order, the checksums, and all tensors."""
    declared = read_json(folder / "config.json").get("quantization_config", {})
    require(declared.get("quant_method") == "trine", f"{folder}: not a packed model of Trine")
    manifest = read_json(folder / "trine.json")
    for version in (declared["format_version"], manifest["format_version"]):
        require(version == FORMAT_VERSION, f"{folder}: format version {version} is unknown")
    tensors, checksums = open_shards(folder), manifest["checksums"]
    require(tensors.keys() == checksums.keys(), f"{folder}: not one checksum for each tensor")
    records = manifest["matrices"]
    for name, count in manifest.get("nonfinite", {}).items():
        require(name in records or name in checksums, f"{folder}: nonfinite {name} is not stored")
        require(isinstance(count, int) and count > 0, f"{folder}: nonfinite {name} is {count}")
    matrices = [open_matrix(name, records[name], tensors) for name in sorted(records)]
    return matrices, checksums, tensors


def unpack_lanes(lines: list[np.ndarray], bits: int) -> list[np.ndarray]:
    """The `bits` bytes of each lane → its codes q0 ... q7."""

    def nibble(j: int) -> np.ndarray:
        return lines[j // 2] >> 4 * (j % 2) & 15

    def pair(first: int, j: int) -> np.ndarray:  # 2 bits, four codes to a byte
        return lines[first + j // 4] >> 2 * (j % 4) & 3

    def three(j: int) -> np.ndarray:
        if j < 6:
            return lines[j // 2] >> 3 * (j % 2) & 7
        return lines[j - 6] >> 6 | (lines[2] >> j & 1) << 2

    code = {
        2: lambda j: pair(0, j),
        3: three,
        4: nibble,
        5: lambda j: nibble(j) | (lines[4] >> j & 1) << 4,
        6: lambda j: nibble(j) | pair(4, j) << 4,
        8: lambda j: lines[j],
    }[bits]
    return [code(j) for j in range(8)]


def dequantize(matrix: Matrix) -> Iterator[np.ndarray]:
    """The weights as float32 panels [up to 1024 outputs, in_features], top to bottom."""
    bits, group_size = matrix.bits, matrix.group_size
    codes_bytes = matrix.blocks.shape[2] - LINE_BYTES
    for first in range(0, matrix.blocks.shape[0], PANEL_BLOCKS):
        blocks = np.ascontiguousarray(matrix.blocks[first : first + PANEL_BLOCKS])
        count, groups, _ = blocks.shape
        lines = blocks[:, :, :codes_bytes].reshape(count, groups, -1, bits, LINE_BYTES)
        lanes = unpack_lanes([lines[:, :, :, line] for line in range(bits)], bits)
        # [blocks, groups, chunks, operand, row, input of 4] → outputs × inputs
        codes = np.stack(lanes, axis=3).reshape(count, groups, -1, 8, BLOCK_ROWS, 4)
        codes = codes.transpose(0, 4, 1, 2, 3, 5).reshape(count, BLOCK_ROWS, groups, group_size)
        metadata = blocks[:, :, codes_bytes:].copy().view("<f2").astype(np.float32)
        require(np.isfinite(metadata).all(), f"{matrix.name}: a scale or zero is not finite")
        metadata = metadata.reshape(count, groups, 2, BLOCK_ROWS, 1)
        scales, zeros = metadata.transpose(2, 0, 3, 1, 4)  # each [blocks, rows, groups, 1]
        weights = (codes.astype(np.float32) - zeros) * scales
        rows = matrix.out_features - first * BLOCK_ROWS
        yield weights.reshape(count * BLOCK_ROWS, -1)[:rows, : matrix.in_features]


def dump(matrices: list[Matrix], path: Path) -> None:
    """Writes every packed matrix as F32 [out, in] under its original name to one file."""
    header, end = {}, 0
    for matrix in matrices:
        shape = [matrix.out_features, matrix.in_features]
        first, end = end, end + 4 * shape[0] * shape[1]
        header[matrix.name] = {"dtype": "F32", "shape": shape, "data_offsets": [first, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for matrix in matrices:
            for panel in dequantize(matrix):
                file.write(np.ascontiguousarray(panel, "<f4"))


def verify_checksums(checksums: dict[str, str], tensors: dict) -> None:
    import xxhash  # the one thing NumPy cannot do

    for name, expected in checksums.items():
        found = xxhash.xxh3_64_hexdigest(tensors[name][1])
        require(found == expected, f"{name} is damaged: checksum {found}, expected {expected}")
    print(f"{len(checksums)} checksums ok")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, metavar="MODEL_DIR")
    parser.add_argument("--dump", type=Path, metavar="OUT.safetensors")
    parser.add_argument("--checksums", action="store_true", help="read and check every byte")
    args = parser.parse_args()
    try:
        matrices, checksums, tensors = open_model(args.model)
        print(f"{'bits':>4} {'group':>5} {'bytes':>12}  shape and name")
        for m in matrices:
            shape = f"[{m.out_features}, {m.in_features}]"
            print(f"{m.bits:4} {m.group_size:5} {m.blocks.size:12}  {shape} {m.name}")
        if args.checksums:
            verify_checksums(checksums, tensors)
        if args.dump is not None:
            dump(matrices, args.dump)
    except (OSError, ValueError) as error:
        sys.exit(f"refused: {error}")
    except (KeyError, TypeError, AttributeError) as error:
        sys.exit(f"refused: a field is missing or has the wrong type: {error}")


if __name__ == "__main__":
    main()
