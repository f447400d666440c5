// What each task makes of a line, and what it says of lines that are wrong.
#include "eval/tasks/documents.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/expect_error.h"
#include "support/tasks.h"
#include "support/temporary_directory.h"

namespace trine::eval {
namespace {

using testing_support::task_named;

using testing_support::expect_error;
using testing_support::TemporaryDirectory;
using Texts = std::vector<std::string>;

/// JSON written over several lines here is one line there.
std::string on_one_line(std::string_view json) {
  std::string line(json);
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

Document read(std::string_view task, std::string_view json) {
  const auto documents = parse_documents(on_one_line(json), "data.jsonl", task_named(task));
  if (!documents) throw std::runtime_error(documents.error().message);
  return documents->front();
}

TEST(Hellaswag, DropsBracketsAndDoubleSpaces) {
  const Document document = read(
      "hellaswag",
      R"({"activity_label": "Waiting", "ctx_a": " [header] A  b [title] c", "ctx_b": "D [x",
               "endings": ["[step] one", "two [open\n] three", "x"], "label": "2"})"
      "\n");
  // Python's: strip, " [title]" to ". ", brackets away, two spaces to one; once each.
  EXPECT_EQ(document.question, "Waiting:  A b. c D [x");
  EXPECT_EQ(document.choices, (Texts{" one", "two [open\n] three", "x"}));
  EXPECT_EQ(document.gold, 2u);
}

TEST(Winogrande, FillsTheGapWithBothNames) {
  const Document document = read("winogrande",
                                 R"({"sentence": "The _ saw the _ .", "option1": "cat",
                                     "option2": "dog", "answer": "2"})");
  EXPECT_EQ(document.contexts, (Texts{"The cat", "The dog"}));
  EXPECT_EQ(document.targets, (Texts{"saw the _ ."}));
  EXPECT_EQ(document.gold, 1u);
}

TEST(Mmlu, ListsTheAnswersAndScoresTheLetters) {
  const Document document = read("mmlu",
                                 R"({"question": " Why?\n", "subject": "us_foreign_policy",
                                     "choices": ["p", "q", "r", "s"], "answer": 3})");
  EXPECT_EQ(document.question, "Why?\nA. p\nB. q\nC. r\nD. s\nAnswer:");
  EXPECT_EQ(document.choices, (Texts{"A", "B", "C", "D"}));
}

TEST(Mathqa, TakesTheChoicesOutOfOneString) {
  const Document document =
      read("mathqa",
           R"({"Problem": "p", "options": "a ) 1 , 2 , b ) rs . 400 , c ) , d ) x, e ) none , ",
               "correct": "b"})");
  // re.findall of the harness's pattern: "a ) 1 , " ends at the first ", ".
  EXPECT_EQ(document.choices, (Texts{"1", "rs . 400", "", "x", "none"}));
  EXPECT_EQ(document.gold, 1u);
}

TEST(Lambada, SplitsOffTheLastWord) {
  const Document document = read("lambada", R"({"text": "He said to her"})");
  EXPECT_EQ(document.question, "He said to");
  EXPECT_EQ(document.targets, (Texts{" her"}));
  EXPECT_EQ(read("lambada", R"({"text": "Yes"})").question, "");
}

TEST(Boolq, TakesNumbersAndTruthValues) {
  EXPECT_EQ(read("boolq", R"({"passage": "p", "question": "q", "label": true})").gold, 1u);
  EXPECT_EQ(read("boolq", R"({"passage": "p", "question": "q", "label": 0})").question,
            "p\nQuestion: q?\nAnswer:");
}

TEST(Wikitext, UndoesTheMarksOfItsTokenization) {
  const Document document =
      read("wikitext", R"({"page": " = T = \n a @-@ b , ( c  ) \" d \" 1 @,@ 000 . 5 ° N "})");
  EXPECT_EQ(document.targets.front(), " = T =\na-b, (c) \"d\" 1,000. 5\u00b0N ");
}

std::vector<bool> judged(std::string_view task, const Document& document,
                         std::string_view text) {
  std::vector<bool> right;
  for (const Judgement& one : task_named(task).judge(document, text)) {
    right.push_back(one.is_right);
  }
  return right;
}

