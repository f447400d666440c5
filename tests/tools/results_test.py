#!/usr/bin/env python3
"""Tests of ./dev results: order, comparisons, ranks, texts and resuming, with planted figures.

No model is run: a stand-in for the program answers with figures the test knows.
"""

import json
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import results  # noqa: E402
import results_arithmetic as arithmetic  # noqa: E402
import results_chart  # noqa: E402
import results_page  # noqa: E402
import results_run  # noqa: E402
import results_sensitivity as sensitivity  # noqa: E402
import results_time  # noqa: E402
from results_rows import CONTROL, OURS, PUBLISHED, Row, all_rows  # noqa: E402

TEXT = "books-small"


def row(name: str, size: int, kl: float, kind: str = PUBLISHED, kl_se: float = 0.001):
    score = arithmetic.Score(50.0, 1.0, kl, kl_se, 0.9, 0.01, 0.95, 0.001)
    return arithmetic.Measured(
        series="budget" if kind == OURS else "HQQ",
        name=name,
        kind=kind,
        options=f"--preset {name}",
        is_budget=kind == OURS,
        matrix_bytes=size,
        bits_per_weight=size / 1000,
        weight_error=0.1,
        seconds=1.0,
        scores={TEXT: score},
    )


def page_of(rows: list) -> results_page.Page:
    original = {
        TEXT: {"tokens": 9, "scored_tokens": 8, "perplexity": 2.0, "perplexity_stderr": 0.1}
    }
    return results_page.Page(
        rows, original, 0, None, {"presets": [], "refusal": "no"}, [], [], {}, {}, []
    )


class Order(unittest.TestCase):
    def test_what_stands_above_has_no_more_bytes(self) -> None:
        rows = [
            row("c", 3000, 0.3),
            row("b", 2500, 0.1),
            row("a", 2500, 0.2),
            row("d", 2250, 0.5),
        ]
        ordered = arithmetic.by_bytes(rows, TEXT)
        self.assertEqual([found.name for found in ordered], ["d", "b", "a", "c"])
        self.assertEqual(arithmetic.frontier(ordered, TEXT), [True, True, False, False])

    def test_bands_end_at_the_budget_itself(self) -> None:
        rows = [row("exact", 2500, 0.1), row("above", 2501, 0.1), row("large", 9000, 0.1)]
        found = {
            name: [r.name for r in inside] for name, inside in arithmetic.bands(rows, TEXT)
        }
        self.assertEqual(
            found,
            {
                "Up to 2.50 bits": ["exact"],
                "Up to 2.75 bits": ["above"],
                "Above 4.50 bits": ["large"],
            },
        )


class Comparison(unittest.TestCase):
    def test_only_rows_of_no_more_bytes_are_rivals(self) -> None:
        budget = row("budget", 2500, 0.05, OURS)
        larger = row("larger", 2501, 0.01)
        verdict = arithmetic.judge(budget, [larger, row("equal", 2500, 0.06)], TEXT)
        self.assertTrue(verdict.is_below)
        self.assertEqual((verdict.num_rivals, verdict.best.name), (1, "equal"))

    def test_a_losing_budget_is_named_as_losing(self) -> None:
        rows = [
            row("budget", 2500, 0.05, OURS),
            row("better", 2400, 0.02),
            row("worse", 2300, 0.9),
        ]
        text = results_page.verdicts(page_of(rows))
        self.assertIn("**not below** better (2.40 bits, 0.0200)", text)
        self.assertNotIn("below all", text)
        self.assertIn("It is below in 0.", text)  # the two published rows have fewer bytes

    def test_equal_is_not_below(self) -> None:
        budget = row("budget", 2500, 0.05, OURS)
        self.assertFalse(arithmetic.judge(budget, [row("same", 2500, 0.05)], TEXT).is_below)

    def test_a_winning_budget_is_below_all(self) -> None:
        rows = [row("budget", 2500, 0.05, OURS), row("a", 2500, 0.06), row("b", 2600, 0.04)]
        text = results_page.verdicts(page_of(rows))
        self.assertIn("**below all 1**; the next is a", text)
        # The other way round the row of 2600 bytes is beaten by nobody who is not larger.
        self.assertIn("It is below in 1 and not in 1: b at 2.60 (0.0400 against 0.0500)", text)

    def test_differences_within_noise_are_called_so(self) -> None:
        rows = [row("budget", 2500, 0.0500, OURS), row("a", 2500, 0.0510)]
        self.assertIn("within noise", results_page.verdicts(page_of(rows)))
        # 0.001 ± hypot(0.001, 0.001)
        self.assertAlmostEqual(arithmetic.distance(*rows, TEXT), 0.5**0.5)

    def test_controls_count_as_published(self) -> None:
        rows = [row("budget", 2500, 0.05, OURS), row("control", 2500, 0.01, CONTROL)]
        self.assertIn("**not below** control", results_page.verdicts(page_of(rows)))

    def test_means_of_draws(self) -> None:
        mean = arithmetic.mean_of([row("r", 2500, kl) for kl in (0.1, 0.2, 0.6)])
        self.assertAlmostEqual(mean.scores[TEXT].kl, 0.3)
        # Deviations −0.2, −0.1, 0.3: √(0.14 / 2 / 3)
        self.assertAlmostEqual(mean.scores[TEXT].kl_se, (0.14 / 6) ** 0.5)
        self.assertEqual(mean.runs, 3)


