"""What single parts of a tokenizer.json do to tricky texts, for make_tokenizer_goldens.py."""
import json

import tokenizers

TEXTS = ["", "a", " a", "the  cat--sat, 12ab3½!", "  two  spaces  ", "a\n\n b\r\nc\t", "--a--", "é e\u0301 É",
         "Ünïcödé ΟΔΟΣ İ", "x\u180ey\u0085z\u2028w\u3000v", "中文12字—「あ」", "_a▁b ▁", "$5+3=8 ^_`|~", "ﬁ Å ½ ｱ Ⅻ"]
BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
REGEXES = [r"\s+(?!\S)|\s", r"[aeiou]*", r"(?i:THE)|\p{N}{1,2}", r"[^\S\n]+", r"\p{^L}\P{N}", r"^.|.$",
           r"[\-\s]|\u00e9", r"(?<=a)\D", r"[\p{Han}a-c]+|\x62"]


def pre_tokenizers():
    for behavior in BEHAVIORS:
        for invert in (False, True):
            yield {"type": "Split", "pattern": {"String": "-"}, "behavior": behavior, "invert": invert}
            yield {"type": "Split", "pattern": {"Regex": r"\p{L}|"}, "behavior": behavior,
                   "invert": invert}
        yield {"type": "Punctuation", "behavior": behavior}
    for regex in REGEXES:
        yield {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}
    for setting in (False, True):
        yield {"type": "Digits", "individual_digits": setting}
        for regex in (False, True):
            yield {"type": "ByteLevel", "add_prefix_space": setting, "use_regex": regex,
                   "trim_offsets": True}
        for scheme in ("always", "first", "never"):
            yield {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": setting}
    yield {"type": "Whitespace"}
    yield {"type": "WhitespaceSplit"}
    yield {"type": "Sequence", "pretokenizers": [
        {"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "_",
                                      "prepend_scheme": "first", "split": True}]}
    yield {"type": "Sequence", "pretokenizers": []}


def normalizers():
    for form in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents"):
        yield {"type": form}
    for left in (False, True):
        for right in (False, True):
            yield {"type": "Strip", "strip_left": left, "strip_right": right}
    yield {"type": "Prepend", "prepend": "_"}
    for pattern in ({"String": "a"}, {"Regex": " {2,}"}, {"Regex": "a*"}, {"Regex": r"\s"}):
        yield {"type": "Replace", "pattern": pattern, "content": "$1é"}
    yield {"type": "Sequence", "normalizers": [
        {"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"}, {"type": "NFC"}]}


def tokenizer_with(part, setting):
    model = {"type": "BPE", "vocab": {"a": 0}, "merges": []}
    return tokenizers.Tokenizer.from_str(json.dumps({"version": "1.0", "model": model, part: setting}))


def pre_tokenizer_cases():
    for setting in pre_tokenizers():
        part = tokenizer_with("pre_tokenizer", setting).pre_tokenizer
        # A pre-tokenizer that cuts nothing gives the empty text one empty word.
        words = [[word for word, _ in part.pre_tokenize_str(text) if word] for text in TEXTS]
        yield {"setting": setting, "words": words}


def normalizer_cases():
    for setting in normalizers():
        part = tokenizer_with("normalizer", setting).normalizer
        yield {"setting": setting, "normalized": [part.normalize_str(text) for text in TEXTS]}


def parts_text():
    """The whole of parts.json."""
    def lines(cases):
        return ",\n".join("  " + json.dumps(case, ensure_ascii=False) for case in cases)
    texts = json.dumps(TEXTS, ensure_ascii=False)
    return (f'{{"made_with": "tokenizers {tokenizers.__version__}",\n "texts": {texts},\n'
            f' "pre_tokenizers": [\n{lines(pre_tokenizer_cases())}\n ],\n'
            f' "normalizers": [\n{lines(normalizer_cases())}\n ]\n}}\n')
