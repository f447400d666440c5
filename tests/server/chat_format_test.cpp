// A streamed answer with calls says what the whole one says.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "server/answer_formats.h"

namespace trine::server {
namespace {

/// The content of all pieces of `text`, sent in pieces of `step` bytes.
std::string streamed_content(const std::string& text, std::size_t step,
                             std::string& finish_reason) {
  const auto format = make_chat_format({.reads_tool_calls = true});
  Choice choice;
  std::string content;
  for (std::size_t end = 0; end < text.size();) {
    end = std::min(end + step, text.size());
    choice.text = text.substr(0, end);
    if (end == text.size()) choice.finish_reason = finish_reason;
    for (const Json& piece : format->pieces(choice)) {
      content += piece["delta"].value("content", std::string());
      if (piece["finish_reason"].is_string()) finish_reason = piece["finish_reason"];
    }
  }
  return content;
}

TEST(ChatFormat, StreamsTheRestBehindAnUnreadableCall) {
  for (const std::string text :
       {" Wait.<tool_call>{broken</tool_call> More."
        "<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call> Done. ",
        "Wait.\n<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>\n"}) {
    const auto format = make_chat_format({.reads_tool_calls = true});
    Choice choice;
    choice.text = text;
    choice.finish_reason = "stop";
    const Json whole = format->whole(choice)["message"];
    ASSERT_EQ(whole["tool_calls"].size(), 1u);
    const std::string wanted = whole["content"];
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, text.size()}) {
      std::string reason = "stop";
      std::string content = streamed_content(text, step, reason);
      // White space at the ends has been sent before it was known to be the end.
      content.erase(0, content.find_first_not_of(" \n"));
      content.erase(content.find_last_not_of(" \n") + 1);
      EXPECT_EQ(content, wanted) << step;
      EXPECT_EQ(reason, "tool_calls");
    }
  }
}

TEST(ChatFormat, AnAnswerThatWasCutSaysSo) {
  const std::string text = "<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call><tool";
  const auto format = make_chat_format({.reads_tool_calls = true});
  Choice choice;
  choice.text = text;
  choice.finish_reason = "length";
  const Json whole = format->whole(choice);
  EXPECT_EQ(whole["message"]["tool_calls"].size(), 1u);
  EXPECT_EQ(whole["finish_reason"], "length");
  std::string reason = "length";
  static_cast<void>(streamed_content(text, 5, reason));
  EXPECT_EQ(reason, "length");
}

}  // namespace
}  // namespace trine::server
