// From where a spec says a weight lies to its numbers: slices, transposed planes, FP8, MXFP4.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "core/model_spec.h"
#include "models/weight_source.h"

namespace trine::models {

/// The tensor of that name, or kNotFound.
using TensorLookup = std::function<Result<TensorView>(const std::string& name)>;

/// The matrix in the checkpoint's own form. Plain rows that lie together are returned as they
/// are, everything else as a RowReader. kMalformed for a tensor of another shape than the spec
/// implies, kUnsupported for a number type that does not fit the encoding.
[[nodiscard]] Result<WeightView> stored_matrix(const MatrixSpec& spec,
                                               const TensorLookup& lookup);

[[nodiscard]] Result<std::vector<float>> stored_vector(const VectorSpec& spec,
                                                       const TensorLookup& lookup);

/// Names of the tensors the matrix needs: its own, and that of its scales.
[[nodiscard]] std::vector<std::string> tensors_of(const MatrixSpec& spec);

}  // namespace trine::models
