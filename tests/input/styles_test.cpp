// Tokenizers in the styles of well-known models, on megabytes of mixed text: every id as the Rust
// library `tokenizers` gives it, and every text back from its ids.
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "base/json.h"
#include "input/json_part.h"
#include "input/mixed_text.h"
#include "input/normalizers/normalizer.h"
#include "input/streaming_detokenizer.h"
#include "support/expect_error.h"
#include "support/tokenizers.h"

namespace trine::input {
namespace {

using testing_support::below;
using testing_support::kGoldenTokenizers;
using testing_support::MixedTexts;
using testing_support::open_or_throw;

/// FNV-1a, 64 bits (Fowler, Noll, Vo), over four bytes per id, the lowest first.
std::uint64_t hash_of(const std::vector<std::int32_t>& ids) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (const std::int32_t id : ids) {
    for (int shift = 0; shift < 32; shift += 8) {
      hash = (hash ^ ((static_cast<std::uint32_t>(id) >> shift) & 0xFF)) * 0x100000001B3u;
    }
  }
  return hash;
}

class Style : public testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Of, Style,
                         testing::Values("gpt2", "llama3", "qwen2", "deepseek_v3", "gpt_oss",
                                         "t5"),
                         [](const auto& tested) { return std::string(tested.param); });

TEST_P(Style, GivesTheSameIdsOnMixedText) {
  const auto golden = base::read_json_file(kGoldenTokenizers / GetParam() / "hashes.json");
  ASSERT_TRUE(golden.has_value()) << testing_support::sentence(golden);
  const auto tokenizer = open_or_throw(kGoldenTokenizers / GetParam());
  const MixedTexts texts;
  auto seed = golden->at("first_seed").get<std::uint64_t>();
  std::size_t num_chunks = 0;
  for (const base::Json& line : golden->at("hashes")) {
    std::istringstream hashes(line.get<std::string>());
    for (std::uint64_t hash = 0; hashes >> std::hex >> hash; ++seed, ++num_chunks) {
      const std::string text = texts.draw_text(seed, golden->at("chunk_bytes"));
      EXPECT_EQ(hash_of(tokenizer->encode(text, SpecialTokens::kInclude)), hash)
          << "mixed text of seed " << seed;
    }
  }
  EXPECT_EQ(num_chunks, 125u);  // 0.5 MB for each style, 3 MB together
}

/// Those with a token for every byte, which therefore can spell every text.
class ByteLevelStyle : public Style {
 protected:
  /// `text` as its ids spell it: Qwen's style has Unicode's form C.
  static std::string expected(const std::string& text) {
    if (std::string_view(GetParam()) != "qwen2") return text;
    const auto part = JsonDocument::parse(R"({"type": "NFC"})", "NFC");
    Normalizers normalizers;
    EXPECT_TRUE(read_normalizer(part->root(), normalizers).has_value());
    return normalize(normalizers, text);
  }
};

INSTANTIATE_TEST_SUITE_P(Of, ByteLevelStyle,
                         testing::Values("gpt2", "llama3", "qwen2", "deepseek_v3", "gpt_oss"),
                         [](const auto& tested) { return std::string(tested.param); });

#if defined(__SANITIZE_ADDRESS__)
constexpr int kStyleTexts = 1000;
#else
constexpr int kStyleTexts = 20000;  // 100,000 over the five styles
#endif

TEST_P(ByteLevelStyle, DecodingUndoesEncoding) {
  const auto tokenizer = open_or_throw(kGoldenTokenizers / GetParam());
  const MixedTexts texts;
  base::Random random(77);
  for (int i = 0; i < kStyleTexts; ++i) {
    const std::string text = i % 2 == 0 ? testing_support::random_text(random)
                                        : texts.draw_text(random.next(), below(random, 100));
    // Special tokens that are spelled out would be left out of the decoded text.
    const auto ids = tokenizer->encode(text, SpecialTokens::kExclude);
    const std::string decoded = tokenizer->decode(ids, SpecialTokens::kInclude);
    // "<pad>" and "café" take white space along in two styles; the id no longer tells which.
    if (text.find("<pad>") != text.npos || text.find("caf") != text.npos) continue;
    ASSERT_EQ(decoded, expected(text)) << "text " << i;
  }
}

TEST_P(ByteLevelStyle, StreamsWholeCharacters) {
  const auto tokenizer = open_or_throw(kGoldenTokenizers / GetParam());
  base::Random random(78);
  for (int i = 0; i < kStyleTexts / 10; ++i) {
    std::vector<std::int32_t> ids(below(random, 30));
    for (std::int32_t& id : ids) {
      const auto size = static_cast<std::uint32_t>(tokenizer->vocab_size());
      id = static_cast<std::int32_t>(below(random, below(random, 2) == 0 ? 260 : size + 1));
    }
    StreamingDetokenizer stream(*tokenizer, SpecialTokens::kExclude);
    std::string text;
    for (const std::int32_t id : ids) {
      const std::string piece = stream.push(id);
      ASSERT_TRUE(is_valid_utf8(piece)) << "ids " << i;
      text += piece;
    }
    text += stream.flush();
    ASSERT_TRUE(is_valid_utf8(text));
    ASSERT_EQ(text, tokenizer->decode(ids, SpecialTokens::kExclude));
  }
}

TEST(ByteLevel, GivesOneReplacementForEachIllFormedPart) {
  const auto tokenizer = open_or_throw(kGoldenTokenizers / "gpt2");
  const auto pieces_of = [&](std::string_view spelled) {
    StreamingDetokenizer stream(*tokenizer, SpecialTokens::kInclude);
    std::vector<std::string> pieces;
    const std::size_t size = tokenizer->vocab_size();
    for (std::string_view rest = spelled; !rest.empty();) {
      const std::string_view letter = rest.substr(0, read_utf8(rest).length);
      rest.remove_prefix(letter.size());
      for (std::int32_t id = 0; id < static_cast<std::int32_t>(size); ++id) {
        if (tokenizer->token_text(id) == letter) pieces.push_back(stream.push(id));
      }
    }
    pieces.push_back(stream.flush());
    return pieces;
  };
  using Pieces = std::vector<std::string>;
  // F0 9F 98 80 is U+1F600; in the alphabet: ð Ł ĺ Ģ.
  EXPECT_EQ(pieces_of("ðŁĺĢ"), (Pieces{"", "", "", "\U0001F600", ""}));
  EXPECT_EQ(pieces_of("ðŁĺ"), (Pieces{"", "", "", "\uFFFD"}));
  EXPECT_EQ(pieces_of("ðŁa"), (Pieces{"", "", "\uFFFDa", ""}));
  EXPECT_EQ(pieces_of("ĢÿĠ"), (Pieces{"\uFFFD", "\uFFFD", " ", ""}));
}

}  // namespace
}  // namespace trine::input
