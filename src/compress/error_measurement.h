// Measures what every candidate treatment would do to every matrix.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/progress.h"
#include "base/result.h"
#include "checkpoint/checkpoint.h"
#include "compress/quantizers/quantizer.h"
#include "core/error_table.h"

namespace trine::compress {

/// Which treatments are tried on every matrix they are possible for.
struct CandidateGrid {
  std::vector<std::string> quantizers{"trine"};
  std::vector<int> bits{2, 3, 4, 5, 6, 8};
  std::vector<std::size_t> group_sizes{64, 128};
  std::vector<int> metadata_bits{8};
  std::vector<std::size_t> ranks{0, 16, 32};  ///< above 0 only at `rank_bits` and group size 64
  std::vector<int> rank_bits{2, 3, 4};
  std::string compensator = "milo";
  int factor_bits = 3;
  bool unbiased = true;

  friend bool operator==(const CandidateGrid&, const CandidateGrid&) = default;
};

struct MeasurementOptions {
  int threads = 1;  ///< the table does not depend on it
  /// Of the inputs, by matrix name; null: output errors are weight errors.
  const std::map<std::string, InputMoments>* moments = nullptr;
  /// Share of tokens by matrix name, for routed experts; absent: experts_per_token / experts.
  std::map<std::string, double> use{};
  bool allow_nonfinite = false;  ///< infinities and NaNs are measured as 0 and counted
};

/// Measured by really compressing: the errors are those of the stored bytes. One matrix per thread
/// is in memory. An infinity or NaN is kMalformed, with its matrix, unless the options allow them.
[[nodiscard]] Result<ErrorTable> measure_errors(const checkpoint::Checkpoint& source,
                                                const CandidateGrid& grid,
                                                const MeasurementOptions& options,
                                                const base::ProgressSink& progress);

/// What a table was measured with; with anything else its errors are those of another model, or of
/// treatments that were not asked for.
struct ErrorTableOrigin {
  std::string source_fingerprint{};  ///< of checkpoint/fingerprint.h
  std::string statistics_xxh3{};     ///< of the statistics file; empty: measured without
  CandidateGrid grid{};

  friend bool operator==(const ErrorTableOrigin&, const ErrorTableOrigin&) = default;
};

/// The table as JSON and back: a new budget need not measure again.
[[nodiscard]] base::Json to_json(const ErrorTable& table, const ErrorTableOrigin& origin);

/// @param name of the file, for sentences.
/// kMalformed for fields that are missing or wrong, kInvalidArgument when the table was measured
/// on another model, with other statistics or other treatments than `expected`.
[[nodiscard]] Result<ErrorTable> parse_error_table(const base::Json& json,
                                                   const ErrorTableOrigin& expected,
                                                   std::string_view name);

}  // namespace trine::compress
