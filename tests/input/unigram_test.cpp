// The most probable cut against all cuts, and what happens to unknown characters.
#include "input/token_models/unigram.h"

#include <gtest/gtest.h>

#include <string>

#include "support/tokenizers.h"

namespace trine::input {
namespace {

using testing_support::below;
using Ids = std::vector<std::int32_t>;

/// "?" as the unknown token, then `texts` with `scores`.
UnigramRules rules_of(const std::vector<std::pair<std::string, double>>& tokens) {
  UnigramRules rules;
  for (const auto& [text, score] : tokens) {
    const auto id = static_cast<std::int32_t>(rules.scores.size());
    EXPECT_TRUE(rules.vocabulary.add(text, id));
    rules.pieces.add(text, id);
    rules.scores.push_back(score);
  }
  return rules;
}

/// The best sum of scores over all ways to cut `text`, by trying them.
double best_score(const UnigramRules& rules, std::string_view text) {
  if (text.empty()) return 0.0;
  double best = -1e300;
  for (std::size_t length = 1; length <= text.size(); ++length) {
    const auto id = rules.vocabulary.id_of(text.substr(0, length));
    if (!id) continue;
    best = std::max(best, rules.scores[static_cast<std::size_t>(*id)] +
                              best_score(rules, text.substr(length)));
  }
  return best;
}

TEST(Unigram, FindsTheMostProbableCut) {
  base::Random random(3);
  for (int i = 0; i < 200; ++i) {
    std::vector<std::pair<std::string, double>> tokens = {
        {"?", -20.0}, {"a", -3.0}, {"b", -3.5}};
    for (int j = 0; j < 12; ++j) {
      std::string text(2 + below(random, 4), 'a');
      for (char& letter : text) letter = below(random, 2) == 0 ? 'a' : 'b';
      bool is_new = true;
      for (const auto& [known, score] : tokens) is_new = is_new && known != text;
      if (is_new) tokens.emplace_back(text, -1.0 - 8.0 * random.uniform());
    }
    const UnigramRules rules = rules_of(tokens);
    const auto model = make_unigram(rules_of(tokens));
    const auto run = model->start();
    std::string text(1 + below(random, 12), 'a');
    for (char& letter : text) letter = below(random, 2) == 0 ? 'a' : 'b';
    Ids ids;
    run->append_ids(text, ids);
    double score = 0.0;
    std::string joined;
    for (const std::int32_t id : ids) {
      score += rules.scores[static_cast<std::size_t>(id)];
      joined += rules.vocabulary.text_of(id);
    }
    EXPECT_EQ(joined, text);
    EXPECT_NEAR(score, best_score(rules, text), 1e-9);
  }
}

TEST(Unigram, JoinsUnknownCharactersOrSpellsTheirBytes) {
  const std::vector<std::pair<std::string, double>> tokens = {{"?", 0.0}, {"a", -1.0}};
  Ids ids;
  make_unigram(rules_of(tokens))->start()->append_ids("aéüa中", ids);
  EXPECT_EQ(ids, (Ids{1, 0, 1, 0}));
  UnigramRules rules = rules_of(tokens);
  ByteIds byte_ids{};
  for (std::size_t byte = 0; byte < byte_ids.size(); ++byte) {
    byte_ids[byte] = static_cast<std::int32_t>(1000 + byte);
  }
  rules.byte_ids = byte_ids;
  ids.clear();
  make_unigram(std::move(rules))->start()->append_ids("aé", ids);
  EXPECT_EQ(ids, (Ids{1, 1000 + 0xC3, 1000 + 0xA9}));
}

TEST(Unigram, ALongWordTakesNoQuadraticTime) {
  const auto tokenizer = testing_support::open_or_throw("tests/golden/tokenizer/t5");
  const std::string text(300000, 'e');
  EXPECT_FALSE(tokenizer->encode(text, SpecialTokens::kInclude).empty());
}

}  // namespace
}  // namespace trine::input
