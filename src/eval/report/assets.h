// The files of this folder that are not C++, and Chart.js, as the build found them.
// cmake/embed_text.cmake writes the definitions.
#pragma once

#include <string_view>

namespace trine::eval::report {

[[nodiscard]] std::string_view page_template() noexcept;  ///< page.html
[[nodiscard]] std::string_view page_style() noexcept;     ///< page.css
[[nodiscard]] std::string_view page_script() noexcept;    ///< page.js
/// Chart.js 3 of the system (MIT licence, named in its first lines).
[[nodiscard]] std::string_view chart_script() noexcept;

}  // namespace trine::eval::report
