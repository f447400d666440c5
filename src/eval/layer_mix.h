// Which bits and ranks the experts of a measured layer get.
#pragma once

#include <trine/bench.h>

#include <vector>

#include "base/result.h"
#include "core/packed_matrix.h"

namespace trine::eval {

/// kInvalidArgument names the first option that is impossible, what was found and expected.
[[nodiscard]] Status check_options(const LayerBenchOptions& options);

/// Layout of gate_proj and up_proj, or of down_proj, with codes of so many bits.
[[nodiscard]] PackedLayout up_layout(const LayerBenchOptions& options, int bits) noexcept;
[[nodiscard]] PackedLayout down_layout(const LayerBenchOptions& options, int bits) noexcept;

/// Every expert with 3 bits and the same rank.
[[nodiscard]] std::vector<LayerExpert> uniform_experts(const LayerBenchOptions& options);

/// Experts with 2, 3 and 4 bits and ranks from 0 to twice options.rank, of as many bytes in all as
/// the uniform ones: codes and factors take bytes in proportion to bits and rank, and every expert
/// below the mean has a partner as far above it. An expert without partner is uniform.
[[nodiscard]] std::vector<LayerExpert> mixed_experts(const LayerBenchOptions& options);

}  // namespace trine::eval
