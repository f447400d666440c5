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
                for bound in ("step", "norm", "probability", "block", "state"):
                    self.assertLessEqual(change["largest_ratio"][bound], 1)
                    self.assertGreaterEqual(change["mean_bound"][bound], change["mean_observed"])
                self.assertLess(change["mean_bound"]["block"], change["mean_bound"]["norm"])
            for bound in ("norm", "block", "state"):
                self.assertEqual(layer["routing_local"]["broken"][bound], 0)
            # What a layer's own attention can do to its router: 46 to 76 % are proven at 4 bits on
            # a longer text (docs/measurements/certificate.md); half of the least is far from none.
            proven = layer["routing_local"]["certified"]["block"]
            self.assertGreater(proven, 0.23)
            self.assertLessEqual(proven, 1 - layer["routing_local"]["flips"] / report["tokens"])
        # One output of a matrix may exceed its own probabilistic bound, but rarely.
        share = report["row_exceeded"]["probability"] / report["row_outputs"]
        self.assertLessEqual(share, report["probability"])

    def test_bounds_the_agreement_of_other_windows(self):
        report = self.certify("--json").json
        for name in ("top1_agreement", "routing_agreement"):
            agreement = report[name]
            self.assertGreater(agreement["mean"], 0.5)
            # Two windows that agree refute no more than two coins: a chance of √p = 0.1.
            for bound in ("at_least", "at_least_hoeffding", "at_least_binomial"):
                self.assertLess(agreement[bound], 0.2)
        self.assertAlmostEqual(
            report["top1_agreement"]["mean"], 1 - report["top1_full"]["flips"] / 256, places=12
        )

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
