// Text that is safe inside HTML, and numbers as people read them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace trine::eval::report {

/// `text` for element content and for attributes in double quotes. What is no UTF-8 and control
/// characters, those that turn the direction of writing included, become U+FFFD: a name must not
/// be able to look like another one.
[[nodiscard]] std::string escape_html(std::string_view text);

/// `text` as a JSON string with its quotes that cannot end a script element.
[[nodiscard]] std::string script_string(std::string_view text);

/// 12345678 → "12.35 MB" (powers of ten).
[[nodiscard]] std::string show_bytes(std::uint64_t bytes);

/// 15475968 → "15.48 M".
[[nodiscard]] std::string show_count(std::uint64_t count);

/// "−0.120" with so many decimals; a real minus sign. Infinite and NaN are "–".
[[nodiscard]] std::string show_fixed(double value, int decimals);

/// Three significant digits, without an exponent where that is short: "0.143", "−1.2", "3",
/// "4.10e-05".
[[nodiscard]] std::string show_number(double value);

}  // namespace trine::eval::report
