#include "server/generation_body.h"

#include <charconv>
#include <cmath>
#include <limits>

namespace trine::server {
namespace {

constexpr std::int64_t kMostTokens = std::numeric_limits<std::int32_t>::max();
constexpr std::size_t kMostStopTexts = 16;
constexpr std::size_t kMostStopBytes = 4096;
constexpr std::size_t kMostBiases = 4096;
constexpr std::size_t kMostTools = 128;

Parsed<std::vector<std::string>> parse_stop(const BodyFields& fields) {
  std::vector<std::string> stop;
  const Json* value = fields.find("stop");
  if (value == nullptr) return stop;
  const Json list = value->is_array() ? *value : Json::array({*value});
  if (list.size() > kMostStopTexts) {
    return refuse("stop", "stop has " + std::to_string(list.size()) +
                              " texts, expected at most " + std::to_string(kMostStopTexts));
  }
  for (const Json& text : list) {
    const bool is_good = text.is_string() && !text.get_ref<const std::string&>().empty() &&
                         text.get_ref<const std::string&>().size() <= kMostStopBytes;
    if (!is_good) {
      return refuse("stop", "stop has " + shown(text) + ", expected a text of 1 to " +
                                std::to_string(kMostStopBytes) + " bytes");
    }
    stop.push_back(text.get<std::string>());
  }
  return stop;
}

Parsed<std::vector<std::pair<std::int32_t, double>>> parse_logit_bias(
    const BodyFields& fields) {
  std::vector<std::pair<std::int32_t, double>> biases;
  const Json* value = fields.find("logit_bias");
  if (value == nullptr) return biases;
  if (!value->is_object() || value->size() > kMostBiases) {
    return refuse("logit_bias", "logit_bias is " + shown(*value) +
                                    ", expected an object of at most " +
                                    std::to_string(kMostBiases) + " token ids");
  }
  for (const auto& [key, bias] : value->items()) {
    std::int32_t token = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), token);
    if (error != std::errc{} || end != key.data() + key.size() || token < 0) {
      return refuse("logit_bias",
                    "logit_bias has the key " + shown(Json(key)) + ", expected a token id");
    }
    if (!bias.is_number() || !(std::abs(bias.get<double>()) <= 100.0)) {
      return refuse("logit_bias", "logit_bias of token " + key + " is " + shown(bias) +
                                      ", expected a number from -100 to 100");
    }
    biases.emplace_back(token, bias.get<double>());
  }
  return biases;
}

Parsed<bool> parse_stream(const BodyFields& fields, GenerationBody& body) {
  TRINE_PARSE(body.is_stream, fields.boolean("stream", false));
  const Json* options = fields.find("stream_options");
  if (options == nullptr) return true;
  if (!options->is_object()) {
    return refuse("stream_options",
                  "stream_options is " + shown(*options) + ", expected an object");
  }
  const BodyFields inner(*options, "stream_options.");
  TRINE_PARSE(body.includes_usage, inner.boolean("include_usage", false));
  return true;
}

/// Everything but max_tokens and logprobs, which the two endpoints spell differently.
Parsed<GenerationBody> parse_generation(const BodyFields& fields) {
  GenerationBody body;
  GenerationRequest& request = body.request;
  TRINE_PARSE(body.model, fields.text("model", ""));
  TRINE_PARSE(request.temperature, fields.number("temperature", 0.0, 100.0, 1.0));
  TRINE_PARSE(request.top_p, fields.number("top_p", 0.0, 1.0, 1.0));
  if (request.top_p == 0.0) request.top_k = 1;  // the smallest set there is: one token
  if (request.top_p == 0.0) request.top_p = 1.0;
  TRINE_PARSE(const auto top_k, fields.integer("top_k", -1, kMostTokens, 0));
  if (top_k > 0 && request.top_k == 0) request.top_k = static_cast<std::size_t>(top_k);
  TRINE_PARSE(request.min_p, fields.number("min_p", 0.0, 1.0, 0.0));
  const char* repetition =
      fields.find("repeat_penalty") != nullptr ? "repeat_penalty" : "repetition_penalty";
  TRINE_PARSE(request.repetition_penalty, fields.number(repetition, 0.01, 100.0, 1.0));
  TRINE_PARSE(request.frequency_penalty, fields.number("frequency_penalty", -2.0, 2.0, 0.0));
  TRINE_PARSE(request.presence_penalty, fields.number("presence_penalty", -2.0, 2.0, 0.0));
  TRINE_PARSE(request.logit_bias, parse_logit_bias(fields));
  TRINE_PARSE(request.stop, parse_stop(fields));
  TRINE_PARSE(request.ignores_end, fields.boolean("ignore_eos", false));
  body.has_seed = fields.find("seed") != nullptr;
  TRINE_PARSE(const auto seed, fields.integer("seed", std::numeric_limits<std::int64_t>::min(),
                                              std::numeric_limits<std::int64_t>::max(), 0));
  request.seed = static_cast<std::uint64_t>(seed);
  TRINE_PARSE(const auto n, fields.integer("n", 1, kMostChoices, 1));
  body.n = static_cast<std::size_t>(n);
  TRINE_PARSE(const bool is_good, parse_stream(fields, body));
  static_cast<void>(is_good);
  return body;
}

