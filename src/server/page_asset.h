// The parts of the page at /, embedded by the build (cmake/embed_text.cmake). They are apart so
// that each stays readable; page.cpp makes one document of them.
#pragma once

#include <string_view>

namespace trine::server {

[[nodiscard]] std::string_view page_html() noexcept;  ///< the document, with {{places}}
[[nodiscard]] std::string_view page_css() noexcept;   ///< light, dark, wide, narrow
[[nodiscard]] std::string_view
page_markdown() noexcept;                               ///< answers as elements, never as HTML
[[nodiscard]] std::string_view page_server() noexcept;  ///< requests, streams, errors
[[nodiscard]] std::string_view page_chat() noexcept;    ///< the conversation and the settings

}  // namespace trine::server
