// Examples and questions put together.
#include "eval/tasks/prompts.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/tasks.h"

namespace trine::eval {
namespace {

using testing_support::expect_error;
using testing_support::task_named;

/// "Q<i>" with the answers "a<i>" (right) and "b<i>".
std::vector<Document> numbered(std::size_t count) {
  std::vector<Document> documents;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string number = std::to_string(i);
    documents.push_back({.question = "Q" + number,
                         .choices = {"a" + number, "b" + number},
                         .targets = {"a" + number},
                         .line_hash = i});
  }
  return documents;
}

std::string context(const Task& task, std::span<const Document> examples, std::size_t few_shot,
                    const Document& document) {
  PromptMaker maker = PromptMaker::create(task, examples, few_shot).value();
  return maker.next(document).value().requests.front().first;
}

TEST(PromptMaker, WithoutExamplesAsksTheQuestion) {
  const auto documents = numbered(1);
  PromptMaker maker = PromptMaker::create(task_named("piqa"), {}, 0).value();
  const Prompt prompt = maker.next(documents[0]).value();
  ASSERT_EQ(prompt.requests.size(), 2u);
  EXPECT_EQ(prompt.requests[0], (std::pair<std::string, std::string>("Q0", " a0")));
  EXPECT_EQ(prompt.requests[1], (std::pair<std::string, std::string>("Q0", " b0")));
}

// random.Random(1234).sample(range(20), 2) is [14, 3].
TEST(PromptMaker, DrawsFromTheWholeFileWhereThereIsATestSplit) {
  const auto examples = numbered(20);
  EXPECT_EQ(
      context(task_named("arc_easy"), examples, 2, Document{.question = "Q", .choices = {"x"}}),
      "Q14 a14\n\nQ3 a3\n\nQ");
}

// sample(range(20), 3) is [14, 3, 0]: one more than needed, for the question to be left out.
TEST(PromptMaker, LeavesTheQuestionOutWhereThereIsNone) {
  const auto examples = numbered(20);
  const Task& task = task_named("piqa");
  EXPECT_EQ(
      context(task, examples, 2, Document{.question = "Q", .choices = {"x"}, .line_hash = 99}),
      "Q14 a14\n\nQ3 a3\n\nQ");
  EXPECT_EQ(context(task, examples, 2, examples[14]), "Q3 a3\n\nQ0 a0\n\nQ14");
}

TEST(PromptMaker, DrawsGoOnFromDocumentToDocument) {
  const auto examples = numbered(20);
  PromptMaker maker = PromptMaker::create(task_named("arc_easy"), examples, 2).value();
  const Document document{.question = "Q", .choices = {"x"}};
  EXPECT_NE(maker.next(document).value().requests.front(),
            maker.next(document).value().requests.front());
}

TEST(PromptMaker, TakesTheFirstOnesAndNamesTheSubject) {
  const auto examples = numbered(3);
  const Document document{.question = "Q", .choices = {"A"}, .subject = "high_school_x"};
  EXPECT_EQ(
      context(task_named("mmlu"), examples, 2, document),
      "The following are multiple choice questions (with answers) about high school x.\n\n"
      "Q0 a0\n\nQ1 a1\n\nQ");
}

TEST(PromptMaker, PutsTheAnswerOfAGapBehindTheRightName) {
  const std::vector<Document> examples(
      2, Document{.contexts = {"The cat", "The dog"}, .gold = 1, .targets = {"ran ."}});
  const Document document{.contexts = {"x", "y"}, .targets = {"z"}, .line_hash = 1};
  PromptMaker maker = PromptMaker::create(task_named("winogrande"), examples, 1).value();
  const Prompt prompt = maker.next(document).value();
  EXPECT_EQ(prompt.requests[1],
            (std::pair<std::string, std::string>("The dog ran .\n\ny", " z")));
}

TEST(PromptMaker, NeedsAsManyExamplesAsItDraws) {
  const auto examples = numbered(2);
  expect_error(PromptMaker::create(task_named("piqa"), examples, 2),
               ErrorCode::kInvalidArgument, {"piqa", "need 3", "there are 2"});
  EXPECT_TRUE(PromptMaker::create(task_named("arc_easy"), examples, 2).has_value());
  expect_error(PromptMaker::create(task_named("wikitext"), examples, 1),
               ErrorCode::kInvalidArgument, {"wikitext takes no examples"});
}

TEST(Prompt, HashDiffersWhereAnyTextDoes) {
  const Prompt left{{{"ab", "c"}}}, right{{{"a", "bc"}}};
  EXPECT_NE(left.hash(), right.hash());
  EXPECT_EQ(left.hash(), Prompt{left}.hash());
}

}  // namespace
}  // namespace trine::eval
