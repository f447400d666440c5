// What a reader of a growing answer sees, id by id.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "input/decoders/decoder.h"
#include "input/streaming_detokenizer.h"
#include "support/tokenizers.h"

namespace trine::input {
namespace {

using testing_support::kTinyMixtral;
using testing_support::open_or_throw;

using StreamedPieces = std::vector<std::string>;

/// In tiny-mixtral the bytes follow the three special tokens.
std::int32_t byte_id(unsigned byte) { return static_cast<std::int32_t>(byte) + 3; }

StreamedPieces pieces_of(const std::vector<std::int32_t>& ids) {
  const auto tokenizer = open_or_throw(kTinyMixtral);
  StreamingDetokenizer stream(*tokenizer, SpecialTokens::kExclude);
  StreamedPieces pieces;
  for (const std::int32_t id : ids) pieces.push_back(stream.push(id));
  pieces.push_back(stream.flush());
  return pieces;
}

TEST(StreamingDetokenizer, DropsOnlyTheFirstSpace) {
  const auto tokenizer = open_or_throw(kTinyMixtral);
  const auto ids = tokenizer->encode("the of the", SpecialTokens::kInclude);
  EXPECT_EQ(pieces_of(ids), (StreamedPieces{"", "the", " of", " the", ""}));
}

TEST(StreamingDetokenizer, HoldsBytesUntilTheCharacterIsWhole) {
  // U+1F600 is F0 9F 98 80.
  EXPECT_EQ(pieces_of({byte_id(0xF0), byte_id(0x9F), byte_id(0x98), byte_id(0x80)}),
            (StreamedPieces{"", "", "", "\xF0\x9F\x98\x80", ""}));
}

TEST(StreamingDetokenizer, GivesOneReplacementPerUnfinishedByte) {
  EXPECT_EQ(pieces_of({byte_id('a'), byte_id(0xF0), byte_id(0x9F)}),
            (StreamedPieces{"a", "", "", "\uFFFD\uFFFD"}));
}

TEST(StreamingDetokenizer, KeepsWholeCharactersBesideStrayBytes) {
  // E2 98 would begin U+2603; the A that follows shows that it does not.
  EXPECT_EQ(pieces_of({byte_id(0xE2), byte_id(0x98), byte_id('A'), byte_id(0xFF)}),
            (StreamedPieces{"", "", "\uFFFD\uFFFDA", "\uFFFD", ""}));
}

TEST(StreamingDetokenizer, EndsARunOfBytesAtTheNextToken) {
  const auto tokenizer = open_or_throw(kTinyMixtral);
  const std::int32_t the = tokenizer->encode("the", SpecialTokens::kExclude).front();
  EXPECT_EQ(pieces_of({byte_id(0xE2), the}), (StreamedPieces{"", "\uFFFD the", ""}));
}

TEST(StreamingDetokenizer, PassesOverIdsWithoutAToken) {
  EXPECT_EQ(pieces_of({-1, 1 << 20, byte_id('x')}), (StreamedPieces{"", "", "x", ""}));
}

/// What a chain of decoders makes of tokens that arrive whole.
std::string run(const Decoders& decoders, const std::vector<std::string>& tokens) {
  struct Joined final : TokenSink {
    std::string text;
    void append(std::string_view fragment) override { text += fragment; }
    void end_token() override { text += '|'; }
    void finish() override {}
  } joined;
  std::vector<std::unique_ptr<TokenSink>> steps;
  TokenSink* next = &joined;
  for (auto decoder = decoders.rbegin(); decoder != decoders.rend(); ++decoder) {
    steps.push_back((*decoder)->start(*next));
    next = steps.back().get();
  }
  for (const std::string& token : tokens) {
    if (!token.empty()) next->append(token);
    next->end_token();
  }
  next->finish();
  return joined.text;
}

TEST(Decoders, ReplaceWorksWithinATokenAndAcrossFragments) {
  Decoders alone;
  alone.push_back(make_replace_decoder("ab", "X"));
  EXPECT_EQ(run(alone, {"aab", "a", "b"}), "aX|a|b|");
  Decoders fused;
  fused.push_back(make_fuse_decoder());
  fused.push_back(make_replace_decoder("aab", "X"));
  EXPECT_EQ(run(fused, {"a", "aa", "b", "a"}), "aXa|");
}

TEST(Decoders, StripTakesNoMoreThanAskedForOffEachEnd) {
  Decoders alone;
  alone.push_back(make_strip_decoder("_", 1, 2));
  EXPECT_EQ(run(alone, {"__a____", "b_", "_"}), "_a__|b||");
  Decoders fused;
  fused.push_back(make_fuse_decoder());
  fused.push_back(make_strip_decoder("_", 2, 1));
  EXPECT_EQ(run(fused, {"_", "__a_", "_", "b_"}), "_a__b|");
}

TEST(Decoders, SpacedPutsASpaceBetweenTokens) {
  Decoders alone;
  alone.push_back(make_spaced_decoder());
  EXPECT_EQ(run(alone, {"a", "b", "c"}), "a| b| c|");
}

TEST(Decoders, ByteFallbackLeavesOtherTokensAlone) {
  Decoders alone;
  alone.push_back(make_byte_fallback_decoder());
  EXPECT_EQ(run(alone, {"<0x4", "<0xZZ>", "<0x41>", "<0x42>", "<0x410>"}),
            "<0x4|<0xZZ>|AB|<0x410>|");
}

}  // namespace
}  // namespace trine::input
