"""compress → verify → eval → generate as a user types them, on every family."""

import json
import shutil
import tempfile
import unittest
from pathlib import Path

from program import ROOT, trine_json

GOLDEN = ROOT / "tests/golden"
LETTERS = "▁etaoinshrdlucmfwygpbvkxjqz.,"
TEXT = "the rain in spain stays mainly in the plain, and the wind waits by the wall. " * 4


def tokenizer() -> dict:
    """Letters only: golden vocabularies are too small for bytes."""
    tokens = ["<unk>", *LETTERS]
    return {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
        "model": {
            "type": "BPE",
            "unk_token": "<unk>",
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {token: index for index, token in enumerate(tokens)},
            "merges": [],
        },
    }


def goldens() -> list[Path]:
    return sorted(p.parent for p in GOLDEN.glob("*/golden.safetensors"))


class Families(unittest.TestCase):
    def test_every_golden_walks_the_whole_way(self):
        self.assertGreaterEqual(len(goldens()), 19)
        for golden in goldens():
            with self.subTest(golden.name), tempfile.TemporaryDirectory() as folder:
                model, packed = Path(folder) / "model", Path(folder) / "packed"
                shutil.copytree(golden, model)
                (model / "golden.safetensors").unlink()
                (model / "tokenizer.json").write_text(json.dumps(tokenizer()))
                text = Path(folder) / "text.txt"
                text.write_text(TEXT)
                report = trine_json("compress", model, packed, "--group-size", "32")
                self.assertGreater(report["bits_per_weight"], 4.0)  # 3 bits and fp16 metadata
                self.assertLess(report["weight_error"], 0.3)
                self.assertTrue(trine_json("verify", packed)["ok"])
                scores = trine_json("eval", packed, "--reference", model, "--text", text,
                                    "--window", "24")  # fmt: skip
                self.assertGreater(scores["kl_divergence"], 0)
                self.assertLess(scores["kl_divergence"], 6)
                roles = {role["role"] for role in trine_json("inspect", packed)["roles"]}
                self.assertLessEqual({"attention", "embedding"}, roles)
                written = trine_json("generate", packed, "--prompt", "the rain", "--max-tokens",
                                     "8", "--temperature", "0")  # fmt: skip
                self.assertLessEqual(written["generated_tokens"], 8)


if __name__ == "__main__":
    unittest.main()
