#include "input/chat_template/chat_template.h"

#include <utility>

#include "input/chat_template/interpreter.h"
#include "input/chat_template/lexer.h"
#include "input/chat_template/parser.h"
#include "input/unicode.h"

namespace trine::input::chat_template {
namespace {

/// The longest known template has 25 kB.
constexpr std::size_t kMaxSourceBytes = std::size_t{1} << 20;

tl::unexpected<Error> located(const TemplateError& error, const std::string& name, int line) {
  return fail(error.code(), "{}, line {}: {}", name, line, error.what());
}

void define_all(Interpreter& run, const base::OrderedJson& variables) {
  for (const auto& [name, value] : variables.items()) {
    run.define(name, Value::from_json(run.budget(), value));
  }
}

void define_input(Interpreter& run, const ChatInput& input,
                  const base::OrderedJson& model_variables) {
  define_all(run, model_variables);
  run.define("documents", Value::none());
  define_all(run, input.variables);
  run.define("messages", Value::from_json(run.budget(), input.messages));
  run.define("tools", Value::from_json(run.budget(), input.tools));
  run.define("add_generation_prompt", Value::boolean(input.add_generation_prompt));
}

Status check_input(const ChatInput& input) {
  if (!input.messages.is_array()) {
    return fail(ErrorCode::kInvalidArgument, "messages: expected an array, found {}",
                input.messages.type_name());
  }
  if (!input.tools.is_array() && !input.tools.is_null()) {
    return fail(ErrorCode::kInvalidArgument, "tools: expected an array, found {}",
                input.tools.type_name());
  }
  if (!input.variables.is_object()) {
    return fail(ErrorCode::kInvalidArgument, "template variables: expected an object, found {}",
                input.variables.type_name());
  }
  return {};
}

}  // namespace

struct ChatTemplate::Program {
  Block block{};
};

Result<ChatTemplate> ChatTemplate::parse(std::string_view source, std::string name) {
  if (source.size() > kMaxSourceBytes) {
    return fail(ErrorCode::kUnsupported, "{}: {} bytes of template, at most {} are read", name,
                source.size(), kMaxSourceBytes);
  }
  int line = 1;
  std::vector<Token> tokens;
  try {
    tokens = lex(replace_invalid_utf8(source), line);
  } catch (const TemplateError& error) {
    return located(error, name, line);
  }
  Parser parser(std::move(tokens));
  try {
    ChatTemplate result;
    result.program_ = std::make_shared<const Program>(Program{parser.parse_template()});
    result.name_ = std::move(name);
    result.source_ = source;
    return result;
  } catch (const TemplateError& error) {
    return located(error, name, parser.line());
  }
}

Result<std::string> ChatTemplate::render(const ChatInput& input,
                                         const RenderLimits& limits) const {
  return render(input, base::OrderedJson::object(), limits);
}

Result<std::string> ChatTemplate::render(const ChatInput& input,
                                         const base::OrderedJson& model_variables,
                                         const RenderLimits& limits) const {
  TRINE_RETURN_IF_ERROR(check_input(input));
  Interpreter run(limits, input.now);
  try {
    define_input(run, input, model_variables);
  } catch (const TemplateError& error) {
    return fail(error.code(), "{}: the given messages and variables: {}", name_, error.what());
  }
  try {
    return run.run(program_->block);
  } catch (const TemplateError& error) {
    return located(error, name_, run.line());
  }
}

}  // namespace trine::input::chat_template
