"""trine certify: a certificate that holds on real weights, and what the command refuses."""

import tempfile
import unittest
from pathlib import Path

from program import MODEL, SAMPLE, trine, trine_json

FEW = ("--window", "128", "--tokens", "256")


class Certify(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.packed = Path(cls.folder.name) / "packed"
        trine_json("compress", MODEL, cls.packed, "--preset", "hqq-4bit")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def certify(self, *more: str | Path):
        return trine("certify", self.packed, "--reference", MODEL, "--text", SAMPLE, *FEW, *more)

    def test_holds_and_reports_every_layer(self):
        report = self.certify("--json").json
        self.assertEqual(report["violations"], 0)
        self.assertEqual(report["tokens"], 256)
        self.assertEqual(report["windows"], 2)
        self.assertEqual(report["windows_exceeding"], 0)
        self.assertEqual(len(report["layers"]), 4)
        for layer in report["layers"]:
            for block in ("attention", "experts", "stream"):
                change = layer[block]
                self.assertGreater(change["mean_observed"], 0)
                for bound in ("step", "norm", "probability"):
                    self.assertLessEqual(change["largest_ratio"][bound], 1)
                    self.assertGreater(change["mean_bound"][bound], change["mean_observed"])
            self.assertEqual(layer["routing_local"]["broken"]["norm"], 0)
        # One output of a matrix may exceed its own probabilistic bound, but rarely.
        share = report["row_exceeded"]["probability"] / report["row_outputs"]
        self.assertLessEqual(share, report["probability"])

    def test_says_when_it_is_vacuous(self):
        done = self.certify()
        self.assertEqual(done.code, 0, done.stderr)
        self.assertIn("violations         0 of certain bounds", done.stdout)
        self.assertIn("VACUOUS", done.stdout)

    def test_refuses_a_probability_of_one(self):
        done = self.certify("--probability", "1", "--json")
        self.assertEqual(done.code, 1)
        self.assertEqual(done.json["error"]["code"], "invalid_argument")

    def test_refuses_models_the_wrong_way_round(self):
        done = trine("certify", MODEL, "--reference", self.packed, "--text", SAMPLE, "--json")
        self.assertEqual(done.code, 1)
        self.assertIn("expected a packed one", done.json["error"]["message"])


if __name__ == "__main__":
    unittest.main()
