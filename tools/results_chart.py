"""build/results/results.html: chart and table in one file, and its picture for the docs."""

import html
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Sequence

from results_arithmetic import Measured, by_bytes

CHART_JS = Path("/usr/share/javascript/chart.js/chart.min.js")
TEMPLATE = Path(__file__).with_name("results_chart.html")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PICTURE_SIZE = (1100, 720)

# Series → shape, colour (also told apart in grey), filled, dashes of its line (None: no line).
_LOOKS = {
    "RTN": ("cross", "#8a8f99", False, None),
    "HQQ": ("triangle", "#b06000", False, None),
    "GPTQ": ("rect", "#a02060", False, None),
    "MiLo": ("rectRot", "#2f6f2f", False, None),
    "expert-mixed": ("star", "#7040b0", False, None),
    "expert-mixed, controls": ("crossRot", "#a9a3b8", False, None),
    "trine": ("triangle", "#2f7fd0", True, None),
    "MiLo, ours": ("rectRot", "#1f9f8f", True, None),
    "expert-mixed, ours": ("rectRounded", "#7040b0", True, None),
    "budget": ("circle", "#10233f", True, []),
    "budget, statistics": ("rect", "#10233f", True, [6, 4]),
}


def points(rows: Sequence[Measured], text: str) -> list[dict]:
    """Chart.js data sets, one per series, in the order of the list above."""
    found = []
    for series, (shape, colour, is_filled, dashes) in _LOOKS.items():
        mine = [row for row in by_bytes(rows, text) if row.series == series]
        if not mine:
            continue
        found.append(
            {
                "label": series,
                "data": [
                    {"x": row.bits_per_weight, "y": row.scores[text].kl, "name": row.name}
                    for row in mine
                ],
                "pointStyle": shape,
                "pointRadius": 6 if dashes is not None else 5,
                "borderColor": colour,
                "backgroundColor": colour if is_filled else "transparent",
                "borderWidth": 1.5,
                "showLine": dashes is not None,
                "borderDash": dashes or [],
            }
        )
    return found


def body(rows: Sequence[Measured], texts: Sequence[str]) -> str:
    parts = [
        "<h1>Methods at equal bytes</h1>",
        (
            "<p>models/tiny-mixtral. Lower and further left is better; hollow shapes are"
            " published methods and controls, filled ones are Trine's.</p>"
        ),
    ]
    for text in texts:
        name = html.escape(text)
        parts.append(f"<h2>{name}</h2>")
        label = f"KL against bits per weight on {name}; the table has the same figures"
        parts.append(
            f'<div class="chart"><canvas id="chart-{name}" role="img" aria-label="{label}">'
            "</canvas></div>"
        )
    parts += [_table(rows, text) for text in texts]
    return "\n".join(parts)


def _table(rows: Sequence[Measured], text: str) -> str:
    heads = (
        "series",
        "method",
        "options",
        "bits per weight",
        "KL",
        "±",
        "perplexity",
        "top-1",
        "routing",
        "weight error",
    )
    lines = [
        f"<h2>{html.escape(text)}: every row</h2>",
        '<div class="scroll"><table><thead><tr>',
        *(f'<th scope="col">{head}</th>' for head in heads),
        "</tr></thead><tbody>",
    ]
    for row in by_bytes(rows, text):
        scores = row.scores[text]
        figures = (
            f"{row.bits_per_weight:.3f}",
            f"{scores.kl:.5f}",
            f"{scores.kl_se:.5f}",
            f"{scores.perplexity:.3f}",
            f"{100 * scores.top1:.1f} %",
            f"{100 * scores.routing:.1f} %",
            f"{row.weight_error:.4f}",
        )
        lines.append(
            f"<tr><td>{html.escape(row.series)}</td><td>{html.escape(row.name)}</td>"
            f'<td class="options">{html.escape(row.options)}</td>'
            + "".join(f"<td>{figure}</td>" for figure in figures)
            + "</tr>"
        )
    return "\n".join([*lines, "</tbody></table></div>"])


def page(rows: Sequence[Measured], texts: Sequence[str], chart_js: str) -> str:
    data = json.dumps({text: points(rows, text) for text in texts}).replace("</", "<\\/")
    filled = TEMPLATE.read_text(encoding="utf-8")
    for place, content in (
        ("<!-- body -->", body(rows, texts)),
        ("<!-- points -->", data),
        ("<!-- chart.js -->", chart_js),
    ):
        filled = filled.replace(place, content, 1)
    return filled


def write_page(path: Path, rows: Sequence[Measured], texts: Sequence[str]) -> None:
    path.write_text(page(rows, texts, CHART_JS.read_text(encoding="utf-8")), encoding="utf-8")


def write_picture(page_path: Path, target: Path) -> str:
    """The upper part of the page as PNG; says in one sentence what became of it."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        return f"no picture: none of {', '.join(BROWSERS)} is on this machine"
    with tempfile.TemporaryDirectory() as profile:
        picture = Path(profile) / "picture.png"
        width, height = PICTURE_SIZE
        done = subprocess.run(
            [
                browser,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                f"--user-data-dir={profile}",
                f"--window-size={width},{height}",
                f"--screenshot={picture}",
                page_path.resolve().as_uri(),
            ],
            capture_output=True,
            text=True,
            timeout=300,
        )
        if not picture.exists():
            return f"no picture: {browser} exit {done.returncode}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(picture, target)
    return f"picture: {target}"
