// Pieces of an answer put together are the answer, up to a stop text.
#include "api/answer_text.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "api/token_texts.h"

namespace trine::api {
namespace {

class AnswerTextTest : public testing::Test {
 protected:
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const {
    return tokenizer_->encode(text, input::SpecialTokens::kExclude);
  }

  /// All pieces; `stop` ends them.
  [[nodiscard]] std::string pushed(const std::string& text, std::vector<std::string> stop,
                                   bool* is_stopped = nullptr) const {
    const std::vector<std::int32_t> before = encode("Once");
    AnswerText answer(*tokenizer_, before, std::move(stop));
    std::string all;
    for (const std::int32_t token : encode(text)) {
      all += answer.push(token);
      if (answer.is_stopped()) break;
    }
    if (is_stopped != nullptr) *is_stopped = answer.is_stopped();
    return all + answer.flush();
  }

  std::unique_ptr<input::Tokenizer> tokenizer_ =
      input::open_tokenizer("models/tiny-mixtral").value();
};

TEST_F(AnswerTextTest, GivesAllOfATextWithoutStops) {
  const std::string text = "the old house – naïve 日本 🙂 end";
  EXPECT_EQ(pushed(text, {}), " " + text);
  EXPECT_EQ(pushed(text, {"never", "ends"}), " " + text);
}

TEST_F(AnswerTextTest, EndsBeforeTheFirstStopText) {
  bool is_stopped = false;
  EXPECT_EQ(pushed("the old house stood there", {"stood", "old ho"}, &is_stopped), " the ");
  EXPECT_TRUE(is_stopped);
  // Across characters of several bytes, and at the very end.
  EXPECT_EQ(pushed("naïve 日本 end", {"本 e"}, &is_stopped), " naïve 日");
  EXPECT_TRUE(is_stopped);
  EXPECT_EQ(pushed("the end", {"end"}, &is_stopped), " the ");
  EXPECT_TRUE(is_stopped);
}

TEST_F(AnswerTextTest, HoldsBackOnlyWhatMayBecomeAStop) {
  const std::vector<std::int32_t> before = encode("Once");
  AnswerText answer(*tokenizer_, before, {"house!"});
  std::string all;
  for (const std::int32_t token : encode("the old house")) all += answer.push(token);
  EXPECT_EQ(all, " the old ");
  EXPECT_EQ(answer.flush(), "house");
}

TEST_F(AnswerTextTest, TokensHaveTextAndBytes) {
  const TokenTexts texts(*tokenizer_);
  std::string bytes;
  for (const std::int32_t token : encode("old house 日")) bytes += texts.bytes(token);
  EXPECT_EQ(bytes, " old house 日");
  const auto tokens = encode("🙂");  // spelled in byte tokens
  ASSERT_GT(tokens.size(), 2u);
  EXPECT_EQ(texts.bytes(tokens.back()).size(), 1u);
  EXPECT_EQ(texts.text(tokens.back()), "\xEF\xBF\xBD");
  EXPECT_EQ(texts.text(1), "<s>");
}

}  // namespace
}  // namespace trine::api
