// trine.json: what was done to every matrix, and checksums of every stored byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "core/matrix_plan.h"

namespace trine::packed {

inline constexpr int kFormatVersion = 2;  ///< 1 knew no compensators and 16-bit metadata only
inline constexpr const char* kManifestFile = "trine.json";
inline constexpr const char* kQuantMethod = "trine";

/// Sizes and counts in trine.json and in the journal are at most this: no sum of them overflows.
inline constexpr std::int64_t kMostBytes = std::int64_t{1} << 50;

/// Name under which the packed form of the matrix `name` is stored.
[[nodiscard]] std::string packed_name(std::string_view name);
/// Names of its compensator's factors.
[[nodiscard]] std::string left_name(std::string_view name);
[[nodiscard]] std::string right_name(std::string_view name);

/// How the model was made; enough to make it again from the same source.
struct RecipeRecord {
  std::string preset{};                         ///< empty when a budget was asked for
  std::string allocator{};                      ///< who chose bits and ranks
  std::optional<double> bits_per_weight{};      ///< the budget, if it was one
  std::optional<std::uint64_t> memory_bytes{};  ///< the same
  std::string statistics_xxh3{};                ///< of the statistics used; empty: none
};

struct MatrixRecord {
  PackedLayout layout{};
  std::string quantizer{};
  double weight_error = 0.0;  ///< ‖W − Ŵ‖F / ‖W‖F, compensator included
  std::size_t rank = 0;       ///< of the compensator; 0: none
  int factor_bits = 0;        ///< 3, 4, 8 or 16; 0 without a compensator
  std::string compensator{};

  /// Every byte the matrix takes.
  [[nodiscard]] std::size_t stored_bytes() const noexcept {
    return layout.total_bytes() + factor_bytes(layout, rank, factor_bits);
  }
};

/// Sums over the model. Bytes are tensor bytes, without headers and JSON.
struct Totals {
  std::uint64_t compressed_matrix_bytes = 0;    ///< codes, scales, zeros, padding, factors
  std::uint64_t compressed_matrix_weights = 0;  ///< numbers they stand for
  std::uint64_t stored_bytes = 0;               ///< the whole compressed model
  std::uint64_t original_bytes = 0;             ///< the whole original
  double weight_error = 0.0;  ///< ‖W − Ŵ‖F / ‖W‖F over all compressed matrices

  [[nodiscard]] double bits_per_weight() const noexcept {
    return 8.0 * static_cast<double>(compressed_matrix_bytes) /
           static_cast<double>(compressed_matrix_weights);
  }
};

struct Manifest {
  std::string trine_version{};
  RecipeRecord recipe{};
  std::string source_xxh3{};  ///< XXH3 over the XXH3 of every source tensor, in name order
  std::uint64_t source_tensors = 0;
  std::map<std::string, MatrixRecord> matrices{};  ///< by the original tensor name
  std::map<std::string, std::string> checksums{};  ///< by stored tensor name, 16 hex digits
  /// Infinities and NaNs of the original, by original tensor name: 0 where packed, unchanged where
  /// copied. Empty, and not written, unless the compression was told to allow them.
  std::map<std::string, std::uint64_t> nonfinite{};
  Totals totals{};
};

/// Infinities and NaNs of the original in all tensors together.
[[nodiscard]] std::uint64_t count_nonfinite_weights(const Manifest& manifest);

/// kUnsupported when the field `format_version` of trine.json, or of `quantization_config` in
/// config.json, is newer than this program; kMalformed when it is no version at all.
[[nodiscard]] Status check_format_version(const base::JsonFields& fields);

[[nodiscard]] base::Json to_json(const Manifest& manifest);

/// kUnsupported for a newer format version or an unknown matrix format; kMalformed otherwise.
/// `name` stands in error sentences.
[[nodiscard]] Result<Manifest> parse_manifest(const base::Json& json, std::string_view name);

}  // namespace trine::packed
