#include "compress/error_measurement.h"

#include <algorithm>
#include <atomic>
#include <exception>

#include "compress/matrix_compressor.h"
#include "compress/widened_weights.h"
#include "plan/plan.h"

namespace trine::compress {
namespace {

constexpr int kTableVersion =
    3;  // 2: says of which model and statistics; 3: with which treatments

std::vector<MatrixPlan> candidates_for(const MatrixSpec& matrix, const CandidateGrid& grid) {
  std::vector<MatrixPlan> plans;
  const std::size_t side = std::min(matrix.out_features, matrix.in_features);
  for (const std::string& quantizer : grid.quantizers) {
    for (const int bits : grid.bits) {
      for (const std::size_t group_size : grid.group_sizes) {
        for (const int metadata_bits : grid.metadata_bits) {
          for (const std::size_t rank : grid.ranks) {
            const bool takes_rank = group_size == 64 && 2 * rank <= side &&
                                    std::find(grid.rank_bits.begin(), grid.rank_bits.end(),
                                              bits) != grid.rank_bits.end();
            if (rank > 0 && !takes_rank) continue;
            MatrixPlan plan{.quantizer = quantizer,
                            .bits = bits,
                            .group_size = group_size,
                            .metadata_bits = metadata_bits,
                            .rank = rank,
                            .unbiased = grid.unbiased};
            if (rank > 0) {
              plan.factor_bits = grid.factor_bits;
              plan.compensator = grid.compensator;
            }
            plans.push_back(std::move(plan));
          }
        }
      }
    }
  }
  return plans;
}

Status measure_row(const checkpoint::Checkpoint& source, const MatrixSpec& spec,
                   const CandidateGrid& grid, const MeasurementOptions& options,
                   ErrorRow& row) {
  const auto nonfinite = options.allow_nonfinite ? Nonfinite::kCount : Nonfinite::kRefuse;
  TRINE_ASSIGN_OR_RETURN(const WidenedWeights weights,
                         read_widened(source, spec, nonfinite, 1));
  row.nonfinite = weights.nonfinite;
  InputMoments moments;
  if (options.moments != nullptr && options.moments->contains(spec.name)) {
    moments = options.moments->at(spec.name);
  }
  for (const MatrixPlan& plan : candidates_for(spec, grid)) {
    auto compressed = compress_matrix(
        spec.name, {spec.out_features, spec.in_features, weights.values}, plan, moments, 1);
    if (!compressed) {
      return fail(compressed.error().code, "{}: {}", spec.name, compressed.error().message);
    }
    row.squared_norm = compressed->error.weights;
    row.output_power = compressed->output_power;
    row.candidates.push_back({plan, stored_bytes(spec.out_features, spec.in_features, plan),
                              compressed->error.error, compressed->output_error});
  }
  return {};
}

/// Layer and share of tokens of the matrices of routed experts, by name. Layers of an encoder
/// count from 0 as those of the decoder do.
void describe(const ModelSpec& spec, const std::map<std::string, double>& use,
              std::map<std::string, ErrorRow>& rows) {
  const auto layers = all_layers(spec);
  const std::size_t encoder_layers = layers.size() - spec.layers.size();
  for (std::size_t index = 0; index < layers.size(); ++index) {
    const LayerSpec& layer = *layers[index];
    if (!layer.moe) continue;
    const double share = static_cast<double>(layer.moe->router.experts_per_token) /
                         static_cast<double>(layer.moe->experts.size());
    for (const ExpertSpec& expert : layer.moe->experts) {
      for (const MatrixSpec* matrix : {&expert.gate_proj, &expert.up_proj, &expert.down_proj}) {
        if (!matrix->exists()) continue;
        ErrorRow& row = rows[matrix->name];
        row.layer = index < encoder_layers ? index : index - encoder_layers;
        const auto known = use.find(matrix->name);
        row.use = known == use.end() ? share : known->second;
      }
    }
  }
}

base::Json to_json(const CandidateGrid& grid) {
  return {{"quantizers", grid.quantizers},
          {"bits", grid.bits},
          {"group_sizes", grid.group_sizes},
          {"metadata_bits", grid.metadata_bits},
          {"ranks", grid.ranks},
          {"rank_bits", grid.rank_bits},
          {"compensator", grid.compensator},
          {"factor_bits", grid.factor_bits},
          {"unbiased", grid.unbiased}};
}

/// Names the first difference between what was tried and what is asked for.
Status check_grid(const base::JsonFields& found, const CandidateGrid& expected) {
  const base::Json asked = to_json(expected);
  for (const auto& item : asked.items()) {
    const auto kept = found.json().find(item.key());
    if (kept != found.json().end() && *kept == item.value()) continue;
    return fail(ErrorCode::kInvalidArgument,
                "{}.{}: its errors were measured with {}, and this asks for {}; another file "
                "keeps both",
                found.name(), item.key(),
                kept == found.json().end() ? "nothing of that name" : kept->dump(),
                item.value().dump());
  }
  return {};
}

Status check_origin(const base::JsonFields& fields, const ErrorTableOrigin& expected) {
  ErrorTableOrigin origin;
  TRINE_ASSIGN_OR_RETURN(origin.source_fingerprint, fields.string("source_fingerprint"));
  TRINE_ASSIGN_OR_RETURN(origin.statistics_xxh3, fields.string("statistics_xxh3"));
  if (origin.source_fingerprint != expected.source_fingerprint) {
    return fail(ErrorCode::kInvalidArgument,
                "{}: its errors were measured on another model (fingerprint {}, expected {})",
                fields.name(), origin.source_fingerprint, expected.source_fingerprint);
  }
  if (origin.statistics_xxh3 != expected.statistics_xxh3) {
    return fail(
        ErrorCode::kInvalidArgument,
        "{}: its errors were measured with statistics {}, but {} given", fields.name(),
        origin.statistics_xxh3.empty() ? "of none" : origin.statistics_xxh3,
        expected.statistics_xxh3.empty() ? "none were" : expected.statistics_xxh3 + " were");
  }
  TRINE_ASSIGN_OR_RETURN(const auto grid, fields.object("grid"));
  return check_grid(grid, expected.grid);
}

}  // namespace

Result<ErrorTable> measure_errors(const checkpoint::Checkpoint& source,
                                  const CandidateGrid& grid, const MeasurementOptions& options,
                                  const base::ProgressSink& progress) {
  const auto matrices = compressible_matrices(source.spec());
  std::map<std::string, ErrorRow> described;
  describe(source.spec(), options.use, described);
  ErrorTable table(matrices.size());
  std::vector<Status> statuses(matrices.size());
  std::uint64_t done = 0;
  std::exception_ptr stopped;  // an exception may not leave the parallel loop by itself
  std::atomic<bool> is_stopped = false;
#pragma omp parallel for num_threads(options.threads) schedule(dynamic)
  for (std::size_t i = 0; i < matrices.size(); ++i) {
    if (is_stopped) continue;
    const MatrixSpec& spec = *matrices[i];
    ErrorRow& row = table[i];
    if (const auto found = described.find(spec.name); found != described.end()) {
      row = found->second;
    }
    row.name = spec.name;
    row.role = spec.role;
    row.out_features = spec.out_features;
    row.in_features = spec.in_features;
    statuses[i] = measure_row(source, spec, grid, options, row);
#pragma omp critical
    {
      ++done;
      if (progress && !is_stopped) {
        try {
          progress({spec.name, done, matrices.size()});
        } catch (...) {
          stopped = std::current_exception();
          is_stopped = true;
        }
      }
    }
  }
  if (stopped) std::rethrow_exception(stopped);
  for (const Status& status : statuses) TRINE_RETURN_IF_ERROR(status);
  return table;
}

base::Json to_json(const ErrorTable& table, const ErrorTableOrigin& origin) {
  base::Json json = {{"error_table_version", kTableVersion},
                     {"source_fingerprint", origin.source_fingerprint},
                     {"statistics_xxh3", origin.statistics_xxh3},
                     {"grid", to_json(origin.grid)},
                     {"matrices", base::Json::object()}};
  for (const ErrorRow& row : table) {
    base::Json candidates = base::Json::array();
    for (const ErrorCandidate& candidate : row.candidates) {
      candidates.push_back({{"plan", plan::to_json(candidate.plan)},
                            {"stored_bytes", candidate.stored_bytes},
                            {"weight_error", candidate.weight_error},
                            {"output_error", candidate.output_error}});
    }
    json["matrices"][row.name] = {{"layer", row.layer},
                                  {"out_features", row.out_features},
                                  {"in_features", row.in_features},
                                  {"squared_norm", row.squared_norm},
                                  {"output_power", row.output_power},
                                  {"use", row.use},
                                  {"candidates", std::move(candidates)}};
    if (row.nonfinite > 0) json["matrices"][row.name]["nonfinite"] = row.nonfinite;
  }
  return json;
}

Result<ErrorTable> parse_error_table(const base::Json& json, const ErrorTableOrigin& expected,
                                     std::string_view name) {
  const base::JsonFields fields(json, std::string(name));
  TRINE_RETURN_IF_ERROR(fields.integer("error_table_version", kTableVersion, kTableVersion));
  TRINE_RETURN_IF_ERROR(check_origin(fields, expected));
  TRINE_ASSIGN_OR_RETURN(const auto matrices, fields.object("matrices"));
  constexpr double kMost = 1e300;
  ErrorTable table;
  for (const auto& item : matrices.json().items()) {
    TRINE_ASSIGN_OR_RETURN(const auto matrix, matrices.object(item.key()));
    ErrorRow row{.name = item.key()};
    TRINE_ASSIGN_OR_RETURN(const auto layer, matrix.integer("layer", 0, 1 << 20));
    TRINE_ASSIGN_OR_RETURN(const auto out, matrix.integer("out_features", 1, 1 << 30));
    TRINE_ASSIGN_OR_RETURN(const auto in, matrix.integer("in_features", 1, 1 << 30));
    row.layer = static_cast<std::size_t>(layer);
    row.out_features = static_cast<std::size_t>(out);
    row.in_features = static_cast<std::size_t>(in);
    TRINE_ASSIGN_OR_RETURN(row.squared_norm, matrix.number("squared_norm", 0.0, kMost));
    TRINE_ASSIGN_OR_RETURN(row.output_power, matrix.number("output_power", 0.0, kMost));
    TRINE_ASSIGN_OR_RETURN(row.use, matrix.number("use", 0.0, 1.0));
    TRINE_ASSIGN_OR_RETURN(const auto nonfinite,
                           matrix.integer_or("nonfinite", 0, std::int64_t{1} << 60, 0));
    row.nonfinite = static_cast<std::size_t>(nonfinite);
    const auto candidates = matrix.json().find("candidates");
    if (candidates == matrix.json().end() || !candidates->is_array()) {
      return fail(ErrorCode::kMalformed, "{}: candidates is missing or no array",
                  matrix.name());
    }
    for (const base::Json& entry : *candidates) {
      const base::JsonFields read(entry, matrix.name() + ".candidates");
      ErrorCandidate candidate;
      TRINE_ASSIGN_OR_RETURN(const auto plan_fields, read.object("plan"));
      TRINE_ASSIGN_OR_RETURN(candidate.plan, plan::parse_matrix_plan(plan_fields));
      if (!is_packable(candidate.plan.bits, candidate.plan.group_size) ||
          !is_metadata_width(candidate.plan.metadata_bits)) {
        return fail(ErrorCode::kMalformed, "{}: a candidate is not possible", read.name());
      }
      candidate.stored_bytes = stored_bytes(row.out_features, row.in_features, candidate.plan);
      TRINE_ASSIGN_OR_RETURN(candidate.weight_error, read.number("weight_error", 0.0, kMost));
      TRINE_ASSIGN_OR_RETURN(candidate.output_error, read.number("output_error", 0.0, kMost));
      row.candidates.push_back(std::move(candidate));
    }
    table.push_back(std::move(row));
  }
  return table;
}

}  // namespace trine::compress
