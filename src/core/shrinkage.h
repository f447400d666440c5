// Statistics made safe to compute with: what few tokens say is mixed with what all tokens say.
#pragma once

#include <cstddef>

#include "core/model_spec.h"
#include "core/statistics.h"

namespace trine {

/// The pooled moments of a layer count as much as this many tokens of an expert's own. Measured
/// on models/tiny-mixtral: moments of the inputs of gate and up from n tokens per expert against
/// those of 78,000 other tokens of the same books, mean square of the log ratio, 8 draws each:
///
///       n ≈   own only     16      64     256   pool only
///         8      0.558  0.132   0.127   0.130      0.132
///        32      0.105  0.064   0.057   0.064      0.070
///       128      0.044  0.037   0.032   0.037      0.054
///       512      0.021  0.020   0.018   0.019      0.047
///
/// ("own only" gives unseen experts the pool.) The inputs of down are best at 8 to 16 by that
/// measure, and at 128 or more by squared differences once n ≥ 32; against another text nearly
/// everything is best at more. in_features (256 and 512 there) is worse by the measure above.
inline constexpr double kPoolTokens = 64.0;

/// No channel's second moment is below this share of the mean over its site.
inline constexpr double kChannelFloor = 1e-4;

/// Statistics of every site of `spec`, each number finite and each second moment above 0:
/// - a routed expert that saw n tokens gets (n · its moments + kPoolTokens · pool) / (n +
///   kPoolTokens), where the pool is the token-weighted mean over the layer's experts of the
///   same kind of site (inputs of gate and up, or of down); without tokens it gets the pool;
/// - a pool, or any other site, that saw nothing gets moments 1: every input alike;
/// - channels below kChannelFloor are lifted to it, in moment_blocks on the diagonal, so no
///   input is free to be rounded to anything.
/// `tokens` of a site stay what was seen, routing stays as it is. Every site of `spec`
/// must be there, in its size (InvariantError); a reader of statistics has made sure of that.
/// Memory: a copy of the statistics, and two pools per layer.
[[nodiscard]] ModelStatistics shrunk_statistics(const ModelStatistics& statistics,
                                                const ModelSpec& spec);

}  // namespace trine
