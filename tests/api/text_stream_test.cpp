// Texts in pieces are the texts.
#include "api/text_stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "support/expect_error.h"
#include "support/temporary_directory.h"
#include "support/tokenizers.h"

namespace trine::api {
namespace {

using testing_support::expect_error;
using testing_support::write_file;

TEST(PieceLength, EndsBehindALineOrBetweenCharacters) {
  EXPECT_EQ(piece_length("short", 5), 5u);
  EXPECT_EQ(piece_length("one\ntwo\nthree", 9), 8u);
  EXPECT_EQ(piece_length("one\ntwo\nthree", 8), 8u);
  EXPECT_EQ(piece_length("one\ntwo\nthree", 7), 4u);
  EXPECT_EQ(piece_length("abcdefgh", 3), 3u);
  EXPECT_EQ(piece_length("ab\xE2\x82\xAC"
                         "cd",
                         4),
            2u);  // within the euro sign
  EXPECT_EQ(piece_length("ab\xE2\x82\xAC"
                         "cd",
                         5),
            5u);
  EXPECT_EQ(piece_length(std::string(9, '\x80'), 6), 6u);  // no UTF-8, yet it must end
}

class TextStreamTest : public testing::Test {
 protected:
  std::string file(const std::string& name, const std::string& text) {
    write_file(directory_.path() / name, text);
    return (directory_.path() / name).string();
  }
  static std::vector<std::vector<std::int32_t>> pieces(TextStream& stream) {
    std::vector<std::vector<std::int32_t>> found;
    for (;;) {
      found.push_back(stream.next().value());
      if (found.back().empty()) break;
    }
    found.pop_back();
    return found;
  }

  testing_support::TemporaryDirectory directory_{};
  const std::string model_ = testing_support::kTinyMixtral.string();
  std::unique_ptr<input::Tokenizer> tokenizer_ =
      testing_support::open_or_throw(testing_support::kTinyMixtral);
};

TEST_F(TextStreamTest, TokenizesAWholeFileAsEvaluationDoes) {
  const std::string text = "It was a dark night.\nIt was cold.\n";
  auto stream =
      TextStream::open(model_, {file("a", text), file("empty", ""), file("b", "Yes.")});
  ASSERT_TRUE(stream.has_value()) << testing_support::sentence(stream);
  const auto found = pieces(*stream);
  // A file without text has BOS, as evaluation would have it.
  const auto with_bos = [&](const std::string& part) {
    return tokenizer_->encode(part, input::SpecialTokens::kInclude);
  };
  const std::vector<std::vector<std::int32_t>> expected = {with_bos(text), with_bos(""),
                                                           with_bos("Yes.")};
  EXPECT_EQ(found, expected);
  EXPECT_EQ(stream->expected_tokens(),
            expected[0].size() + expected[1].size() + expected[2].size());
}

TEST_F(TextStreamTest, CutsALongFileBehindLines) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "Line " + std::to_string(i) + " of the story.\n";
  auto stream = TextStream::open(model_, {file("long", text)}, 200);
  const auto found = pieces(stream.value());
  EXPECT_GT(found.size(), 10u);
  std::size_t with_bos = 0;
  std::string joined;
  for (const auto& piece : found) {
    with_bos += static_cast<std::size_t>(
        std::count(piece.begin(), piece.end(), tokenizer_->bos_id().value()));
    joined += tokenizer_->decode(piece, input::SpecialTokens::kExclude);
  }
  EXPECT_EQ(with_bos, 1u);
  EXPECT_EQ(joined, text);
}

TEST_F(TextStreamTest, GuessesTheRestFromWhatItRead) {
  std::string text;
  for (int i = 0; i < 64; ++i) text += "The same line.\n";
  auto stream = TextStream::open(model_, {file("a", text)}, text.size() / 4);
  EXPECT_EQ(stream->expected_tokens(), 0u);
  const auto first = stream->next().value();
  EXPECT_EQ(stream->expected_tokens(), 4 * first.size());
}

TEST_F(TextStreamTest, NamesAMissingFile) {
  expect_error(TextStream::open(model_, {file("a", "x"), "nowhere.txt"}), ErrorCode::kNotFound,
               {"nowhere.txt"});
}

}  // namespace
}  // namespace trine::api
