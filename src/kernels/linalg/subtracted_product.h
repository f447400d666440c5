// weights − left · right, a piece at a time, so that what follows finds the piece in the cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/low_rank.h"
#include "core/matrix_view.h"

namespace trine::kernels {

/// A part of a matrix.
struct Rectangle {
  std::size_t first_row = 0, first_col = 0;
  std::size_t rows = 0, cols = 0;
};

/// Factors in the order in which the pieces' loops read them.
class SubtractedProduct {
 public:
  enum class Precision {
    kSingle,  ///< fp32
    kBf16,  ///< factors rounded to bf16 where the processor multiplies those, for half the time
  };

  /// Columns of a piece begin at a multiple of this.
  static constexpr std::size_t kColumnStep = 64;

  SubtractedProduct(const LowRankFactors& factors, Precision precision, int threads);

  /// From now on as on processors without AVX-512: for tests of what they run. Not with kBf16.
  void forget_wide_registers() noexcept { is_wide_ = false; }

  /// target [piece.rows, piece.cols] = weights − left·right there; the weights themselves with
  /// rank 0. Runs on the calling thread; a number is the same in any piece.
  void subtract(MatrixView weights, const Rectangle& piece, float* target) const;

 private:
  void pack(const LowRankFactors& factors, int threads);
  void pack_pairs(const LowRankFactors& factors, int threads);

  std::size_t rank_, cols_;
  bool is_paired_;              ///< in bf16
  bool is_wide_;                ///< AVX-512
  std::vector<float> left_{};   ///< [out_features, rank]
  std::vector<float> right_{};  ///< blocks of 64 columns, each [rank, 64], the last one padded
  // The same for pairs of ranks: [out_features, rank] of −left, [rank/2, 64, 2] of right; rank_ is
  // rounded up to an even number.
  std::vector<std::uint16_t> left_pairs_{}, right_pairs_{};
};

}  // namespace trine::kernels
