// Where a model's directory keeps its chat templates.
#include <algorithm>
#include <utility>
#include <vector>

#include "base/files.h"
#include "input/chat_template/chat_template.h"

namespace trine::input::chat_template {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxTemplateFileBytes = std::size_t{16} << 20;
constexpr std::string_view kDefault = "default";
using Templates = std::map<std::string, ChatTemplate, std::less<>>;

bool is_there(const fs::path& path) {
  std::error_code ignored;  // an unreadable entry is reported when it is opened
  return fs::exists(path, ignored);
}

Status add_source(Templates& templates, std::string name, std::string_view source,
                  const std::string& place) {
  TRINE_ASSIGN_OR_RETURN(ChatTemplate parsed, ChatTemplate::parse(source, place));
  templates.insert_or_assign(std::move(name), std::move(parsed));
  return {};
}

Status add_file(Templates& templates, std::string name, const fs::path& path) {
  TRINE_ASSIGN_OR_RETURN(const std::string source,
                         base::read_text_file(path, kMaxTemplateFileBytes));
  return add_source(templates, std::move(name), source, path.string());
}

/// The field "chat_template": one template, or a list of {"name", "template"}.
Status add_field(Templates& templates, const base::OrderedJson& config, const fs::path& path) {
  const auto field = config.find("chat_template");
  if (field == config.end() || field->is_null()) return {};
  const std::string place = path.string() + ": chat_template";
  if (field->is_string()) {
    return add_source(templates, std::string(kDefault), field->get_ref<const std::string&>(),
                      place);
  }
  const auto wrong = [&] {
    return fail(ErrorCode::kMalformed,
                "{}: expected a string or a list of objects with \"name\" and \"template\"",
                place);
  };
  if (!field->is_array()) return wrong();
  for (const auto& entry : *field) {
    const bool complete = entry.is_object() && entry.contains("name") &&
                          entry.contains("template") && entry["name"].is_string() &&
                          entry["template"].is_string();
    if (!complete) return wrong();
    const auto& name = entry["name"].get_ref<const std::string&>();
    TRINE_RETURN_IF_ERROR(add_source(templates, name,
                                     entry["template"].get_ref<const std::string&>(),
                                     fmt::format("{} \"{}\"", place, name)));
  }
  return {};
}

/// The object in a JSON file; an empty one when there is no such file.
Result<base::OrderedJson> read_object(const fs::path& path) {
  if (!is_there(path)) return base::OrderedJson::object();
  TRINE_ASSIGN_OR_RETURN(const std::string text,
                         base::read_text_file(path, kMaxTemplateFileBytes));
  TRINE_ASSIGN_OR_RETURN(base::OrderedJson json, base::parse_ordered_json(text, path.string()));
  if (!json.is_object()) {
    return fail(ErrorCode::kMalformed, "{}: expected a JSON object", path.string());
  }
  return json;
}

/// bos_token, eos_token and whatever else ends in _token: a string, or an object with "content".
void add_special_tokens(base::OrderedJson& tokens, const base::OrderedJson& config) {
  const auto content = [](const base::OrderedJson& token) -> const base::OrderedJson* {
    if (token.is_string()) return &token;
    if (!token.is_object() || !token.contains("content")) return nullptr;
    return token["content"].is_string() ? &token["content"] : nullptr;
  };
  for (const auto& [key, value] : config.items()) {
    if (key.ends_with("_token")) {
      if (const auto* text = content(value)) tokens[key] = *text;
    } else if (key == "additional_special_tokens" && value.is_array()) {
      auto list = base::OrderedJson::array();
      for (const auto& token : value) {
        if (const auto* text = content(token)) list.push_back(*text);
      }
      tokens[key] = std::move(list);
    }
  }
}

Status add_named_files(Templates& templates, const fs::path& directory) {
  std::error_code error;
  std::vector<fs::path> paths;
  fs::directory_iterator entry(directory, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    if (entry->path().extension() == ".jinja") paths.push_back(entry->path());
  }
  std::sort(paths.begin(), paths.end());
  for (const fs::path& path : paths) {
    TRINE_RETURN_IF_ERROR(add_file(templates, path.stem().string(), path));
  }
  return {};
}

}  // namespace

