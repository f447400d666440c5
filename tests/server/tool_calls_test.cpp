// Function calls as several families write them, whole and while they come.
#include "server/tool_calls.h"

#include <gtest/gtest.h>

namespace trine::server {
namespace {

TEST(ToolCalls, ReadsTheTaggedForm) {
  const auto read = read_tool_calls(
      "Wait.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1}}\n</tool_call>\n"
      "<tool_call>{\"name\": \"g\", \"arguments\": {}}</tool_call>");
  ASSERT_EQ(read.calls.size(), 2u);
  EXPECT_EQ(read.calls[0].name, "f");
  EXPECT_EQ(read.calls[0].arguments, "{\"x\":1}");
  EXPECT_EQ(read.calls[1].name, "g");
  EXPECT_EQ(read.content, "Wait.");
}

TEST(ToolCalls, ReadsTheListAndTheBareForm) {
  const auto list = read_tool_calls("[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": \"{}\"}]");
  ASSERT_EQ(list.calls.size(), 1u);
  EXPECT_EQ(list.calls[0].arguments, "{}");
  const auto bare = read_tool_calls(" {\"name\": \"f\", \"parameters\": {\"a\": [1]}}\n");
  ASSERT_EQ(bare.calls.size(), 1u);
  EXPECT_EQ(bare.calls[0].arguments, "{\"a\":[1]}");
}

TEST(ToolCalls, LeavesEverythingElseAlone) {
  for (const char* text : {"Just text.", "{\"a\": 1}", "<tool_call>{broken</tool_call> after",
                           "[1, 2]", "<tool_call>", ""}) {
    const auto read = read_tool_calls(text);
    EXPECT_TRUE(read.calls.empty()) << text;
    EXPECT_EQ(read.content, text);
  }
}

TEST(ToolCalls, HoldsBackWhatMayBecomeACall) {
  EXPECT_EQ(plain_length("Hello"), 5u);
  EXPECT_EQ(plain_length("Hello <tool"), 6u);
  EXPECT_EQ(plain_length("Hello <tool_call>{"), 6u);
  EXPECT_EQ(plain_length("a < b"), 5u);
  EXPECT_EQ(plain_length("{\"name\""), 0u);
  EXPECT_EQ(plain_length("ok [TOOL"), 3u);
}

TEST(ToolCalls, WritesThemWithIdsAndIndexes) {
  const Json list = tool_calls_json({{"f", "{}"}, {"g", "{}"}}, true);
  EXPECT_EQ(list[1]["index"], 1);
  EXPECT_EQ(list[1]["function"]["name"], "g");
  EXPECT_NE(list[0]["id"], list[1]["id"]);
  EXPECT_FALSE(tool_calls_json({{"f", "{}"}}, false)[0].contains("index"));
}

}  // namespace
}  // namespace trine::server