class Ranks(unittest.TestCase):
    def test_ties_share_their_rank(self) -> None:
        self.assertEqual(arithmetic.ranks([3.0, 1.0, 3.0, 0.0]), [3.5, 2.0, 3.5, 1.0])

    def test_spearman_of_known_values(self) -> None:
        up = [1.0, 2.0, 3.0, 4.0, 5.0]
        self.assertEqual(arithmetic.spearman(up, [v**3 for v in up]), 1.0)
        self.assertEqual(arithmetic.spearman(up, up[::-1]), -1.0)
        # d = 1, 1, 1, 1, 0: 1 − 6·4 / (5·24)
        self.assertAlmostEqual(arithmetic.spearman(up, [2.0, 1.0, 4.0, 3.0, 5.0]), 0.8)
        # With ties: ranks 1.5 1.5 3 against 1 2 3, 1.5 / √(1.5 · 2)
        self.assertAlmostEqual(arithmetic.spearman([1, 1, 2], [1, 2, 3]), 1.5 / 3**0.5)
        self.assertIsNone(arithmetic.spearman([1, 1, 1], [1, 2, 3]))
        with self.assertRaises(ValueError):
            arithmetic.spearman([1], [1, 2])

    def test_correlations_by_layer_and_pooled(self) -> None:
        names = {kind.name for kind in sensitivity.SCORES}
        experts = [
            sensitivity.Expert(
                layer, e, float(e if layer == 0 else -e), 0.1, dict.fromkeys(names, float(e))
            )
            for layer in (0, 1)
            for e in range(4)
        ]
        for found in sensitivity.correlations(experts):
            self.assertEqual(found.by_layer, {0: 1.0, 1: -1.0})
            self.assertEqual((found.mean, found.num_expected), (0.0, 1))
            self.assertLess(abs(found.pooled), 0.5)
        self.assertIn(
            "of no use here", results_page.judgement(sensitivity.correlations(experts))
        )


class Texts(unittest.TestCase):
    def test_the_calibration_text_has_no_evaluated_passage(self) -> None:
        pieces = [
            f"{n} " + " ".join(f"word{n}x{i}" for i in range(60)) + "\n" for n in range(6)
        ]
        long, short = "".join(pieces), pieces[1] + pieces[4][20:300]
        self.assertGreater(results_run.overlap(long, short), 0)
        rest = results_run.without_passages(long, short)
        self.assertEqual(results_run.overlap(rest, short), 0)
        for kept in (0, 2, 3, 5):
            self.assertIn(pieces[kept].strip(), rest)

    def test_a_text_ends_with_a_line(self) -> None:
        self.assertEqual(results_run.whole_lines(b"one\ntwo\nthree\n", 9), b"one\ntwo\n")
        self.assertEqual(results_run.whole_lines(b"one\ntwo", 0), b"one\ntwo")

    def test_an_absent_text_is_named(self) -> None:
        with self.assertRaises(SystemExit) as stopped:
            results_run.find_texts(Path("/no/such/folder"))
        self.assertIn("books-small.txt is not there", str(stopped.exception))
        with self.assertRaises(SystemExit) as stopped:
            results_run.find_texts(None)
        self.assertIn("TRINE_TEXTS", str(stopped.exception))


class StandIn:
    """Answers like the program, counts its runs, and refuses what it is told to."""

    def __init__(self) -> None:
        self.commands: list[tuple[str, ...]] = []
        self.refuses = ""

    def __call__(self, *arguments: str | Path) -> dict:
        words = tuple(map(str, arguments))
        self.commands.append(words)
        if self.refuses and self.refuses in words:
            raise results_run.Refused("not today")
        if words[0] == "compress":
            return {
                "compressed_matrix_bytes": 2500,
                "bits_per_weight": 2.5,
                "weight_error": 0.3,
                "seconds": 1.0,
            }
        keys = ("perplexity", "kl_divergence", "top1_agreement", "routing_agreement")
        return (
            {"tokens": 9, "scored_tokens": 8}
            | dict.fromkeys(keys, 0.5)
            | {f"{key}_stderr": 0.01 for key in keys}
        )


