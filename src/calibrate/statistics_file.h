// *.trinestats: statistics of one model in one safetensors file. Format: docs/statistics.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/safetensors_writer.h"
#include "calibrate/moments.h"
#include "core/model_spec.h"
#include "core/statistics.h"

namespace trine::calibrate {

inline constexpr int kStatisticsVersion = 1;

/// Keys of the file's metadata.
inline constexpr std::string_view kVersionKey = "trine_statistics";
inline constexpr std::string_view kFamilyKey = "family";
inline constexpr std::string_view kConfigHashKey = "config_xxh3";
inline constexpr std::string_view kTokensKey = "tokens";
inline constexpr std::string_view kMomentsKey = "moments";

/// Which model statistics are of.
struct ModelIdentity {
  std::string family{};
  /// XXH3 of config.json without spaces, keys sorted, quantization_config left out: a packed
  /// model has the identity of its original. Weights are not part of it.
  std::string config_xxh3{};

  friend bool operator==(const ModelIdentity&, const ModelIdentity&) = default;
};
[[nodiscard]] ModelIdentity identity_of(const ModelSpec& spec, const base::Json& config);

/// The tensors of a file about the model `spec`, in the order of their bytes.
[[nodiscard]] std::vector<base::TensorPlan> statistics_plan(const ModelSpec& spec,
                                                            MomentKind kind);

/// Writes `statistics`, which hold every site and layer of `spec`, replacing a file of that
/// name; it appears whole or not at all. The same statistics give the same bytes.
[[nodiscard]] Status write_statistics(const std::filesystem::path& path,
                                      const ModelStatistics& statistics, const ModelSpec& spec,
                                      const ModelIdentity& identity, MomentKind kind);

/// What a file holds.
struct StoredStatistics {
  ModelStatistics statistics{};
  MomentKind kind = MomentKind::kDiagonal;
};

/// Reads statistics of the model `spec` and checks all of them: every site and layer is there,
/// numbers are finite, squares not negative, an expert's site saw as many tokens as its router
/// sent, what saw nothing is zero, blocks are symmetric and agree with their diagonal.
/// kInvalidArgument: of another model. kUnsupported: a newer version. kMalformed names the
/// tensor; kNotFound and kIo as usual.
[[nodiscard]] Result<StoredStatistics> read_statistics(const std::filesystem::path& path,
                                                       const ModelSpec& spec,
                                                       const ModelIdentity& identity);

}  // namespace trine::calibrate
