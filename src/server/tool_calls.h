// Function calls in the text of an answer, as models of several families write them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "server/body_fields.h"

namespace trine::server {

struct ToolCall {
  std::string name{};
  std::string arguments{};  ///< JSON, as text
};

struct ToolCallText {
  std::string content{};  ///< what is not part of a call
  std::vector<ToolCall> calls{};
};

/// Reads calls in three forms: <tool_call>{"name","arguments"}</tool_call> (Hermes, Qwen),
/// [TOOL_CALLS] [{…}, …] (Mistral), and an answer that is one such object, or a list of them
/// ("parameters" counts as "arguments", as Llama writes it). What cannot be read stays content.
[[nodiscard]] ToolCallText read_tool_calls(std::string_view text);

/// Length of the beginning of `text` that is no call and cannot become one.
[[nodiscard]] std::size_t plain_length(std::string_view text);

/// "tool_calls" of a message, or of a delta, where each has its index.
[[nodiscard]] Json tool_calls_json(const std::vector<ToolCall>& calls, bool with_index);

}  // namespace trine::server
