"""What the reference models share: the decoder they all are, attention, gated experts, routing.

All sequences are computed at once, [sequence, position, channel], in double precision and
without a cache. A family is a class that replaces what it does differently.
"""

from typing import Callable, NamedTuple

import numpy as np

from reference_checkpoint import Weights


class Forward(NamedTuple):
    logits: np.ndarray  # [sequences, length, vocab]
    router_choices: list[np.ndarray]  # of each MoE layer: [sequences, length, k], ascending
    router_margin: float  # how close any token came to another choice
    num_experts: int
    encoder_router_choices: list[np.ndarray] = []


# Number of an expert and its tokens [tokens, hidden] → outputs of the same shape.
Expert = Callable[[int, np.ndarray], np.ndarray]


class Routing(NamedTuple):
    """Which experts take a token, and with which share. A row is a token."""

    experts: np.ndarray  # [tokens, k]
    shares: np.ndarray  # [tokens, k]
    num_experts: int
    margin: float  # smallest distance of a chosen from a refused score


class Model:
    """Config with its defaults, weights, and what any of them is made of."""

    # What the class of the family in transformers says where config.json says nothing.
    DEFAULTS: dict = {}

    def __init__(self, config: dict, weights: Weights):
        self.config = {"rope_theta": 10000.0, "rms_norm_eps": 1e-6, **self.DEFAULTS, **config}
        self.weights = weights
        self.routings: list[Routing] = []

    def linear(self, inputs: np.ndarray, name: str) -> np.ndarray:
        outputs = inputs @ self.weights[f"{name}.weight"].T
        bias = self.weights.get(f"{name}.bias")
        return outputs if bias is None else outputs + bias

    def gated(self, inputs: np.ndarray, name: str) -> np.ndarray:
        """down(silu(gate(x)) * up(x))"""
        gate, up = (self.linear(inputs, f"{name}.{part}_proj") for part in ("gate", "up"))
        return self.linear(silu(gate) * up, f"{name}.down_proj")

    def mix_experts(self, inputs: np.ndarray, routing: Routing, expert: Expert) -> np.ndarray:
        """The sum of outputs times shares; notes the choice."""
        self.routings.append(routing)
        rows = rows_of(inputs)
        outputs = np.zeros_like(rows)
        for number in np.unique(routing.experts):
            token, slot = np.nonzero(routing.experts == number)
            share = routing.shares[token, slot][:, None]
            outputs[token] += share * expert(number, rows[token])
        return outputs.reshape(inputs.shape)


class Decoder(Model):
    """Embedding, layers of attention and feed-forward with residuals, norm, head."""

    def forward(self, token_ids: np.ndarray) -> Forward:
        self.routings = []
        stream = self.embed(token_ids)
        for index in range(self.config["num_hidden_layers"]):
            layer = f"model.layers.{index}"
            normed = self.norm(stream, f"{layer}.input_layernorm")
            stream = stream + self.branch_scale() * self.attention(normed, index)
            normed = self.norm(stream, f"{layer}.post_attention_layernorm")
            stream = stream + self.branch_scale() * self.feed_forward(normed, index)
        logits = self.head(self.norm(stream, "model.norm"))
        return Forward(
            logits,
            choices(self.routings, token_ids.shape),
            smallest_margin(self.routings),
            self.routings[0].num_experts if self.routings else 0,
        )

    def embed(self, token_ids: np.ndarray) -> np.ndarray:
        return self.weights["model.embed_tokens.weight"][token_ids]

    def branch_scale(self) -> float:
        return 1.0

    def norm(self, inputs: np.ndarray, name: str) -> np.ndarray:
        return rms_norm(inputs, self.weights[f"{name}.weight"], self.config["rms_norm_eps"])

    def attention(self, inputs: np.ndarray, index: int) -> np.ndarray:
        raise NotImplementedError

    def feed_forward(self, inputs: np.ndarray, index: int) -> np.ndarray:
        raise NotImplementedError

    def head(self, inputs: np.ndarray) -> np.ndarray:
        is_tied = self.config.get("tie_word_embeddings", False)
        return self.linear(inputs, "model.embed_tokens" if is_tied else "lm_head")


