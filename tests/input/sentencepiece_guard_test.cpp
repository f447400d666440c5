// Models that libsentencepiece must not see are refused, each for its own reason; the others open.
// The models are those of the fuzzer, made by tools/make_sentencepiece_corpus.py.
#include "input/sentencepiece_guard.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "input/sentencepiece_tokenizer.h"
#include "support/expect_error.h"
#include "support/temporary_directory.h"

namespace trine::input {
namespace {

using testing_support::expect_error;
using testing_support::sentence;

/// The model of a file of the corpus: what is behind the first line feed.
std::string model_of(const std::string& name) {
  const std::string content = testing_support::read_file("fuzz/corpus/sentencepiece/" + name);
  EXPECT_NE(content.find('\n'), std::string::npos) << name;
  return content.substr(content.find('\n') + 1);
}

struct Refused {
  const char* name;
  std::vector<std::string> words;
  ErrorCode code = ErrorCode::kMalformed;
};

class RefusedModel : public testing::TestWithParam<Refused> {};

TEST_P(RefusedModel, IsRefusedWithItsReason) {
  const Refused& refused = GetParam();
  const auto result = check_sentencepiece_model(model_of(refused.name), "tokenizer.model");
  expect_error(result, refused.code, {"tokenizer.model: "});
  for (const std::string& word : refused.words) expect_error(result, refused.code, {word});
}

INSTANTIATE_TEST_SUITE_P(
    Each, RefusedModel,
    testing::Values(
        Refused{"empty", {"0 of 0 pieces are of type UNKNOWN"}},
        Refused{"no_pieces", {"0 of 0 pieces", "expected one"}},
        Refused{"no_unknown", {"0 of 7 pieces are of type UNKNOWN"}},
        Refused{"two_unknown", {"2 of 11 pieces are of type UNKNOWN"}},
        Refused{"piece_empty", {"pieces[10].piece has 0 bytes"}},
        Refused{"piece_long", {"pieces[10].piece has 1025 bytes", "1 to 1024"}},
        Refused{"piece_with_zero", {"pieces[10].piece", "without zeros"}},
        Refused{"piece_not_utf8", {"pieces[10].piece", "UTF-8"}},
        Refused{"piece_no_message", {"model.pieces has wire type 0, expected 2"}},
        Refused{"score_nan", {"pieces[10].score is nan"}},
        Refused{"type_unknown", {"pieces[10].type is 77", "1 to 6"}},
        Refused{"word_model", {"model_type is 3", "BPE"}, ErrorCode::kUnsupported},
        Refused{"trainer_twice", {"model.trainer_spec is there twice"}},
        Refused{"control_character", {"control piece \"c\" is a single character"}},
        Refused{"control_twice", {"piece \"cc\" is there twice"}},
        Refused{"nested_pieces", {"more than 64 user-defined pieces"}},
        Refused{"rules_beyond_trie", {"precompiled_charsmap", "leads beyond the 256"}},
        Refused{"rules_in_a_circle", {"leads in a circle at unit 1"}},
        Refused{"rules_nested", {"more than 32 of its rules"}},
        Refused{"rules_replacement_beyond", {"a replacement at byte 256 of 2"}},
        Refused{"rules_replacement_long", {"replacement at byte 0", "at most 64 bytes"}},
        Refused{"rules_size_wrong", {"a trie of 6 bytes in 10 bytes of rules"}},
        Refused{"rules_empty_trie", {"a trie of 0 bytes"}},
        Refused{"length_beyond", {"model: a field that ends beyond its message"}},
        Refused{"number_endless", {"a number of more than 64 bits"}},
        Refused{"group", {"a field of a type that is not in use"}},
        Refused{"field_zero", {"a field number out of range"}}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(SentencePieceGuard, LimitsTheTextOfAllPieces) {
  // Field 1 of the model: 1028 bytes, in them field 1 of the piece: 1024 bytes.
  std::string piece = "\x0A\x83\x08\x0A\x80\x08" + std::string(1024, 'a');
  std::string model;
  for (int i = 0; i <= (8 << 20) / 1024; ++i) model += piece;
  expect_error(check_sentencepiece_model(model, "tokenizer.model"), ErrorCode::kMalformed,
               {"pieces[8192].piece has 1024 bytes", "at most 8388608 in all pieces"});
}

TEST(SentencePieceGuard, LimitsTheSelfTest) {
  // Field 4 of the model, of 65537 bytes.
  const std::string model = "\x22\x81\x80\x04" + std::string((64 << 10) + 1, 'a');
  expect_error(check_sentencepiece_model(model, "tokenizer.model"), ErrorCode::kMalformed,
               {"self_test_data has 65537 bytes, expected at most 65536"});
}

TEST(SentencePieceGuard, LeavesTheRestToTheLibrary) {
  for (const auto& [name, word] : {std::pair{"byte_without_fallback", "byte_fallback"},
                                   {"self_test_fails", "Self-test"}}) {
    EXPECT_TRUE(check_sentencepiece_model(model_of(name), name).has_value()) << name;
    expect_error(parse_sentencepiece_tokenizer(model_of(name), name, {}), ErrorCode::kMalformed,
                 {name, "not a SentencePiece model", word});
  }
}

struct Opened {
  const char* name;
  std::vector<std::int32_t> ids;  ///< of "ab ab é"
  std::size_t vocab_size;
};

class OpenedModel : public testing::TestWithParam<Opened> {};

// Pieces, from id 3: ▁a ab ▁ab a b ▁ é, with falling scores; 0 is unk. A text begins with a space.
TEST_P(OpenedModel, GivesTheIdsOfItsPieces) {
  const Opened& opened = GetParam();
  const auto tokenizer = parse_sentencepiece_tokenizer(model_of(opened.name), "model", {});
  ASSERT_TRUE(tokenizer.has_value()) << sentence(tokenizer);
  EXPECT_EQ((*tokenizer)->vocab_size(), opened.vocab_size);
  const auto ids = (*tokenizer)->encode("ab ab \u00e9", SpecialTokens::kExclude);
  EXPECT_EQ(ids, opened.ids);
}

INSTANTIATE_TEST_SUITE_P(
    Each, OpenedModel,
    testing::Values(Opened{"bpe", {5, 5, 8, 9}, 10},
                    Opened{"unigram", {4, 5, 8, 9}, 10},  // no space before a text
                    Opened{"byte_fallback", {261, 261, 264, 265}, 266},
                    Opened{"user_defined", {3, 10, 7, 8, 9}, 11},  // b▁a, never merged
                    Opened{"unused", {5, 5, 8, 9}, 11},            // ▁ab▁ab is cut again
                    Opened{"rules", {5, 5, 8, 9}, 10},
                    Opened{"nested_rules", {8, 7, 7, 8, 7, 7, 8, 9}, 10},  // a, aa, … → b
                    Opened{"suffix_and_self_test", {4, 0, 4, 0, 9, 0}, 10}),
    [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace trine::input
