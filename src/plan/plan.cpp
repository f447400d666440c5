#include "plan/plan.h"

#include <algorithm>

namespace trine::plan {
namespace {

constexpr std::int64_t kMostRank = 1 << 20;
constexpr std::int64_t kMostBytes = std::int64_t{1} << 50;

/// "PLAN: matrices.NAME.FIELD is VALUE, expected EXPECTATION"
template <class Value>
tl::unexpected<Error> impossible(std::string_view name, const MatrixSpec& matrix,
                                 const char* field, const Value& value,
                                 const std::string& expected) {
  return fail(ErrorCode::kInvalidArgument, "{}: {}: {} is {}, expected {}", name, matrix.name,
              field, value, expected);
}

Result<Budget> parse_budget(const base::JsonFields& fields) {
  Budget budget;
  if (fields.has("bits_per_weight")) {
    TRINE_ASSIGN_OR_RETURN(budget.bits_per_weight, fields.number("bits_per_weight", 0.0, 64.0));
  }
  if (fields.has("memory_bytes")) {
    TRINE_ASSIGN_OR_RETURN(const auto bytes, fields.integer("memory_bytes", 0, kMostBytes));
    budget.memory_bytes = static_cast<std::uint64_t>(bytes);
  }
  return budget;
}

Status parse_scores(const base::JsonFields& fields, Plan& plan) {
  for (const auto& item : fields.json().items()) {
    TRINE_ASSIGN_OR_RETURN(const auto scores, fields.object(item.key()));
    for (const auto& score : scores.json().items()) {
      TRINE_ASSIGN_OR_RETURN(plan.scores[item.key()][score.key()],
                             scores.number(score.key(), -1e300, 1e300));
    }
  }
  return {};
}

}  // namespace

PredictedSize predict_size(const ModelSpec& spec, const Plan& plan,
                           std::uint64_t untouched_bytes) {
  PredictedSize size;
  for (const MatrixSpec* matrix : compressible_matrices(spec)) {
    size.compressed_matrix_bytes +=
        stored_bytes(matrix->out_features, matrix->in_features, plan.matrices.at(matrix->name));
    size.compressed_matrix_weights += matrix->out_features * matrix->in_features;
  }
  size.stored_bytes = size.compressed_matrix_bytes + untouched_bytes;
  return size;
}

Status check_matrix_plan(const MatrixSpec& matrix, const MatrixPlan& plan,
                         std::string_view name) {
  if (!is_packable(plan.bits, 64)) {
    return impossible(name, matrix, "bits", plan.bits, "2, 3, 4, 5, 6 or 8");
  }
  if (!is_packable(plan.bits, plan.group_size)) {
    return impossible(name, matrix, "group_size", plan.group_size, "32, 64 or 128");
  }
  if (!is_metadata_width(plan.metadata_bits)) {
    return impossible(name, matrix, "metadata_bits", plan.metadata_bits, "8 or 16");
  }
  const std::size_t most = std::min(matrix.out_features, matrix.in_features);
  if (plan.rank > most) {
    return impossible(name, matrix, "rank", plan.rank,
                      fmt::format("at most {}, the smaller side of [{}, {}]", most,
                                  matrix.out_features, matrix.in_features));
  }
  const int width = plan.factor_bits;
  if (plan.rank > 0 && width != 3 && width != 4 && width != 8 && width != 16) {
    return impossible(name, matrix, "factor_bits", width, "3, 4, 8 or 16");
  }
  if (plan.rank > 0 && plan.compensator.empty()) {
    return impossible(name, matrix, "compensator", "absent", "a name, because rank is not 0");
  }
  return {};
}

Status check_plan(const ModelSpec& spec, const Plan& plan, std::string_view name) {
  const auto matrices = compressible_matrices(spec);
  for (const MatrixSpec* matrix : matrices) {
    const auto found = plan.matrices.find(matrix->name);
    if (found == plan.matrices.end()) {
      return fail(ErrorCode::kInvalidArgument, "{}: matrices has no entry for {}", name,
                  matrix->name);
    }
    TRINE_RETURN_IF_ERROR(check_matrix_plan(*matrix, found->second, name));
  }
  if (plan.matrices.size() == matrices.size()) return {};
  for (const auto& entry : plan.matrices) {
    const bool is_known = std::any_of(matrices.begin(), matrices.end(), [&](const auto* known) {
      return known->name == entry.first;
    });
    if (!is_known) {
      return fail(ErrorCode::kInvalidArgument,
                  "{}: matrices names {}, which is no compressible matrix of this model", name,
                  entry.first);
    }
  }
  return {};
}

base::Json to_json(const MatrixPlan& plan) {
  base::Json json = {{"quantizer", plan.quantizer},
                     {"bits", plan.bits},
                     {"group_size", plan.group_size},
                     {"metadata_bits", plan.metadata_bits},
                     {"rank", plan.rank},
                     {"unbiased", plan.unbiased}};
  if (plan.rank > 0) {
    json["factor_bits"] = plan.factor_bits;
    json["compensator"] = plan.compensator;
  }
  return json;
}

base::Json to_json(const Plan& plan) {
  base::Json json = {{"plan_version", kPlanVersion},
                     {"trine_version", plan.trine_version},
                     {"preset", plan.preset},
                     {"allocator", plan.allocator},
                     {"budget", base::Json::object()},
                     {"statistics_xxh3", plan.statistics_xxh3},
                     {"matrices", base::Json::object()},
                     {"scores", base::Json::object()}};
  if (plan.budget.bits_per_weight) {
    json["budget"]["bits_per_weight"] = *plan.budget.bits_per_weight;
  }
  if (plan.budget.memory_bytes) json["budget"]["memory_bytes"] = *plan.budget.memory_bytes;
  for (const auto& [name, matrix] : plan.matrices) json["matrices"][name] = to_json(matrix);
  for (const auto& [name, scores] : plan.scores) json["scores"][name] = scores;
  return json;
}

Result<MatrixPlan> parse_matrix_plan(const base::JsonFields& fields) {
  MatrixPlan plan;
  TRINE_ASSIGN_OR_RETURN(plan.quantizer, fields.string("quantizer"));
  TRINE_ASSIGN_OR_RETURN(const auto bits, fields.integer("bits", 1, 16));
  TRINE_ASSIGN_OR_RETURN(const auto group_size, fields.integer("group_size", 1, 1 << 20));
  TRINE_ASSIGN_OR_RETURN(const auto metadata, fields.integer_or("metadata_bits", 1, 32, 16));
  TRINE_ASSIGN_OR_RETURN(const auto rank, fields.integer_or("rank", 0, kMostRank, 0));
  TRINE_ASSIGN_OR_RETURN(const auto factor_bits, fields.integer_or("factor_bits", 1, 16, 3));
  TRINE_ASSIGN_OR_RETURN(plan.compensator, fields.string_or("compensator", ""));
  TRINE_ASSIGN_OR_RETURN(plan.unbiased, fields.boolean_or("unbiased", false));
  plan.bits = static_cast<int>(bits);
  plan.group_size = static_cast<std::size_t>(group_size);
  plan.metadata_bits = static_cast<int>(metadata);
  plan.rank = static_cast<std::size_t>(rank);
  plan.factor_bits = static_cast<int>(factor_bits);
  return plan;
}

Result<Plan> parse_plan(const base::Json& json, std::string_view name) {
  const base::JsonFields fields(json, std::string(name));
  TRINE_ASSIGN_OR_RETURN(const auto version, fields.integer("plan_version", 1, INT32_MAX));
  if (version > kPlanVersion) {
    return fail(ErrorCode::kUnsupported,
                "{}: plan_version {} is newer than this Trine reads ({}); update Trine", name,
                version, kPlanVersion);
  }
  Plan plan;
  TRINE_ASSIGN_OR_RETURN(plan.trine_version, fields.string_or("trine_version", ""));
  TRINE_ASSIGN_OR_RETURN(plan.preset, fields.string_or("preset", ""));
  TRINE_ASSIGN_OR_RETURN(plan.allocator, fields.string_or("allocator", ""));
  TRINE_ASSIGN_OR_RETURN(plan.statistics_xxh3, fields.string_or("statistics_xxh3", ""));
  if (fields.has("budget")) {
    TRINE_ASSIGN_OR_RETURN(const auto budget, fields.object("budget"));
    TRINE_ASSIGN_OR_RETURN(plan.budget, parse_budget(budget));
  }
  TRINE_ASSIGN_OR_RETURN(const auto matrices, fields.object("matrices"));
  for (const auto& item : matrices.json().items()) {
    TRINE_ASSIGN_OR_RETURN(const auto matrix, matrices.object(item.key()));
    TRINE_ASSIGN_OR_RETURN(plan.matrices[item.key()], parse_matrix_plan(matrix));
  }
  if (fields.has("scores")) {
    TRINE_ASSIGN_OR_RETURN(const auto scores, fields.object("scores"));
    TRINE_RETURN_IF_ERROR(parse_scores(scores, plan));
  }
  return plan;
}

}  // namespace trine::plan