Parsed<std::vector<std::int32_t>> parse_token_ids(const Json& list) {
  std::vector<std::int32_t> token_ids;
  for (const Json& id : list) {
    const bool is_good = id.is_number_unsigned() &&
                         id.get<std::uint64_t>() <= static_cast<std::uint64_t>(kMostTokens);
    if (!is_good) {
      return refuse("prompt", "prompt has " + shown(id) + " among its token ids");
    }
    token_ids.push_back(id.get<std::int32_t>());
  }
  return token_ids;
}

/// A text, a list of texts, a list of token ids, or a list of such lists.
Parsed<std::vector<Prompt>> parse_prompts(const BodyFields& fields) {
  const Json* value = fields.find("prompt");
  if (value == nullptr) return refuse("prompt", "prompt is missing");
  if (value->is_string()) return std::vector<Prompt>{value->get<std::string>()};
  if (!value->is_array() || value->empty()) {
    return refuse("prompt", "prompt is " + shown(*value) +
                                ", expected a text, token ids, or a list of either");
  }
  if (value->front().is_number()) {
    TRINE_PARSE(auto token_ids, parse_token_ids(*value));
    return std::vector<Prompt>{std::move(token_ids)};
  }
  std::vector<Prompt> prompts;
  for (const Json& item : *value) {
    if (item.is_string()) {
      prompts.emplace_back(item.get<std::string>());
    } else if (item.is_array()) {
      TRINE_PARSE(auto token_ids, parse_token_ids(item));
      prompts.emplace_back(std::move(token_ids));
    } else {
      return refuse("prompt",
                    "prompt has " + shown(item) + ", expected texts or lists of token ids");
    }
  }
  return prompts;
}

Parsed<ResponseFormat> parse_format(const BodyFields& fields) {
  ResponseFormat format;
  const Json* value = fields.find("response_format");
  if (value == nullptr) return format;
  if (!value->is_object()) {
    return refuse("response_format",
                  "response_format is " + shown(*value) + ", expected an object");
  }
  const BodyFields inner(*value, "response_format.");
  TRINE_PARSE(const std::string type, inner.text("type", ""));
  if (type == "text") return format;
  if (type == "json_object") {
    format.kind = ResponseFormat::Kind::kJsonObject;
    return format;
  }
  if (type != "json_schema") {
    return refuse("response_format.type", "response_format.type is " + shown(Json(type)) +
                                              ", expected text, json_object or json_schema");
  }
  const Json* wrapped = inner.find("json_schema");
  const Json* schema = wrapped != nullptr && wrapped->is_object()
                           ? BodyFields(*wrapped).find("schema")
                           : inner.find("schema");
  if (schema == nullptr || !(schema->is_object() || schema->is_boolean())) {
    return refuse("response_format.json_schema",
                  "response_format.json_schema.schema is missing, expected a schema");
  }
  format.kind = ResponseFormat::Kind::kJsonSchema;
  format.schema = *schema;
  return format;
}

