// Decides what is done to every matrix, within a budget, before anything is written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <trine/progress.h>
#include <trine/result.h>
#include <vector>

namespace trine {

struct PlanOptions {
  /// "<quantizer>-<bits>bit", "milo-s1", "milo-s2", "expert-mixed-<average bits>". Empty: a budget.
  std::string preset{};
  std::optional<double> bits_per_weight{};  ///< of the compressed matrices, all bytes counted
  std::optional<std::uint64_t> memory_bytes{};  ///< tensor bytes of the whole packed model
  std::string allocator{};        ///< empty: that of the preset, or "error" for a budget
  std::string statistics{};       ///< a *.trinestats file; empty: weights alone decide
  std::string initial_routers{};  ///< checkpoint or safetensors file from before training
  std::string error_table{};      ///< measured errors: read when it exists, else written
  std::string rank{};             ///< rank strategy, for example "dense-64+sparse-16"
  double rank_scale = 1.0;        ///< every rank of a strategy is multiplied by it
  std::string compensator{};      ///< "milo" or "milo-paper"; empty: that of the preset
  int factor_bits = 3;            ///< of the compensators' factors: 3, 4, 8 or 16
  std::uint64_t group_size = 64;  ///< 32, 64 or 128 inputs share a scale and a zero
  int metadata_bits = 16;         ///< of scales and zeros: 16, or 8 with a second level per row
  std::optional<int> attention_bits{};  ///< of attention, dense and shared experts
  /// Scales every matrix back by what least squares shrank it. Absent: for budgets only.
  std::optional<bool> unbiased{};
  std::string quantizer{};    ///< empty: that of the preset
  std::string score{};        ///< what expert-mixed ranks experts by; empty: "combined"
  std::vector<int> levels{};  ///< bits of expert-mixed, highest first; empty: 3, 2
  std::uint64_t seed = 0;     ///< of the score "random"
  int threads = 0;            ///< 0: all processors
  /// Whether a model with infinities or NaNs is measured rather than refused: they count as 0,
  /// which is what they are packed as. compress_model takes this from its own options.
  bool allow_nonfinite = false;
};

struct PlanReport {
  std::string json{};  ///< the plan, as the file holds it
  std::string allocator{};
  double bits_per_weight = 0.0;
  std::uint64_t compressed_matrix_bytes = 0;
  std::uint64_t stored_bytes = 0;  ///< exactly what compress will report
  std::uint64_t original_bytes = 0;
  std::vector<std::string> explanation{};  ///< sentences: who got what, and why
  double allocation_seconds = 0.0;      ///< of choosing, once weights and errors are measured
  std::uint64_t nonfinite_weights = 0;  ///< in the matrices whose errors were measured
  double seconds = 0.0;
};

/// kInvalidArgument when the budget is too small or options contradict each other.
[[nodiscard]] Result<PlanReport> plan_model(const std::string& source,
                                            const PlanOptions& options,
                                            const ProgressCallback& progress = {});

/// What speaks against `path` as a file for write_plan, before the plan is made: kInvalidArgument
/// for an empty path and for a directory, kNotFound when its directory does not exist.
[[nodiscard]] Status check_plan_output(const std::string& path);

/// Writes report.json to `path`, whole or not at all.
[[nodiscard]] Status write_plan(const std::string& path, const PlanReport& report);

}  // namespace trine
