// A JSON schema from a stranger's request. Input: the schema, and if a zero byte follows, bytes to
// choose by. Every state the automaton reaches must have a way on, or be a whole value.
#include <cstdint>
#include <string_view>

#include "input/json_grammar/automaton.h"
#include "input/json_grammar/json_grammar.h"

namespace json_grammar = trine::input::json_grammar;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = input.find('\0');
  const auto schema = trine::base::parse_ordered_json(input.substr(0, end), "fuzz");
  if (!schema) return 0;
  auto grammar = json_grammar::JsonGrammar::from_schema(*schema, "fuzz");
  if (!grammar) return 0;
  json_grammar::JsonAutomaton automaton(
      std::make_shared<const json_grammar::JsonGrammar>(std::move(*grammar)));
  const std::string_view choices =
      end == std::string_view::npos ? "\x01\x07\x20\x33\x05\x60" : input.substr(end + 1);
  auto state = automaton.start();
  for (std::size_t i = 0; i < choices.size() && i < 64; ++i) {
    const auto allowed = automaton.allowed_bytes(state);
    if (allowed.none()) {
      if (!automaton.is_complete(state)) __builtin_trap();
      break;
    }
    std::size_t skip = static_cast<unsigned char>(choices[i]) % allowed.count();
    std::size_t byte = 0;
    while (!allowed[byte] || skip-- > 0) ++byte;
    state = automaton.trim(automaton.next(state, static_cast<std::uint8_t>(byte)));
  }
  return 0;
}
