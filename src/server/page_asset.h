// The page at /, embedded by the build (cmake/embed_text.cmake).
#pragma once

#include <string_view>

namespace trine::server {

/// page.html as it stands.
[[nodiscard]] std::string_view page_html() noexcept;

}  // namespace trine::server
