// Compensated matrices with random content in one large buffer, for measuring kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/low_rank.h"
#include "core/packed_matrix.h"

namespace trine::eval {

/// As many matrices of one layout as fit a buffer, each followed by its factors. Views into the
/// buffer, which must outlive them.
class RandomMatrices {
 public:
  static constexpr int kFactorBits = 3;  ///< the width compression gives factors unless told

  /// Bytes one matrix takes with its factors.
  [[nodiscard]] static std::size_t bytes_of_one(const PackedLayout& layout, std::size_t rank);

  /// @param buffer at least bytes_of_one(). @param most matrices are made at the most.
  /// @param seed others give other content; three are used up per matrix.
  RandomMatrices(const PackedLayout& layout, std::size_t rank, std::span<std::uint8_t> buffer,
                 std::size_t most, int threads, std::uint64_t seed = 0);

  [[nodiscard]] std::size_t size() const noexcept { return matrices_.size(); }
  [[nodiscard]] const CompensatedMatrixView& operator[](std::size_t index) const noexcept {
    return matrices_[index % matrices_.size()];
  }
  /// What the matrices take together.
  [[nodiscard]] std::span<const std::uint8_t> bytes() const noexcept { return bytes_; }

 private:
  std::vector<CompensatedMatrixView> matrices_{};
  std::span<const std::uint8_t> bytes_{};
};

/// ‖y − ŷ‖ / ‖y‖ over some outputs of the first and the last token: ŷ from `outputs`, y computed in
/// fp64 from the weights a reader of the blocks gets. Eight row blocks are looked at.
/// @param inputs [tokens, in_features]. @param outputs [tokens, out_features].
/// @param with_factors whether left · right was added.
[[nodiscard]] double sampled_error(const CompensatedMatrixView& matrix, bool with_factors,
                                   std::span<const float> inputs,
                                   std::span<const float> outputs);

}  // namespace trine::eval
