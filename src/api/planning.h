// From the options of a user to a plan: what plan_model and compress_model share.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <trine/plan.h>
#include "base/progress.h"
#include "base/result.h"
#include "checkpoint/checkpoint.h"
#include "compress/quantizers/quantizer.h"
#include "core/statistics.h"
#include "plan/plan.h"

namespace trine::api {

/// What statistics say, ready for allocators and quantizers. Moves; views stay valid.
struct KnownInputs {
  std::string xxh3{};  ///< of the statistics file; empty: nothing is known
  ModelStatistics statistics{};
  std::map<std::string, std::vector<float>> diagonals{};    ///< by site
  std::map<std::string, compress::InputMoments> moments{};  ///< by matrix
  std::map<std::string, double> use{};  ///< share of tokens, by matrix of a routed expert
};

/// Nothing for an empty path.
[[nodiscard]] Result<KnownInputs> read_known_inputs(const std::string& statistics_file,
                                                    const checkpoint::Checkpoint& source);

/// Tensor bytes of everything no plan speaks of.
[[nodiscard]] std::uint64_t untouched_bytes(const checkpoint::Checkpoint& source);

struct MadePlan {
  plan::Plan plan{};
  /// Of choosing alone: without reading weights, measuring errors, or reading a table of them.
  double allocation_seconds = 0.0;
  std::uint64_t nonfinite_weights = 0;  ///< met while errors were measured, and allowed
};

[[nodiscard]] Result<MadePlan> make_plan(const checkpoint::Checkpoint& source,
                                         const PlanOptions& options, const KnownInputs& known,
                                         int threads, const base::ProgressSink& progress);

}  // namespace trine::api
