// A chat template cut into tokens.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace trine::input::chat_template {

enum class TokenKind {
  kText,        ///< copied to the output
  kPrintBegin,  ///< {{
  kPrintEnd,    ///< }}
  kBlockBegin,  ///< {%
  kBlockEnd,    ///< %}
  kName,
  kString,
  kInteger,
  kReal,
  kOperator,  ///< in `text`, such as "==" or "["
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  int line = 1;
  std::string text{};  ///< of a string: what it stands for
  std::int64_t integer = 0;
  double real = 0.0;

  [[nodiscard]] bool is(TokenKind wanted, std::string_view wanted_text) const {
    return kind == wanted && text == wanted_text;
  }
};

/// Cuts with transformers' settings: trim_blocks, lstrip_blocks, no trailing newline. Comments
/// are left out. `line` follows the reading, so that it is right when a TemplateError is thrown.
/// The last token is kEnd.
[[nodiscard]] std::vector<Token> lex(std::string_view source, int& line);

}  // namespace trine::input::chat_template
