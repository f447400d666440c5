#!/usr/bin/env python3
"""Tests of docs/format_reader.py on models packed here, bit by bit, as docs/format.md says.

The packer is the slowest possible reading of the definition: one code at a time. Needs NumPy.
"""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np

READER = Path(__file__).resolve().parents[2] / "docs" / "format_reader.py"

# bits → for each of the 8 codes of a lane: (byte, shift in it, first bit of the code, width)
TWO_BITS = [[(j // 4, 2 * (j % 4), 0, 2)] for j in range(8)]
NIBBLES = [[(j // 2, 4 * (j % 2), 0, 4)] for j in range(8)]
PLACES = {
    2: TWO_BITS,
    3: [[(j // 2, 3 * (j % 2), 0, 3)] for j in range(6)]
    + [[(0, 6, 0, 2), (2, 6, 2, 1)], [(1, 6, 0, 2), (2, 7, 2, 1)]],
    4: NIBBLES,
    5: [[*NIBBLES[j], (4, j, 4, 1)] for j in range(8)],
    6: [[*NIBBLES[j], (4 + j // 4, 2 * (j % 4), 4, 2)] for j in range(8)],
    8: [[(j, 0, 0, 8)] for j in range(8)],
}


class Affine:
    """Random codes [rows, inputs] with scales and zeros, the weights they stand for and, one code
    at a time, their bytes."""

    def __init__(self, rows: int, inputs: int, bits: int, group_size: int, metadata_bits: int):
        random = np.random.default_rng(bits * group_size + metadata_bits)
        self.rows, self.bits, self.group_size = rows, bits, group_size
        self.metadata_bits = metadata_bits
        self.groups = -(-inputs // group_size)
        self.codes = random.integers(0, 1 << bits, (rows, self.groups * group_size))
        self.codes[:, inputs:] = 0
        shape = (rows, self.groups)
        if metadata_bits == 16:
            self.scales = random.uniform(0.01, 0.1, shape).astype("<f2")
            self.zeros = random.uniform(0, 1 << bits, shape).astype("<f2")
            scales, zeros = self.scales.astype(np.float32), self.zeros.astype(np.float32)
        else:
            self.scales = random.integers(1, 256, shape)
            self.zeros = random.integers(0, 256, shape)
            self.scale_steps = random.uniform(1e-4, 1e-3, (rows, 1)).astype("<f2")
            self.zero_steps = random.uniform(0.001, 0.1, (rows, 1)).astype("<f2")
            scales = self.scales.astype(np.float32) * self.scale_steps.astype(np.float32)
            centred = (self.zeros - 128).astype(np.float32)
            middle = np.float32((2**bits - 1) / 2)
            zeros = centred * self.zero_steps.astype(np.float32) + middle
        wide_scales = np.repeat(scales, group_size, axis=1)
        wide_zeros = np.repeat(zeros, group_size, axis=1)
        self.weights = ((self.codes.astype(np.float32) - wide_zeros) * wide_scales)[:, :inputs]

    def places(self, group: int) -> tuple[int, int]:
        """Offsets of the codes and of the metadata of one group in its row block."""
        codes_bytes = self.group_size // 32 * self.bits * 64
        if self.metadata_bits == 16:
            first = group * (codes_bytes + 64)
            return first, first + codes_bytes
        first = 64  # the row line; then two groups and the line they share, again and again
        for _ in range(group // 2):
            first += codes_bytes + codes_bytes + 64
        if group % 2 == 1:
            return first + codes_bytes, first + 2 * codes_bytes + 32
        is_last = group == self.groups - 1
        return first, first + (1 if is_last else 2) * codes_bytes

    def row_block_bytes(self) -> int:
        last = self.places(self.groups - 1)[1]
        return last // 64 * 64 + 64

    def packed(self) -> np.ndarray:
        blocks = np.zeros((-(-self.rows // 16), self.row_block_bytes()), np.uint8)
        for row in range(self.rows):
            block = blocks[row // 16]
            for column in range(self.codes.shape[1]):
                chunk, position = divmod(column % self.group_size, 32)
                operand, i = divmod(position, 4)
                lane = chunk * self.bits * 64 + 4 * (row % 16) + i
                lane += self.places(column // self.group_size)[0]
                for byte, shift, first, width in PLACES[self.bits][operand]:
                    part = int(self.codes[row, column]) >> first & (1 << width) - 1
                    block[lane + 64 * byte] |= part << shift
            self.pack_metadata(row, block)
        if self.metadata_bits == 8:
            return blocks
        return blocks.reshape(len(blocks), self.groups, -1)

    def pack_metadata(self, row: int, block: np.ndarray) -> None:
        lane = row % 16
        for group in range(self.groups):
            place = self.places(group)[1]
            if self.metadata_bits == 8:
                block[place + lane] = self.scales[row, group]
                block[place + 16 + lane] = self.zeros[row, group]
                continue
            halves = block[place : place + 64].view("<f2")
            halves[lane] = self.scales[row, group]
            halves[16 + lane] = self.zeros[row, group]
        if self.metadata_bits == 8:
            block[:64].view("<f2")[lane] = self.scale_steps[row, 0]
            block[:64].view("<f2")[16 + lane] = self.zero_steps[row, 0]


def save_tensors(path: Path, tensors: dict[str, np.ndarray], alignment: int = 64) -> None:
    header, end = {"__metadata__": {"format": "pt", "trine_format": "2"}}, 0
    for name, array in tensors.items():
        dtype = {"uint8": "U8", "float32": "F32", "float16": "F16"}[str(array.dtype)]
        offsets = [end, end + array.nbytes]
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": offsets}
        end += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % alignment)
    data = b"".join(array.tobytes() for array in tensors.values())
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


class ReaderTest(unittest.TestCase):
    """A model of one matrix [out, in] and one untouched tensor."""

    NAME = "model.layers.0.up.weight"
    FILE = "model-00001-of-00001.safetensors"

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)

    def write_model(
        self,
        bits: int = 3,
        group_size: int = 64,
        shape: tuple[int, int] = (35, 150),
        metadata_bits: int = 16,
        compensator: tuple[int, int] = (0, 0),
        version: int = 2,
    ) -> np.ndarray:
        """Writes the model; returns the weights it stands for, without the part of the
        compensator, which is given as (rank, factor_bits)."""
        (out, inputs), (rank, factor_bits) = shape, compensator
        matrix = Affine(out, inputs, bits, group_size, metadata_bits)
        self.tensors = {f"{self.NAME}.packed": matrix.packed()}
        record = {
            "format": "affine", "out_features": out, "in_features": inputs, "bits": bits,
            "group_size": group_size, "metadata_bits": metadata_bits, "quantizer": "rtn",
        }  # fmt: skip
        if version > 1:
            record["rank"] = rank
        if rank > 0:
            record |= {"factor_bits": factor_bits, "compensator": "milo"}
            self.left = self.add_factor("left", rank, out, factor_bits, metadata_bits)
            self.right = self.add_factor("right", rank, inputs, factor_bits, metadata_bits)
        self.tensors["norm.weight"] = np.ones(7, np.float32)
        self.manifest = {
            "format_version": version,
            "matrices": {self.NAME: record},
            "checksums": {name: "0" * 16 for name in self.tensors},
        }
        declared = {"quant_method": "trine", "format_version": version}
        index = {"weight_map": dict.fromkeys(self.tensors, self.FILE)}
        save_tensors(self.folder / self.FILE, self.tensors)
        self.save_json("trine.json", self.manifest)
        self.save_json("config.json", {"quantization_config": declared})
        self.save_json("model.safetensors.index.json", index)
        return matrix.weights

    def add_factor(
        self, side: str, rank: int, features: int, bits: int, metadata_bits: int
    ) -> np.ndarray:
        """One factor [rank, features]; its bytes go into the model."""
        name = f"{self.NAME}.{side}"
        if bits < 16:
            factor = Affine(rank, features, bits, 64, metadata_bits)
            self.tensors[name] = factor.packed()
            return factor.weights
        halves = np.zeros((-(-rank // 32) * 32, features), np.float16)
        random = np.random.default_rng(features)
        halves[:rank] = random.normal(size=(rank, features))
        self.tensors[name] = halves
        return halves[:rank].astype(np.float32)

    def dumped(self) -> np.ndarray:
        """What --dump writes for the matrix."""
        target = self.folder / "dumped.safetensors"
        done = self.read("--dump", str(target))
        self.assertEqual(done.stderr, "")
        raw = target.read_bytes()
        start = 8 + int.from_bytes(raw[:8], "little")
        shape = json.loads(raw[8:start])[self.NAME]["shape"]
        return np.frombuffer(raw[start:], "<f4").reshape(shape)

    def save_json(self, name: str, value: dict) -> None:
        (self.folder / name).write_text(json.dumps(value))

    def read(self, *options: str) -> subprocess.CompletedProcess:
        program = [sys.executable, READER, self.folder, *options]
        return subprocess.run(program, capture_output=True, text=True)

    def assert_refused(self, sentence: str, *options: str) -> None:
        done = self.read(*options)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, rf"\Arefused: .*{sentence}")


class Reading(ReaderTest):
    def test_every_width_and_group_size_comes_back_exactly(self):
        for bits in (2, 3, 4, 5, 6, 8):
            for group_size in (32, 64, 128):
                for metadata_bits in (16, 8):
                    with self.subTest(bits=bits, group_size=group_size, metadata=metadata_bits):
                        weights = self.write_model(bits, group_size, (17, 150), metadata_bits)
                        self.assertEqual(weights.shape, (17, 150))
                        np.testing.assert_array_equal(self.dumped(), weights)

    def test_pairs_of_groups_and_those_alone(self):
        for groups in (1, 2, 3, 4, 5):
            with self.subTest(groups):
                weights = self.write_model(4, 32, (17, 32 * groups - 3), metadata_bits=8)
                np.testing.assert_array_equal(self.dumped(), weights)

    def test_compensators(self):
        for factor_bits in (3, 4, 8, 16):
            for rank, metadata_bits in ((1, 16), (16, 8), (33, 8)):
                with self.subTest(factor_bits=factor_bits, rank=rank, metadata=metadata_bits):
                    weights = self.write_model(
                        2, 32, (35, 70), metadata_bits, (rank, factor_bits)
                    ).astype(np.float64)
                    weights += self.left.T.astype(np.float64) @ self.right.astype(np.float64)
                    # Sums of 33 products in double, then rounded to float32 once.
                    most = np.abs(weights).max() * 2**-23
                    np.testing.assert_allclose(self.dumped(), weights, rtol=0, atol=most)

    def test_version_one(self):
        weights = self.write_model(version=1)
        np.testing.assert_array_equal(self.dumped(), weights)

    def test_more_outputs_than_one_panel(self):
        weights = self.write_model(2, 32, (1030, 32))
        np.testing.assert_array_equal(self.dumped(), weights)
        weights = self.write_model(2, 32, (1030, 32), 8, compensator=(2, 16))
        expected = weights + self.left.T @ self.right
        np.testing.assert_allclose(self.dumped(), expected, atol=1e-5)

    def test_listing(self):
        self.write_model()
        row = "   3    64    0         4032  [35, 150] model.layers.0.up.weight\n"
        self.assertIn(row, self.read().stdout)  # 3 row blocks × 3 groups × 448 bytes
        self.write_model(metadata_bits=8, compensator=(5, 16))
        # 3 row blocks × (64 + 3 · 384 + 2 · 64), and 2 · 32 · (35 + 150) of factors
        row = "   3    64    5        15872  [35, 150] model.layers.0.up.weight\n"
        self.assertIn(row, self.read().stdout)


class Refusing(ReaderTest):
    def test_manifest(self):
        for field, value, sentence in (
            ("format_version", 3, "format version 3 is unknown"),
            ("format", "trellis", "unknown format 'trellis'"),
            ("bits", 7, "unknown bits or group_size"),
            ("group_size", 48, "unknown bits or group_size"),
            ("metadata_bits", 12, "metadata_bits is not 16 or 8"),
            ("metadata_bits", 8, r"is U8 \[3, 3, 448\], not U8 \[3, 1344\]"),
            ("rank", 36, "rank 36 is impossible"),
            ("rank", 1, "factor_bits"),
            ("out_features", 49, r"is U8 \[3, 3, 448\], not U8 \[4, 3, 448\]"),
            ("in_features", None, "wrong type"),
        ):
            with self.subTest(field=field, value=value):
                self.write_model()
                target = self.manifest["matrices"][self.NAME]
                (self.manifest if field in self.manifest else target)[field] = value
                self.save_json("trine.json", self.manifest)
                self.assert_refused(sentence)

    def test_missing_matrix(self):
        self.write_model()
        records = self.manifest["matrices"]
        records["gone.weight"] = records[self.NAME]
        self.save_json("trine.json", self.manifest)
        self.assert_refused("gone.weight.packed is missing")

    def test_counts_of_nonfinite_weights(self):
        self.write_model()
        for counts, sentence in (({"nowhere": 1}, "nonfinite nowhere is not stored"),
                                 ({self.NAME: 0}, "is 0")):  # fmt: skip
            self.save_json("trine.json", {**self.manifest, "nonfinite": counts})
            self.assert_refused(sentence)
        self.save_json("trine.json", {**self.manifest, "nonfinite": {self.NAME: 2}})
        self.assertEqual(self.read().returncode, 0)

    def test_factors(self):
        left = f"{self.NAME}.left"
        for spoil, sentence in (
            (lambda: self.tensors.pop(left), "up.weight.left is missing"),
            (lambda: self.tensors.update({left: self.tensors[left][:, :-1]}), "left is U8"),
            (lambda: self.manifest["matrices"][self.NAME].update(factor_bits=5), "factor_bits"),
            (lambda: self.manifest["matrices"][self.NAME].update(factor_bits=16), "not F16"),
            (lambda: self.manifest["matrices"][self.NAME].update(rank=17), "left is U8"),
        ):
            with self.subTest(sentence):
                self.write_model(metadata_bits=8, compensator=(16, 4))
                spoil()
                self.tensors = {n: np.ascontiguousarray(t) for n, t in self.tensors.items()}
                self.manifest["checksums"] = dict.fromkeys(self.tensors, "0" * 16)
                index = {"weight_map": dict.fromkeys(self.tensors, self.FILE)}
                save_tensors(self.folder / self.FILE, self.tensors)
                self.save_json("trine.json", self.manifest)
                self.save_json("model.safetensors.index.json", index)
                self.assert_refused(sentence)

    def test_truncated_and_unaligned_shards(self):
        self.write_model()
        path = self.folder / self.FILE
        path.write_bytes(path.read_bytes()[:-1])
        self.assert_refused("ends behind the file")
        path.write_bytes(b"")
        self.assert_refused("")
        save_tensors(path, self.tensors, alignment=24)
        self.assert_refused("multiple of 64")

    def test_scale_that_is_not_finite(self):
        self.write_model()
        self.tensors[f"{self.NAME}.packed"][1, 1, 384:].view("<f2")[5] = np.inf
        save_tensors(self.folder / self.FILE, self.tensors)
        self.assert_refused("not finite", "--dump", str(self.folder / "dumped"))
        self.write_model(metadata_bits=8)
        self.tensors[f"{self.NAME}.packed"][2, :64].view("<f2")[1] = np.nan
        save_tensors(self.folder / self.FILE, self.tensors)
        self.assert_refused("not finite", "--dump", str(self.folder / "dumped"))
        self.write_model(compensator=(3, 16))
        self.tensors[f"{self.NAME}.right"][2, 7] = np.inf
        save_tensors(self.folder / self.FILE, self.tensors)
        self.assert_refused("not finite", "--dump", str(self.folder / "dumped"))

    def test_checksum(self):
        try:
            import xxhash  # noqa: F401
        except ImportError:
            self.skipTest("the package xxhash is not installed")
        self.write_model()
        self.assert_refused("is damaged", "--checksums")

    def test_another_quantizer(self):
        self.write_model()
        self.save_json("config.json", {"quantization_config": {"quant_method": "gptq"}})
        self.assert_refused("not a packed model")


if __name__ == "__main__":
    unittest.main()
