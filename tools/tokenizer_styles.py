"""Small tokenizers in the styles of well-known models, for make_tokenizer_goldens.py.

The expressions are data of the formats: what each style's published tokenizer.json holds.
"""
import base64
import io
import json
import pathlib
import tempfile

import sentencepiece
import tokenizers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers

from mixed_text import mixed_text

VOCAB_SIZE = 1200
TRAINING_BYTES = 300_000
CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
LLAMA_3 = (CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
           r"|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN_2 = LLAMA_3.replace("{1,3}", "")
DEEPSEEK_CJK = "[一-龥\u3040-ゟ゠-ヿ]+"
DEEPSEEK_WORDS = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?"
                  r"[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
GPT_OSS = (rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{CONTRACTIONS}?"
           rf"|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{CONTRACTIONS}?"
           r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
# Rules as T5 has them, fewer: what is written, and for what.
T5_RULES = [(" ", "\t"), (" ", "\n"), (" ", "\r"), (" ", "\u00a0"), (" ", "\u3000"), (" ", "\u2028"),
            ("", "\u200b"), ("", "\u00ad"), ("", "\ufeff"), ("fi", "ﬁ"), ("fl", "ﬂ"), ("ffi", "ﬃ"),
            ("é", "e\u0301"), ("Å", "\u212b"), ("K", "\u212a"), ("Ω", "\u2126"), ("1/2", "½"),
            ("2", "²"), ("3", "³"), ("...", "…"), ("T", "Ｔ"), ("e", "ｅ"), ("x", "ｘ"), ("t", "ｔ"),
            ("1", "１"), ("パ", "ﾊ\uff9f"), ("ハ", "ﾊ"), ("ab", "zzz")]


def split(pattern):
    return pre_tokenizers.Split(Regex(pattern), "isolated")


def byte_level():
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


def train(pre_tokenizer, special, training_text, normalizer=None):
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    trainer = trainers.BpeTrainer(vocab_size=VOCAB_SIZE, special_tokens=special, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator([training_text], trainer)
    return tokenizer


def as_json(tokenizer):
    return json.loads(tokenizer.to_str())


def gpt2(training_text):
    return as_json(train(pre_tokenizers.ByteLevel(add_prefix_space=False), ["<|endoftext|>"],
                         training_text))


def llama3(training_text):
    special = ["<|begin_of_text|>", "<|im_start|>"]
    tokenizer = train(pre_tokenizers.Sequence([split(LLAMA_3), byte_level()]), special,
                      training_text)
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="<|begin_of_text|> $A",
                                      special_tokens=[("<|begin_of_text|>", 0)])])
    result = as_json(tokenizer)
    model = result["model"]
    model["ignore_merges"] = True
    # Every ninth token is out of the reach of merges, as some of Llama 3's are.
    model["merges"] = [merge for index, merge in enumerate(model["merges"]) if index % 9 != 5]
    return result


def qwen2(training_text):
    tokenizer = train(pre_tokenizers.Sequence([split(QWEN_2), byte_level()]),
                      ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], training_text,
                      normalizers.NFC())
    tokenizer.add_tokens([tokenizers.AddedToken("</s>", normalized=True),
                          tokenizers.AddedToken("café", normalized=True, lstrip=True)])
    return as_json(tokenizer)


def deepseek_v3(training_text):
    steps = [split(r"\p{N}{1,3}"), split(DEEPSEEK_CJK), split(DEEPSEEK_WORDS), byte_level()]
    tokenizer = train(pre_tokenizers.Sequence(steps), ["<｜begin▁of▁sentence｜>"], training_text)
    tokenizer.add_tokens([tokenizers.AddedToken("<pad>", normalized=True, rstrip=True)])
    return as_json(tokenizer)


def gpt_oss(training_text):
    return as_json(train(pre_tokenizers.Sequence([split(GPT_OSS), byte_level()]),
                         ["<|endoftext|>"], training_text))


def fields_of(message):
    """(number, value) of the fields of a protobuf message that are bytes or numbers."""
    position = 0

    def varint():
        nonlocal position
        value = shift = 0
        while True:
            byte = message[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while position < len(message):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
            continue
        size = {1: 8, 5: 4}.get(key & 7) or varint()
        yield key >> 3, message[position:position + size]
        position += size


def train_unigram(training_text):
    """SentencePiece's pieces with their scores, and its normalization rules."""
    rules = "\n".join("\t".join(" ".join(f"{ord(c):X}" for c in side) for side in (source, target))
                      for target, source in T5_RULES)
    model = io.BytesIO()
    lines = [line[:2000] for line in training_text.replace("\0", " ").split("\n") if line.strip()]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "rules.tsv"
        path.write_text(rules + "\n")
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_writer=model, vocab_size=VOCAB_SIZE,
            normalization_rule_tsv=str(path), character_coverage=0.98, minloglevel=2,
            pad_id=0, eos_id=1, unk_id=2, bos_id=-1, hard_vocab_limit=False)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    pieces = [[processor.id_to_piece(i), processor.get_score(i)] for i in range(len(processor))]
    normalizer = dict(fields_of(dict(fields_of(model.getvalue()))[3]))
    return pieces, base64.b64encode(normalizer[2]).decode()


def t5(training_text):
    pieces, charsmap = train_unigram(training_text)
    tokenizer = tokenizers.Tokenizer(models.Unigram([tuple(piece) for piece in pieces], 2, False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>", "<extra_id_0>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)])
    result = as_json(tokenizer)
    result["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": charsmap}
    return result


STYLES = {"gpt2": gpt2, "llama3": llama3, "qwen2": qwen2, "deepseek_v3": deepseek_v3,
          "gpt_oss": gpt_oss, "t5": t5}


def make_styles(fragments):
    """Name and tokenizer.json of each style."""
    training_text = mixed_text(1000, TRAINING_BYTES, fragments)
    for name, make in STYLES.items():
        yield name, make(training_text)
