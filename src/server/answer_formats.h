// The two forms of answers.
#pragma once

#include <memory>
#include <vector>

#include "server/answer.h"
#include "server/generation_body.h"

namespace trine::server {

struct CompletionFormatOptions {
  const Service* service = nullptr;
  std::vector<Prompt> prompts{};
  std::size_t n = 1;
  bool echo = false;
  bool has_scores = false;
  bool drops_answer = false;
};
[[nodiscard]] std::unique_ptr<AnswerFormat> make_completion_format(
    CompletionFormatOptions options);

struct ChatFormatOptions {
  const Service* service = nullptr;
  bool has_scores = false;
  bool reads_tool_calls = false;
};
[[nodiscard]] std::unique_ptr<AnswerFormat> make_chat_format(ChatFormatOptions options);

}  // namespace trine::server
