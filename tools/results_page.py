"""docs/results.md from what was measured: fills the places of tools/results_template.md."""

import math
import re
from typing import NamedTuple, Sequence

from results_arithmetic import (
    NOISE,
    Measured,
    Verdict,
    answer,
    bands,
    frontier,
    judge,
)
from results_rows import OURS
from results_sensitivity import Correlation, Expert

_PLACE = re.compile(r"^<!-- insert: (\w+) -->$", re.MULTILINE)


class Page(NamedTuple):
    """Everything the page shows."""

    rows: list[Measured]
    original: dict[str, dict]  # by text: the JSON of `trine eval`
    wikitext_limit: int  # bytes; 0: the whole text
    calibration_tokens: int | None
    smallest: dict  # of `trine plan` for the smallest format, and the refusal of 2.0 bits
    experts: list[Expert]
    correlations: list[Correlation]
    times: dict
    error_seconds: dict[str, float]
    missing: list[tuple[str, str]]  # row, and why; "" was not asked for


def fill(template: str, page: Page) -> str:
    """Every place of the template gets its text; an unknown place is our mistake."""
    makers = {
        "texts": texts,
        "verdicts": verdicts,
        "smallest": smallest,
        "tables": tables,
        "missing": missing,
        "milo": milo,
        "metadata": metadata,
        "correlations": correlations,
        "sensitivity": sensitivity,
        "time": time_table,
    }
    filled = _PLACE.sub(lambda place: makers[place[1]](page), template)
    return re.sub(r"\n{3,}", "\n\n", filled).rstrip() + "\n"


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], words: Sequence[int] = (0,)
) -> str:
    """Markdown; the columns of `words` to the left, figures to the right."""
    marks = ["---" if column in words else "--:" for column in range(len(heads))]
    lines = [heads, marks, *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def pm(value: float, error: float, digits: int) -> str:
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def kl_text(value: float, error: float) -> str:
    """Two digits of the error, so that small and large ones can be read."""
    digits = max(4, 1 - math.floor(math.log10(error))) if error > 0 else 4
    return pm(value, error, digits)


def texts(page: Page) -> str:
    lines = [
        "Texts, in disjoint windows of 256 tokens, none of them in the model's training set:",
        "",
    ]
    cells = []
    for name, scores in page.original.items():
        what = "public-domain books" if name.startswith("books") else "Wikipedia, test split"
        if not name.startswith("books") and page.wikitext_limit:
            what += f", whole lines of its first {page.wikitext_limit:,} bytes only"
        cells.append(
            [
                f"{name} ({what})",
                f"{scores['tokens']:,}",
                f"{scores['scored_tokens']:,}",
                pm(scores["perplexity"], scores["perplexity_stderr"], 2),
            ]
        )
    lines.append(table(["text", "tokens", "scored", "perplexity of the original"], cells))
    lines.append("")
    tokens = "" if page.calibration_tokens is None else f" ({page.calibration_tokens:,} tokens)"
    lines.append(
        f"Statistics (`--stats`) are gathered from the same books{tokens} without the passages"
        " of books-small; no 50 letters in a row stand in both. To books-small they are text"
        " of the same kind, to wikitext-2 of another. Routing is the share of the original's"
        " experts that are chosen too, over tokens, layers and places. Seconds are those of"
        " `trine compress` with two threads on a machine shared with other work; budgets find"
        " their table of errors measured (see Time)."
    )
    return "\n".join(lines)


def published(rows: Sequence[Measured]) -> list[Measured]:
    return [row for row in rows if row.kind != OURS]


def sentence(verdict: Verdict, text: str) -> str:
    """What the figures say of one budget row; never written by hand."""
    mine = f"{verdict.row.scores[text].kl:.4f}"
    if verdict.best is None:
        return f"{mine}: no published row takes so few bytes"
    theirs = (
        f"{verdict.best.name} ({verdict.best.bits_per_weight:.2f} bits,"
        f" {verdict.best.scores[text].kl:.4f})"
    )
    noise = "" if abs(verdict.num_errors) >= NOISE else ", within noise"
    if verdict.is_below:
        return f"{mine}: **below all {verdict.num_rivals}**{noise}; the next is {theirs}"
    return f"{mine}: **not below** {theirs}{noise}"


def verdicts(page: Page) -> str:
    """Every budget row against the published rows of no more bytes, and the other way round."""
    rivals = published(page.rows)
    budgets = [row for row in page.rows if row.is_budget]
    parts = [
        "Computed from the tables below: every budget row beside all rows of published methods"
        " and "
        f'their controls ({len(rivals)}) that take no more bytes. "Within noise" is a'
        " difference "
        f"of less than {NOISE:g} standard errors.",
    ]
    for text in page.original:
        cells = [
            [row.name, f"{row.bits_per_weight:.3f}", sentence(judge(row, rivals, text), text)]
            for row in sorted(budgets, key=lambda row: (row.series, row.matrix_bytes))
        ]
        parts += ["", f"{text}:", "", table(["row", "bits per weight", "KL"], cells, (0, 2))]
        parts += [
            "",
            *(
                reverse(row_series, budgets, rivals, text)
                for row_series in sorted({row.series for row in budgets})
            ),
        ]
    return "\n".join(parts)


def reverse(
    series: str, budgets: Sequence[Measured], rivals: Sequence[Measured], text: str
) -> str:
    """One sentence: published rows that a budget row of no more bytes is not below."""
    ours = [row for row in budgets if row.series == series]
    answered = [(rival, answer(rival, ours, text)) for rival in rivals]
    pairs = [(rival, best) for rival, best in answered if best is not None]
    losing = [
        (rival, best) for rival, best in pairs if best.scores[text].kl >= rival.scores[text].kl
    ]
    line = (
        f"* The other way round ({series}, {text}): for {len(pairs)} of {len(rivals)} published"
        " rows there is a budget row of no more bytes. It is below in"
        f" {len(pairs) - len(losing)}"
    )
    if not losing:
        return line + (", so in all." if pairs else ".")
    named = "; ".join(
        f"{rival.name} at {rival.bits_per_weight:.2f} ({rival.scores[text].kl:.4f} against "
        f"{best.scores[text].kl:.4f})"
        for rival, best in losing
    )
    return f"{line} and not in {len(losing)}: {named}."


def smallest(page: Page) -> str:
    plans = page.smallest
    cells = [
        [f"`{name}`", f"{plans[name]:.3f}"] for name in sorted(plans["presets"], key=plans.get)
    ]
    return "\n".join(
        [
            (
                "The smallest code has 2 bits, and every group needs a scale and a zero on top."
                " On this model the smallest possible sizes are:"
            ),
            "",
            table(["options", "bits per weight"], cells),
            "",
            (
                f"A budget of 2.0 bits is therefore refused: \"{plans['refusal']}\". Rows have"
                " 256 or 512 weights here; for rows of 4096 the 8-bit metadata would take"
                " about 2.13 bits."
            ),
        ]
    )


_HEADS = [
    "bits per weight",
    "method",
    "options",
    "weight error",
    "perplexity",
    "KL",
    "top-1",
    "routing",
    "seconds",
]


def tables(page: Page) -> str:
    parts = []
    for text in page.original:
        parts += [
            f"## All rows on {text}",
            "",
            (
                "Fewest bytes first, and lowest KL first at equal bytes: what stands above a"
                " row takes no more bytes than it. **Bold** is a KL that no row above reaches,"
                " over all budgets."
            ),
            "",
        ]
        ordered = [row for _, rows in bands(page.rows, text) for row in rows]
        leads = dict(zip(map(id, ordered), frontier(ordered, text)))
        for name, rows in bands(page.rows, text):
            cells = [_cells(row, text, leads[id(row)]) for row in rows]
            parts += [f"### {name} ({text})", "", table(_HEADS, cells, (1, 2)), ""]
    return "\n".join(parts)


def _cells(row: Measured, text: str, leads: bool) -> list[str]:
    scores = row.scores[text]
    kl = kl_text(scores.kl, scores.kl_se)
    name = row.name if row.runs == 1 else f"{row.name}, mean of {row.runs} seeds"
    return [
        f"{row.bits_per_weight:.3f}",
        f"**{name}**" if row.is_budget else name,
        f"`{row.options}`",
        f"{row.weight_error:.4f}",
        pm(scores.perplexity, scores.perplexity_se, 2),
        f"**{kl}**" if leads else kl,
        f"{100 * scores.top1:.1f} ± {100 * scores.top1_se:.1f} %",
        f"{100 * scores.routing:.2f} ± {100 * scores.routing_se:.2f} %",
        f"{row.seconds:.1f}",
    ]


def missing(page: Page) -> str:
    if not page.missing:
        return ""
    refused = [(label, why) for label, why in page.missing if why]
    lines = [f"* `{label}`: {why}" for label, why in refused]
    if len(refused) < len(page.missing):
        lines.append(f"* {len(page.missing) - len(refused)} rows that were not asked for")
    return "\n".join(["## Not measured", "", *lines])


def find(page: Page, options: str) -> Measured | None:
    return next((row for row in page.rows if row.options == options), None)


def _error_and_kl(row: Measured | None) -> str:
    if row is None:
        return "–"
    return f"{row.weight_error:.4f}, {next(iter(row.scores.values())).kl:.4f}"


def milo(page: Page) -> str:
    cells = []
    for rank in (8, 16, 32):
        paper = find(page, f"--preset hqq-3bit --rank uniform-{rank} --compensator milo-paper")
        ours = find(page, f"--preset trine-3bit --rank uniform-{max(rank, 16)}")
        bits = "–" if paper is None else f"{paper.bits_per_weight:.2f}"
        cells.append([str(rank), bits, _error_and_kl(paper), _error_and_kl(ours)])
    return table(
        ["rank", "bits per weight", "published: weight error, KL", "ours: weight error, KL"],
        cells,
        (),
    )


def metadata(page: Page) -> str:
    cells = []
    for bits in (2, 3, 4):
        wide = find(page, f"--preset trine-{bits}bit")
        narrow = find(page, f"--preset trine-{bits}bit --metadata-bits 8")
        if wide is None or narrow is None:
            continue
        kl = [f"{next(iter(row.scores.values())).kl:.5f}" for row in (wide, narrow)]
        cells.append(
            [
                f"`trine-{bits}bit`",
                f"{wide.bits_per_weight:.3f}",
                kl[0],
                f"{narrow.bits_per_weight:.3f}",
                kl[1],
            ]
        )
    return table(
        ["preset", "fp16: bits per weight", "KL", "bytes: bits per weight", "KL"], cells
    )


def _rho(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}"


def correlations(page: Page) -> str:
    if not page.correlations:
        return "Not measured."
    layers = list(page.correlations[0].by_layer)
    cells = [
        [
            found.kind.what,
            "more" if found.kind.expected > 0 else "less",
            *(_rho(found.by_layer[layer]) for layer in layers),
            _rho(found.pooled),
        ]
        for found in page.correlations
    ]
    heads = [
        "score",
        "its rule expects cost to be",
        *(f"layer {layer}" for layer in layers),
        "all",
    ]
    return "\n".join([table(heads, cells, (0, 1)), "", judgement(page.correlations)])


def judgement(found: Sequence[Correlation]) -> str:
    """What the correlations say, computed: no score is praised by hand."""
    layers = len(found[0].by_layer)
    parts = [
        '"less" means that the rule gives more bits to a low score. With 8 experts, scores that'
        " have nothing to do with the cost reach 0.74 in size once in 20 times; less is no"
        " finding."
    ]
    for one in found:
        agrees = one.mean * one.kind.expected
        verdict = (
            "as its rule expects"
            if agrees >= 0.5
            else (
                "weakly as its rule expects"
                if agrees >= 0.2
                else "of no use here" if agrees > -0.2 else "the other way round"
            )
        )
        parts.append(
            f"{one.kind.what[0].upper()}{one.kind.what[1:]}: mean {one.mean:+.2f}, the expected"
            f" sign in {one.num_expected} of {layers} layers: {verdict}."
        )
    best = max(found, key=lambda one: one.mean * one.kind.expected)
    parts.append(
        f"The best guess of these {len(found)} is {best.kind.what}. One small model and one"
        " text decide nothing about others."
    )
    return " ".join(parts)


def sensitivity(page: Page) -> str:
    parts = []
    kinds = [found.kind for found in page.correlations]
    for layer in sorted({expert.layer for expert in page.experts}):
        rows = sorted((e for e in page.experts if e.layer == layer), key=lambda e: -e.kl)
        cells = [
            [
                str(expert.expert),
                pm(expert.kl * 1000, expert.kl_se * 1000, 3),
                *(f"{expert.scores[kind.name]:.4g}" for kind in kinds),
            ]
            for expert in rows
        ]
        heads = ["expert", "cost, 10⁻³ nats", *(kind.what for kind in kinds)]
        parts += [f"Layer {layer}, dearest expert first:", "", table(heads, cells), ""]
    return "\n".join(parts)


def time_table(page: Page) -> str:
    parts = []
    if page.times:
        cells = [
            [
                name,
                f"{found['original_bytes'] / 1e9:.1f} GB",
                f"{found['allocation_seconds']:.3f}",
                f"{found['goal_seconds']:g}",
                "yes" if found["allocation_seconds"] <= found["goal_seconds"] else "**no**",
                f"{found['seconds']:.2f}",
                f"{found['processor_seconds']:.2f}",
            ]
            for name, found in page.times.items()
        ]
        parts += [
            (
                "`trine plan` on synthetic checkpoints of 32 layers with 8 experts, best of 3."
                " *Choosing* is what happens once weights and errors are known"
                " (`allocation_seconds` of `trine plan --json`); the whole command also opens"
                " the model and reads weights or the table; its processor time shows what other"
                " work on the machine added to the others. Scores see matrices of 256 × 512:"
                " what reading weights takes grows with the model, choosing among 256 experts"
                " does not. Budgets see the full shape of Mixtral-8x7B (files of holes; 896"
                " matrices of up to 4096 × 14336) and tiny-mixtral's measured errors repeated"
                " over 32 layers."
            ),
            "",
            table(
                [
                    "allocation",
                    "checkpoint",
                    "choosing, seconds",
                    "goal",
                    "kept",
                    "whole command",
                    "its processor time",
                ],
                cells,
            ),
            "",
        ]
    for name, seconds in page.error_seconds.items():
        parts.append(
            f"* Measuring the table of errors of `models/tiny-mixtral` {name} statistics:"
            f" {seconds:.0f} seconds (24 treatments of 112 matrices)."
        )
    return "\n".join(parts) if parts else "Not measured."
