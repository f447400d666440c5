// JSON in the order of the text, in time that grows with the text alone.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace trine::server {

/// One JSON value; of fields with the same name the last one counts, at the place of the first.
/// nlohmann's own reader looks through all earlier fields of an object at each new one: 100,000
/// fields took it minutes. The error says what is wrong.
[[nodiscard]] tl::expected<nlohmann::ordered_json, std::string> parse_json_tree(
    std::string_view text);

}  // namespace trine::server
