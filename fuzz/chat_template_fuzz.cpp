// A chat template from a stranger's model. Input: the template, and if a zero byte follows, the
// messages as JSON.
#include <cstdint>
#include <string_view>

#include "input/chat_template/chat_template.h"

namespace chat_template = trine::input::chat_template;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = input.find('\0');
  const auto parsed = chat_template::ChatTemplate::parse(input.substr(0, end), "fuzz");
  if (!parsed) return 0;
  const std::string_view messages =
      end == std::string_view::npos
          ? R"([{"role":"user","content":"h\u00e9 <b>"},{"role":"assistant","content":null}])"
          : input.substr(end + 1);
  const auto json = trine::base::parse_ordered_json(messages, "messages");
  if (!json) return 0;
  chat_template::ChatInput given;
  given.messages = *json;
  given.variables = {{"bos_token", "<s>"}, {"n", 7}, {"d", {{"a", 1}, {"b", {2, 3}}}}};
  // Small enough that the worst template takes milliseconds.
  const chat_template::RenderLimits limits{
      .max_steps = 20000, .max_output_bytes = 1 << 16, .max_value_bytes = 1 << 20};
  const auto text = parsed->render(given, limits);
  if (text && text->size() > limits.max_output_bytes) __builtin_trap();
  return 0;
}
