"""trine calibrate against a NumPy model that sums the inputs of its matrices itself, and what
the command says when it is used well or badly."""

import json
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np

from program import DATA, MODEL, ROOT, SAMPLE, trine, trine_json

sys.path.insert(0, str(ROOT / "tools"))
from reference_checkpoint import read_checkpoint  # noqa: E402
from reference_models import MODELS  # noqa: E402

BOOKS = DATA / "books-small.txt"
FIRST_ID, NUM_IDS = 3, 90  # of the characters '!' to 'z', one token each
DTYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8"}


def read_statistics(path: Path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Metadata and tensors of a *.trinestats, by the rules of docs/statistics.md."""
    raw = path.read_bytes()
    begin = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:begin])
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        first, end = (begin + offset for offset in entry["data_offsets"])
        values = np.frombuffer(raw[first:end], DTYPES[entry["dtype"]])
        tensors[name] = values.reshape(entry["shape"])
    return metadata, tensors


def write_character_tokenizer(folder: Path) -> None:
    """A tokenizer.json whose tokens are single characters."""
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2}
    vocabulary |= {chr(ord("!") + i): FIRST_ID + i for i in range(NUM_IDS)}
    model = {"type": "BPE", "vocab": vocabulary, "merges": [], "unk_token": "<unk>"}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
        "normalizer": None, "pre_tokenizer": None, "post_processor": None, "decoder": None,
        "model": model,
    }  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))


def sums_of_reference(folder: Path, token_ids: np.ndarray) -> dict[str, tuple]:
    """Matrix → inputs seen, Σ x xᵀ in double, from the reference model of the family."""
    config, weights = read_checkpoint(folder)
    sums: dict[str, tuple] = {}

    class Watched(MODELS[config["model_type"]]):
        def linear(self, inputs, name):
            rows = inputs.reshape(-1, inputs.shape[-1])
            count, products = sums.get(name, (0, 0.0))
            sums[name] = (count + len(rows), products + rows.T @ rows)
            return super().linear(inputs, name)

    Watched(config, weights).forward(token_ids)
    return sums


class AgainstNumpy(unittest.TestCase):
    """Golden models, 3 windows of 20 characters."""

    WINDOW, WINDOWS = 20, 3

    # The reference computes in double, the engine in fp32: rounding moves logits of size 10 by
    # 2e-5 (tests/parity), which is 2e-6 of an activation; a square moves by twice that, and a
    # margin of 10 covers layers whose activations are smaller than the logits.
    TOLERANCE = 2 * 2e-6 * 10

    def compare(self, family: str, moments: str):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / family
            shutil.copytree(ROOT / "tests/golden" / family, folder)
            write_character_tokenizer(folder)
            ids = np.random.default_rng(1).integers(0, NUM_IDS, self.WINDOW * self.WINDOWS)
            (folder / "text").write_text("".join(chr(ord("!") + i) for i in ids) + "left over")
            output = folder / "out.trinestats"
            report = trine_json("calibrate", folder, "--text", folder / "text", "-o", output,
                                "--window", self.WINDOW, "--moments", moments)  # fmt: skip
            self.assertEqual(report["tokens"], self.WINDOW * self.WINDOWS)
            self.assertEqual(report["windows"], self.WINDOWS)
            sums = sums_of_reference(folder, (ids + FIRST_ID).reshape(self.WINDOWS, -1))
            _, found = read_statistics(output)
        sites = [key.removesuffix(".tokens") for key in found if key.endswith(".weight.tokens")]
        self.assertEqual(len(sites), report["sites"])
        for site in sites:
            with self.subTest(family=family, site=site):
                count, products = sums.get(site.removesuffix(".weight"), (0, None))
                self.assertEqual(found[f"{site}.tokens"], count)
                if count == 0:
                    self.assertFalse(found[f"{site}.second_moments"].any())
                    continue
                expected = products / count
                scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected))).max()
                difference = np.abs(found[f"{site}.second_moments"] - np.diag(expected))
                self.assertLess(difference.max(), self.TOLERANCE * scale)
                if moments == "full":
                    block = found[f"{site}.moment_blocks"].reshape(expected.shape)
                    difference = np.abs(block - expected)
                    # and 60 products in fp32
                    self.assertLess(difference.max(), (self.TOLERANCE + 61 * 2**-24) * scale)
        return found

    def test_mixtral(self):
        found = self.compare("mixtral", "full")
        self.assertEqual(found["routing.0.expert_counts"].sum(), 2 * 60)
        self.assertAlmostEqual(found["routing.0.weight_sums"].sum(), 60, delta=60 * 2**-22)

    def test_latent_attention_and_shared_experts(self):
        self.compare("deepseek_v2", "diagonal")

    def test_shared_expert_with_a_gate(self):
        self.compare("qwen2_moe", "full")

    def test_dense(self):
        self.compare("llama", "full")


class Command(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.output = self.folder / "out.trinestats"

    def calibrate(self, *arguments, output: Path | None = None) -> dict:
        return trine_json("calibrate", MODEL, "-o", output or self.output, *arguments)

    def assert_fails(self, error_code: str, words: list[str], *arguments):
        done = trine("calibrate", MODEL, "-o", self.output, *arguments, "--json")
        self.assertEqual(done.code, 1, done)
        self.assertEqual(done.json["error"]["code"], error_code)
        for word in words:
            self.assertIn(word, done.json["error"]["message"])
        self.assertFalse(self.output.exists())

    def test_report(self):
        report = self.calibrate("--text", SAMPLE)
        metadata, tensors = read_statistics(self.output)
        # The model was made for 256 positions, fewer than 2048.
        self.assertEqual(report["window"], 256)
        self.assertEqual(report["tokens"], 256 * report["windows"])
        self.assertEqual(report["sites"], 4 * (2 + 8 * 2))
        self.assertEqual(report["bytes_written"], self.output.stat().st_size)
        self.assertEqual(report["unseen_experts"], [])
        self.assertEqual(metadata["tokens"], str(report["tokens"]))
        self.assertEqual(metadata["family"], "mixtral")
        self.assertEqual(tensors["routing.3.tokens"], report["tokens"])
        done = trine("calibrate", MODEL, "--text", SAMPLE, "-o", self.output)  # replaces it
        self.assertEqual(done.code, 0)
        self.assertIn("unseen experts   none", done.stdout)

    def test_any_number_of_threads_gives_the_same_bytes(self):
        contents = set()
        for threads in (1, 2, 5):
            self.calibrate("--text", SAMPLE, "--moments", "blocks", "--threads", threads)
            contents.add(self.output.read_bytes())
        self.assertEqual(len(contents), 1)

    def test_several_texts_follow_one_another(self):
        text = SAMPLE.read_text()
        parts = [self.folder / "a.txt", self.folder / "b.txt"]
        for part in parts:
            part.write_text(text[: len(text) // 3])
        alone = self.calibrate("--text", parts[0], "--window", "16")
        both = self.calibrate("--text", *parts, "--window", "16")
        self.assertIn(both["windows"] - 2 * alone["windows"], (0, 1))

    def test_merging_halves_is_one_run(self):
        whole, merged = self.folder / "whole", self.folder / "merged"
        first, second = self.folder / "first", self.folder / "second"
        self.calibrate("--text", SAMPLE, "--tokens", "512", output=whole)
        self.calibrate("--text", SAMPLE, "--tokens", "256", output=first)
        self.calibrate("--text", SAMPLE, "--tokens", "512", "--merge", first, output=second)
        report = self.calibrate("--merge", whole, first, output=merged)
        self.assertEqual((report["tokens"], report["windows"]), (768, 0))
        for key, values in read_statistics(second)[1].items():
            np.testing.assert_allclose(read_statistics(merged)[1][key], values, rtol=2**-50)

    def test_unseen_experts_are_listed(self):
        report = self.calibrate("--text", SAMPLE, "--window", "1", "--tokens", "1")
        # One token uses 2 of 8 experts in each of 4 layers.
        self.assertEqual(len(report["unseen_experts"]), 4 * 6)
        _, tensors = read_statistics(self.output)
        for place in report["unseen_experts"]:
            name = f"model.layers.{place['layer']}.block_sparse_moe.experts.{place['expert']}"
            self.assertEqual(tensors[f"{name}.w1.weight.tokens"], 0)
            self.assertFalse(tensors[f"{name}.w2.weight.second_moments"].any())

    def test_bad_options(self):
        short = self.folder / "short.txt"
        short.write_text("Too short.")
        empty = self.folder / "empty.txt"
        empty.write_text("")
        self.assert_fails("invalid_argument", ["tokens", "256"], "--text", short)
        self.assert_fails("invalid_argument", ["tokens", "256"], "--text", empty)
        self.assert_fails("invalid_argument", ["100", "256"], "--text", SAMPLE, "--tokens", "100")
        self.assert_fails("invalid_argument", ["some", "blocks"], "--text", SAMPLE,
                          "--moments", "some")  # fmt: skip
        self.assert_fails("invalid_argument", ["88293376", "1000000"], "--text", SAMPLE,
                          "--moments", "full", "--memory", "1MB")  # fmt: skip
        self.assert_fails("not_found", ["nowhere"], "--text", self.folder / "nowhere")
        self.assert_fails("invalid_argument", ["nothing to do"])
        self.output = self.folder / "nowhere/out"
        self.assert_fails("not_found", ["nowhere/out"], "--text", SAMPLE)
        self.assertEqual(trine("calibrate", MODEL, "--text", SAMPLE).code, 2)

    def test_files_that_cannot_be_merged(self):
        stored = self.folder / "stored"
        self.calibrate("--text", SAMPLE, output=stored)
        self.assert_fails("invalid_argument", ["stored", "diagonal", "blocks"], "--text", SAMPLE,
                          "--moments", "blocks", "--merge", stored)  # fmt: skip
        content = stored.read_bytes()
        stored.write_bytes(content[:-10])
        self.assert_fails("malformed", ["stored"], "--merge", stored)
        stored.write_bytes(content.replace(b'"family":"mixtral"', b'"family":"mixtrel"'))
        self.assert_fails("invalid_argument", ["another model", "mixtrel"], "--merge", stored)

    def test_a_packed_model_has_the_identity_of_its_original(self):
        packed = self.folder / "packed"
        trine_json("compress", MODEL, packed)
        self.calibrate("--text", SAMPLE, "--tokens", "256")
        done = trine("calibrate", packed, "--merge", self.output, "-o", self.folder / "again")
        self.assertEqual(done.code, 0, done)
        self.assertEqual((self.folder / "again").read_bytes(), self.output.read_bytes())

    @unittest.skipUnless(BOOKS.exists(), f"{BOOKS} is not here")
    def test_real_text(self):
        report = self.calibrate("--text", BOOKS)
        self.assertEqual(report["tokens"], 97 * 256)  # as perplexity cuts it
        _, tensors = read_statistics(self.output)
        # Experts of a trained model are used unevenly, but all of them.
        for layer in range(4):
            use = tensors[f"routing.{layer}.expert_counts"] / report["tokens"]
            self.assertAlmostEqual(use.sum(), 2.0)
            self.assertGreater(use.min(), 0.01)


if __name__ == "__main__":
    unittest.main()
