// A plan: what will be done to every matrix of one model. An editable JSON file.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "core/matrix_plan.h"
#include "core/model_spec.h"

namespace trine::plan {

inline constexpr int kPlanVersion = 1;

/// What the plan was made to fit into; at most one is set.
struct Budget {
  std::optional<double> bits_per_weight{};  ///< of the compressed matrices, all bytes counted
  std::optional<std::uint64_t> memory_bytes{};  ///< tensor bytes of the whole packed model
};

struct Plan {
  std::string trine_version{};
  std::string preset{};     ///< the name it was asked for by; empty for a budget
  std::string allocator{};  ///< a name of allocators/registry.cpp
  Budget budget{};
  std::string statistics_xxh3{};                 ///< of the statistics file used; empty: none
  std::map<std::string, MatrixPlan> matrices{};  ///< by matrix name
  /// What the allocator ranked by, matrix or expert name → score; for people and reports.
  std::map<std::string, std::map<std::string, double>> scores{};
};

/// Bytes of one model under a plan.
struct PredictedSize {
  std::uint64_t compressed_matrix_bytes = 0;
  std::uint64_t compressed_matrix_weights = 0;
  std::uint64_t stored_bytes = 0;  ///< of all tensors, the untouched ones included

  [[nodiscard]] double bits_per_weight() const noexcept {
    return 8.0 * static_cast<double>(compressed_matrix_bytes) /
           static_cast<double>(compressed_matrix_weights);
  }
};

/// @param untouched_bytes tensor bytes the plan says nothing about.
[[nodiscard]] PredictedSize predict_size(const ModelSpec& spec, const Plan& plan,
                                         std::uint64_t untouched_bytes);

/// One entry is possible for this matrix: kInvalidArgument names matrix, field, value found and
/// what was expected. `name` stands in front of the sentence.
[[nodiscard]] Status check_matrix_plan(const MatrixSpec& matrix, const MatrixPlan& plan,
                                       std::string_view name);

/// Every compressible matrix has exactly one possible entry.
[[nodiscard]] Status check_plan(const ModelSpec& spec, const Plan& plan, std::string_view name);

[[nodiscard]] base::Json to_json(const MatrixPlan& plan);
[[nodiscard]] base::Json to_json(const Plan& plan);

/// `fields` of one matrix entry. kMalformed for fields that are missing or of the wrong type;
/// whether the values are possible for a matrix is check_matrix_plan's question.
[[nodiscard]] Result<MatrixPlan> parse_matrix_plan(const base::JsonFields& fields);
[[nodiscard]] Result<Plan> parse_plan(const base::Json& json, std::string_view name);

}  // namespace trine::plan
