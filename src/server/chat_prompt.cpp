#include "server/chat_prompt.h"

namespace trine::server {
namespace {

/// For models without a template: roles and contents line by line, then the model's turn.
std::string plain_chat(const ChatBody& chat) {
  std::string text;
  for (const Json& message : chat.messages) {
    text += message["role"].get<std::string>() + ": ";
    const auto content = message.find("content");
    if (content != message.end() && content->is_string()) text += content->get<std::string>();
    text += '\n';
  }
  return text + "assistant:";
}

}  // namespace

Parsed<std::string> render_chat(const ServedModel&, const ChatBody& chat) {
  return plain_chat(chat);
}

Parsed<std::vector<std::int32_t>> encode_chat(const Service& service, const ChatBody& chat) {
  TRINE_PARSE(const std::string text, render_chat(service.model(), chat));
  return service.encode(text, service.model().chat_template.empty());
}

Parsed<std::shared_ptr<TokenFilter>> filter_for(const Service&, const ChatBody& chat) {
  if (chat.format.kind == ResponseFormat::Kind::kText) return std::shared_ptr<TokenFilter>();
  return tl::unexpected<ApiError>(
      ApiError{501, "response_format is not supported yet", "response_format"});
}

}  // namespace trine::server
