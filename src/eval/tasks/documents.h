// Data sets on disk: one JSON object per line, in the fields the public ones have.
#pragma once

#include <filesystem>
#include <vector>

#include "base/result.h"
#include "eval/tasks/task.h"

namespace trine::eval {

/// All documents of `<directory>/<task>/<split>.jsonl`, in order; empty lines are left out.
/// kNotFound names the file; kMalformed names file and line, what was found and what was
/// expected. A file of more than 1 GiB, and one without documents, is malformed too.
[[nodiscard]] Result<std::vector<Document>> read_documents(
    const std::filesystem::path& directory, const Task& task, std::string_view split);

/// The documents of `text`, which error sentences call `name`.
[[nodiscard]] Result<std::vector<Document>> parse_documents(std::string_view text,
                                                            std::string_view name,
                                                            const Task& task);

}  // namespace trine::eval
