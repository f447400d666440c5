"""trine inspect --html on a real packed model: a well-formed page that asks nothing of a network,
with the sections there are data for, and the errors of what it is told."""

import json
import re
import shutil
import tempfile
import unittest
from html.parser import HTMLParser
from pathlib import Path

from program import MODEL, SAMPLE, trine, trine_json

VOID = {"meta", "br", "img", "input", "link", "hr"}
ALWAYS = {"summary", "budget", "router-norm", "matrices"}
PACKED = {"bits", "weight-error"}
WEIGHTS = {"kurtosis", "row-variance"}
NAME = "model.layers.0.self_attn.q_proj.weight"


class Page(HTMLParser):
    """Reads a page strictly: every element is closed in its order, every id is there once."""

    def __init__(self, path: Path):
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.sections: set[str] = set()
        self.links: list[str] = []
        self.outside: list[tuple] = []  # attributes that could ask a network for something
        self.cells: dict[str, list[str]] = {}  # of the tables, by section
        self.section = ""
        self.unlabelled: list[str] = []
        self.raw = path.read_text(encoding="utf-8")
        self.feed(self.raw)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple]):
        given = dict(attributes)
        assert len(given) == len(attributes), f"an attribute twice: {attributes}"
        if tag not in VOID:
            self.open.append(tag)
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "section":
            self.section = given["id"]
            self.sections.add(given["id"])
        if given.get("role") in ("region", "img") and not given.get("aria-label"):
            self.unlabelled.append(tag)
        if tag == "a":
            self.links.append(given["href"])
        elif {"src", "href", "srcset", "data", "action"} & given.keys():
            self.outside.append((tag, attributes))
        if tag == "td":
            self.cells.setdefault(self.section, []).append("")

    def handle_endtag(self, tag: str):
        assert self.open and self.open[-1] == tag, f"</{tag}> inside {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str):
        if self.open and self.open[-1] == "td":
            self.cells[self.section][-1] += data


class Report(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.packed = cls.folder / "packed"
        cls.compressed = trine_json(
            "compress", MODEL, cls.packed, "--preset", "hqq-3bit", "--rank", "uniform-16"
        )
        cls.statistics = cls.folder / "tiny.trinestats"
        trine_json("calibrate", MODEL, "--text", SAMPLE, "-o", cls.statistics)

    def report(self, model: Path, *options: str | Path) -> Page:
        target = self.folder / "report.html"
        answer = trine_json("inspect", model, "--html", target, *options)
        self.assertEqual(answer["report"]["bytes_written"], target.stat().st_size)
        self.assertFalse(target.with_name("report.html.partial").exists())
        page = Page(target)
        self.assertEqual(page.open, [])
        self.assertEqual(len(page.ids), len(set(page.ids)))
        self.assertEqual(page.outside, [])
        self.assertEqual(page.unlabelled, [])
        for link in page.links:
            self.assertIn(link.removeprefix("#"), page.ids)
        return page

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def refused(self, code: str, words: list[str], *options: str | Path):
        target = self.folder / "never.html"
        done = trine("inspect", self.packed, "--html", target, *options, "--json")
        self.assertEqual(done.code, 1, done.stdout)
        self.assertEqual(done.json["error"]["code"], code)
        for word in words:
            self.assertIn(word, done.json["error"]["message"])
        self.assertFalse(target.exists())

    def test_packed_model_alone(self):
        page = self.report(self.packed)
        self.assertEqual(page.sections, ALWAYS | PACKED | {"rank"})
        self.assertIn(f"{self.compressed['bits_per_weight']:.3f}", page.raw)
        self.assertIn(f"{self.compressed['weight_error']:.5f}", page.raw)
        self.assertEqual(set(page.cells["bits"]), {"3"})
        self.assertEqual(len(page.cells["bits"]), 4 * (4 + 8))
        self.assertNotIn("Chart.js", page.raw)

    def test_original_alone(self):
        page = self.report(MODEL)
        self.assertEqual(page.sections, ALWAYS | WEIGHTS)

    def test_everything(self):
        lines = [f"{NAME},{i},{0.2 - 0.01 * i}" for i in range(5)]
        trace = self.write("trace.csv", "\n".join(["matrix,iteration,relative_error", *lines]))
        page = self.report(
            self.packed, "--reference", MODEL, "--text", SAMPLE, "--stats", self.statistics,
            "--init-checkpoint", MODEL / "model.safetensors", "--trace", trace,
        )  # fmt: skip
        self.assertEqual(
            page.sections,
            ALWAYS | PACKED | WEIGHTS
            | {"rank", "router-norm-change", "use", "convergence"},
        )  # fmt: skip
        self.assertEqual(set(page.cells["router-norm-change"]), {"0"})
        use = [float(cell) for cell in page.cells["use"]]
        for layer in range(4):
            self.assertAlmostEqual(sum(use[8 * layer : 8 * layer + 8]), 200.0, delta=0.5)
        for model, options in ((self.packed, ["--reference", MODEL]), (MODEL, [])):
            measured = trine_json("eval", model, "--text", SAMPLE, "--window", "256", *options)
            shown = f"{measured['perplexity']:.4f} ± {measured['perplexity_stderr']:.4f}"
            self.assertIn(shown, page.raw)
        data = re.search(r'id="curve-data">(.*?)</script>', page.raw)[1]
        self.assertEqual([c["label"] for c in json.loads(data)], ["median of 1 matrices", NAME])

    def test_routers_before_training_may_be_a_directory(self):
        page = self.report(self.packed, "--init-checkpoint", MODEL)
        self.assertEqual(set(page.cells["router-norm-change"]), {"0"})

    def test_name_of_the_model_stays_a_name(self):
        hostile = self.folder / "<script>alert(1)<!-- \" '"
        shutil.copytree(self.packed, hostile)
        page = self.report(hostile)
        self.assertIn("&lt;script&gt;alert(1)&lt;!-- &quot; &#39;", page.raw)

    def test_what_it_is_told_is_checked(self):
        bad = self.write("bad.csv", f"matrix,iteration,relative_error\n{NAME},0,-1\n")
        self.refused("malformed", ["bad.csv", "line 2"], "--trace", bad)
        other = self.write("other.csv", "matrix,iteration,relative_error\nnobody,0,1\n")
        self.refused("invalid_argument", ["nobody"], "--trace", other)
        self.refused("invalid_argument", ["packed", "original"], "--reference", self.packed)
        self.refused("not_found", ["nowhere"], "--trace", "nowhere")
        self.refused("not_found", ["nowhere"], "--reference", "nowhere")
        self.refused("not_found", ["nowhere"], "--init-checkpoint", "nowhere")
        self.refused("not_found", ["nowhere"], "--stats", "nowhere")
        done = trine("inspect", self.packed, "--html", self.folder)
        self.assertEqual(done.code, 1)
        self.assertIn("is a directory", done.stderr)

    def test_options_without_a_report_are_usage(self):
        for options in (["--trace", "x"], ["--reference", MODEL], ["--text", SAMPLE]):
            self.assertEqual(trine("inspect", self.packed, *options).code, 2)


if __name__ == "__main__":
    unittest.main()
