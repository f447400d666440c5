#include "base/json.h"

#include <gtest/gtest.h>

#include <string>

#include "support/expect_error.h"
#include "support/temporary_directory.h"

namespace trine::base {
namespace {

using testing_support::expect_error;
using testing_support::TemporaryDirectory;

TEST(ParseJson, SortsKeysSoThatEqualContentHasEqualText) {
  const auto value = parse_json(R"({"z": 1, "a": [true, null, "x"]})", "t.json");
  ASSERT_TRUE(value.has_value());
  EXPECT_EQ(value->dump(), R"({"a":[true,null,"x"],"z":1})");
}

TEST(ParseJson, RefusesDuplicateKeysAtAnyDepth) {
  expect_error(parse_json(R"({"a": 1, "b": 2, "a": 3})", "t.json"), ErrorCode::kMalformed,
               {"t.json", "duplicate key \"a\""});
  expect_error(parse_json(R"({"o": [{"k": 1, "k": {"deep": []}}], "p": 2})", "t.json"),
               ErrorCode::kMalformed, {"duplicate key \"k\""});
}

TEST(ParseJson, AllowsTheSameKeyInDifferentObjects) {
  EXPECT_TRUE(parse_json(R"({"a": {"k": 1}, "b": {"k": 1, "a": 2}, "k": 3})", "t").has_value());
}

TEST(ParseJson, SeesADuplicateBehindANestedObject) {
  expect_error(parse_json(R"({"a": {"b": {"c": 1}}, "d": {}, "a": 2})", "t.json"),
               ErrorCode::kMalformed, {"duplicate key \"a\""});
}

TEST(ParseJson, HoldsTheDepthLimitExactly) {
  const auto nested = [](int depth) {
    return std::string(static_cast<std::size_t>(depth), '[') +
           std::string(static_cast<std::size_t>(depth), ']');
  };
  EXPECT_TRUE(parse_json(nested(kMaxJsonDepth), "t.json").has_value());
  expect_error(parse_json(nested(kMaxJsonDepth + 1), "t.json"), ErrorCode::kMalformed,
               {"t.json", "deeper than 64"});
  expect_error(parse_json(nested(1'000'000), "t.json"), ErrorCode::kMalformed, {"deeper"});
}

TEST(ParseJson, RefusesWhatIsNotJson) {
  for (const char* text : {"", "{", "{} x", "{'a': 1}", "[1,]", "{\"a\": NaN}", "{\"a\": 01}",
                           "// comment\n1", "\"\xFF\"", "{\"a\" 1}"}) {
    expect_error(parse_json(text, "t.json"), ErrorCode::kMalformed,
                 {"t.json", "not valid JSON"});
  }
}

TEST(ParseJson, HoldsTheSizeLimitExactly) {
  std::string text(kMaxJsonBytes, ' ');
  text.front() = '1';
  EXPECT_TRUE(parse_json(text, "t.json").has_value());
  text += ' ';
  expect_error(parse_json(text, "t.json"), ErrorCode::kMalformed,
               {"t.json", "67108865 bytes of JSON, at most 67108864"});
}

TEST(ReadJsonFile, SaysWhichFileIsMissing) {
  const TemporaryDirectory directory;
  expect_error(read_json_file(directory.path() / "absent.json"), ErrorCode::kNotFound,
               {"absent.json"});
}

class JsonFieldsTest : public testing::Test {
 protected:
  const Json json_ = Json::parse(R"({
    "whole": 7, "negative": -7, "huge": 18446744073709551615, "half": 0.5, "whole_float": 7.0,
    "flag": true, "text": "hello", "null": null, "inner": {"depth": 2},
    "long": "0123456789012345678901234567890123456789012345678901234567890123456789"})");
  const JsonFields fields_{json_, "dir/t.json"};
};

TEST_F(JsonFieldsTest, ReadsEachType) {
  EXPECT_EQ(fields_.integer("whole", 0, 7).value(), 7);
  EXPECT_EQ(fields_.integer("negative", -7, 0).value(), -7);
  EXPECT_EQ(fields_.number("half", 0.0, 1.0).value(), 0.5);
  EXPECT_EQ(fields_.number("whole", 0.0, 10.0).value(), 7.0);
  EXPECT_TRUE(fields_.boolean_or("flag", false).value());
  EXPECT_EQ(fields_.string("text").value(), "hello");
  EXPECT_EQ(fields_.object("inner")->integer("depth", 0, 9).value(), 2);
}

TEST_F(JsonFieldsTest, TakesTheDefaultForAbsentAndNull) {
  for (const char* name : {"absent", "null"}) {
    EXPECT_FALSE(fields_.has(name));
    EXPECT_EQ(fields_.integer_or(name, 0, 9, 5).value(), 5);
    EXPECT_EQ(fields_.number_or(name, 0, 9, 0.25).value(), 0.25);
    EXPECT_TRUE(fields_.boolean_or(name, true).value());
    EXPECT_EQ(fields_.string_or(name, "none").value(), "none");
  }
}

TEST_F(JsonFieldsTest, NamesFileFieldFoundAndExpected) {
  expect_error(fields_.integer("whole", 8, 9), ErrorCode::kMalformed,
               {"dir/t.json", "\"whole\"", "is 7", "a whole number from 8 to 9"});
  expect_error(fields_.integer("absent", 0, 9), ErrorCode::kMalformed,
               {"\"absent\" is missing", "a whole number"});
  expect_error(fields_.string("null"), ErrorCode::kMalformed, {"\"null\" is missing"});
  expect_error(fields_.object("inner")->integer("depth", 5, 9), ErrorCode::kMalformed,
               {"dir/t.json.inner", "\"depth\""});
}

TEST_F(JsonFieldsTest, RefusesTheWrongType) {
  for (const char* name : {"half", "whole_float", "flag", "text", "inner"}) {
    expect_error(fields_.integer(name, -100, 100), ErrorCode::kMalformed, {name});
  }
  expect_error(fields_.integer("huge", 0, INT64_MAX), ErrorCode::kMalformed,
               {"18446744073709551615"});
  expect_error(fields_.number("text", 0, 1), ErrorCode::kMalformed, {"\"hello\"", "a number"});
  expect_error(fields_.number("whole", 0, 1), ErrorCode::kMalformed, {"from 0 to 1"});
  expect_error(fields_.boolean_or("whole", true), ErrorCode::kMalformed, {"true or false"});
  expect_error(fields_.string("whole"), ErrorCode::kMalformed, {"a string"});
  expect_error(fields_.object("text"), ErrorCode::kMalformed, {"an object"});
  expect_error(fields_.number_or("text", 0, 1, 0.5), ErrorCode::kMalformed, {"a number"});
  expect_error(fields_.string_or("whole", ""), ErrorCode::kMalformed, {"a string"});
}

TEST_F(JsonFieldsTest, ShortensALongValue) {
  const auto result = fields_.integer("long", 0, 1);
  ASSERT_FALSE(result.has_value());
  EXPECT_NE(result.error().message.find("012345"), std::string::npos);
  EXPECT_LT(result.error().message.size(), 160u);
}

TEST(JsonFields, TreatsANonObjectAsEmpty) {
  const Json list = Json::parse("[1, 2]");
  expect_error(JsonFields(list, "t.json").integer("a", 0, 1), ErrorCode::kMalformed,
               {"missing"});
}

}  // namespace
}  // namespace trine::base