class Resuming(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        for name in (
            "books.txt",
            "model.safetensors",
            "config.json",
            "router_init.safetensors",
        ):
            (self.folder / name).write_text(name)
        self.addCleanup(setattr, results_run, "MODEL", results_run.MODEL)
        results_run.MODEL = self.folder
        self.addCleanup(setattr, results, "say", results.say)
        results.say = lambda sentence: None
        self.program = StandIn()
        self.rows = [
            Row("HQQ", "HQQ", PUBLISHED, ("--preset", f"hqq-{bits}bit")) for bits in (2, 3, 4)
        ]

    def bench(self, key: str = "1") -> results_run.Bench:
        texts = results_run.Texts({TEXT: self.folder / "books.txt"}, self.folder / "books.txt")
        return results_run.Bench(self.folder, texts, self.program, key)

    def test_an_interrupted_run_goes_on_where_it_was(self) -> None:
        self.program.refuses = "hqq-3bit"
        refused = results.measure_rows(self.bench(), self.rows, 1)
        self.assertEqual(refused, [(self.rows[1].label, "not today")])
        found, absent = results.collect(self.bench(), self.rows)
        self.assertEqual((len(found), absent), (2, [self.rows[1]]))
        self.program.refuses, self.program.commands = "", []
        self.assertEqual(results.measure_rows(self.bench(), self.rows, 1), [])
        packed = [words for words in self.program.commands if words[0] == "compress"]
        self.assertEqual([words[4] for words in packed], ["hqq-3bit"])
        self.program.commands = []
        results.measure_rows(self.bench(), self.rows, 1)
        self.assertEqual(self.program.commands, [])

    def test_another_program_model_or_text_is_measured_anew(self) -> None:
        first = self.bench().row_path(self.rows[0])
        self.assertNotEqual(first, self.bench("2").row_path(self.rows[0]))
        (self.folder / "books.txt").write_text("another text")
        second = self.bench().row_path(self.rows[0])
        self.assertNotEqual(first, second)
        (self.folder / "model.safetensors").write_text("another model")
        self.assertNotEqual(second, self.bench().row_path(self.rows[0]))

    def test_every_kind_of_result_is_kept(self) -> None:
        for _ in range(2):
            self.bench().original()
            self.bench().kl_of_plan({"matrices": {}})
        kinds = [words[0] for words in self.program.commands]
        self.assertEqual(sorted(kinds), ["compress", "eval", "eval"])

    def test_a_half_written_result_does_not_count(self) -> None:
        bench = self.bench()
        bench.row_path(self.rows[0]).with_suffix(".1.partial").write_text("{")
        self.assertFalse(bench.row_path(self.rows[0]).exists())
        results_run.remove_leftovers(self.folder)
        self.assertEqual(list(bench.cache.iterdir()), [])


class Rows(unittest.TestCase):
    def test_no_row_stands_twice_and_every_series_has_a_shape(self) -> None:
        rows = all_rows()
        self.assertEqual(len({found.options for found in rows}), len(rows))
        self.assertEqual({found.series for found in rows}, set(results_chart._LOOKS))
        looks = [(shape, is_filled) for shape, _, is_filled, _ in results_chart._LOOKS.values()]
        self.assertEqual(len(set(looks)), len(looks))  # readable without colour

    def test_error_tables_are_not_shown_but_statistics_are(self) -> None:
        options = (
            "--score",
            "hessian",
            "--errors",
            "{errors-statistics}",
            "--stats",
            "{statistics}",
        )
        self.assertEqual(results_run.shown_options(options), "--score hessian --stats STATS")


class PageText(unittest.TestCase):
    def test_every_place_of_the_template_is_filled(self) -> None:
        template = (ROOT / "tools/results_template.md").read_text()
        text = results_page.fill(template, page_of([row("a", 2500, 0.1)]))
        self.assertNotIn("<!--", text)
        self.assertIn("| 2.500 | a | `--preset a` | 0.1000 |", text)

    def test_the_chart_is_one_file_that_needs_no_network(self) -> None:
        rows = [row("</script>", 2500, 0.1), row("budget", 2500, 0.05, OURS)]
        text = results_chart.page(rows, [TEXT], "/* chart */")
        self.assertNotIn("http", text)
        self.assertEqual(text.count("</script>"), 3)
        data = text.split('type="application/json">')[1].split("</script>")[0]
        self.assertEqual(json.loads(data)[TEXT][1]["data"][0]["y"], 0.05)

    def test_a_goal_that_is_missed_says_so(self) -> None:
        one = {
            "seconds": 3.0,
            "processor_seconds": 2.0,
            "original_bytes": 1e9,
            "goal_seconds": 1.0,
        }
        times = {
            "a": {**one, "allocation_seconds": 0.5},
            "b": {**one, "allocation_seconds": 1.5},
        }
        text = results_page.time_table(page_of([])._replace(times=times))
        self.assertIn("| a | 1.0 GB | 0.500 | 1 | yes | 3.00 | 2.00 |", text)
        self.assertIn("| b | 1.0 GB | 1.500 | 1 | **no** | 3.00 | 2.00 |", text)

    def test_a_deep_table_has_mixtrals_sizes(self) -> None:
        name = "model.layers.1.mlp.up.weight"
        candidate = {"weight_error": 1.0, "output_error": 2.0}
        one = {"layer": 1, "out_features": 512, "in_features": 256, "candidates": [candidate]}
        zero = {**one, "layer": 0}
        deep = results_time.deepened({name: one, "model.layers.0.mlp.up.weight": zero})
        self.assertEqual(len(deep), results_time.LAYERS)
        last = deep["model.layers.31.mlp.up.weight"]
        self.assertEqual((last["out_features"], last["in_features"]), (14336, 4096))
        self.assertAlmostEqual(last["candidates"][0]["weight_error"], 1.15)


if __name__ == "__main__":
    unittest.main()
