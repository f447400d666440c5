// Every way a tokenizer.json can be wrong: code, place and expectation are named.
#include <gtest/gtest.h>

#include <string>

#include "base/json.h"
#include "input/json_tokenizer.h"
#include "support/expect_error.h"
#include "support/tokenizers.h"

namespace trine::input {
namespace {

using base::Json;
using testing_support::expect_error;

/// A correct file: "<unk>", two letters and their merge.
Json small_tokenizer() {
  return Json::parse(R"({
    "version": "1.0",
    "added_tokens": [{"id": 4, "content": "<s>", "special": true}],
    "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "a"}]},
    "pre_tokenizer": null,
    "post_processor": {
      "type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}],
      "special_tokens": {"<s>": {"id": "<s>", "ids": [4]}}
    },
    "decoder": {"type": "Sequence", "decoders": [{"type": "Fuse"}]},
    "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": false, "byte_fallback": false,
              "vocab": {"<unk>": 0, "a": 1, "b": 2, "ab": 3}, "merges": ["a b"]}
  })");
}

Result<std::unique_ptr<Tokenizer>> open_text(std::string_view text) {
  return parse_json_tokenizer(text, "tokenizer.json", {});
}

TEST(TokenizerJson, ReadsTheSmallFile) {
  const auto tokenizer = open_text(small_tokenizer().dump());
  ASSERT_TRUE(tokenizer.has_value()) << testing_support::sentence(tokenizer);
  EXPECT_EQ((*tokenizer)->vocab_size(), 5u);
  EXPECT_EQ((*tokenizer)->encode("b?<s>", SpecialTokens::kInclude),
            (std::vector<std::int32_t>{4, 3, 0, 4}));
}

TEST(TokenizerJson, ReadsMergesAsPairsAndModelsWithoutType) {
  Json json = small_tokenizer();
  json["model"]["merges"] = Json::parse(R"([["a", "b"]])");
  json["model"].erase("type");
  const auto tokenizer = open_text(json.dump());
  ASSERT_TRUE(tokenizer.has_value()) << testing_support::sentence(tokenizer);
  EXPECT_EQ((*tokenizer)->encode("b", SpecialTokens::kExclude), std::vector<std::int32_t>{3});
}

/// One change to the correct file, by JSON pointer, and what must be said about it.
struct Change {
  const char* pointer;
  const char* value;  ///< JSON; "" removes the field
  ErrorCode code;
  const char* first_word;
  const char* second_word;
};

using ErrorCode::kMalformed;
using ErrorCode::kUnsupported;

