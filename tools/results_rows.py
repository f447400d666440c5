"""Every row of docs/results.md: what is compressed, with which options. Data, no measuring.

In the options a word in braces is a file that tools/results_run.py makes first: {initial} the
routers from before training, {statistics} what `trine calibrate` gathers, {errors} and
{errors-statistics} the measured errors of a budget without and with statistics.
"""

from typing import Iterator, NamedTuple

PUBLISHED = "published"  # a method others published, as published
CONTROL = "control"  # an order of experts that published work compares with
OURS = "ours"


class Row(NamedTuple):
    series: str  # one series of the chart
    name: str  # the method, for people
    kind: str
    options: tuple[str, ...]
    is_budget: bool = False
    average_of: str = ""  # rows with the same words here are shown as one mean

    @property
    def label(self) -> str:
        """What --only looks at, and what names the row in messages."""
        return f"{self.series}: {self.name}: {' '.join(self.options)}"


STATISTICS = ("--stats", "{statistics}")
INITIAL = ("--init-checkpoint", "{initial}")
BUDGETS = ("2.25", "2.5", "2.75", "3.0", "3.25", "3.5", "3.75", "4.0", "4.25", "4.5")
SEEDS = ("1", "2", "3")

# Widths are 64 or 128 inputs to a scale; "" is the program's own default, 64.
_GROUPS = ((), ("--group-size", "128"))


def _preset(name: str, *more: str) -> tuple[str, ...]:
    return ("--preset", name, *more)


def _one_width_for_all() -> Iterator[Row]:
    """Round to nearest, HQQ, GPTQ and trine, every matrix alike."""
    for bits in (2, 3, 4):
        for group in _GROUPS:
            yield Row("RTN", "RTN", PUBLISHED, _preset(f"rtn-{bits}bit", *group))
            yield Row("HQQ", "HQQ", PUBLISHED, _preset(f"hqq-{bits}bit", *group))
            for quantizer, name in (
                ("gptq", "GPTQ"),
                ("gptq-compat", "GPTQ, published low-bit code"),
            ):
                options = _preset(f"{quantizer}-{bits}bit", *group, *STATISTICS)
                yield Row("GPTQ", name, PUBLISHED, options)
            trine = _preset(f"trine-{bits}bit", *group)
            yield Row("trine", "trine", OURS, trine)
            yield Row("trine", "trine, unbiased", OURS, (*trine, "--unbiased"))
        yield Row("trine", "trine, statistics", OURS, _preset(f"trine-{bits}bit", *STATISTICS))
        small = _preset(f"trine-{bits}bit", "--metadata-bits", "8")
        yield Row("trine", "trine, metadata in bytes", OURS, small)


def _attention_apart() -> Iterator[Row]:
    for bits in (2, 3):
        for group in _GROUPS:
            attention = (*group, "--attention-bits", "4")
            hqq = _preset(f"hqq-{bits}bit", *attention)
            yield Row("HQQ", "HQQ, attention at 4", PUBLISHED, hqq)
            gptq = _preset(f"gptq-{bits}bit", *attention, *STATISTICS)
            yield Row("GPTQ", "GPTQ, attention at 4", PUBLISHED, gptq)
            trine = _preset(f"trine-{bits}bit", *attention)
            yield Row("trine", "trine, attention at 4", OURS, trine)
            yield Row("trine", "trine, attention at 4, unbiased", OURS, (*trine, "--unbiased"))


def _milo() -> Iterator[Row]:
    for bits in (2, 3):
        for rank in (8, 16, 32):
            paper = _preset(
                f"hqq-{bits}bit", "--rank", f"uniform-{rank}", "--compensator", "milo-paper"
            )
            yield Row("MiLo", f"MiLo as published, rank {rank}", PUBLISHED, paper)
            if rank == 8:
                continue  # ranks are stored in blocks of 16, and ours fills them
            ours = _preset(f"trine-{bits}bit", "--rank", f"uniform-{rank}")
            yield Row("MiLo, ours", f"MiLo, ours, rank {rank}", OURS, ours)
            yield Row(
                "MiLo, ours", f"MiLo, ours, rank {rank}, unbiased", OURS, (*ours, "--unbiased")
            )
    for preset in ("milo-s1", "milo-s2"):
        options = _preset(preset, "--rank-scale", "0.0625")
        yield Row("MiLo", f"MiLo {preset[-2:]}, ranks of a small model", PUBLISHED, options)
    statistics = _preset("trine-3bit", "--rank", "uniform-16", *STATISTICS)
    yield Row("MiLo, ours", "MiLo, ours, rank 16, statistics", OURS, statistics)


