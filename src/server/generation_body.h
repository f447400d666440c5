// From the JSON of /v1/completions and /v1/chat/completions to what shall be done. Knows no model:
// token ids, lengths and templates are looked at later.
#pragma once

#include <trine/serving.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server/body_fields.h"

namespace trine::server {

/// A prompt as text or as token ids.
using Prompt = std::variant<std::string, std::vector<std::int32_t>>;

inline constexpr std::int64_t kMostChoices = 128;  ///< prompts × n of one request

/// What both endpoints have in common.
struct GenerationBody {
  std::string model{};
  GenerationRequest request{};  ///< without prompt and client
  bool has_max_tokens = false;  ///< else as much as the context leaves
  bool has_seed = false;
  std::size_t n = 1;
  bool is_stream = false;
  bool includes_usage = false;  ///< a last chunk with the usage
};

struct CompletionBody {
  GenerationBody generation{};
  std::vector<Prompt> prompts{};
  bool echo = false;
  bool drops_answer = false;  ///< max_tokens 0 with echo: only the prompt is wanted
};

/// What the answer must look like.
struct ResponseFormat {
  enum class Kind { kText, kJsonObject, kJsonSchema };
  Kind kind = Kind::kText;
  Json schema{};  ///< of kJsonSchema
};

struct ChatBody {
  GenerationBody generation{};
  Json messages{};            ///< a list of objects with a role; content is text or null
  Json tools{};               ///< a list, or null
  std::string tool_choice{};  ///< "none", "auto", "required", or a function's name after "="
  ResponseFormat format{};
  Json template_arguments{};  ///< chat_template_kwargs, an object
};

[[nodiscard]] Parsed<CompletionBody> parse_completion_body(std::string_view text);
[[nodiscard]] Parsed<ChatBody> parse_chat_body(std::string_view text);

/// The messages, tools and template arguments alone, as /apply-template takes them.
[[nodiscard]] Parsed<ChatBody> parse_messages(const Json& body);

}  // namespace trine::server
