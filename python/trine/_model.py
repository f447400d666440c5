"""A model that runs."""

from __future__ import annotations

import operator
import os
from typing import Callable, Iterable, List, Optional, Union

import numpy
import numpy.typing

from . import _native
from .reports import GenerateReport, from_native
from ._stream import TextStream

Path = Union[str, "os.PathLike[str]"]


class Model:
    """A model with its tokenizer, original or packed, ready to run.

    model = trine.Model.load("tiny-3bit")
    print(model.generate("The old house", max_tokens=60).text)

    One call runs at a time: calls from other threads wait for it. Memory is given back when the
    last reference is gone.
    """

    def __init__(self, path: Path, *, threads: int = 0, isa: str = "") -> None:
        """The same as load()."""
        self._path = os.fspath(path)
        self._native = _native.Model(self._path, {"threads": threads, "isa": isa})

    @classmethod
    def load(cls, path: Path, *, threads: int = 0, isa: str = "") -> Model:
        """Opens the model directory `path`; weights are mapped, not read.

        Args:
            path: an original as Hugging Face stores it, or what compress() wrote.
            threads: 0 means all processors.
            isa: instructions to use: "scalar", "avx2", "avx512" or "avx512vnni"; empty: the best
                there are.

        Raises:
            Error: the directory is no model, or not one that Trine knows.
        """
        return cls(path, threads=threads, isa=isa)

    @property
    def path(self) -> str:
        """The directory it was loaded from."""
        return self._path

    @property
    def has_encoder(self) -> bool:
        """Whether it has an encoder and answers a prompt. Others continue it."""
        return self._native.has_encoder

    def generate(
        self,
        prompt: str,
        *,
        max_tokens: int = 128,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        repetition_penalty: float = 1.0,
        seed: int = 0,
        on_text: Optional[Callable[[str], None]] = None,
    ) -> GenerateReport:
        """Continues `prompt` until the end-of-sequence token or `max_tokens`.

        Args:
            prompt: an encoder–decoder model reads it and writes a text of its own.
            max_tokens: at most so many new tokens.
            temperature: 0 means always the most likely token.
            top_k: only so many of the most likely tokens; 0: all.
            top_p: only the most likely tokens that together have this probability.
            min_p: only tokens at least this likely, relative to the most likely one.
            repetition_penalty: above 1, tokens that were there before are less likely.
            seed: the same seed, options and prompt give the same text.
            on_text: receives each piece of text as soon as it is certain. What it raises ends
                the text and is raised here.

        Returns:
            GenerateReport; its `text` is without the prompt.

        Raises:
            Error: an option makes no sense, or the prompt has no tokens.
            KeyboardInterrupt: between two pieces of text. The model can be used again.
        """
        options = {
            "max_tokens": max_tokens,
            "temperature": temperature,
            "top_k": top_k,
            "top_p": top_p,
            "min_p": min_p,
            "repetition_penalty": repetition_penalty,
            "seed": seed,
        }
        return from_native(GenerateReport, self._native.generate(prompt, options, on_text))

    def stream(
        self,
        prompt: str,
        *,
        max_tokens: int = 128,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        repetition_penalty: float = 1.0,
        seed: int = 0,
    ) -> TextStream:
        """As generate(), but an iterator over pieces of text while they are written.

            for piece in model.stream("The old house"):
                print(piece, end="", flush=True)

        What generate() raises is raised where the pieces are read.
        """
        return TextStream(
            lambda on_text: self.generate(
                prompt,
                max_tokens=max_tokens,
                temperature=temperature,
                top_k=top_k,
                top_p=top_p,
                min_p=min_p,
                repetition_penalty=repetition_penalty,
                seed=seed,
                on_text=on_text,
            )
        )

    def logits(
        self, token_ids: Iterable[int], *, encoder_token_ids: Iterable[int] = ()
    ) -> numpy.typing.NDArray[numpy.float32]:
        """Scores of the next token at every position of one sequence, before any softmax.

        Args:
            token_ids: the sequence, as tokenize() returns it; no token is added. Of an
                encoder–decoder model: what its decoder was given so far.
            encoder_token_ids: encoder–decoder models only: what the encoder reads.

        Returns:
            float32 array [positions, vocab_size]; row i follows tokens 0…i.

        Raises:
            Error: no token ids, or one outside the vocabulary.
        """
        return self._native.logits(_as_ids(token_ids), _as_ids(encoder_token_ids))

    def tokenize(self, text: str, *, add_special_tokens: bool = True) -> List[int]:
        """Token ids of `text`, with those the model expects around a sequence unless told not to.

        Special tokens spelled out in the text ("</s>") become their ids either way.
        """
        return self._native.tokenize(text, add_special_tokens)

    def detokenize(self, token_ids: Iterable[int], *, skip_special_tokens: bool = True) -> str:
        """Text of token ids. Ids without a token are left out, and special ones if so told."""
        return self._native.detokenize(_as_ids(token_ids), skip_special_tokens)

    def __repr__(self) -> str:
        return f"Model({self._path!r})"


def _as_ids(token_ids: Iterable[int]) -> List[int]:
    """Integers of any kind; TypeError for floats, OverflowError beyond 32 bits."""
    ids = [operator.index(token_id) for token_id in token_ids]
    for token_id in ids:
        if not -(2**31) <= token_id < 2**31:
            raise OverflowError(f"token id {token_id} is beyond 32 bits")
    return ids
