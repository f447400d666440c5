// Interrupted measurements and spoiled files.
#include "eval/tasks/finished_documents.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/temporary_directory.h"

namespace trine::eval {
namespace {

using testing_support::expect_error;
using testing_support::TemporaryDirectory;
using testing_support::write_file;

class FinishedDocumentsTest : public testing::Test {
 protected:
  Result<FinishedDocuments> open(bool resume, const char* model = "m") {
    return FinishedDocuments::open(path_, {{"model", model}}, resume);
  }
  /// Two finished documents.
  void fill() {
    FinishedDocuments documents = open(false).value();
    ASSERT_TRUE(documents.add("piqa", 0, 7, {{-1.25, -0.1}, {false, true}, ""}));
    ASSERT_TRUE(documents.add("gsm8k", 5, 8, {{}, {}, "text \u00e9"}));
  }
  [[nodiscard]] std::string content() const {
    std::ifstream file(path_);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  TemporaryDirectory directory_;
  std::filesystem::path path_ = directory_.path() / "out.documents.jsonl";
};

TEST_F(FinishedDocumentsTest, AreFoundAgain) {
  fill();
  const FinishedDocuments documents = open(true).value();
  const Outcome* choice = documents.find("piqa", 0, 7).value();
  ASSERT_NE(choice, nullptr);
  EXPECT_EQ(choice->loglikelihoods, (std::vector<double>{-1.25, -0.1}));
  EXPECT_EQ(choice->greedy, (std::vector<bool>{false, true}));
  EXPECT_EQ(documents.find("gsm8k", 5, 8).value()->text, "text \u00e9");
  EXPECT_EQ(documents.find("piqa", 1, 7).value(), nullptr);
}

TEST_F(FinishedDocumentsTest, ALineCutOffIsDropped) {
  fill();
  const std::string whole = content();
  write_file(path_, whole + R"({"task": "piqa", "doc_i)");
  FinishedDocuments documents = open(true).value();
  EXPECT_NE(documents.find("gsm8k", 5, 8).value(), nullptr);
  EXPECT_EQ(content(), whole);
}

TEST_F(FinishedDocumentsTest, AnotherQuestionOrModelIsRefused) {
  fill();
  expect_error(open(true).value().find("piqa", 0, 9), ErrorCode::kInvalidArgument,
               {"document 0 of piqa", "another question"});
  expect_error(open(true, "other"), ErrorCode::kInvalidArgument, {"was begun with", "other"});
}

TEST_F(FinishedDocumentsTest, WithoutResumeTheFileBeginsAgain) {
  fill();
  EXPECT_EQ(open(false).value().find("piqa", 0, 7).value(), nullptr);
  EXPECT_EQ(content(), "{\"model\":\"m\"}\n");
}

TEST_F(FinishedDocumentsTest, SpoiledLinesAreNamed) {
  for (const char* line :
       {"{}", "7", "{\"task\":\"t\",\"doc_id\":-1,\"prompt_hash\":\"\",\"outcome\":{}}",
        "{\"task\":\"t\",\"doc_id\":1,\"prompt_hash\":\"\",\"outcome\":{\"greedy\":[1]}}",
        "{\"task\":\"t\",\"doc_id\":1,\"prompt_hash\":\"\",\"outcome\":{\"loglikelihoods\":[1]}"
        "}",
        "{\"task\":\"t\",\"doc_id\":1,\"prompt_hash\":\"\",\"outcome\":{\"else\":1}}"}) {
    write_file(path_, std::string("{\"model\":\"m\"}\n") + line + "\n");
    expect_error(open(true), ErrorCode::kMalformed, {"out.documents.jsonl:2"});
  }
}

}  // namespace
}  // namespace trine::eval
