// Matrices of the original as fp32, whatever they are stored as.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "checkpoint/checkpoint.h"
#include "core/model_spec.h"
#include "core/tensor_view.h"

namespace trine::compress {

/// What to do about infinities and NaNs.
enum class Nonfinite { kRefuse, kCount };

/// How many values of `tensor` are infinite or NaN; with kRefuse one of them is kMalformed, with
/// tensor and element, and how it can be allowed.
[[nodiscard]] Result<std::size_t> count_settled_nonfinite(std::string_view name,
                                                          const TensorView& tensor,
                                                          Nonfinite nonfinite);

struct WidenedWeights {
  std::vector<float> values{};  ///< [out_features, in_features], finite
  std::size_t nonfinite = 0;    ///< values that were infinite or NaN and are 0 here
};

/// Reads one matrix and lets go of its pages. Errors are those of Checkpoint::matrix and of
/// count_settled_nonfinite. The result does not depend on `threads`.
[[nodiscard]] Result<WidenedWeights> read_widened(const checkpoint::Checkpoint& source,
                                                  const MatrixSpec& spec, Nonfinite nonfinite,
                                                  int threads);

}  // namespace trine::compress
