#include "server/chat_prompt.h"

#include <ctime>

namespace trine::server {
namespace {

std::tm local_time() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  return local;
}

ChatPrompt prompt_of(const ChatBody& chat) {
  return {.messages = dumped(chat.messages),
          .tools = chat.tools.is_null() || chat.tool_choice == "none" ? std::string()
                                                                      : dumped(chat.tools),
          .variables = dumped(chat.template_arguments),
          .local_time = local_time()};
}

tl::unexpected<ApiError> refused(const Error& error, const char* param) {
  return refuse(param, error.message);
}

/// {"name", "arguments"} of one function.
Json call_schema(const Json& function) {
  const Json* parameters = BodyFields(function).find("parameters");
  return {{"type", "object"},
          {"properties",
           {{"name", {{"const", function["name"]}}},
            {"arguments", parameters != nullptr ? *parameters : Json{{"type", "object"}}}}},
          {"required", {"name", "arguments"}}};
}

/// A call of one of the functions that may be called.
Parsed<Json> required_call(const ChatBody& chat) {
  Json calls = Json::array();
  for (const Json& tool : chat.tools) {
    const Json& function = tool["function"];
    const auto& name = function["name"].get_ref<const std::string&>();
    const bool is_named = chat.tool_choice.substr(1) == name;
    const bool is_wanted = chat.tool_choice == "required" || is_named;
    if (is_wanted) calls.push_back(call_schema(function));
  }
  if (calls.empty()) return refuse("tool_choice", "tool_choice names none of the tools");
  return calls.size() == 1 ? calls[0] : Json{{"anyOf", calls}};
}

}  // namespace

Parsed<std::string> render_chat(const Service& service, const ChatBody& chat) {
  auto text = service.render_chat(prompt_of(chat));
  if (!text) return refused(text.error(), "messages");
  return std::move(*text);
}

Parsed<std::vector<std::int32_t>> encode_chat(const Service& service, const ChatBody& chat) {
  auto tokens = service.encode_chat(prompt_of(chat));
  if (!tokens) return refused(tokens.error(), "messages");
  return std::move(*tokens);
}

Parsed<std::vector<std::shared_ptr<TokenFilter>>> filters_for(const Service& service,
                                                              const ChatBody& chat) {
  const std::size_t n = chat.generation.n;
  const bool must_call = chat.tool_choice != "none" && chat.tool_choice != "auto";
  if (must_call) {
    if (chat.tools.is_null())
      return refuse("tool_choice", "tool_choice wants a call, and tools is missing");
    TRINE_PARSE(const Json schema, required_call(chat));
    auto filters = service.json_filters(dumped(schema), n);
    if (!filters) return refused(filters.error(), "tools");
    return std::move(*filters);
  }
  if (chat.format.kind == ResponseFormat::Kind::kText) {
    return std::vector<std::shared_ptr<TokenFilter>>(n);
  }
  const bool has_schema = chat.format.kind == ResponseFormat::Kind::kJsonSchema;
  auto filters =
      service.json_filters(has_schema ? dumped(chat.format.schema) : std::string(), n);
  if (!filters) return refused(filters.error(), "response_format");
  return std::move(*filters);
}

}  // namespace trine::server
