// Files a user asked for, looked at before the work whose result they shall hold.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace trine::api {

/// What can be said about a file to write before hours of work: kInvalidArgument for an empty path
/// and for a directory, kNotFound when the directory it shall lie in does not exist.
/// @param what shall be written, for the sentence: "the report".
[[nodiscard]] Status check_output_file(const std::string& path, std::string_view what);

}  // namespace trine::api