def choices(routings: list[Routing], shape: tuple[int, ...]) -> list[np.ndarray]:
    """Of each layer, [sequence, position, k], ascending."""
    return [np.sort(routing.experts, axis=-1).reshape(*shape, -1) for routing in routings]


def smallest_margin(routings: list[Routing]) -> float:
    return min((routing.margin for routing in routings), default=np.inf)


def attend(queries, keys, values, scale: float, **seen) -> np.ndarray:
    """[sequence, head, position, width] → [sequence, position, heads * width].

    Consecutive query heads share a key head. `seen` is what `weigh` takes.
    """
    keys, values = (np.repeat(a, queries.shape[1] // a.shape[1], axis=1) for a in (keys, values))
    mixed = weigh(queries @ keys.swapaxes(-1, -2) * scale, **seen) @ values
    return mixed.swapaxes(1, 2).reshape(len(mixed), queries.shape[2], -1)


def weigh(
    scores: np.ndarray, is_causal: bool = True, window: int | None = None, sinks=None, bias=0
) -> np.ndarray:
    """Softmax over the keys. A window counts the token itself; a sink takes its part of the
    sum; `bias` is added to the scores."""
    scores = scores + bias
    if is_causal:
        length = scores.shape[-1]
        distance = np.arange(length)[:, None] - np.arange(length)[None, :]
        is_visible = (distance >= 0) & (distance < (window or length))
        scores = np.where(is_visible, scores, -np.inf)
    if sinks is None:
        return softmax(scores)
    sinks = np.broadcast_to(sinks[None, :, None, None], (*scores.shape[:3], 1))
    return softmax(np.concatenate([scores, sinks], axis=-1))[..., :-1]


def split_heads(flat: np.ndarray, width: int) -> np.ndarray:
    """[sequence, position, heads * width] → [sequence, head, position, width]"""
    return flat.reshape(*flat.shape[:2], -1, width).swapaxes(1, 2)


def rms_norm(inputs: np.ndarray, weight: np.ndarray, eps: float) -> np.ndarray:
    return inputs / np.sqrt((inputs**2).mean(axis=-1, keepdims=True) + eps) * weight


def softmax(scores: np.ndarray) -> np.ndarray:
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def sigmoid(inputs: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-inputs))


def silu(inputs: np.ndarray) -> np.ndarray:
    return inputs * sigmoid(inputs)


def best(scores: np.ndarray, count: int) -> tuple[np.ndarray, float]:
    """Columns of the `count` largest of each row, and the smallest lead over the next one."""
    order = np.argsort(-scores, axis=-1, kind="stable")
    if count >= scores.shape[-1]:
        return order, np.inf
    ranked = np.take_along_axis(scores, order[:, : count + 1], axis=-1)
    return order[:, :count], (ranked[:, count - 1] - ranked[:, count]).min()


def softmax_then_best(logits: np.ndarray, count: int, is_renormalised: bool) -> Routing:
    """Probabilities over all experts, the best of them, perhaps scaled to sum to one."""
    probabilities = softmax(logits)
    experts, margin = best(probabilities, count)
    shares = np.take_along_axis(probabilities, experts, axis=-1)
    if is_renormalised:
        shares = shares / shares.sum(axis=-1, keepdims=True)
    return Routing(experts, shares, logits.shape[-1], margin)


def best_then_softmax(logits: np.ndarray, count: int) -> Routing:
    """The best experts, and probabilities among them only."""
    experts, margin = best(logits, count)
    shares = softmax(np.take_along_axis(logits, experts, axis=-1))
    return Routing(experts, shares, logits.shape[-1], margin)


def rows_of(inputs: np.ndarray) -> np.ndarray:
    return inputs.reshape(-1, inputs.shape[-1])
