// Laws that hold for every text: decoding undoes encoding, however the ids are fed.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "input/streaming_detokenizer.h"
#include "input/unicode.h"
#include "support/temporary_directory.h"
#include "support/tokenizers.h"

namespace trine::input {
namespace {

using testing_support::below;
using testing_support::kTinyMixtral;
using testing_support::open_or_throw;
using testing_support::random_text;

constexpr int kRoundTripTexts = 3000;
constexpr std::uint64_t kSeed = 20240517;

/// Both readings of tiny-mixtral, and a small tokenizer without bytes.
class EveryTokenizer : public testing::TestWithParam<const char*> {
 protected:
  std::unique_ptr<Tokenizer> open() {
    const std::string_view name = GetParam();
    if (name == "tokenizer_json") return open_or_throw(kTinyMixtral);
    if (name == "added_tokens") return open_or_throw("tests/golden/tokenizer/added_tokens");
    testing_support::fill_with_tokenizer_model(directory_.path(), "");
    return open_or_throw(directory_.path());
  }

 private:
  testing_support::TemporaryDirectory directory_;
};

INSTANTIATE_TEST_SUITE_P(Of, EveryTokenizer,
                         testing::Values("tokenizer_json", "tokenizer_model", "added_tokens"),
                         [](const auto& tested) { return std::string(tested.param); });

/// Those that have a token for every byte, and so can spell every text.
class TokenizerWithBytes : public EveryTokenizer {};

INSTANTIATE_TEST_SUITE_P(Of, TokenizerWithBytes,
                         testing::Values("tokenizer_json", "tokenizer_model"),
                         [](const auto& tested) { return std::string(tested.param); });

TEST_P(TokenizerWithBytes, DecodingUndoesEncoding) {
  const auto tokenizer = open();
  base::Random random(kSeed);
  for (int i = 0; i < kRoundTripTexts; ++i) {
    const std::string text = random_text(random);
    const auto ids = tokenizer->encode(text, SpecialTokens::kInclude);
    EXPECT_EQ(tokenizer->decode(ids, SpecialTokens::kExclude), text) << "text " << i;
    EXPECT_EQ(std::vector(ids.begin() + 1, ids.end()),
              tokenizer->encode(text, SpecialTokens::kExclude));
  }
}

/// Any ids at all, among them special tokens, stray bytes and ids without a token.
std::vector<std::int32_t> random_ids(base::Random& random, std::size_t vocab_size) {
  constexpr std::uint32_t kByteIds = 256 + 3;  // in tiny-mixtral: <unk> <s> </s> and the bytes
  std::vector<std::int32_t> ids(below(random, 30));
  for (std::int32_t& id : ids) {
    const auto limit =
        below(random, 2) == 0 ? kByteIds : static_cast<std::uint32_t>(vocab_size) + 2;
    id = static_cast<std::int32_t>(below(random, limit)) - 1;
  }
  return ids;
}

TEST_P(EveryTokenizer, StreamingGivesTheSameTextInWholeCharacters) {
  const auto tokenizer = open();
  base::Random random(kSeed + 1);
  for (int i = 0; i < kRoundTripTexts; ++i) {
    const auto ids = i % 2 == 0
                         ? tokenizer->encode(random_text(random), SpecialTokens::kInclude)
                         : random_ids(random, tokenizer->vocab_size());
    for (const auto special : {SpecialTokens::kInclude, SpecialTokens::kExclude}) {
      StreamingDetokenizer stream(*tokenizer, special);
      std::string text;
      for (const std::int32_t id : ids) {
        const std::string piece = stream.push(id);
        EXPECT_TRUE(is_valid_utf8(piece)) << "ids " << i;
        text += piece;
      }
      text += stream.flush();
      EXPECT_TRUE(is_valid_utf8(text));
      EXPECT_EQ(text, tokenizer->decode(ids, special)) << "ids " << i;
    }
  }
}

TEST_P(EveryTokenizer, EncodesAnyBytesAsTheirLossyReading) {
  const auto tokenizer = open();
  base::Random random(kSeed + 2);
  for (int i = 0; i < kRoundTripTexts; ++i) {
    std::string bytes = random_text(random);
    for (char& byte : bytes) {
      if (below(random, 8) == 0) byte = static_cast<char>(below(random, 256));
    }
    EXPECT_EQ(tokenizer->encode(bytes, SpecialTokens::kInclude),
              tokenizer->encode(replace_invalid_utf8(bytes), SpecialTokens::kInclude));
  }
}

TEST_P(EveryTokenizer, IdsAreBelowVocabSize) {
  const auto tokenizer = open();
  const auto size = static_cast<std::int32_t>(tokenizer->vocab_size());
  EXPECT_FALSE(tokenizer->token_text(size - 1).empty());
  for (const std::int32_t id : {-1, size, size + 1000}) {
    EXPECT_TRUE(tokenizer->token_text(id).empty());
    EXPECT_FALSE(tokenizer->is_special(id));
  }
}

}  // namespace
}  // namespace trine::input
