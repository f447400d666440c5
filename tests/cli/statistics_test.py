"""What compress and plan make of statistics: error feedback, whitened factors, budgets."""

import json
import tempfile
import unittest
from pathlib import Path

from program import MODEL, ROOT, SAMPLE, trine, trine_json

GOLDEN = ROOT / "tests/golden/mixtral"


class Statistics(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory()
        cls.blocks = Path(cls.folder.name) / "blocks.trinestats"
        trine_json("calibrate", str(MODEL), "--text", str(SAMPLE), "--tokens", "2048",
                   "--window", "256", "--moments", "blocks", "-o", str(cls.blocks))  # fmt: skip

    @classmethod
    def tearDownClass(cls) -> None:
        cls.folder.cleanup()

    def divergence(self, *options: str) -> float:
        with tempfile.TemporaryDirectory() as folder:
            packed = f"{folder}/packed"
            trine_json("compress", str(MODEL), packed, *options)
            self.assertEqual(trine("verify", packed).code, 0)
            report = trine_json("eval", packed, "--task", "perplexity", "--text", str(SAMPLE),
                                "--window", "256", "--reference", str(MODEL))  # fmt: skip
        return report["kl_divergence"]

    def test_error_feedback_is_closer_to_the_original(self) -> None:
        stats = ("--stats", str(self.blocks))
        feedback = self.divergence("--preset", "gptq-2bit", *stats)
        self.assertLess(feedback, 0.8 * self.divergence("--preset", "hqq-2bit"))
        # The published code feeds nothing back within a block, and these blocks are all it has.
        self.assertLess(feedback, self.divergence("--preset", "gptq-compat-2bit", *stats))
        ranks = ("--rank", "uniform-16", "--compensator", "whitened")
        self.assertLess(self.divergence("--preset", "gptq-2bit", *stats, *ranks), feedback)

    def test_without_products_the_sentence_says_what_to_run(self) -> None:
        for options in (("--preset", "gptq-3bit"),
                        ("--preset", "trine-3bit", "--rank", "uniform-16",
                         "--compensator", "whitened")):  # fmt: skip
            with self.subTest(options), tempfile.TemporaryDirectory() as folder:
                result = trine("compress", str(GOLDEN), f"{folder}/packed", *options)
                self.assertEqual(result.code, 1)
                self.assertIn("trine calibrate", result.stderr)
                self.assertFalse(Path(folder, "packed").exists())


class Budgets(unittest.TestCase):
    def plan(self, *options: str) -> list[dict]:
        with tempfile.TemporaryDirectory() as folder:
            file = f"{folder}/plan.json"
            trine_json("plan", str(GOLDEN), "--bits-per-weight", "5.5", "-o", file, *options)
            return list(json.loads(Path(file).read_text())["matrices"].values())

    def test_are_unbiased_unless_told_otherwise(self) -> None:
        self.assertTrue(all(matrix["unbiased"] for matrix in self.plan()))
        self.assertTrue(all(matrix["unbiased"] for matrix in self.plan("--unbiased")))
        self.assertFalse(any(matrix["unbiased"] for matrix in self.plan("--least-squares")))


if __name__ == "__main__":
    unittest.main()
