// What a quoted string of a template stands for.
#pragma once

#include <string>
#include <string_view>

namespace trine::input::chat_template {

/// Python's escapes (\n, \x41, \u00e9, \101, …) as what they stand for. `literal` is what is
/// between the quotes. TemplateError for an escape that is cut off, for \N{…} and for surrogates.
[[nodiscard]] std::string unescape_string(std::string_view literal);

/// Appends one character as UTF-8.
void append_utf8(std::string& text, char32_t code_point);

}  // namespace trine::input::chat_template
