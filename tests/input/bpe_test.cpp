// Merging against its definition, on vocabularies and texts made by chance.
#include "input/token_models/bpe.h"

#include <gtest/gtest.h>

#include <string>

#include "support/tokenizers.h"

namespace trine::input {
namespace {

using testing_support::below;

/// What can be said of BPE in ten lines: merge the pair of lowest rank, leftmost first, until
/// no pair is left. Cubic, and correct by looking at it.
std::vector<std::int32_t> merge_by_definition(const BpeRules& rules,
                                              std::vector<std::int32_t> ids) {
  while (true) {
    const BpeMerge* best = nullptr;
    std::size_t best_left = 0;
    for (std::size_t left = 0; left + 1 < ids.size(); ++left) {
      const BpeMerge* merge = rules.merges.find(ids[left], ids[left + 1]);
      if (merge == nullptr || (best != nullptr && merge->rank >= best->rank)) continue;
      best = merge;
      best_left = left;
    }
    if (best == nullptr) return ids;
    ids[best_left] = best->product;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best_left) + 1);
  }
}

constexpr std::string_view kLetters = "abc ";

/// A vocabulary over kLetters with up to `count` merges between any two tokens.
BpeRules random_rules(base::Random& random, std::uint32_t count) {
  BpeRules rules;
  std::vector<std::string> texts;
  const auto id_of = [&](const std::string& text) {
    const auto next = static_cast<std::int32_t>(rules.vocabulary.size());
    if (rules.vocabulary.add(text, next)) texts.push_back(text);
    return *rules.vocabulary.id_of(text);
  };
  for (const char letter : kLetters) static_cast<void>(id_of(std::string(1, letter)));
  for (std::uint32_t rank = 0; rank < count; ++rank) {
    const std::string left = texts[below(random, static_cast<std::uint32_t>(texts.size()))];
    const std::string right = texts[below(random, static_cast<std::uint32_t>(texts.size()))];
    if (rules.merges.find(id_of(left), id_of(right)) != nullptr) continue;
    rules.merges.add(id_of(left), id_of(right), {rank, id_of(left + right)});
    rules.cuts.add_join(left, right);
  }
  return rules;
}

TEST(Bpe, IsWhatItsDefinitionSays) {
  base::Random random(11);
  for (int i = 0; i < 300; ++i) {
    const std::uint32_t count = below(random, 40);
    const std::uint64_t rules_seed = random.next();
    base::Random first(rules_seed);
    base::Random again(rules_seed);
    const BpeRules rules = random_rules(first, count);
    const auto model = make_bpe(random_rules(again, count));
    const auto run = model->start();
    for (int j = 0; j < 20; ++j) {
      std::string text(below(random, 30), ' ');
      std::vector<std::int32_t> letters;
      for (char& letter : text) {
        const std::uint32_t index = below(random, kLetters.size());
        letter = kLetters[index];
        letters.push_back(static_cast<std::int32_t>(index));
      }
      std::vector<std::int32_t> ids;
      run->append_ids(text, ids);
      ASSERT_EQ(ids, merge_by_definition(rules, letters)) << "rules " << i << ": " << text;
    }
  }
}

TEST(Bpe, CutsOnlyWhereNoMergeReaches) {
  BpeCuts cuts;
  cuts.add_join("ab", "cd");
  cuts.add_join("\u2581", "a");
  EXPECT_EQ(cuts.first_cut("bcb"), 2u);
  EXPECT_EQ(cuts.first_cut("\u2581"
                           "a\u2581"),
            4u);
  EXPECT_EQ(cuts.first_cut("x"), 1u);
  cuts.add_known_character(U'a');
  cuts.add_known_character(U'b');
  EXPECT_EQ(cuts.first_cut("a?ab"), 3u);  // the ? may vanish, and bring its neighbours together
  cuts.forbid();
  EXPECT_EQ(cuts.first_cut("abab"), 4u);
}

TEST(Bpe, ALongWordTakesNoQuadraticTime) {
  // 300,000 letters without a cut: seconds at O(n log n) even with sanitizers, hours at O(n²).
  const auto tokenizer = testing_support::open_or_throw(testing_support::kTinyMixtral);
  base::Random random(5);
  std::string text(300000, 'e');
  EXPECT_FALSE(tokenizer->encode(text, SpecialTokens::kInclude).empty());
  for (char& letter : text) letter = "etaoinshrdlu"[below(random, 12)];
  const auto ids = tokenizer->encode(text, SpecialTokens::kInclude);
  EXPECT_EQ(tokenizer->decode(ids, SpecialTokens::kExclude), text);
}

}  // namespace
}  // namespace trine::input
