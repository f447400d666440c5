// Metrics of answers written by hand.
#include "eval/tasks/scores.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/tasks.h"

namespace trine::eval {
namespace {

using testing_support::task_named;

double score_of(const std::vector<DocumentScore>& scores, std::string_view metric) {
  for (const DocumentScore& score : scores) {
    if (score.metric == metric) return score.value;
  }
  ADD_FAILURE() << "no metric " << metric;
  return std::nan("");
}

TEST(ScoreDocument, LengthsAreCharactersForAccNormAndBytesForAccBytes) {
  // Per sum choice 1 wins (−9), per character 2 (−12 / 8 = −1.5 against −2.25 and −1.67), per byte
  // 3 (−10 / 12 against −12 / 8 and −9 / 4).
  const Document document{
      .choices = {"abcd", "abcdefgh", "\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9"}};
  const Outcome outcome{.loglikelihoods = {-9.0, -12.0, -10.0},
                        .greedy = {false, false, false}};
  for (std::size_t gold = 0; gold < 3; ++gold) {
    Document with_gold = document;
    with_gold.gold = gold;
    const auto scores = score_document(task_named("arc_easy"), with_gold, outcome);
    EXPECT_EQ(score_of(scores, "acc"), gold == 0 ? 1.0 : 0.0);
    EXPECT_EQ(score_of(scores, "acc_norm"), gold == 1 ? 1.0 : 0.0);
    EXPECT_EQ(score_of(scores, "acc_bytes"), gold == 2 ? 1.0 : 0.0);
  }
}

TEST(ScoreDocument, TheFirstOfEqualChoicesIsTheAnswer) {
  const Outcome outcome{.loglikelihoods = {-1.0, -1.0}, .greedy = {false, false}};
  const Document first{.choices = {"no", "yes"}, .gold = 0};
  EXPECT_EQ(score_of(score_document(task_named("boolq"), first, outcome), "acc"), 1.0);
}

TEST(ScoreDocument, AGoldBeyondTheChoicesIsWrong) {
  const Outcome outcome{.loglikelihoods = {-1.0}, .greedy = {true}};
  const Document document{.choices = {"a"}, .gold = 4};
  EXPECT_EQ(score_of(score_document(task_named("mathqa"), document, outcome), "acc"), 0.0);
}

TEST(Aggregate, PerplexityOfLastWordsIsThatOfTheMean) {
  std::vector<std::vector<DocumentScore>> documents;
  for (const double value : {-1.0, -2.0, -6.0}) {
    const Outcome outcome{.loglikelihoods = {value}, .greedy = {value > -1.5}};
    documents.push_back(score_document(task_named("lambada"), Document{}, outcome));
  }
  const auto metrics = aggregate(documents);
  ASSERT_EQ(metrics.size(), 2u);
  EXPECT_EQ(metrics[0].name, "perplexity");
  EXPECT_DOUBLE_EQ(metrics[0].value, std::exp(3.0));
  // Deviations 2, 1, −3: standard deviation √7, divided by √3.
  EXPECT_NEAR(metrics[0].standard_error.value(), std::exp(3.0) * std::sqrt(7.0 / 3.0), 1e-9);
  EXPECT_FALSE(metrics[0].higher_is_better);
  EXPECT_DOUBLE_EQ(metrics[1].value, 1.0 / 3.0);
  EXPECT_NEAR(metrics[1].standard_error.value(), std::sqrt(2.0 / 3.0 / 2.0 / 3.0), 1e-12);
}

TEST(Aggregate, WordPerplexityWeighsDocumentsByTheirWords) {
  const Document two_words{.question = "a b"};    // 3 bytes
  const Document one_word{.question = "\u00e9"};  // 2 bytes
  const Task& task = task_named("wikitext");
  const std::vector<std::vector<DocumentScore>> documents = {
      score_document(task, two_words, {.loglikelihoods = {-5.0}, .greedy = {false}}),
      score_document(task, one_word, {.loglikelihoods = {-1.0}, .greedy = {false}})};
  const auto metrics = aggregate(documents);
  EXPECT_DOUBLE_EQ(metrics[0].value, std::exp(6.0 / 3.0));
  EXPECT_DOUBLE_EQ(metrics[1].value, std::exp(6.0 / 5.0));
  EXPECT_DOUBLE_EQ(metrics[2].value, 6.0 / 5.0 / std::log(2.0));
}

TEST(Aggregate, ASingleDocumentHasNoStandardError) {
  const std::vector<std::vector<DocumentScore>> one = {
      {{"acc", "none", Aggregation::kMean, 1.0}}};
  EXPECT_FALSE(aggregate(one).front().standard_error.has_value());
}

TEST(Pool, WeighsSubjectsByTheirSizes) {
  const auto metric = [](double value, std::optional<double> error) {
    return std::vector<Metric>{{"acc", "none", value, error}};
  };
  const std::vector<std::size_t> sizes = {4, 12};
  const std::vector<std::vector<Metric>> subjects = {metric(0.25, 0.2), metric(0.75, 0.1)};
  const Metric pooled = pool(subjects, sizes).front();
  EXPECT_DOUBLE_EQ(pooled.value, (4 * 0.25 + 12 * 0.75) / 16);
  // (3 · 4 · 0.04 + 11 · 12 · 0.01) / (16 − 2) / 16
  EXPECT_NEAR(pooled.standard_error.value(), std::sqrt(1.8 / 14 / 16), 1e-12);
  const std::vector<std::vector<Metric>> without = {metric(1.0, {}), metric(0.5, 0.1)};
  EXPECT_FALSE(pool(without, sizes).front().standard_error.has_value());
}

}  // namespace
}  // namespace trine::eval
