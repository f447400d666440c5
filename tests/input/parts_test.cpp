// What single parts of a tokenizer.json do to tricky texts, as the Rust library `tokenizers` does
// it (tools/tokenizer_parts.py).
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/json.h"
#include "input/json_part.h"
#include "input/normalizers/normalizer.h"
#include "input/pre_tokenizers/pre_tokenizer.h"
#include "support/expect_error.h"

namespace trine::input {
namespace {

using testing_support::sentence;

base::Json golden() {
  const auto json = base::read_json_file("tests/golden/tokenizer/parts.json");
  EXPECT_TRUE(json.has_value()) << sentence(json);
  return *json;
}

std::vector<std::string> words_of(const PreTokenizers& pre_tokenizers, std::string_view text) {
  const WordList list = pre_tokenize(pre_tokenizers, text, true);
  std::vector<std::string> words;
  for (const Word& word : list.words) words.emplace_back(list.view(word));
  return words;
}

TEST(Parts, PreTokenizersAgree) {
  const base::Json parts = golden();
  const auto texts = parts.at("texts").get<std::vector<std::string>>();
  for (const base::Json& each : parts.at("pre_tokenizers")) {
    SCOPED_TRACE(each.at("setting").dump());
    const auto document = JsonDocument::parse(each.at("setting").dump(), "setting");
    ASSERT_TRUE(document.has_value()) << sentence(document);
    PreTokenizers pre_tokenizers;
    const auto status = read_pre_tokenizer(document->root(), pre_tokenizers);
    ASSERT_TRUE(status.has_value()) << sentence(status);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      EXPECT_EQ(words_of(pre_tokenizers, texts[i]),
                each.at("words").at(i).get<std::vector<std::string>>())
          << texts[i];
    }
  }
  EXPECT_GE(parts.at("pre_tokenizers").size(), 40u);
}

TEST(Parts, NormalizersAgree) {
  const base::Json parts = golden();
  const auto texts = parts.at("texts").get<std::vector<std::string>>();
  for (const base::Json& each : parts.at("normalizers")) {
    SCOPED_TRACE(each.at("setting").dump());
    const auto document = JsonDocument::parse(each.at("setting").dump(), "setting");
    ASSERT_TRUE(document.has_value()) << sentence(document);
    Normalizers normalizers;
    const auto status = read_normalizer(document->root(), normalizers);
    ASSERT_TRUE(status.has_value()) << sentence(status);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      EXPECT_EQ(normalize(normalizers, texts[i]),
                each.at("normalized").at(i).get<std::string>())
          << texts[i];
    }
  }
  EXPECT_GE(parts.at("normalizers").size(), 15u);
}

TEST(Parts, PrependsFirstOnlyAtTheBeginningOfTheInput) {
  const auto document = JsonDocument::parse(R"({"type": "Metaspace", "replacement": "_",
                              "prepend_scheme": "first"})",
                                            "setting");
  PreTokenizers pre_tokenizers;
  ASSERT_TRUE(read_pre_tokenizer(document->root(), pre_tokenizers).has_value());
  EXPECT_EQ(pre_tokenize(pre_tokenizers, "a b", true).text, "_a_b");
  EXPECT_EQ(pre_tokenize(pre_tokenizers, "a b", false).text, "a_b");
}

}  // namespace
}  // namespace trine::input
