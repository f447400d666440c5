// Which files are read, and what tokenizer_config.json changes.
#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/temporary_directory.h"
#include "support/tokenizers.h"

namespace trine::input {
namespace {

using testing_support::expect_error;
using testing_support::fill_with_tokenizer_model;
using testing_support::kTinyMixtral;
using testing_support::open_or_throw;
using testing_support::TemporaryDirectory;
using testing_support::write_file;

using Ids = std::vector<std::int32_t>;

TEST(OpenTokenizer, PrefersTokenizerJson) {
  TemporaryDirectory directory;
  fill_with_tokenizer_model(directory.path(), "");
  write_file(directory.path() / "tokenizer.json", "{");
  expect_error(open_tokenizer(directory.path()), ErrorCode::kMalformed, {"tokenizer.json"});
}

TEST(OpenTokenizer, NamesBothFilesWhenThereIsNone) {
  TemporaryDirectory directory;
  expect_error(
      open_tokenizer(directory.path()), ErrorCode::kNotFound,
      {directory.path().string(), "tokenizer.json", "tokenizer.model", "spiece.model"});
  expect_error(open_tokenizer(directory.path() / "absent"), ErrorCode::kNotFound, {"absent"});
}

TEST(OpenTokenizer, KnowsTheSpecialTokensOfBothFiles) {
  TemporaryDirectory directory;
  fill_with_tokenizer_model(directory.path(), "");
  for (const auto& path : {kTinyMixtral, directory.path()}) {
    const auto tokenizer = open_or_throw(path);
    EXPECT_EQ(tokenizer->vocab_size(), 4096u);
    EXPECT_EQ(tokenizer->bos_id(), 1);
    EXPECT_EQ(tokenizer->eos_id(), 2);
    EXPECT_EQ(tokenizer->token_text(2), "</s>");
    EXPECT_EQ(tokenizer->token_text(3), "<0x00>");
    EXPECT_TRUE(tokenizer->is_special(0));
    EXPECT_TRUE(tokenizer->is_special(2));
    EXPECT_FALSE(tokenizer->is_special(3));
  }
}

TEST(OpenTokenizer, KnowsNoBosOfTokenizerJsonThatNoFileNames) {
  TemporaryDirectory directory;
  std::filesystem::copy_file(kTinyMixtral / "tokenizer.json",
                             directory.path() / "tokenizer.json");
  EXPECT_EQ(open_or_throw(directory.path())->bos_id(), std::nullopt);
  write_file(directory.path() / "tokenizer_config.json",
             R"({"bos_token": {"content": "<s>"}, "eos_token": "not a token"})");
  EXPECT_EQ(open_or_throw(directory.path())->bos_id(), 1);
  EXPECT_EQ(open_or_throw(directory.path())->eos_id(), std::nullopt);
}

TEST(OpenTokenizer, AddsToTokenizerModelWhatTheConfigSays) {
  struct Row {
    const char* config;
    bool bos, eos;
  };
  for (const Row& row : {Row{"", true, false}, Row{"{}", true, false},
                         Row{R"({"add_bos_token": false})", false, false},
                         Row{R"({"add_eos_token": true})", true, true}}) {
    TemporaryDirectory directory;
    fill_with_tokenizer_model(directory.path(), row.config);
    const auto tokenizer = open_or_throw(directory.path());
    Ids expected = tokenizer->encode("the", SpecialTokens::kExclude);
    ASSERT_EQ(expected.size(), 1u);
    if (row.bos) expected.insert(expected.begin(), 1);
    if (row.eos) expected.push_back(2);
    EXPECT_EQ(tokenizer->encode("the", SpecialTokens::kInclude), expected) << row.config;
  }
}

TEST(OpenTokenizer, ReadsSpieceModelAsT5Does) {
  TemporaryDirectory directory;
  std::filesystem::copy_file(kTinyMixtral / "tokenizer.model",
                             directory.path() / "spiece.model");
  write_file(directory.path() / "tokenizer_config.json",
             R"({"add_bos_token": false, "extra_ids": 3})");
  const auto tokenizer = open_or_throw(directory.path());
  EXPECT_EQ(tokenizer->vocab_size(), 4099u);
  EXPECT_EQ(tokenizer->token_text(4098), "<extra_id_0>");
  EXPECT_TRUE(tokenizer->is_special(4096));
  EXPECT_EQ(tokenizer->encode("<extra_id_2><extra_id_0>", SpecialTokens::kInclude),
            (Ids{4096, 4098, 2}));
  write_file(directory.path() / "tokenizer_config.json",
             R"({"add_bos_token": false, "add_eos_token": false})");
  EXPECT_EQ(open_or_throw(directory.path())->encode("</s>", SpecialTokens::kInclude), Ids{2});
}

TEST(OpenTokenizer, RefusesABrokenConfig) {
  for (const auto& [config, word] : {std::pair{"[]", "expected a JSON object"},
                                     {R"({"add_bos_token": 1})", "add_bos_token"},
                                     {R"({"bos_token": 7})", "bos_token"},
                                     {R"({"add_eos_token": 1})", "add_eos_token"},
                                     {R"({"extra_ids": -1})", "extra_ids"},
                                     {R"({"eos_token": {}})", "content"},
                                     {"{", "JSON"}}) {
    TemporaryDirectory directory;
    fill_with_tokenizer_model(directory.path(), config);
    expect_error(open_tokenizer(directory.path()), ErrorCode::kMalformed,
                 {"tokenizer_config.json", word});
  }
}

TEST(OpenTokenizer, RefusesABrokenTokenizerModel) {
  const std::string model = testing_support::read_file(kTinyMixtral / "tokenizer.model");
  for (const std::string& content :
       {std::string(), std::string("not a model"), model.substr(0, model.size() / 2)}) {
    TemporaryDirectory directory;
    write_file(directory.path() / "tokenizer.model", content);
    expect_error(open_tokenizer(directory.path()), ErrorCode::kMalformed,
                 {"tokenizer.model", "not a SentencePiece model"});
  }
}

}  // namespace
}  // namespace trine::input
