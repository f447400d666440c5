// Bodies of /v1/completions and /v1/chat/completions, and function calls in answers. Beyond not
// crashing: a refusal has a sentence, and what is accepted is within the limits.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "server/generation_body.h"
#include "server/tool_calls.h"

namespace {

using namespace trine::server;

void expect(bool holds) {
  if (!holds) std::abort();
}

void look_at_refusal(const ApiError& error) {
  expect(error.status == 400 && !error.message.empty());
  expect(parse_body(error_body(error)).has_value());
}

void look_at(const GenerationBody& body) {
  expect(body.n >= 1 && body.n <= static_cast<std::size_t>(kMostChoices));
  expect(body.request.max_tokens >= 1);
  expect(body.request.top_p > 0.0 && body.request.top_p <= 1.0);
  expect(body.request.temperature >= 0.0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto completion = parse_completion_body(text)) {
    look_at(completion->generation);
    expect(!completion->prompts.empty());
  } else {
    look_at_refusal(completion.error());
  }
  if (const auto chat = parse_chat_body(text)) {
    look_at(chat->generation);
    expect(!chat->messages.empty());
    for (const Json& message : chat->messages) expect(message.contains("role"));
  } else {
    look_at_refusal(chat.error());
  }
  const ToolCallText read = read_tool_calls(text);
  expect(plain_length(text) <= text.size());
  expect(read.content.size() <= text.size());
  expect(tool_calls_json(read.calls, true).size() == read.calls.size());
  return 0;
}
