// One HTML file about a model: figures, heat maps, where the bytes went, the worst matrices.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <trine/engine.h>
#include <trine/progress.h>
#include <trine/result.h>

namespace trine {

struct ReportOptions {
  std::string output{};  ///< *.html; a file of that name is replaced
  /// The original, for kurtosis and variances of its weights; empty: none. An original says them
  /// about itself.
  std::string reference{};
  /// UTF-8 text to measure perplexity on, and with `reference` how close the two are; empty: none.
  std::string text_file{};
  /// Tokens run together. Absent: 2048, or the model's positions if fewer.
  std::optional<std::size_t> window{};
  /// Routers before training: a checkpoint directory, or one safetensors file; empty: none.
  std::string init_checkpoint{};
  std::string statistics{};  ///< *.trinestats of the model, for the use of experts; empty: none
  /// CSV with the columns matrix,iteration,relative_error, as compression traces it; empty: none.
  std::string trace{};
  EngineOptions engine{};
};

struct ReportSummary {
  std::uint64_t bytes_written = 0;
  double seconds = 0.0;
  std::uint64_t peak_rss_bytes = 0;  ///< of the process
};

/// Writes the report of the model in `model`. The file needs no network and no other file, and
/// appears whole or not at all. The errors of what the options name; kInvalidArgument when they
/// are of another model, kMalformed with file and line for a broken trace.
[[nodiscard]] Result<ReportSummary> write_report(const std::string& model,
                                                 const ReportOptions& options,
                                                 const ProgressCallback& progress = {});

}  // namespace trine
