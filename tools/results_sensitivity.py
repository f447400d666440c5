"""How much the model depends on each expert, measured, beside the scores that guess it.

One expert at 2 bits (HQQ, groups of 64), everything else at 8 bits in groups of 32, the least
error the format allows; the KL on books-small above that of everything at 8 bits is what this
one expert costs.
"""

import copy
from typing import Callable, NamedTuple

from results_arithmetic import spearman
from results_run import INITIAL, MODEL, Bench

LOW = {"quantizer": "hqq", "bits": 2, "group_size": 64}
HIGH = ("--preset", "trine-8bit", "--group-size", "32")


class ScoreKind(NamedTuple):
    name: str  # of `trine plan --score`
    what: str
    expected: int  # the sign of the correlation its rule of allocation counts on
    options: tuple[str, ...] = ()


SCORES = (
    ScoreKind(
        "router-norm-change",
        "growth of the router norm",
        -1,
        ("--init-checkpoint", "{initial}"),
    ),
    ScoreKind("router-norm", "final router norm", -1),
    ScoreKind("max-variance", "MaxVar", +1),
    ScoreKind("frequency", "frequency", +1, ("--stats", "{statistics}")),
    ScoreKind("routing-weight", "routing weight", +1, ("--stats", "{statistics}")),
    ScoreKind("kurtosis", "kurtosis", +1),
    ScoreKind(
        "hessian",
        "error of outputs × use",
        +1,
        ("--stats", "{statistics}", "--errors", "{errors-statistics}"),
    ),
)


class Expert(NamedTuple):
    layer: int
    expert: int
    kl: float  # above everything at 8 bits
    kl_se: float
    scores: dict[str, float]


class Correlation(NamedTuple):
    kind: ScoreKind
    by_layer: dict[int, float | None]
    pooled: float | None  # over all experts as they are

    @property
    def mean(self) -> float:
        known = [value for value in self.by_layer.values() if value is not None]
        return sum(known) / len(known) if known else 0.0

    @property
    def num_expected(self) -> int:
        """Layers in which the sign is the one the rule counts on."""
        return sum((value or 0.0) * self.kind.expected > 0 for value in self.by_layer.values())


def experts_of(plan: dict) -> list[tuple[int, int, list[str]]]:
    """Layer, expert and matrix names of every routed expert in a plan."""
    found: dict[tuple[int, int], list[str]] = {}
    for name in plan["matrices"]:
        parts = name.split(".")
        if "experts" in parts:
            layer = int(parts[parts.index("layers") + 1])
            found.setdefault((layer, int(parts[parts.index("experts") + 1])), []).append(name)
    return [(layer, expert, names) for (layer, expert), names in sorted(found.items())]


def with_low_expert(plan: dict, names: list[str]) -> dict:
    edited = copy.deepcopy(plan)
    for name in names:
        edited["matrices"][name].update(LOW)
    return edited


def high_plan(bench: Bench) -> dict:
    return bench.cached(
        bench.path_of("high-plan", *HIGH), lambda: bench.run("plan", MODEL, *HIGH)["plan"]
    )


def scores_of(bench: Bench, kind: ScoreKind) -> dict[tuple[int, int], float]:
    """The score of every expert, by layer and expert, as the allocator sees it."""

    def measure() -> dict:
        options = bench.resolved(kind.options)
        preset = ("--preset", "expert-mixed-2.5", "--score", kind.name)
        return bench.run("plan", MODEL, *preset, *options)["plan"]["scores"]

    path = bench.path_of("score", kind.name, *bench.key_parts(kind.options))
    found = {}
    for name, values in bench.cached(path, measure).items():
        parts = name.split(".")
        place = int(parts[parts.index("layers") + 1]), int(parts[parts.index("experts") + 1])
        found[place] = values[kind.name]
    return found


def measure_experts(bench: Bench, say: Callable[[str], None]) -> list[Expert]:
    plan = high_plan(bench)
    floor = bench.kl_of_plan(plan)["kl_divergence"]
    scores = {kind.name: scores_of(bench, kind) for kind in SCORES}
    experts = []
    for layer, expert, names in experts_of(plan):
        say(f"layer {layer}, expert {expert} at 2 bits, all else at 8")
        found = bench.kl_of_plan(with_low_expert(plan, names))
        experts.append(
            Expert(
                layer,
                expert,
                found["kl_divergence"] - floor,
                found["kl_divergence_stderr"],
                {name: values[layer, expert] for name, values in scores.items()},
            )
        )
    return experts


def correlations(experts: list[Expert]) -> list[Correlation]:
    layers = sorted({expert.layer for expert in experts})

    def correlate(kind: ScoreKind, chosen: list[Expert]) -> float | None:
        return spearman(
            [expert.scores[kind.name] for expert in chosen], [expert.kl for expert in chosen]
        )

    return [
        Correlation(
            kind,
            {
                layer: correlate(kind, [expert for expert in experts if expert.layer == layer])
                for layer in layers
            },
            correlate(kind, experts),
        )
        for kind in SCORES
        if all(kind.name in expert.scores for expert in experts)
    ]
