// Fields of data sets that come in more than one spelling, with errors that name file and line.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace trine::eval {

/// A list of at least `fewest` strings.
[[nodiscard]] Result<std::vector<std::string>> read_strings(const base::JsonFields& fields,
                                                            std::string_view field,
                                                            std::size_t fewest);

/// Index of a choice below `count`: a number, digits in a string, or false and true for 0 and 1.
[[nodiscard]] Result<std::size_t> read_label(const base::JsonFields& fields,
                                             std::string_view field, std::size_t count);

}  // namespace trine::eval
