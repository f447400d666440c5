#include <gtest/gtest.h>

#include <chrono>

#include "base/json.h"
#include "support/expect_error.h"

namespace trine::base {
namespace {

using testing_support::expect_error;

TEST(OrderedJson, KeepsTheOrderOfFields) {
  const auto json =
      parse_ordered_json(R"({"b":[1,-2,0.5,true,null,"x"],"a":{"d":{},"c":[]}})", "x");
  ASSERT_TRUE(json.has_value()) << testing_support::sentence(json);
  EXPECT_EQ(json->dump(), R"({"b":[1,-2,0.5,true,null,"x"],"a":{"d":{},"c":[]}})");
  EXPECT_EQ((*json)["a"]["c"].size(), 0u);
}

TEST(OrderedJson, IsAsStrictAsTheOther) {
  expect_error(parse_ordered_json(R"({"a":1,"a":2})", "x.json"), ErrorCode::kMalformed,
               {"x.json", "duplicate key \"a\""});
  expect_error(parse_ordered_json("{", "x.json"), ErrorCode::kMalformed,
               {"x.json", "not valid"});
  expect_error(parse_ordered_json("1 2", "x"), ErrorCode::kMalformed, {"not valid"});
  expect_error(parse_ordered_json("\"\xff\"", "x"), ErrorCode::kMalformed, {"not valid"});
  const std::string deepest = std::string(kMaxJsonDepth, '[') + std::string(kMaxJsonDepth, ']');
  EXPECT_TRUE(parse_ordered_json(deepest, "x").has_value());
  expect_error(parse_ordered_json("[" + deepest + "]", "x"), ErrorCode::kMalformed, {"deeper"});
}

TEST(OrderedJson, ManyFieldsTakeTimeInProportion) {
  // With a search at each field this took minutes.
  std::string text = "{";
  for (int i = 0; i < 50000; ++i) text += fmt::format("\"key{}\":{},", i, i);
  text.back() = '}';
  const auto json = parse_ordered_json(text, "x");
  ASSERT_TRUE(json.has_value());
  EXPECT_EQ(json->size(), 50000u);
}

}  // namespace
}  // namespace trine::base
