// A tokenizer.model from a stranger, and a text for it. Input: the text, a line feed, the model.
#include <cstdint>
#include <string_view>

#include "input/sentencepiece_tokenizer.h"

using trine::input::SpecialTokens;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t line = input.find('\n');
  if (line == std::string_view::npos) return 0;
  const auto tokenizer = trine::input::parse_sentencepiece_tokenizer(
      input.substr(line + 1), "fuzz", {.num_extra_tokens = 2});
  if (!tokenizer) return 0;
  const auto ids = (*tokenizer)->encode(input.substr(0, line), SpecialTokens::kInclude);
  for (const std::int32_t id : ids) {
    if (id < 0 || static_cast<std::size_t>(id) >= (*tokenizer)->vocab_size()) __builtin_trap();
  }
  static_cast<void>((*tokenizer)->decode(ids, SpecialTokens::kExclude));
  static_cast<void>((*tokenizer)->decode(ids, SpecialTokens::kInclude));
  return 0;
}
