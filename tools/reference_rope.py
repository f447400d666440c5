"""Rotary positions for the reference models: the frequencies of every kind of scaling.

Sources: Su et al. 2021, arXiv:2104.09864; YaRN and dynamic NTK: Peng et al. 2023,
arXiv:2309.00071; LongRoPE: Ding et al. 2024, arXiv:2402.13753; linear: Chen et al. 2023,
arXiv:2306.15595; llama3: the Llama 3.1 release.
"""

import math
from typing import NamedTuple

import numpy as np


class Rotation(NamedTuple):
    """cos and sin of [position, frequency], times the factor some scalings put on them."""

    cos: np.ndarray
    sin: np.ndarray


def rope_parameters(config: dict) -> dict:
    """Both spellings of config.json in one: `rope_type`, `rope_theta` and the scaling's own."""
    scaling = config.get("rope_scaling") or config.get("rope_parameters") or {}
    parameters = {"rope_theta": config.get("rope_theta"), **scaling}
    parameters["rope_type"] = scaling.get("rope_type") or scaling.get("type") or "default"
    trained = "original_max_position_embeddings"
    parameters.setdefault(trained, config.get("max_position_embeddings"))
    parameters[trained] = config.get(trained) or parameters[trained]
    return parameters


def rotation(config: dict, width: int, length: int) -> Rotation:
    """For `length` positions, of which the last one decides where a scaling looks at it."""
    parameters = rope_parameters(config)
    kind = parameters["rope_type"]
    plain = parameters["rope_theta"] ** (-np.arange(0, width, 2) / width)
    factor = 1.0
    if kind == "linear":
        frequencies = plain / parameters["factor"]
    elif kind == "dynamic":
        frequencies = dynamic(config, parameters, width, length)
    elif kind == "yarn":
        frequencies, factor = yarn(plain, parameters, width), yarn_factor(parameters)
    elif kind == "longrope":
        is_long = length > parameters["original_max_position_embeddings"]
        frequencies = plain / np.array(parameters["long_factor" if is_long else "short_factor"])
        factor = parameters["long_mscale" if is_long else "short_mscale"]
    elif kind == "llama3":
        frequencies = llama3(plain, parameters)
    else:
        assert kind == "default", kind
        frequencies = plain
    angles = np.arange(length)[:, None] * frequencies
    return Rotation(np.cos(angles) * factor, np.sin(angles) * factor)


def dynamic(config: dict, parameters: dict, width: int, length: int) -> np.ndarray:
    """The base grows with the length of the sequence, once that exceeds the trained length."""
    trained, factor = config["max_position_embeddings"], parameters["factor"]
    stretch = factor * max(length, trained) / trained - (factor - 1)
    base = parameters["rope_theta"] * stretch ** (width / (width - 2))
    return base ** (-np.arange(0, width, 2) / width)


def yarn(plain: np.ndarray, parameters: dict, width: int) -> np.ndarray:
    """Fast frequencies stay, slow ones are divided by the factor, a ramp lies between."""

    def index_that_turns(turns: float) -> float:
        trained = parameters["original_max_position_embeddings"]
        wavelengths = math.log(trained / (turns * 2 * math.pi))
        return width * wavelengths / (2 * math.log(parameters["rope_theta"]))

    low = index_that_turns(parameters.get("beta_fast") or 32)
    high = index_that_turns(parameters.get("beta_slow") or 1)
    if parameters.get("truncate", True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, width - 1)
    if low == high:
        high += 0.001
    ramp = np.clip((np.arange(width // 2) - low) / (high - low), 0, 1)
    return plain * (1 - ramp) + plain / parameters["factor"] * ramp


def yarn_magnitude(factor: float, scale: float = 1.0) -> float:
    return 0.1 * scale * math.log(factor) + 1 if factor > 1 else 1.0


def yarn_factor(parameters: dict) -> float:
    """What yarn multiplies cos and sin with."""
    if parameters.get("attention_factor") is not None:
        return parameters["attention_factor"]
    above, below = parameters.get("mscale"), parameters.get("mscale_all_dim")
    factor = parameters["factor"]
    if above and below:
        return yarn_magnitude(factor, above) / yarn_magnitude(factor, below)
    return yarn_magnitude(factor)


def llama3(plain: np.ndarray, parameters: dict) -> np.ndarray:
    """Short wavelengths stay, long ones are divided by the factor, a blend lies between."""
    trained, factor = parameters["original_max_position_embeddings"], parameters["factor"]
    low, high = parameters["low_freq_factor"], parameters["high_freq_factor"]
    turns = trained * plain / (2 * math.pi)
    kept = np.clip((turns - low) / (high - low), 0, 1)
    return plain * kept + plain / factor * (1 - kept)


def rotate_halves(heads: np.ndarray, turn: Rotation) -> np.ndarray:
    """[..., position, width]: channel i turns with channel i + width / 2."""
    first, second = np.split(heads, 2, axis=-1)
    return np.concatenate(
        [first * turn.cos - second * turn.sin, second * turn.cos + first * turn.sin], axis=-1
    )


def rotate_pairs(heads: np.ndarray, turn: Rotation) -> np.ndarray:
    """[..., position, width]: channel 2i turns with channel 2i + 1."""
    rotated = np.empty_like(heads)
    even, odd = heads[..., 0::2], heads[..., 1::2]
    rotated[..., 0::2] = even * turn.cos - odd * turn.sin
    rotated[..., 1::2] = odd * turn.cos + even * turn.sin
    return rotated