/// Content as one text: parts of type "text" are put together.
Parsed<Json> parse_content(const Json& content, const std::string& place) {
  if (content.is_null() || content.is_string()) return content;
  if (!content.is_array()) {
    return refuse(place,
                  place + " is " + shown(content) + ", expected a text or a list of parts");
  }
  std::string text;
  for (const Json& part : content) {
    const Json* type = part.is_object() ? BodyFields(part).find("type") : nullptr;
    const Json* words = part.is_object() ? BodyFields(part).find("text") : nullptr;
    if (type != nullptr && type->is_string() && *type != "text") {
      return refuse(place, place + " has a part of type " + shown(*type) +
                               "; this model takes text only");
    }
    if (words == nullptr || !words->is_string()) {
      return refuse(place, place + " has a part without a text");
    }
    text += words->get_ref<const std::string&>();
  }
  return Json(text);
}

/// Clients send the arguments of earlier calls as JSON in a text; templates expect the object.
void read_call_arguments(Json& message) {
  const auto calls = message.find("tool_calls");
  if (calls == message.end() || !calls->is_array()) return;
  for (Json& call : *calls) {
    if (!call.is_object() || !call.contains("function")) continue;
    Json& function = call["function"];
    if (!function.is_object() || !function.contains("arguments")) continue;
    Json& arguments = function["arguments"];
    if (!arguments.is_string()) continue;
    auto parsed = parse_body(arguments.get_ref<const std::string&>());
    if (parsed) arguments = std::move(*parsed);
  }
}

Parsed<Json> parse_message_list(const BodyFields& fields) {
  const Json* messages = fields.find("messages");
  if (messages == nullptr || !messages->is_array() || messages->empty()) {
    return refuse("messages", messages == nullptr
                                  ? "messages is missing"
                                  : "messages is " + shown(*messages) +
                                        ", expected a list of at least one message");
  }
  Json parsed = Json::array();
  for (std::size_t i = 0; i < messages->size(); ++i) {
    const std::string place = "messages[" + std::to_string(i) + "]";
    Json message = (*messages)[i];
    if (!message.is_object()) {
      return refuse(place, place + " is " + shown(message) + ", expected an object");
    }
    const BodyFields inner(message, place + ".");
    const Json* role = inner.find("role");
    if (role == nullptr || !role->is_string()) {
      return refuse(place + ".role", place + ".role is missing, expected a text");
    }
    const auto content = message.find("content");
    if (content != message.end()) {
      TRINE_PARSE(*content, parse_content(Json(*content), place + ".content"));
    }
    if (*inner.find("role") == "assistant") read_call_arguments(message);
    parsed.push_back(std::move(message));
  }
  return parsed;
}

Parsed<Json> parse_tools(const BodyFields& fields) {
  const Json* tools = fields.find("tools");
  if (tools == nullptr || (tools->is_array() && tools->empty())) return Json(nullptr);
  if (!tools->is_array() || tools->size() > kMostTools) {
    return refuse("tools", "tools is " + shown(*tools) + ", expected a list of at most " +
                               std::to_string(kMostTools) + " functions");
  }
  for (const Json& tool : *tools) {
    const Json* function = tool.is_object() ? BodyFields(tool).find("function") : nullptr;
    const Json* name = function != nullptr && function->is_object()
                           ? BodyFields(*function).find("name")
                           : nullptr;
    if (name == nullptr || !name->is_string()) {
      return refuse("tools",
                    "tools has " + shown(tool) + " without function.name, expected functions");
    }
  }
  return *tools;
}

Parsed<std::string> parse_tool_choice(const BodyFields& fields, bool has_tools) {
  const Json* choice = fields.find("tool_choice");
  if (choice == nullptr) return std::string(has_tools ? "auto" : "none");
  if (choice->is_string()) {
    const auto& word = choice->get_ref<const std::string&>();
    if (word == "none" || word == "auto" || word == "required") return word;
  }
  const Json* function = choice->is_object() ? BodyFields(*choice).find("function") : nullptr;
  const Json* name = function != nullptr && function->is_object()
                         ? BodyFields(*function).find("name")
                         : nullptr;
  if (name != nullptr && name->is_string()) return "=" + name->get<std::string>();
  return refuse("tool_choice", "tool_choice is " + shown(*choice) +
                                   ", expected none, auto, required or a function");
}

}  // namespace

