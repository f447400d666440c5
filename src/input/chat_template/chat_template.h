// From messages to the text a chat model was trained to read.
#pragma once

#include <ctime>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "input/chat_template/budget.h"

namespace trine::input::chat_template {

/// What a template is given. Fields of objects keep their order: templates write them out.
struct ChatInput {
  base::OrderedJson messages = base::OrderedJson::array();
  base::OrderedJson tools{};  ///< null: the template sees none
  bool add_generation_prompt = true;
  /// Further variables, an object: documents, enable_thinking, what a request's
  /// chat_template_kwargs says. They go before the model's own, such as bos_token.
  base::OrderedJson variables = base::OrderedJson::object();
  std::tm now{};  ///< local time, for strftime_now()
};

/// One template in the part of Jinja that chat templates use, rendered byte for byte as
/// transformers does (ImmutableSandboxedEnvironment, trim_blocks, lstrip_blocks, loop controls,
/// {% generation %}, its own tojson). Immutable; may be rendered from several threads at once.
class ChatTemplate {
 public:
  /// `name` stands in error sentences. kMalformed and kUnsupported name the line.
  [[nodiscard]] static Result<ChatTemplate> parse(std::string_view source, std::string name);

  /// kInvalidArgument when the template itself refuses the messages (raise_exception) or
  /// `messages` and `variables` are no array and object; kMalformed for what Python would refuse;
  /// kUnsupported for what Trine does not have, limits included. Safe for any template and input.
  [[nodiscard]] Result<std::string> render(const ChatInput& input,
                                           const RenderLimits& limits = {}) const;

  /// The same with variables that every rendering has, such as bos_token.
  [[nodiscard]] Result<std::string> render(const ChatInput& input,
                                           const base::OrderedJson& model_variables,
                                           const RenderLimits& limits) const;

  /// As it was given to parse().
  [[nodiscard]] const std::string& source() const noexcept { return source_; }

 private:
  struct Program;
  ChatTemplate() = default;

  std::string name_;
  std::string source_;
  std::shared_ptr<const Program> program_;
};

/// All templates of a model's directory, with the texts of its special tokens.
class ModelTemplates {
 public:
  /// Looks into `chat_template.jinja`, then `tokenizer_config.json`, then `chat_template.json`;
  /// the first that has a template counts. `additional_chat_templates/NAME.jinja` adds named
  /// ones. Having none is no error.
  [[nodiscard]] static Result<ModelTemplates> read(const std::filesystem::path& directory);

  [[nodiscard]] bool empty() const noexcept { return templates_.empty(); }

  /// With the template `name`; when that is empty, with "tool_use" if the model has one and tools
  /// are given, else with "default". kNotFound when the model has no such template: the sentence
  /// names those there are. Otherwise as ChatTemplate::render().
  [[nodiscard]] Result<std::string> render(const ChatInput& input, std::string_view name = {},
                                           const RenderLimits& limits = {}) const;

  /// The template that render() takes without a name, as it stands in the model's files; empty when
  /// there is none. Has tools: the one for them.
  [[nodiscard]] std::string source(bool has_tools = false) const;

 private:
  [[nodiscard]] const ChatTemplate* unnamed(bool has_tools) const;

  std::string directory_;
  std::map<std::string, ChatTemplate, std::less<>> templates_;
  base::OrderedJson special_tokens_ = base::OrderedJson::object();
};

/// For models without a template, on request only: one line "role: content" for each message and,
/// for the answer, "assistant:". Of content in parts, the text. kInvalidArgument for anything
/// that is no message; tools are refused.
[[nodiscard]] Result<std::string> plain_chat_text(const ChatInput& input);

}  // namespace trine::input::chat_template