TEST(Gsm8k, FindsTheNumberStrictlyAndFlexibly) {
  const Document document =
      read("gsm8k", R"({"question": "q", "answer": "1,000 and 200\n#### 1,200"})");
  using Right = std::vector<bool>;
  EXPECT_EQ(judged("gsm8k", document, "So #### 1200"), (Right{true, true}));
  EXPECT_EQ(judged("gsm8k", document, "It is $1,200."), (Right{false, true}));
  EXPECT_EQ(judged("gsm8k", document, "#### 1200 or 7"), (Right{true, false}));
  EXPECT_EQ(judged("gsm8k", document, "#### -1200"), (Right{false, false}));
  EXPECT_EQ(judged("gsm8k", document, "none"), (Right{false, false}));
  EXPECT_EQ(judged("gsm8k", document, ""), (Right{false, false}));
}

TEST(Triviaqa, AcceptsEveryAlias) {
  const Document document =
      read("triviaqa", R"({"question": "q", "answer": {"aliases": ["The Sea!", "Été"]}})");
  EXPECT_EQ(judged("triviaqa", document, " the sea\n"), std::vector<bool>{true});
  EXPECT_EQ(judged("triviaqa", document, "ÉTÉ"), std::vector<bool>{true});
  EXPECT_EQ(judged("triviaqa", document, "sea"), std::vector<bool>{false});
}

TEST(Documents, EveryWrongLineIsNamed) {
  const auto refused = [](std::string_view task, std::string_view line,
                          std::initializer_list<std::string_view> words) {
    const auto documents = parse_documents(fmt::format("\n{}\n", on_one_line(line)),
                                           "DIR/x.jsonl", task_named(task));
    expect_error(documents, ErrorCode::kMalformed, {"DIR/x.jsonl:2"});
    expect_error(documents, ErrorCode::kMalformed, words);
  };
  refused("piqa", "{", {"DIR"});
  refused("piqa", "[1]", {"array", "object"});
  refused("piqa", "{\"goal\": 1}", {"goal", "string"});
  refused("piqa", "{\"goal\": \"\xff\"}", {"DIR"});
  refused("piqa", R"({"goal": "g", "sol1": "a", "sol2": "b", "label": -1})",
          {"label", "0 to 1"});
  refused("piqa", R"({"goal": "g", "sol1": "a", "sol2": "b", "label": 1.0})", {"label"});
  refused(
      "hellaswag",
      R"({"activity_label": "a", "ctx_a": "", "ctx_b": "", "endings": ["x", 1], "label": ""})",
      {"endings", "strings"});
  refused(
      "hellaswag",
      R"({"activity_label": "a", "ctx_a": "", "ctx_b": "", "endings": ["", ""], "label": ""})",
      {"label", "split without answers"});
  refused("arc_easy", R"({"question": "q", "choices": {"text": ["a", "b"], "label": ["A", "B"]},
                          "answerKey": "C"})",
          {"answerKey", "\"C\""});
  refused("winogrande",
          R"({"sentence": "no gap", "option1": "a", "option2": "b", "answer": "1"})", {"gap"});
  refused("mathqa", R"({"Problem": "p", "options": "", "correct": "a"})", {"options"});
  refused("triviaqa", R"({"question": "q", "answer": {"aliases": []}})", {"aliases"});
  refused("gsm8k", std::string(100000, '['), {"DIR"});
}

TEST(Documents, AFileIsFoundByTaskAndSplit) {
  const TemporaryDirectory directory;
  const Task& task = task_named("lambada");
  expect_error(read_documents(directory.path(), task, "test"), ErrorCode::kNotFound,
               {"lambada_openai", "test.jsonl"});
  std::filesystem::create_directory(directory.path() / "lambada_openai");
  testing_support::write_file(directory.path() / "lambada_openai/test.jsonl", " \n");
  expect_error(read_documents(directory.path(), task, "test"), ErrorCode::kMalformed,
               {"no documents"});
}

TEST(Tasks, AnUnknownNameListsTheKnownOnes) {
  expect_error(find_task("hellaswog"), ErrorCode::kInvalidArgument, {"hellaswog", "mathqa"});
  expect_error(find_task(""), ErrorCode::kInvalidArgument, {"there is no task"});
}

}  // namespace
}  // namespace trine::eval
