#include "api/output_file.h"

#include <filesystem>
#include <system_error>

namespace trine::api {

namespace fs = std::filesystem;

Status check_output_file(const std::string& path, std::string_view what) {
  std::error_code ignored;
  if (path.empty()) {
    return fail(ErrorCode::kInvalidArgument, "no file to write {} to", what);
  }
  if (fs::is_directory(path, ignored)) {
    return fail(ErrorCode::kInvalidArgument, "{}: is a directory, expected a file to write",
                path);
  }
  const fs::path parent = fs::path(path).parent_path();
  if (!parent.empty() && !fs::is_directory(parent, ignored)) {
    return fail(ErrorCode::kNotFound, "{}: its directory does not exist", path);
  }
  return {};
}

}  // namespace trine::api
