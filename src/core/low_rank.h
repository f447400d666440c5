// The compensator of a packed matrix: a product of two thin ones added to it.
#pragma once

#include <cstddef>
#include <variant>
#include <vector>

#include "core/packed_matrix.h"
#include "core/tensor_view.h"

namespace trine {

/// W ≈ Ŵ + left · right in numbers. right is [rank, in_features]; left is kept transposed,
/// [rank, out_features], as it is stored. Both row-major.
struct LowRankFactors {
  std::size_t rank = 0;
  std::size_t out_features = 0;
  std::size_t in_features = 0;
  std::vector<float> left{};
  std::vector<float> right{};
};

/// One factor as stored: packed codes or fp16 numbers.
using FactorView = std::variant<PackedMatrixView, TensorView>;

/// Factors somebody else owns (usually a mapped file); shapes as in LowRankFactors.
struct LowRankView {
  std::size_t rank = 0;
  FactorView left{};
  FactorView right{};
};

/// A packed matrix with a compensator.
struct CompensatedMatrixView {
  PackedMatrixView codes{};
  LowRankView low_rank{};
};

}  // namespace trine