Parsed<CompletionBody> parse_completion_body(std::string_view text) {
  TRINE_PARSE(const Json body, parse_body(text));
  const BodyFields fields(body);
  CompletionBody parsed;
  TRINE_PARSE(parsed.generation, parse_generation(fields));
  GenerationBody& generation = parsed.generation;
  TRINE_PARSE(parsed.prompts, parse_prompts(fields));
  TRINE_PARSE(parsed.echo, fields.boolean("echo", false));
  TRINE_PARSE(const auto most, fields.integer("max_tokens", 0, kMostTokens, 16));
  generation.has_max_tokens = true;
  if (most == 0 && !parsed.echo) {
    return refuse("max_tokens", "max_tokens is 0, which makes sense only with echo");
  }
  parsed.drops_answer = most == 0;
  generation.request.max_tokens = static_cast<std::size_t>(most == 0 ? 1 : most);
  TRINE_PARSE(const auto logprobs, fields.integer("logprobs", 0, 20, -1));
  if (logprobs >= 0) {
    generation.request.top_scores = static_cast<std::size_t>(logprobs);
    generation.request.scores_prompt = parsed.echo;
  }
  if (fields.find("suffix") != nullptr && !fields.find("suffix")->empty()) {
    return refuse("suffix", "suffix is not supported");
  }
  TRINE_PARSE(const auto best_of, fields.integer("best_of", 1, kMostChoices,
                                                 static_cast<std::int64_t>(generation.n)));
  if (static_cast<std::size_t>(best_of) != generation.n) {
    return refuse("best_of", "best_of is " + std::to_string(best_of) + " and n is " +
                                 std::to_string(generation.n) +
                                 ", only equal ones are supported");
  }
  if (parsed.prompts.size() * generation.n > static_cast<std::size_t>(kMostChoices)) {
    return refuse("prompt", std::to_string(parsed.prompts.size()) +
                                " prompts times n are more than " +
                                std::to_string(kMostChoices) + " answers");
  }
  return parsed;
}

Parsed<ChatBody> parse_messages(const Json& body) {
  const BodyFields fields(body);
  ChatBody parsed;
  TRINE_PARSE(parsed.messages, parse_message_list(fields));
  TRINE_PARSE(parsed.tools, parse_tools(fields));
  TRINE_PARSE(parsed.tool_choice, parse_tool_choice(fields, !parsed.tools.is_null()));
  parsed.template_arguments = Json::object();
  if (const Json* arguments = fields.find("chat_template_kwargs")) {
    if (!arguments->is_object()) {
      return refuse("chat_template_kwargs",
                    "chat_template_kwargs is " + shown(*arguments) + ", expected an object");
    }
    parsed.template_arguments = *arguments;
  }
  return parsed;
}

Parsed<ChatBody> parse_chat_body(std::string_view text) {
  TRINE_PARSE(const Json body, parse_body(text));
  const BodyFields fields(body);
  TRINE_PARSE(ChatBody parsed, parse_messages(body));
  TRINE_PARSE(parsed.generation, parse_generation(fields));
  GenerationRequest& request = parsed.generation.request;
  const char* most =
      fields.find("max_completion_tokens") != nullptr ? "max_completion_tokens" : "max_tokens";
  parsed.generation.has_max_tokens = fields.find(most) != nullptr;
  TRINE_PARSE(const auto max_tokens, fields.integer(most, 1, kMostTokens, kMostTokens));
  request.max_tokens = static_cast<std::size_t>(max_tokens);
  TRINE_PARSE(const bool logprobs, fields.boolean("logprobs", false));
  TRINE_PARSE(const auto top, fields.integer("top_logprobs", 0, 20, 0));
  if (top > 0 && !logprobs) {
    return refuse("top_logprobs", "top_logprobs needs logprobs to be true");
  }
  if (logprobs) request.top_scores = static_cast<std::size_t>(top);
  TRINE_PARSE(parsed.format, parse_format(fields));
  return parsed;
}

}  // namespace trine::server