Result<ModelTemplates> ModelTemplates::read(const fs::path& directory) {
  ModelTemplates model;
  model.directory_ = directory.string();
  const fs::path config_path = directory / "tokenizer_config.json";
  TRINE_ASSIGN_OR_RETURN(const auto config, read_object(config_path));
  TRINE_ASSIGN_OR_RETURN(const auto token_map,
                         read_object(directory / "special_tokens_map.json"));
  add_special_tokens(model.special_tokens_, token_map);
  add_special_tokens(model.special_tokens_, config);
  const fs::path own_file = directory / "chat_template.jinja";
  if (is_there(own_file)) {
    TRINE_RETURN_IF_ERROR(add_file(model.templates_, std::string(kDefault), own_file));
  } else {
    TRINE_RETURN_IF_ERROR(add_field(model.templates_, config, config_path));
  }
  if (model.templates_.empty()) {
    const fs::path processor = directory / "chat_template.json";
    TRINE_ASSIGN_OR_RETURN(const auto json, read_object(processor));
    TRINE_RETURN_IF_ERROR(add_field(model.templates_, json, processor));
  }
  TRINE_RETURN_IF_ERROR(
      add_named_files(model.templates_, directory / "additional_chat_templates"));
  return model;
}

Result<std::string> ModelTemplates::render(const ChatInput& input, std::string_view name,
                                           const RenderLimits& limits) const {
  if (templates_.empty()) {
    return fail(ErrorCode::kNotFound,
                "{}: the model has no chat template: none of chat_template.jinja, "
                "tokenizer_config.json and chat_template.json holds one",
                directory_);
  }
  const bool has_tools = input.tools.is_array() && !input.tools.empty();
  const auto named = templates_.find(name);
  const ChatTemplate* found = named == templates_.end() ? nullptr : &named->second;
  if (name.empty()) found = unnamed(has_tools);
  if (found == nullptr) {
    std::string known;
    for (const auto& entry : templates_) known += (known.empty() ? "" : ", ") + entry.first;
    return fail(ErrorCode::kNotFound, "{}: the model has no chat template \"{}\"; it has: {}",
                directory_, name.empty() ? kDefault : name, known);
  }
  return found->render(input, special_tokens_, limits);
}

const ChatTemplate* ModelTemplates::unnamed(bool has_tools) const {
  auto found = has_tools ? templates_.find("tool_use") : templates_.end();
  if (found == templates_.end()) found = templates_.find(kDefault);
  return found == templates_.end() ? nullptr : &found->second;
}

std::string ModelTemplates::source(bool has_tools) const {
  const ChatTemplate* found = unnamed(has_tools);
  return found == nullptr ? std::string() : found->source();
}

Result<std::string> plain_chat_text(const ChatInput& input) {
  if (input.tools.is_array() && !input.tools.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                "tools need a chat template, and this model has none");
  }
  if (!input.messages.is_array()) {
    return fail(ErrorCode::kInvalidArgument, "messages: expected an array, found {}",
                input.messages.type_name());
  }
  std::string text;
  for (const auto& message : input.messages) {
    const bool complete = message.is_object() && message.contains("role") &&
                          message["role"].is_string() && message.contains("content");
    if (!complete) {
      return fail(ErrorCode::kInvalidArgument,
                  "messages: expected objects with \"role\" and \"content\"");
    }
    const auto& content = message["content"];
    std::string words;
    if (content.is_string()) {
      words = content.get<std::string>();
    } else if (content.is_array()) {
      for (const auto& part : content) {
        if (part.is_object() && part.contains("text") && part["text"].is_string()) {
          words += part["text"].get_ref<const std::string&>();
        }
      }
    } else {
      return fail(ErrorCode::kInvalidArgument,
                  "messages: \"content\" is {}, expected a string or a list of parts",
                  content.type_name());
    }
    text += message["role"].get_ref<const std::string&>() + ": " + words + "\n";
  }
  if (input.add_generation_prompt) text += "assistant:";
  return text;
}

}  // namespace trine::input::chat_template
