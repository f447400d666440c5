// The files beside the weights that make a directory a usable model.
#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

#include "base/result.h"

namespace trine::checkpoint {

inline constexpr std::size_t kMaxCompanionBytes = 64u << 20;  ///< a tokenizer is a few MB

/// Names (no directory) of the files a compressed model takes over unchanged: tokenizer, chat
/// template, generation settings, licence and the like, sorted. That is every regular file of
/// `directory` up to kMaxCompanionBytes except config.json, weights of any format and their
/// indexes, unfinished writes, and hidden files. Sub-directories are not entered.
/// kNotFound or kIo when the directory cannot be listed.
[[nodiscard]] Result<std::vector<std::filesystem::path>> list_companion_files(
    const std::filesystem::path& directory);

}  // namespace trine::checkpoint
