// Text as Python's str and re see it: the harness whose scores ours must equal is written in it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace trine::eval {

/// str.isspace() and re's \s.
[[nodiscard]] bool is_python_space(char32_t code_point) noexcept;

/// str.strip() and str.rstrip() of valid UTF-8.
[[nodiscard]] std::string_view strip(std::string_view text);
[[nodiscard]] std::string_view strip_end(std::string_view text);

/// str.lower(), with the full mapping of Unicode.
[[nodiscard]] std::string lower(std::string_view text);

/// str.capitalize(): the first character in title case, all others in lower case.
[[nodiscard]] std::string capitalize(std::string_view text);

/// len(text): code points.
[[nodiscard]] std::size_t count_characters(std::string_view text) noexcept;

/// len(re.split(r"\s+", text)): one more than the runs of white space.
[[nodiscard]] std::size_t count_words(std::string_view text);

/// text.replace(from, to); `from` is not empty.
[[nodiscard]] std::string replace_all(std::string_view text, std::string_view from,
                                      std::string_view to);

}  // namespace trine::eval
