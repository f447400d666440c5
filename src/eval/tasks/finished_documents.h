// What the model answered so far, in a file, so that an interrupted measurement goes on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "eval/tasks/scores.h"

namespace trine::eval {

/// A JSON Lines file: first what was measured with what (the conditions), then one line per
/// finished document. Lines reach the file as documents are finished; a last line cut off by a
/// crash is dropped when the file is opened again.
class FinishedDocuments {
 public:
  /// Keeps nothing.
  FinishedDocuments() = default;

  /// With `resume` and a file that is there, reads it: kInvalidArgument when its conditions are
  /// others, kMalformed with file and line when it is damaged. Otherwise starts an empty file.
  [[nodiscard]] static Result<FinishedDocuments> open(const std::filesystem::path& path,
                                                      const base::Json& conditions,
                                                      bool resume);

  /// The outcome of a document that was asked the same prompt; kInvalidArgument when it was asked
  /// another one: the data set or its examples have changed.
  [[nodiscard]] Result<const Outcome*> find(std::string_view task, std::size_t index,
                                            std::uint64_t prompt_hash) const;

  [[nodiscard]] Status add(std::string_view task, std::size_t index, std::uint64_t prompt_hash,
                           const Outcome& outcome);

 private:
  struct Finished {
    std::string prompt_hash{};
    Outcome outcome{};
  };

  [[nodiscard]] Status read(std::string_view text, const base::Json& conditions);
  [[nodiscard]] Status read_line(std::string_view line, const std::string& place);

  std::filesystem::path path_{};
  std::map<std::pair<std::string, std::size_t>, Finished> finished_{};
  std::optional<std::ofstream> file_{};
};

}  // namespace trine::eval
