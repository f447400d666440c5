// What real text shows about a model: sizes of the inputs of its matrices, use of its experts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <trine/engine.h>
#include <trine/progress.h>
#include <trine/result.h>
#include <vector>

namespace trine {

struct CalibrateOptions {
  /// UTF-8, read one after the other; may be empty when there is something to merge.
  std::vector<std::string> text_files{};
  std::string output{};          ///< *.trinestats; a file of that name is replaced
  std::uint64_t max_tokens = 0;  ///< at most so many, in whole windows; 0: all
  /// Tokens that see each other. Absent: 2048, or the model's positions if fewer.
  std::optional<std::size_t> window{};
  /// "diagonal": E[x²] of every input. "blocks": also products within 128 consecutive inputs.
  /// "full": products of all inputs of a matrix. Absent: that of the first file merged, else
  /// "diagonal".
  std::optional<std::string> moments{};
  std::uint64_t memory_bytes = std::uint64_t{4} << 30;  ///< most the moments may take
  std::vector<std::string> merge{};  ///< statistics of this model, added to those of the text
  EngineOptions engine{};
};

struct UnseenExpert {
  std::uint64_t layer = 0;
  std::uint64_t expert = 0;
};

struct CalibrateReport {
  std::uint64_t tokens = 0;                    ///< behind the statistics, merged ones included
  std::uint64_t windows = 0;                   ///< run now
  std::size_t window = 0;                      ///< tokens of each
  std::string moments{};                       ///< as in the options
  std::uint64_t sites = 0;                     ///< groups of matrices with the same inputs
  std::vector<UnseenExpert> unseen_experts{};  ///< no token was ever sent to them
  std::uint64_t bytes_written = 0;
  double seconds = 0.0;
  std::uint64_t peak_rss_bytes = 0;  ///< of the process
};

/// Runs text through `model` and writes its statistics (docs/statistics.md). The file is the
/// same for any number of threads, and appears whole or not at all.
[[nodiscard]] Result<CalibrateReport> calibrate_model(const std::string& model,
                                                      const CalibrateOptions& options,
                                                      const ProgressCallback& progress = {});

}  // namespace trine
