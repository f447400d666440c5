// Every way a part of a tokenizer.json can be wrong: code, place and expectation are named.
#include <gtest/gtest.h>

#include <string>

#include "input/decoders/decoder.h"
#include "input/json_part.h"
#include "input/normalizers/normalizer.h"
#include "input/post_processors/post_processor.h"
#include "input/pre_tokenizers/pre_tokenizer.h"
#include "input/token_models/token_model.h"
#include "support/expect_error.h"

namespace trine::input {
namespace {

using testing_support::expect_error;

using ErrorCode::kMalformed;
using ErrorCode::kUnsupported;

struct Row {
  const char* part;
  ErrorCode code;
  const char* first_word;
  const char* second_word;
};

/// EXPECT that `read(part)` fails as each row says.
template <std::size_t Count, class Read>
void expect_errors(const Row (&rows)[Count], Read read) {
  for (const Row& row : rows) {
    SCOPED_TRACE(row.part);
    const auto document = JsonDocument::parse(row.part, "f.json");
    ASSERT_TRUE(document.has_value()) << testing_support::sentence(document);
    const Status status = read(document->root());
    expect_error(status, row.code, {"f.json", row.first_word, row.second_word});
  }
}

TEST(MalformedParts, PreTokenizers) {
  const Row rows[] = {
      {"[]", kMalformed, "an array", "an object"},
      {"{}", kMalformed, "\"type\"", "missing"},
      {R"({"type": "BertPreTokenizer"})", kUnsupported, "BertPreTokenizer", "Whitespace"},
      {R"({"type": "Split"})", kMalformed, "\"pattern\"", "missing"},
      {R"({"type": "Split", "pattern": "a"})", kMalformed, "pattern is \"a\"", "an object"},
      {R"({"type": "Split", "pattern": {}})", kMalformed, "pattern", "Regex"},
      {R"({"type": "Split", "pattern": {"Regex": "a", "String": "b"}})", kMalformed, "pattern",
       "more than 1"},
      {R"({"type": "Split", "pattern": {"Glob": "a"}})", kUnsupported, "\"Glob\"",
       "Regex, String"},
      {R"({"type": "Split", "pattern": {"Regex": 1}})", kMalformed, "pattern.Regex is 1",
       "a string"},
      {R"({"type": "Split", "pattern": {"Regex": ""}})", kMalformed, "pattern.Regex",
       "not empty"},
      {R"({"type": "Split", "pattern": {"Regex": "("}})", kMalformed, "pattern.Regex: its",
       "cannot be read"},
      {R"({"type": "Split", "pattern": {"Regex": "\\w"}})", kUnsupported, "pattern.Regex: its",
       "uses \\w"},
      {R"({"type": "Split", "pattern": {"String": "a"}})", kMalformed, "\"behavior\"",
       "missing"},
      {R"({"type": "Split", "pattern": {"String": "a"}, "behavior": "isolated"})", kMalformed,
       "behavior is \"isolated\"", "Removed, Isolated, MergedWithPrevious"},
      {R"({"type": "Split", "pattern": {"String": "a"}, "behavior": 2})", kMalformed,
       "behavior is 2", "a string"},
      {R"({"type": "Split", "pattern": {"String": "a"}, "behavior": "Removed", "invert": 0})",
       kMalformed, "invert is 0", "true or false"},
      {R"({"type": "ByteLevel", "add_prefix_space": "no"})", kMalformed, "add_prefix_space",
       "true or false"},
      {R"({"type": "ByteLevel", "use_regex": 1})", kMalformed, "use_regex is 1",
       "true or false"},
      {R"({"type": "Digits", "individual_digits": 1})", kMalformed, "individual_digits",
       "true or false"},
      {R"({"type": "Punctuation", "behavior": "Apart"})", kMalformed, "behavior", "Contiguous"},
      {R"({"type": "Metaspace"})", kMalformed, "\"replacement\"", "missing"},
      {R"({"type": "Metaspace", "replacement": "ab"})", kMalformed, "replacement is \"ab\"",
       "one character"},
      {R"({"type": "Metaspace", "replacement": ""})", kMalformed, "replacement",
       "one character"},
      {R"({"type": "Metaspace", "replacement": "_", "prepend_scheme": "last"})", kMalformed,
       "prepend_scheme is \"last\"", "always, first or never"},
      {R"({"type": "Metaspace", "replacement": "_", "split": 1})", kMalformed, "split is 1",
       "true or false"},
      {R"({"type": "Sequence"})", kMalformed, "\"pretokenizers\"", "missing"},
      {R"({"type": "Sequence", "pretokenizers": [{"type": "Split"}]})", kMalformed,
       "pretokenizers[0]", "\"pattern\""},
  };
  expect_errors(rows, [](const JsonPart& part) {
    PreTokenizers pre_tokenizers;
    return read_pre_tokenizer(part, pre_tokenizers);
  });
}

TEST(MalformedParts, Normalizers) {
  const Row rows[] = {
      {R"({"type": "Strip", "strip_left": true})", kMalformed, "\"strip_right\"", "missing"},
      {R"({"type": "Strip", "strip_left": 1, "strip_right": true})", kMalformed,
       "strip_left is 1", "true or false"},
      {R"({"type": "Replace", "pattern": {"Regex": "[b-a]"}, "content": ""})", kMalformed,
       "pattern.Regex", "cannot be read"},
      {R"({"type": "Replace", "pattern": {"Regex": "a"}, "content": 1})", kMalformed,
       "content is 1", "a string"},
      {R"({"type": "Precompiled"})", kMalformed, "\"precompiled_charsmap\"", "missing"},
      {R"({"type": "Precompiled", "precompiled_charsmap": "AAAA="})", kMalformed,
       "precompiled_charsmap", "base64"},
      {R"({"type": "Precompiled", "precompiled_charsmap": "AA?A"})", kMalformed,
       "precompiled_charsmap", "base64"},
      {R"({"type": "Precompiled", "precompiled_charsmap": "AAA="})", kMalformed,
       "precompiled_charsmap", "base64"},
      {R"({"type": "Precompiled", "precompiled_charsmap": "BAAAAA=="})", kMalformed,
       "precompiled_charsmap", "with their trie"},
      {R"({"type": "Precompiled", "precompiled_charsmap": "AAAAAP8A"})", kMalformed,
       "precompiled_charsmap", "UTF-8"},
  };
  expect_errors(rows, [](const JsonPart& part) {
    Normalizers normalizers;
    return read_normalizer(part, normalizers);
  });
}

TEST(MalformedParts, Decoders) {
  const Row rows[] = {
      {R"({"type": "CTC"})", kUnsupported, "\"CTC\"", "ByteLevel"},
      {R"({"type": "BPEDecoder"})", kUnsupported, "\"BPEDecoder\"", "Metaspace"},
      {R"({"type": "Metaspace", "replacement": 3})", kMalformed, "replacement is 3",
       "a string"},
      {R"({"type": "Replace", "pattern": {"Regex": "a"}, "content": ""})", kUnsupported,
       "pattern is of type \"Regex\"", "known: String"},
  };
  expect_errors(rows, [](const JsonPart& part) {
    Decoders decoders;
    return read_decoder(part, decoders);
  });
}

TEST(MalformedParts, PostProcessors) {
  const Row rows[] = {
      {R"({"type": "Sequence"})", kMalformed, "\"processors\"", "missing"},
      {R"({"type": "Sequence", "processors": [{"type": "Frame"}]})", kUnsupported,
       "processors[0] is of type \"Frame\"", "RobertaProcessing"},
      {R"({"type": "BertProcessing", "cls": ["a", 1]})", kMalformed, "\"sep\"", "missing"},
      {R"({"type": "BertProcessing", "cls": ["a"]})", kMalformed, "cls", "a text and an id"},
      {R"({"type": "RobertaProcessing", "cls": ["a", -1]})", kMalformed, "cls[1] is -1",
       "whole number"},
  };
  expect_errors(rows, [](const JsonPart& part) {
    SpecialTokenFrame frame;
    return read_post_processor(part, frame);
  });
}

TEST(MalformedParts, Unigram) {
  const Row rows[] = {
      {R"({"type": "Unigram"})", kMalformed, "\"vocab\"", "missing"},
      {R"({"type": "Unigram", "vocab": []})", kMalformed, "vocab", "not empty"},
      {R"({"type": "Unigram", "vocab": {"a": 1}})", kMalformed, "vocab is an object",
       "an array"},
      {R"({"type": "Unigram", "vocab": [["a"]]})", kMalformed, "vocab[0]", "a score"},
      {R"({"type": "Unigram", "vocab": [["", 1]]})", kMalformed, "vocab[0][0]", "not empty"},
      {R"({"type": "Unigram", "vocab": [["a", "b"]]})", kMalformed, "vocab[0][1] is \"b\"",
       "a number"},
      {R"({"type": "Unigram", "vocab": [["a", 1], ["a", 2]]})", kMalformed, "vocab[1][0]",
       "not listed before"},
      {R"({"type": "Unigram", "vocab": [["a", 1]]})", kMalformed, "\"unk_id\"", "missing"},
      {R"({"type": "Unigram", "vocab": [["a", 1]], "unk_id": 1})", kMalformed, "unk_id is 1",
       "from 0 to 0"},
      {R"({"type": "Unigram", "vocab": [["a", 1]], "unk_id": 0, "byte_fallback": true})",
       kMalformed, "byte_fallback is true", "<0x00>"},
  };
  expect_errors(rows, [](const JsonPart& part) -> Status {
    const auto model = read_token_model(part);
    if (!model) return tl::unexpected<Error>(model.error());
    return {};
  });
}

TEST(MalformedParts, AnyRulesOfPrecompiledAreSafe) {
  // A trie of chance: no replacement, or one from the list, but never a place outside.
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz01234";
  std::uint32_t state = 1;
  for (int i = 0; i < 2000; ++i) {
    std::string rules = "RAAAAA";  // 68 bytes of trie
    while (rules.size() < 96) {
      state = state * 1664525 + 1013904223;
      rules += kDigits[(state >> 16) % kDigits.size()];
    }
    rules += "QUJDAEFCQwBEAEVG";  // "ABC", "ABC", "D", "EF"
    const std::string part =
        R"({"type": "Precompiled", "precompiled_charsmap": ")" + rules + "\"}";
    const auto document = JsonDocument::parse(part, "f.json");
    Normalizers normalizers;
    ASSERT_TRUE(read_normalizer(document->root(), normalizers).has_value());
    EXPECT_LE(normalize(normalizers, "aBc \u00e9\u4e2d\r\n").size(), 2000u);
  }
}

}  // namespace
}  // namespace trine::input
