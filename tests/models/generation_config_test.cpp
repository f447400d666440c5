#include "models/generation_config.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/expect_error.h"
#include "support/temporary_directory.h"

namespace trine::models {
namespace {

using base::Json;
using testing_support::expect_error;
using testing_support::sentence;
using testing_support::TemporaryDirectory;
using testing_support::write_file;

using Tokens = std::vector<std::int32_t>;

/// read_end_tokens of a directory whose generation_config.json is `generation`; empty for none.
Result<Tokens> read(const std::string& generation, const Json& config) {
  const TemporaryDirectory directory;
  if (!generation.empty()) {
    write_file(directory.path() / "generation_config.json", generation);
  }
  return read_end_tokens(directory.path(), config);
}

TEST(EndTokens, ComeFromTheFirstFileThatNamesAny) {
  const Json config = {{"eos_token_id", 2}};
  const struct {
    const char* generation;
    Json config;
    Tokens expected;
  } rows[] = {
      {"", Json::object(), {}},
      {"", config, {2}},
      {"", {{"eos_token_id", {2, 0, 7}}}, {2, 0, 7}},
      {"", {{"eos_token_id", nullptr}}, {}},
      {R"({"eos_token_id": 5})", config, {5}},
      {R"({"eos_token_id": [5, 6]})", config, {5, 6}},
      {R"({"eos_token_id": []})", config, {2}},
      {R"({"eos_token_id": null})", config, {2}},
      {R"({"temperature": 0.6})", config, {2}},
  };
  for (const auto& row : rows) {
    const auto tokens = read(row.generation, row.config);
    ASSERT_TRUE(tokens.has_value()) << sentence(tokens);
    EXPECT_EQ(*tokens, row.expected) << row.generation << row.config;
  }
}

TEST(EndTokens, AreRefusedWhenTheyAreNone) {
  const Json config = {{"eos_token_id", 2}};
  const struct {
    const char* generation;
    const char* word;
  } refused[] = {
      {R"({"eos_token_id": "</s>"})", "</s>"},
      {R"({"eos_token_id": -1})", "-1"},
      {R"({"eos_token_id": 1.5})", "1.5"},
      {R"({"eos_token_id": [1, [2]]})", "[2]"},
      {R"({"eos_token_id": {}})", "{}"},
      {R"({"eos_token_id": 99999999999})", "99999999999"},
      {"[1]", "expected a JSON object"},
      {"{", "JSON"},
  };
  for (const auto& row : refused) {
    expect_error(read(row.generation, config), ErrorCode::kMalformed,
                 {"generation_config.json", row.word});
  }
  expect_error(read("", {{"eos_token_id", true}}), ErrorCode::kMalformed,
               {"config.json", "eos_token_id", "true"});
  expect_error(read("", {{"eos_token_id", std::vector<int>(257, 1)}}), ErrorCode::kMalformed,
               {"257 tokens, at most 256"});
}

}  // namespace
}  // namespace trine::models
