#!/usr/bin/env python3
"""Reads Trine's packed models, written from docs/format.md alone. Needs NumPy.

    python3 docs/format_reader.py MODEL_DIR                         lists the packed matrices
    python3 docs/format_reader.py MODEL_DIR --dump OUT.safetensors  writes their weights, F32
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

FORMAT_VERSIONS = (1, 2)
BITS = (2, 3, 4, 5, 6, 8)
GROUP_SIZES = (32, 64, 128)
METADATA_BITS = (16, 8)
FACTOR_BITS = (3, 4, 8, 16)
FACTOR_GROUP_SIZE = 64
BLOCK_ROWS = 16  # outputs in a block
CHUNK_INPUTS = 32  # inputs whose codes share `bits` lines
LINE_BYTES = 64
HALF_ROWS = 32  # half-precision factors are filled up to multiples of so many rows
MAX_HEADER_BYTES = 100_000_000
PANEL_BLOCKS = 64  # row blocks dequantized at once: 1024 outputs


class FormatError(ValueError):
    """The files break docs/format.md; the message says where and how."""


class Packed(NamedTuple):
    """Codes with scales and zeros: a matrix, or one factor of a compensator."""

    name: str  # of the stored tensor
    out_features: int
    in_features: int
    bits: int
    group_size: int
    metadata_bits: int
    row_blocks: np.ndarray  # U8 [row blocks, bytes of one], mapped

    @property
    def stored_bytes(self) -> int:
        return self.row_blocks.nbytes

    @property
    def groups(self) -> int:
        return -(-self.in_features // self.group_size)

    @property
    def codes_bytes(self) -> int:
        return self.group_size // CHUNK_INPUTS * self.bits * LINE_BYTES

    def shape(self) -> list[int]:
        """What the stored tensor must have."""
        count = -(-self.out_features // BLOCK_ROWS)
        if self.metadata_bits == 16:
            return [count, self.groups, self.codes_bytes + LINE_BYTES]
        pairs = -(-self.groups // 2)
        return [count, LINE_BYTES + self.groups * self.codes_bytes + pairs * LINE_BYTES]

    def codes_offset(self, group: int) -> int:
        if self.metadata_bits == 16:
            return group * (self.codes_bytes + LINE_BYTES)
        pair, second = divmod(group, 2)
        pair_bytes = 2 * self.codes_bytes + LINE_BYTES
        return LINE_BYTES + pair * pair_bytes + second * self.codes_bytes

    def metadata_offset(self, group: int) -> int:
        behind = self.codes_offset(group) + self.codes_bytes
        if self.metadata_bits == 16 or group == self.groups - 1 and group % 2 == 0:
            return behind
        return behind + LINE_BYTES // 2 if group % 2 else behind + self.codes_bytes


class Halves(NamedTuple):
    """A factor in half precision."""

    name: str
    values: np.ndarray  # F16 [rank, features], mapped
    stored_bytes: int  # with the rows that only fill lines


class Matrix(NamedTuple):
    name: str  # as in the original model
    codes: Packed
    rank: int
    factors: tuple[Packed | Halves, ...]  # left transposed and right; empty with rank 0

    @property
    def shape(self) -> list[int]:
        return [self.codes.out_features, self.codes.in_features]

    @property
    def stored_bytes(self) -> int:
        return sum(part.stored_bytes for part in (self.codes, *self.factors))


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


def stored(name: str, tensors: dict, dtype: str, shape: list[int]) -> np.ndarray:
    """The bytes of a tensor that must have this type and shape."""
    require(name in tensors, f"{name} is missing")
    description, data = tensors[name]
    expected = f"{dtype} {shape}"
    require(description == expected, f"{name} is {description}, not {expected}")
    element_bytes = {"U8": 1, "F16": 2}[dtype]
    require(data.size == np.prod(shape) * element_bytes, f"{name} has {data.size} bytes")
    return data


def open_packed(name: str, tensors: dict, *fields: int) -> Packed:
    packed = Packed(name, *fields, row_blocks=np.empty(0, np.uint8))
    data = stored(name, tensors, "U8", packed.shape())
    require(data.ctypes.data % LINE_BYTES == 0, f"{name} is not aligned to 64 bytes")
    return packed._replace(row_blocks=data.reshape(packed.shape()[0], -1))


def open_factor(
    name: str, tensors: dict, rank: int, features: int, record: dict
) -> Packed | Halves:
    if record["factor_bits"] != 16:
        fields = (record["factor_bits"], FACTOR_GROUP_SIZE, record["metadata_bits"])
        return open_packed(name, tensors, rank, features, *fields)
    shape = [-(-rank // HALF_ROWS) * HALF_ROWS, features]
    data = stored(name, tensors, "F16", shape).reshape(-1)
    return Halves(name, data.view("<f2").reshape(shape)[:rank], data.nbytes)


def open_matrix(name: str, record: dict, tensors: dict) -> Matrix:
    require(record["format"] == "affine", f"{name}: unknown format {record['format']!r}")
    require(record["metadata_bits"] in METADATA_BITS, f"{name}: metadata_bits is not 16 or 8")
    fields = ("out_features", "in_features", "bits", "group_size", "metadata_bits")
    out_features, in_features, bits, group_size, _ = (record[field] for field in fields)
    require(bits in BITS and group_size in GROUP_SIZES, f"{name}: unknown bits or group_size")
    require(min(out_features, in_features) > 0, f"{name}: empty")
    require(name not in tensors, f"{name} is stored twice, packed and unpacked")
    packed = open_packed(f"{name}.packed", tensors, *(record[f] for f in fields))
    rank = record.get("rank", 0)
    require(0 <= rank <= min(out_features, in_features), f"{name}: rank {rank} is impossible")
    if rank == 0:
        return Matrix(name, packed, 0, ())
    require(record["factor_bits"] in FACTOR_BITS, f"{name}: factor_bits is not 3, 4, 8 or 16")
    left = open_factor(f"{name}.left", tensors, rank, out_features, record)
    right = open_factor(f"{name}.right", tensors, rank, in_features, record)
    return Matrix(name, packed, rank, (left, right))


def open_model(folder: Path) -> tuple[list[Matrix], dict[str, str], dict]:
    """The packed matrices in name order, the checksums, and all tensors."""
    declared = read_json(folder / "config.json").get("quantization_config", {})
    require(declared.get("quant_method") == "trine", f"{folder}: not a packed model of Trine")
    manifest = read_json(folder / "trine.json")
    for version in (declared["format_version"], manifest["format_version"]):
        require(version in FORMAT_VERSIONS, f"{folder}: format version {version} is unknown")
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


def read_codes(packed: Packed, blocks: np.ndarray, group: int) -> np.ndarray:
    """Codes of one group of some row blocks, [blocks, 16, group_size]."""
    count, first = len(blocks), packed.codes_offset(group)
    lines = blocks[:, first : first + packed.codes_bytes]
    lines = lines.reshape(count, -1, packed.bits, LINE_BYTES)
    lanes = unpack_lanes([lines[:, :, line] for line in range(packed.bits)], packed.bits)
    # [blocks, chunks, operand, row, input of 4] → rows × inputs
    codes = np.stack(lanes, axis=2).reshape(count, -1, 8, BLOCK_ROWS, 4)
    return codes.transpose(0, 3, 1, 2, 4).reshape(count, BLOCK_ROWS, packed.group_size)


def read_halves(packed: Packed, blocks: np.ndarray, first: int) -> np.ndarray:
    """Two times 16 half-precision numbers from byte `first` on, float32 [2, blocks, 16]."""
    line = np.ascontiguousarray(blocks[:, first : first + LINE_BYTES])
    halves = line.view("<f2").astype(np.float32)
    require(np.isfinite(halves).all(), f"{packed.name}: a scale or zero is not finite")
    return halves.reshape(len(blocks), 2, BLOCK_ROWS).transpose(1, 0, 2)


def read_metadata(packed: Packed, blocks: np.ndarray, group: int) -> np.ndarray:
    """Scales and zeros of one group of some row blocks, float32 [2, blocks, 16]."""
    first = packed.metadata_offset(group)
    if packed.metadata_bits == 16:
        return read_halves(packed, blocks, first)
    scale_steps, zero_steps = read_halves(packed, blocks, 0)
    pair = blocks[:, first : first + 2 * BLOCK_ROWS].astype(np.float32)
    middle = np.float32((2**packed.bits - 1) / 2)
    scales = pair[:, :BLOCK_ROWS] * scale_steps
    zeros = (pair[:, BLOCK_ROWS:] - np.float32(128)) * zero_steps + middle
    return np.stack([scales, zeros])


def unpack(packed: Packed) -> Iterator[np.ndarray]:
    """What the codes stand for as float32 panels [up to 1024 outputs, in_features]."""
    for first in range(0, len(packed.row_blocks), PANEL_BLOCKS):
        blocks = np.ascontiguousarray(packed.row_blocks[first : first + PANEL_BLOCKS])
        groups = []
        for group in range(packed.groups):
            codes = read_codes(packed, blocks, group).astype(np.float32)
            scales, zeros = read_metadata(packed, blocks, group)
            groups.append((codes - zeros[:, :, None]) * scales[:, :, None])
        weights = np.concatenate(groups, axis=2).reshape(len(blocks) * BLOCK_ROWS, -1)
        rows = packed.out_features - first * BLOCK_ROWS
        yield weights[:rows, : packed.in_features]


def read_factor(factor: Packed | Halves) -> np.ndarray:
    """A whole factor, float64 [rank, features]."""
    if isinstance(factor, Packed):
        return np.concatenate(list(unpack(factor))).astype(np.float64)
    values = factor.values.astype(np.float64)
    require(np.isfinite(values).all(), f"{factor.name}: a number is not finite")
    return values


def dequantize(matrix: Matrix) -> Iterator[np.ndarray]:
    """The weights, compensator included, as panels [up to 1024 outputs, in_features], top to
    bottom: exact float32 without a compensator, float64 with one."""
    if matrix.rank == 0:
        yield from unpack(matrix.codes)
        return
    left, right = (read_factor(factor) for factor in matrix.factors)
    first = 0
    for panel in unpack(matrix.codes):
        yield panel + left[:, first : first + len(panel)].T @ right
        first += len(panel)


def dump(matrices: list[Matrix], path: Path) -> None:
    """Writes every packed matrix as F32 [out, in] under its original name to one file."""
    header, end = {}, 0
    for matrix in matrices:
        shape = matrix.shape
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
        print(f"{'bits':>4} {'group':>5} {'rank':>4} {'bytes':>12}  shape and name")
        for m in matrices:
            width = f"{m.codes.bits:4} {m.codes.group_size:5} {m.rank:4}"
            print(f"{width} {m.stored_bytes:12}  {m.shape} {m.name}")
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