const Change kChanges[] = {
    // the file as a whole
    {"/tokens", "{}", kUnsupported, "tokens is a part", "known: version"},
    {"/pre_tokenizer", R"({"type": "CharDelimiterSplit"})", kUnsupported, "pre_tokenizer",
     "known: ByteLevel, Digits, Metaspace, Punctuation, Sequence, Split, Whitespace"},
    {"/pre_tokenizer", "7", kMalformed, "pre_tokenizer is 7", "an object"},
    // model
    {"/model", "", kMalformed, "\"model\" is missing", "tokenizer.json"},
    {"/model", "[]", kMalformed, "model is an array", "an object"},
    {"/model/type", "\"WordPiece\"", kUnsupported, "model is of type \"WordPiece\"",
     "known: BPE, Unigram"},
    {"/model/type", "3", kMalformed, "model.type is 3", "a string"},
    {"/model/vocab", "", kMalformed, "model: field \"vocab\"", "missing"},
    {"/model/vocab", "[]", kMalformed, "model.vocab is an array", "an object"},
    {"/model/vocab/a", "\"1\"", kMalformed, "model.vocab.a is \"1\"", "a whole number from 0"},
    {"/model/vocab/a", "1.5", kMalformed, "model.vocab.a is 1.5", "a whole number"},
    {"/model/vocab/a", "-1", kMalformed, "model.vocab.a is -1", "from 0 to 4194303"},
    {"/model/vocab/a", "4194304", kMalformed, "model.vocab.a is 4194304", "to 4194303"},
    {"/model/vocab/a", "18446744073709551615", kMalformed, "model.vocab.a", "to 4194303"},
    {"/model/vocab/a", "2", kMalformed, "is 2, which is already the id of", "\"a\""},
    {"/model/merges", "", kMalformed, "model: field \"merges\"", "missing"},
    {"/model/merges", "{}", kMalformed, "model.merges is an object", "an array"},
    {"/model/merges/0", "7", kMalformed, "model.merges[0] is 7", "an array"},
    {"/model/merges/0", "\"ab\"", kMalformed, "model.merges[0] is \"ab\"", "two tokens"},
    {"/model/merges/0", "\"a b b\"", kMalformed, "model.merges[0]", "two tokens"},
    {"/model/merges/0", "\"a \"", kMalformed, "model.merges[0]", "two tokens with text"},
    {"/model/merges/0", "[\"a\"]", kMalformed, "model.merges[0] is an array", "two tokens"},
    {"/model/merges/0", "[\"a\", \"b\", \"b\"]", kMalformed, "model.merges[0]", "more than 2"},
    {"/model/merges/0", "[\"a\", 2]", kMalformed, "model.merges[0][1] is 2", "a string"},
    {"/model/merges/0", "\"a z\"", kMalformed, "model.merges[0] names the token \"z\"",
     "not in"},
    {"/model/merges/0", "\"z a\"", kMalformed, "model.merges[0] names the token \"z\"",
     "not in"},
    {"/model/merges/0", "\"b a\"", kMalformed, "names the token \"ba\"", "not in"},
    {"/model/unk_token", "\"?\"", kMalformed, "model.unk_token names the token \"?\"",
     "not in"},
    {"/model/unk_token", "0", kMalformed, "model.unk_token is 0", "a string"},
    {"/model/fuse_unk", "1", kMalformed, "model.fuse_unk is 1", "true or false"},
    {"/model/ignore_merges", "\"no\"", kMalformed, "model.ignore_merges", "true or false"},
    {"/model/byte_fallback", "true", kMalformed, "byte_fallback is true", "\"<0x00>\""},
    {"/model/dropout", "0.1", kUnsupported, "model.dropout", "known: null"},
    {"/model/end_of_word_suffix", "\"</w>\"", kUnsupported, "end_of_word_suffix", "\"</w>\""},
    // added_tokens
    {"/added_tokens", "{}", kMalformed, "added_tokens is an object", "an array"},
    {"/added_tokens/0", "\"<s>\"", kMalformed, "added_tokens[0] is \"<s>\"", "an object"},
    {"/added_tokens/0/id", "", kMalformed, "added_tokens[0]: field \"id\"", "missing"},
    {"/added_tokens/0/id", "-4", kMalformed, "added_tokens[0].id is -4", "a whole number"},
    {"/added_tokens/0/id", "1", kMalformed, "added_tokens[0]", "the model's id of \"a\""},
    {"/added_tokens/0/content", "\"a\"", kMalformed, "\"a\" the id 4", "the model gives it 1"},
    {"/added_tokens/0/content", "\"\"", kMalformed, "added_tokens[0].content",
     "1 to 1024 bytes"},
    {"/added_tokens/0/lstrip", "0", kMalformed, "added_tokens[0].lstrip", "true or false"},
    {"/added_tokens/1", R"({"id": 4, "content": "<t>"})", kMalformed, "added_tokens[1]",
     "before"},
    {"/added_tokens/1", R"({"id": 5, "content": "<s>"})", kMalformed, "added_tokens[1]",
     "before"},
    // normalizer
    {"/normalizer/type", "\"BertNormalizer\"", kUnsupported,
     "normalizer is of type \"BertNormalizer\"", "known: Lowercase, NFC, NFD, NFKC, NFKD"},
    {"/normalizer/normalizers", "1", kMalformed, "normalizer.normalizers is 1", "an array"},
    {"/normalizer/normalizers/0/type", "\"Nmt\"", kUnsupported,
     "normalizer.normalizers[0] is of type \"Nmt\"", "Prepend"},
    {"/normalizer/normalizers/0/prepend", "[]", kMalformed, "normalizers[0].prepend",
     "a string"},
    {"/normalizer", R"({"type": "Replace", "pattern": {"Glob": "a+"}, "content": ""})",
     kUnsupported, "normalizer.pattern is of type \"Glob\"", "known: Regex, String"},
    {"/normalizer", R"({"type": "Replace", "pattern": {"String": ""}, "content": ""})",
     kMalformed, "normalizer.pattern.String", "not empty"},
    {"/normalizer", R"({"type": "Replace", "pattern": {"String": "a"}})", kMalformed,
     "normalizer: field \"content\"", "missing"},
    {"/normalizer", R"({"type": "Replace", "pattern": {}})", kMalformed, "normalizer.pattern",
     "String"},
    // decoder
    {"/decoder", R"({"type": "WordPiece"})", kUnsupported, "decoder is of type \"WordPiece\"",
     "known: ByteFallback, ByteLevel, Fuse, Metaspace, Replace, Sequence, Strip"},
    {"/decoder/decoders/0", "null", kMalformed, "decoder.decoders[0] is null", "an object"},
    {"/decoder", R"({"type": "Strip", "content": "ab", "start": 1, "stop": 0})", kMalformed,
     "decoder.content is \"ab\"", "one character"},
    {"/decoder", R"({"type": "Strip", "content": " ", "start": -1, "stop": 0})", kMalformed,
     "decoder.start is -1", "a whole number"},
    // post_processor
    {"/post_processor/type", "\"Frame\"", kUnsupported, "\"Frame\"",
     "known: BertProcessing, ByteLevel, RobertaProcessing, Sequence, TemplateProcessing"},
    {"/post_processor/single", "[]", kMalformed, "post_processor.single has 0 places", "one"},
    {"/post_processor/single/0", R"({"Sequence": {"id": "A"}})", kMalformed, "2 places", "one"},
    {"/post_processor/single/0", R"({"Sequence": {"id": "B"}})", kMalformed, "single[0]",
     "\"A\""},
    {"/post_processor/single/0", R"({"Mask": {"id": "A"}})", kUnsupported, "\"Mask\"",
     "Sequence"},
    {"/post_processor/single/0", "{}", kMalformed, "single[0] is an object", "SpecialToken"},
    {"/post_processor/single/0/SpecialToken/id", "\"<t>\"", kMalformed, "SpecialToken.id",
     "listed"},
    {"/post_processor/special_tokens/<s>/ids/0", "9", kMalformed, "adds the id 9", "no token"},
    {"/post_processor/special_tokens/<s>/ids/0", "-1", kMalformed, "ids[0] is -1",
     "whole number"},
};

