// A tokenizer.json from a stranger, and a text for it. Input: the JSON, and if a zero byte
// follows, the text.
#include <cstdint>
#include <string_view>

#include "input/json_tokenizer.h"

using trine::input::SpecialTokens;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = input.find('\0');
  const std::string_view text =
      end == std::string_view::npos ? "ab \xC3\xA9 <s>\n" : input.substr(end + 1);
  const auto tokenizer = trine::input::parse_json_tokenizer(
      input.substr(0, end), "fuzz", {.bos_token = "<s>", .eos_token = "</s>"});
  if (!tokenizer) return 0;
  const auto ids = (*tokenizer)->encode(text, SpecialTokens::kInclude);
  for (const std::int32_t id : ids) {
    if (id < 0 || static_cast<std::size_t>(id) >= (*tokenizer)->vocab_size()) __builtin_trap();
  }
  static_cast<void>((*tokenizer)->decode(ids, SpecialTokens::kExclude));
  static_cast<void>((*tokenizer)->decode(ids, SpecialTokens::kInclude));
  return 0;
}
