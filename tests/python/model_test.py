"""Running models through the Python module."""

import gc
import os
import signal
import threading
import time

import numpy
import pytest

import trine

def test_tokens_go_both_ways(model):
    ids = model.tokenize("The old house")
    assert ids[0] == 1  # BOS
    assert model.tokenize("The old house", add_special_tokens=False) == ids[1:]
    assert model.detokenize(ids) == "The old house"
    assert model.detokenize(ids, skip_special_tokens=False).startswith("<s>")
    assert model.detokenize(numpy.array(ids)) == "The old house"


def test_logits_have_a_row_per_position(model):
    ids = model.tokenize("The old house stood on a hill")
    logits = model.logits(ids)
    assert logits.shape == (len(ids), trine.inspect(model.path).vocab_size)
    assert logits.dtype == numpy.float32
    # Causal. Sums of float32 in another order: some hundred terms of up to 10, 2⁻²⁴ each.
    assert numpy.abs(logits[:3] - model.logits(ids[:3])).max() < 1e-3
    assert numpy.abs(logits[3] - logits[2]).max() > 1


def test_logits_outlive_the_model(original):
    logits = trine.Model.load(original).logits([1, 2, 3])
    gc.collect()
    assert numpy.isfinite(logits).all()
    logits[0, 0] = 1.0  # the caller's own


def test_logits_agree_with_perplexity(model, original, sample, tmp_path):
    """exp of the mean of −log p over one window is what evaluate() calls perplexity."""
    window = 64
    ids = model.tokenize(sample.read_text(encoding="utf-8"))[:window]
    logits = model.logits(ids).astype(numpy.float64)
    log_sums = numpy.log(numpy.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1))
    log_sums += logits.max(axis=1)
    chosen = logits[numpy.arange(window - 1), ids[1:]]
    nll = (log_sums[:-1] - chosen).mean()
    text = tmp_path / "text.txt"
    text.write_text(model.detokenize(ids), encoding="utf-8")
    report = trine.evaluate(original, text_files=[text], window=window)
    assert report.windows == 1 and report.tokens == window
    assert report.nll.value == pytest.approx(nll, rel=1e-5)  # sums of floats, in another order


@pytest.mark.parametrize("ids", [[], [4096], [-1]])
def test_logits_refuse_ids_that_are_none(model, ids):
    with pytest.raises(trine.Error) as caught:
        model.logits(ids)
    assert caught.value.code == "invalid_argument"


def test_ids_are_integers(model):
    with pytest.raises(TypeError):
        model.logits([1.5])
    with pytest.raises(OverflowError, match="4294967296"):
        model.logits([2**32])


def test_an_encoder_needs_its_tokens(model):
    with pytest.raises(trine.Error, match="no encoder"):
        model.logits([1], encoder_token_ids=[1])
    assert not model.has_encoder


def test_generate_is_repeatable(model):
    first = model.generate("The old house", max_tokens=12, seed=7)
    again = model.generate("The old house", max_tokens=12, seed=7)
    other = model.generate("The old house", max_tokens=12, seed=8)
    assert first.text == again.text != other.text
    assert (first.finish_reason, first.generated_tokens) == ("length", 12)


def test_greedy_text_is_the_most_likely_token_of_the_logits(model):
    ids = model.tokenize("The old house")
    for _ in range(4):
        ids.append(int(model.logits(ids)[-1].argmax()))
    text = model.generate("The old house", max_tokens=4, temperature=0.0).text
    assert model.detokenize(ids) == "The old house" + text


def test_a_stream_is_the_text_in_pieces(model):
    whole = model.generate("The old house", max_tokens=12, seed=7)
    stream = model.stream("The old house", max_tokens=12, seed=7)
    pieces = list(stream)
    assert len(pieces) > 4 and "".join(pieces) == whole.text
    assert stream.report.text == whole.text
    assert next(stream, None) is None


def test_leaving_a_stream_ends_the_writing(model):
    with model.stream("The old house", max_tokens=100_000, temperature=1.5) as stream:
        next(stream)
    assert stream.report is None
    # The model is free at once.
    assert model.generate("A", max_tokens=1).generated_tokens <= 1


def test_a_dropped_stream_ends_too(model):
    stream = model.stream("The old house", max_tokens=100_000, temperature=1.5)
    next(stream)
    thread = stream._thread
    del stream
    gc.collect()
    thread.join(timeout=30)
    assert not thread.is_alive()


def test_a_stream_raises_what_generate_raises(model):
    with pytest.raises(trine.Error):
        next(model.stream("A", temperature=-1.0))


def test_what_on_text_raises_ends_the_text(model):
    pieces = []

    def stop(piece):
        pieces.append(piece)
        if len(pieces) == 3:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        model.generate("The old house", max_tokens=1000, on_text=stop)
    assert len(pieces) == 3
    assert model.generate("A", max_tokens=1).generated_tokens <= 1


def test_on_text_cannot_call_the_busy_model(model):
    def again(piece):
        model.generate("A", max_tokens=1)

    with pytest.raises(RuntimeError, match="busy"):
        model.generate("The old house", max_tokens=4, on_text=again)


def test_ctrl_c_ends_the_text(model):
    """The signal comes from outside, in the middle of a text."""
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        while True:
            model.generate("The old house", max_tokens=200, temperature=1.5)
    assert time.monotonic() - start < 30
    assert model.generate("A", max_tokens=1).generated_tokens <= 1


def test_threads_wait_for_each_other(model):
    alone = model.generate("The old house", max_tokens=8, seed=7).text
    texts = []

    def write():
        texts.append(model.generate("The old house", max_tokens=8, seed=7).text)

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == [alone] * 3