TEST(TokenizerJson, SaysWhatIsWrong) {
  for (const Change& change : kChanges) {
    SCOPED_TRACE(fmt::format("{} = {}", change.pointer, change.value));
    Json json = small_tokenizer();
    const Json::json_pointer pointer(change.pointer);
    if (std::string_view(change.value).empty()) {
      json.at(pointer.parent_pointer()).erase(pointer.back());
    } else {
      json[pointer] = Json::parse(change.value);
    }
    expect_error(open_text(json.dump()), change.code,
                 {"tokenizer.json", change.first_word, change.second_word});
  }
}

TEST(TokenizerJson, RefusesPartsThatWouldFillTheMemory) {
  const std::string replace =
      R"({"type": "Replace", "pattern": {"String": "a"}, "content": "aaaaaaaaaa"})";
  std::string steps = replace;
  for (int i = 0; i < 4; ++i) steps += ", " + replace;
  Json json = small_tokenizer();
  json["normalizer"]["normalizers"] = Json::parse("[" + steps + "]");
  expect_error(open_text(json.dump()), kUnsupported, {"normalizer may make a text", "longer"});
  json = small_tokenizer();
  json["decoder"]["decoders"] = Json::parse("[" + steps + "]");
  expect_error(open_text(json.dump()), kUnsupported, {"decoder may make a text", "longer"});
}

TEST(TokenizerJson, RefusesWhatIsNotStrictJson) {
  const std::string good = small_tokenizer().dump();
  expect_error(open_text(""), kMalformed, {"tokenizer.json", "not valid JSON"});
  expect_error(open_text("[]"), kMalformed, {"tokenizer.json is an array", "an object"});
  expect_error(open_text(good + "x"), kMalformed, {"not valid JSON"});
  expect_error(open_text(R"({"version": "1.0", "version": "1.0"})"), kMalformed,
               {"duplicate key \"version\""});
  expect_error(open_text(R"({"model": {"vocab": {"a": 0, "b": 1, "\u0061": 2}}})"), kMalformed,
               {"duplicate key \"a\""});
  expect_error(open_text(R"({"model": "\ud800"})"), kMalformed, {"not valid JSON"});
  expect_error(open_text("{\"model\": \"\xFF\"}"), kMalformed, {"not valid JSON"});
}

TEST(TokenizerJson, RefusesDeepNesting) {
  std::string text;
  for (int i = 0; i < 100000; ++i) text += R"({"normalizer":[)";
  expect_error(open_text(text), kMalformed, {"not valid JSON"});
  std::string closed = "1";
  for (int i = 0; i < 100; ++i) closed = "[" + closed + "]";
  expect_error(open_text(R"({"model": )" + closed + "}"), kMalformed, {"deep"});
}

TEST(TokenizerJson, RefusesEveryTruncation) {
  const std::string good = small_tokenizer().dump();
  for (std::size_t length = 0; length < good.size(); ++length) {
    expect_error(open_text(std::string_view(good).substr(0, length)), kMalformed,
                 {"tokenizer.json", "not valid JSON"});
  }
}

TEST(TokenizerJson, SurvivesEveryChangedByte) {
  // No promise but this: an error with a sentence, or a tokenizer that works.
  std::string text = small_tokenizer().dump();
  for (char& byte : text) {
    const char before = byte;
    for (const char other : {'"', '0', '{', '\xC3'}) {
      byte = other;
      if (const auto tokenizer = open_text(text)) {
        const auto ids = (*tokenizer)->encode("ab<s>\xFF", SpecialTokens::kInclude);
        static_cast<void>((*tokenizer)->decode(ids, SpecialTokens::kExclude));
      } else {
        EXPECT_FALSE(tokenizer.error().message.empty());
      }
    }
    byte = before;
  }
}

}  // namespace
}  // namespace trine::input
