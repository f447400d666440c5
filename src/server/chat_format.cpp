// /v1/chat/completions: choices with a message, whole or as deltas.
#include "server/answer_formats.h"
#include "server/token_scores.h"
#include "server/tool_calls.h"

namespace trine::server {
namespace {

class ChatFormat final : public AnswerFormat {
 public:
  explicit ChatFormat(const ChatFormatOptions& options) : options_(options) {}

  std::string id_prefix() const override { return "chatcmpl-"; }
  std::string whole_object() const override { return "chat.completion"; }
  std::string piece_object() const override { return "chat.completion.chunk"; }

  Json whole(const Choice& choice) override {
    Json message = {{"role", "assistant"}, {"content", choice.text}};
    std::string reason = choice.finish_reason;
    if (options_.reads_tool_calls) {
      ToolCallText read = read_tool_calls(choice.text);
      if (!read.calls.empty()) {
        message["content"] = read.content.empty() ? Json(nullptr) : Json(read.content);
        message["tool_calls"] = tool_calls_json(read.calls, false);
        reason = reason_with_calls(choice);
      }
    }
    return {{"index", choice.index},
            {"message", std::move(message)},
            {"logprobs", scores(choice, 0)},
            {"finish_reason", reason}};
  }

  std::vector<Json> pieces(Choice& choice) override {
    std::vector<Json> pieces;
    if (!choice.was_opened) {
      choice.was_opened = true;
      pieces.push_back(make(choice, {{"role", "assistant"}, {"content", ""}}, nullptr, ""));
    }
    const bool is_last = !choice.finish_reason.empty();
    std::size_t end = choice.text.size();
    ToolCallText read;
    if (options_.reads_tool_calls) {
      if (is_last) read = read_tool_calls(choice.text);
      end = is_last && read.calls.empty() ? end : plain_length(choice.text);
    }
    std::string text =
        choice.text.substr(choice.sent_bytes, end - std::min(end, choice.sent_bytes));
    if (!read.calls.empty()) text = rest_of(read.content, choice);
    const bool has_tokens = options_.has_scores && choice.tokens.size() > choice.sent_tokens;
    if (!text.empty() || has_tokens) {
      pieces.push_back(
          make(choice, {{"content", text}}, scores(choice, choice.sent_tokens), ""));
      choice.sent_bytes = std::max(end, choice.sent_bytes);
      choice.sent_tokens = choice.tokens.size();
    }
    if (!is_last) return pieces;
    if (!read.calls.empty()) {
      pieces.push_back(
          make(choice, {{"tool_calls", tool_calls_json(read.calls, true)}}, nullptr, ""));
    }
    pieces.push_back(
        make(choice, Json::object(), nullptr,
             read.calls.empty() ? choice.finish_reason : reason_with_calls(choice)));
    return pieces;
  }

 private:
  /// What the content has beyond what was sent, which is its beginning but for white space.
  static std::string rest_of(const std::string& content, const Choice& choice) {
    const std::size_t first = choice.text.find_first_not_of(" \t\r\n");
    const std::size_t sent =
        choice.sent_bytes - std::min(choice.sent_bytes, std::min(first, choice.text.size()));
    return content.substr(std::min(sent, content.size()));
  }

  /// An answer that was cut is cut, whatever calls came before.
  static std::string reason_with_calls(const Choice& choice) {
    return choice.finish_reason == "length" ? "length" : "tool_calls";
  }

  /// Of the tokens from `first` on; the end token has no text and is not among them.
  [[nodiscard]] Json scores(const Choice& choice, std::size_t first) const {
    if (!options_.has_scores) return nullptr;
    const std::size_t end = choice.tokens.size() - (choice.ends_with_end_token ? 1 : 0);
    const std::size_t begin = std::min(first, end);
    return chat_scores(*options_.service, std::span(choice.tokens).subspan(begin, end - begin));
  }

  static Json make(const Choice& choice, Json delta, Json scores,
                   const std::string& finish_reason) {
    return {{"index", choice.index},
            {"delta", std::move(delta)},
            {"logprobs", std::move(scores)},
            {"finish_reason", finish_reason.empty() ? Json(nullptr) : Json(finish_reason)}};
  }

  ChatFormatOptions options_;
};

}  // namespace

std::unique_ptr<AnswerFormat> make_chat_format(ChatFormatOptions options) {
  return std::make_unique<ChatFormat>(options);
}

}  // namespace trine::server
