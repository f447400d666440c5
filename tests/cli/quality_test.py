"""Quality on real trained weights against an independent PyTorch implementation (fp32 metadata):
perplexity within 0.3 %, weight_error within 0.5 %, KL within 5 %. A change of any figure beyond
that is a change of method, not noise."""

import tempfile
import unittest
from pathlib import Path

from program import DATA, MODEL, trine_json

BOOKS_SMALL = DATA / "books-small.txt"
BOOKS = DATA / "books.txt"

# preset: perplexity, weight_error, KL divergence, top-1 agreement; books-small, window 256
REFERENCE = {
    "rtn-2bit": (55.386, 0.44966, 0.11332, 0.7466),
    "hqq-2bit": (54.438, 0.43092, 0.10208, 0.7576),
    "rtn-3bit": (50.358, 0.19206, 0.02111, 0.8872),
    "hqq-3bit": (50.166, 0.18432, 0.01955, 0.8921),
    "rtn-4bit": (49.661, 0.08956, 0.00595, 0.9421),
    "hqq-4bit": (49.585, 0.08599, 0.00566, 0.9448),
}


class Quality(unittest.TestCase):
    def assert_close(self, actual: float, expected: float, share: float, what: str):
        self.assertLess(abs(actual / expected - 1), share, f"{what}: {actual}, not {expected}")

    @unittest.skipUnless(BOOKS_SMALL.exists(), f"{BOOKS_SMALL} is not here")
    def test_original(self):
        scores = trine_json("eval", MODEL, "--text", BOOKS_SMALL, "--window", "256")
        self.assertEqual(scores["tokens"], 25021)
        self.assertEqual(scores["scored_tokens"], 24735)
        self.assertEqual(scores["windows"], 97)
        self.assert_close(scores["perplexity"], 49.4436, 1e-5, "perplexity")

    @unittest.skipUnless(BOOKS.exists(), f"{BOOKS} is not here")
    def test_original_on_the_longer_text(self):
        scores = trine_json("eval", MODEL, "--text", BOOKS, "--window", "256")
        self.assertEqual(scores["tokens"], 156193)
        self.assert_close(scores["perplexity"], 48.1041, 1e-5, "perplexity")

    @unittest.skipUnless(BOOKS_SMALL.exists(), f"{BOOKS_SMALL} is not here")
    def test_presets(self):
        with tempfile.TemporaryDirectory() as folder:
            for preset, (perplexity, weight_error, divergence, top1) in REFERENCE.items():
                with self.subTest(preset=preset):
                    packed = Path(folder) / preset
                    report = trine_json("compress", MODEL, packed, "--preset", preset)
                    scores = trine_json("eval", packed, "--reference", MODEL,
                                        "--text", BOOKS_SMALL, "--window", "256")  # fmt: skip
                    self.assert_close(scores["perplexity"], perplexity, 0.003, "perplexity")
                    self.assert_close(report["weight_error"], weight_error, 0.005, "weight_error")
                    self.assert_close(scores["kl_divergence"], divergence, 0.05, "KL")
                    # 24,735 tokens: one standard error of a share near 0.9 is 0.002.
                    self.assertLess(abs(scores["top1_agreement"] - top1), 0.006)


if __name__ == "__main__":
    unittest.main()
