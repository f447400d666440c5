// Ids and texts agree with the Rust library `tokenizers` (tools/make_tokenizer_goldens.py).
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "support/expect_error.h"
#include "support/temporary_directory.h"
#include "support/tokenizers.h"

namespace trine::input {
namespace {

using testing_support::kGoldenTokenizers;
using testing_support::open_or_throw;

void expect_agreement(const Tokenizer& tokenizer, const base::Json& cases) {
  for (const base::Json& each : cases) {
    const auto text = each.at("text").get<std::string>();
    const auto ids = each.at("ids").get<std::vector<std::int32_t>>();
    EXPECT_EQ(tokenizer.encode(text, SpecialTokens::kInclude), ids) << "text: " << each;
    EXPECT_EQ(tokenizer.decode(ids, SpecialTokens::kExclude), each.at("decoded")) << each;
    EXPECT_EQ(tokenizer.decode(ids, SpecialTokens::kInclude), each.at("decoded_with_special"))
        << each;
  }
}

class Golden : public testing::TestWithParam<const char*> {};

TEST_P(Golden, Agrees) {
  const auto golden = base::read_json_file(kGoldenTokenizers / GetParam() / "cases.json");
  ASSERT_TRUE(golden.has_value()) << testing_support::sentence(golden);
  const auto tokenizer = open_or_throw(golden->at("model").get<std::string>());
  ASSERT_GE(golden->at("cases").size(), 3u);
  expect_agreement(*tokenizer, golden->at("cases"));
}

INSTANTIATE_TEST_SUITE_P(EverySetting, Golden,
                         testing::Values("tiny-mixtral", "added_tokens", "unknown_apart",
                                         "unknown_fused", "unknown_dropped", "ignore_merges",
                                         "no_decoder", "strip_each", "gpt2", "llama3", "qwen2",
                                         "deepseek_v3", "gpt_oss", "t5"),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           for (char& letter : name) {
                             if (letter == '-') letter = '_';
                           }
                           return name;
                         });

TEST(Golden, TokenizerModelAgreesToo) {
  testing_support::TemporaryDirectory directory;
  testing_support::fill_with_tokenizer_model(directory.path(), "");
  const auto golden = base::read_json_file(kGoldenTokenizers / "tiny-mixtral" / "cases.json");
  ASSERT_TRUE(golden.has_value()) << testing_support::sentence(golden);
  expect_agreement(*open_or_throw(directory.path()), golden->at("cases"));
}

}  // namespace
}  // namespace trine::input