def _rank_strategies() -> Iterator[Row]:
    for strategy in (
        "dense-64",
        "sparse-16",
        "frequency-16",
        "kurtosis-16",
        "dense-64+sparse-16",
        "dense-64+frequency-16",
        "dense-64+kurtosis-16",
    ):
        # Statistics change the compensator; only the strategy that needs them has them.
        more = STATISTICS if "frequency" in strategy else ()
        options = _preset("trine-3bit", "--rank", strategy, *more)
        yield Row("MiLo, ours", f"ranks {strategy}", OURS, options)


def _expert_mixed() -> Iterator[Row]:
    scores = (
        ("norm change, then variance", PUBLISHED, ("--score", "combined", *INITIAL)),
        ("final norm, then variance", PUBLISHED, ("--score", "combined")),
        ("norm change", PUBLISHED, ("--score", "router-norm-change", *INITIAL)),
        ("final norm", PUBLISHED, ("--score", "router-norm")),
        ("variance", PUBLISHED, ("--score", "max-variance")),
        ("frequency", CONTROL, ("--score", "frequency", *STATISTICS)),
        ("routing weight", CONTROL, ("--score", "routing-weight", *STATISTICS)),
        ("hot first", CONTROL, ("--score", "hot-first", *INITIAL)),
        ("by number of the expert", CONTROL, ("--score", "uniform")),
    )
    whole = ("--group-size", "128")
    for average in ("2.0", "3.0"):  # one width for all experts: no score has a say
        options = _preset(f"expert-mixed-{average}", *whole)
        yield Row("expert-mixed", f"experts {average}, all alike", PUBLISHED, options)
    for average, levels in (
        ("2.25", ()),
        ("2.5", ()),
        ("2.75", ()),
        ("3.0", ("--levels", "4", "2")),
    ):
        preset = _preset(f"expert-mixed-{average}", *whole, *levels)
        for name, kind, score in scores:
            series = "expert-mixed" if kind == PUBLISHED else "expert-mixed, controls"
            yield Row(series, f"experts {average}, {name}", kind, (*preset, *score))
        for seed in SEEDS:
            yield Row(
                "expert-mixed, controls",
                f"experts {average}, random",
                CONTROL,
                (*preset, "--score", "random", "--seed", seed),
                False,
                f"random {average}",
            )
    for average in ("2.0", "2.25", "2.5", "2.75", "3.0"):
        preset = _preset(f"expert-mixed-{average}", *whole, "--quantizer", "gptq")
        name = f"experts {average}, GPTQ, norm change, then variance"
        yield Row("expert-mixed", name, PUBLISHED, (*preset, *INITIAL, *STATISTICS))
    preset = _preset("expert-mixed-2.5", *whole)
    free, with_text = ("--errors", "{errors}"), ("--errors", "{errors-statistics}", *STATISTICS)
    for score, more in (
        ("weight-error", free),
        ("output-error", with_text),
        ("hessian", with_text),
    ):
        name = f"experts 2.5, {score.replace('-', ' ')}"
        yield Row("expert-mixed, ours", name, OURS, (*preset, "--score", score, *more))


def _budgets() -> Iterator[Row]:
    for bits in BUDGETS:
        budget = ("--bits-per-weight", bits)
        free = (*budget, "--errors", "{errors}")
        yield Row("budget", f"budget {bits}", OURS, free, True)
        text = (*budget, "--errors", "{errors-statistics}", *STATISTICS)
        yield Row("budget, statistics", f"budget {bits}, statistics", OURS, text, True)


def all_rows() -> list[Row]:
    makers = (
        _one_width_for_all,
        _attention_apart,
        _milo,
        _rank_strategies,
        _expert_mixed,
        _budgets,
    )
    return [row for maker in makers for row in maker()]
