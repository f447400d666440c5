// Sums over the inputs of one site while text runs through the model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/statistics.h"

namespace trine::calibrate {

/// How much of E[x xᵀ] is kept.
enum class MomentKind {
  kDiagonal,  ///< E[x²] of each input
  kBlocks,    ///< and the blocks of kBlockInputs consecutive inputs
  kFull,      ///< the whole matrix
};

/// Inputs of one block of MomentKind::kBlocks: the largest quantization group.
inline constexpr std::size_t kBlockInputs = 128;

/// "diagonal", "blocks" or "full".
[[nodiscard]] std::string_view name_of(MomentKind kind) noexcept;
/// kInvalidArgument lists the three.
[[nodiscard]] Result<MomentKind> moment_kind_named(std::string_view name);
/// SiteStatistics::block_size of a site with so many inputs.
[[nodiscard]] std::size_t block_size_of(MomentKind kind, std::size_t in_features) noexcept;

/// Bytes the sums over all `sites` take while text runs.
[[nodiscard]] std::uint64_t moment_bytes(std::span<const InputSite> sites,
                                         MomentKind kind) noexcept;

/// Sums of x² (and x xᵀ) over the inputs of one site. Squares are summed in double, one token
/// after the other; products in fp32 over kChunkTokens tokens at a time, those sums in double.
/// Threads divide channels and tiles, never sums: the result is the same for any number.
class MomentSums {
 public:
  /// Tokens of one fp32 product: its rounding stays below 256 · 2⁻²⁴ of Σ|xᵢxⱼ|.
  static constexpr std::size_t kChunkTokens = 256;

  MomentSums(std::size_t in_features, std::size_t block_size);

  /// inputs [num_tokens, in_features].
  void add(const float* inputs, std::size_t num_tokens, int threads);
  /// The means; zeros when nothing was added. Leaves the sums empty.
  [[nodiscard]] SiteStatistics take();

 private:
  /// A piece of a block on or above its diagonal; the rest mirrors it.
  struct Tile {
    std::size_t row_channel, num_rows;
    std::size_t col_channel, num_cols;
    std::size_t first_value;  ///< of the tile in products_
    std::size_t stride;       ///< inputs of the block
    std::size_t mirror;       ///< first value of the transposed tile
  };

  void add_squares(const float* inputs, std::size_t num_tokens, int threads);
  void add_products(const float* inputs, std::size_t num_tokens, int threads);
  void add_tile(const Tile& tile, const float* inputs, std::size_t num_tokens,
                std::vector<float>& scratch);
  void divide_into_tiles();

  std::size_t in_features_;
  std::size_t block_size_;
  std::uint64_t tokens_ = 0;
  std::vector<double> squares_;
  std::vector<double> products_;  ///< laid out as SiteStatistics::moment_blocks
  std::vector<Tile> tiles_{};
};

}  // namespace trine::calibrate
