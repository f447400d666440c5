"""What evaluate(), evaluate_tasks(), Model.generate() and certify() return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional

from ._base import PerBoundFloat, PerBoundInt, Shortened


@dataclass(frozen=True, repr=False)
class Score(Shortened):
    """A mean and its standard error, windows being the independent draws.

    Attributes:
        value: the mean.
        standard_error: of the mean.
    """

    value: float
    standard_error: float


@dataclass(frozen=True, repr=False)
class TextReport(Shortened):
    """Perplexity of one text and, with a reference, closeness to it.

    Attributes:
        text_file: empty for several texts together.
        tokens: in the text.
        scored_tokens: that were predicted.
        windows: that were run.
        nll: negative log likelihood, nats per scored token.
        perplexity: exp(nll).
        kl_divergence: nats per token, original ‖ model; None without a reference, as all below.
        expert_divergence: the same with the original's experts forced; None without split.
        routing_divergence: what is left of kl_divergence; None without split.
        kl_divergence_99: 99 of 100 tokens have at most this one.
        largest_kl_divergence: of any token.
        top1_agreement: share of tokens with the same most likely next token.
        top1_low: lower end of the 95 % interval of top1_agreement.
        top1_high: its upper end.
        routing_agreement: share of the original's experts that were chosen too.
        original_perplexity: of the reference, same tokens.
    """

    text_file: str
    tokens: int
    scored_tokens: int
    windows: int
    nll: Score
    perplexity: Score
    kl_divergence: Optional[Score]
    expert_divergence: Optional[Score]
    routing_divergence: Optional[Score]
    kl_divergence_99: Optional[float]
    largest_kl_divergence: Optional[float]
    top1_agreement: Optional[Score]
    top1_low: Optional[float]
    top1_high: Optional[float]
    routing_agreement: Optional[Score]
    original_perplexity: Optional[Score]


@dataclass(frozen=True, repr=False)
class PerplexityReport(TextReport):
    """All texts together, and each of them.

    Attributes, besides those of TextReport:
        protocol: "disjoint" or "sliding" windows; "halves" for encoder–decoder models. Figures
            of different protocols are not comparable.
        window: tokens run together.
        stride: from one window to the next.
        top_tokens: that the reference keeps of a prediction: divergences are at most the true
            ones; 0: the whole vocabulary.
        texts: one TextReport each, in the order given.
        seconds: that it took.
        peak_rss_bytes: most memory of the process.
    """

    protocol: str
    window: int
    stride: int
    top_tokens: int
    texts: List[TextReport]
    seconds: float
    peak_rss_bytes: int


@dataclass(frozen=True, repr=False)
class TaskMetric(Shortened):
    """One figure of a task.

    Attributes:
        name: as in lm-evaluation-harness: "acc", "acc_norm", "exact_match", …
        filter: as there: "none", "strict-match", …
        value: the figure.
        standard_error: None for a single document.
        higher_is_better: or lower, as of a perplexity.
    """

    name: str
    filter: str
    value: float
    standard_error: Optional[float]
    higher_is_better: bool


@dataclass(frozen=True, repr=False)
class TaskScores(Shortened):
    """What a model scored on one task, or on one subject of it.

    Attributes:
        name: as in lm-evaluation-harness.
        version: of the task's definition there.
        few_shot: examples before each question.
        documents: that were asked.
        is_pooled: all subjects together; theirs follow.
        metrics: the figures.
    """

    name: str
    version: float
    few_shot: int
    documents: int
    is_pooled: bool
    metrics: List[TaskMetric]


@dataclass(frozen=True, repr=False)
class TaskReport(Shortened):
    """What a model scored on tasks.

    Attributes:
        tasks: one TaskScores each, in the order they were named.
        max_length: tokens the model was given at most.
        seconds: that it took.
        peak_rss_bytes: most memory of the process.
    """

    tasks: List[TaskScores]
    max_length: int
    seconds: float
    peak_rss_bytes: int


@dataclass(frozen=True, repr=False)
class GenerateReport(Shortened):
    """A text that a model wrote.

    Attributes:
        text: without the prompt.
        finish_reason: "stop" at the end-of-sequence token, else "length".
        prompt_tokens: that were read.
        generated_tokens: that were written.
        prefill_seconds: of reading.
        decode_seconds: of writing.
    """

    text: str
    finish_reason: str
    prompt_tokens: int
    generated_tokens: int
    prefill_seconds: float
    decode_seconds: float


@dataclass(frozen=True, repr=False)
class ChangeReport(Shortened):
    """Norms of changes, one per token, beside their bounds.

    Dicts are keyed by the bound: "step", "norm", "probability", "block", "state".

    Attributes:
        tokens: so many changes.
        mean_bound: by bound.
        largest_bound: by bound.
        largest_ratio: observed ÷ bound of the worst token, by bound.
        exceeded: tokens with the observed above the bound, by bound.
        mean_observed: what the changes really are.
        largest_observed: the largest of them.
        mean_size: of the original's vector; of a logit change: the top-1 margin.
    """

    tokens: int
    mean_bound: PerBoundFloat
    largest_bound: PerBoundFloat
    largest_ratio: PerBoundFloat
    exceeded: PerBoundInt
    mean_observed: float
    largest_observed: float
    mean_size: float


@dataclass(frozen=True, repr=False)
class DecisionReport(Shortened):
    """Decisions, one per token.

    Attributes:
        tokens: so many decisions; 0: there is no such decision.
        certified: share proven unchanged, by bound.
        broken: proven unchanged and yet observed to change, by bound.
        flips: observed to change.
    """

    tokens: int
    certified: PerBoundFloat
    broken: PerBoundInt
    flips: int


@dataclass(frozen=True, repr=False)
class AgreementReport(Shortened):
    """Agreement on the windows seen, and the least it is on windows that were not.

    Attributes:
        mean: share of tokens.
        drawn_agreeing: of one token drawn from each window.
        at_least_binomial: exact, from the drawn tokens (Clopper–Pearson).
        at_least_hoeffding: from the shares of all windows.
        at_least: from the same, by betting: the closest of the three.
    """

    mean: float
    drawn_agreeing: int
    at_least_binomial: float
    at_least_hoeffding: float
    at_least: float


@dataclass(frozen=True, repr=False)
class CertifiedLayer(Shortened):
    """One layer of a certificate.

    Attributes:
        attention: change of its output, fed with the original's hidden states.
        experts: the same of its experts.
        stream: change of the hidden states behind the layer, everything so far packed.
        routing_local: choice of experts, with the layer's own attention packed.
        routing_next: the same, with the experts before it packed too; not in layer 0.
        routing_full: the same, with everything before packed.
    """

    attention: ChangeReport
    experts: ChangeReport
    stream: ChangeReport
    routing_local: DecisionReport
    routing_next: DecisionReport
    routing_full: DecisionReport


@dataclass(frozen=True, repr=False)
class CertificateReport(Shortened):
    """What packing may change, and what was observed; docs/certificate.md defines every figure.

    Attributes:
        window: tokens run together.
        probability: that a probable bound is broken.
        tokens: that were run.
        windows: that were run.
        rows_per_window: outputs that a window's probability is divided among.
        groups: of packed codes.
        clipped_groups: with an error above half a step.
        row_outputs: of packed matrices, checked one by one.
        row_exceeded: of those, above their bound, by bound.
        layers: one CertifiedLayer each.
        logits_local: largest change of a logit, the last layer's experts packed.
        logits_full: the same, with everything packed.
        top1_local: the most likely token, the last layer's experts packed.
        top1_full: the same, with everything packed.
        top1_agreement: of the most likely token.
        routing_agreement: tokens with the same experts in every layer.
        windows_exceeding: with anything above a probable bound.
        violations: of certain bounds; other than 0, the certificate is wrong.
        seconds: that it took.
        peak_rss_bytes: most memory of the process.
    """

    window: int
    probability: float
    tokens: int
    windows: int
    rows_per_window: float
    groups: int
    clipped_groups: int
    row_outputs: int
    row_exceeded: PerBoundInt
    layers: List[CertifiedLayer]
    logits_local: ChangeReport
    logits_full: ChangeReport
    top1_local: DecisionReport
    top1_full: DecisionReport
    top1_agreement: AgreementReport
    routing_agreement: AgreementReport
    windows_exceeding: int
    violations: int
    seconds: float
    peak_rss_bytes: int
