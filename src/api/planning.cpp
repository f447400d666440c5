#include "api/planning.h"

#include <chrono>
#include <cmath>
#include <filesystem>

#include "api/output_file.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/safetensors_file.h"
#include "calibrate/statistics_file.h"
#include "checkpoint/fingerprint.h"
#include "compress/error_measurement.h"
#include "core/shrinkage.h"
#include "kernels/widened.h"
#include "models/stored_weights.h"
#include "plan/presets.h"
#include "plan/rank_strategies.h"

namespace trine::api {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostTableBytes = 64u << 20;

/// Router rows from before training: from a checkpoint, or a file with tensors of the same names.
Result<plan::RouterMatrices> read_initial_routers(const std::string& path,
                                                  const ModelSpec& spec) {
  if (fs::is_directory(path)) {
    TRINE_ASSIGN_OR_RETURN(const auto initial, checkpoint::Checkpoint::open(path));
    return plan::read_routers(spec, initial);
  }
  TRINE_ASSIGN_OR_RETURN(const auto file, base::SafetensorsFile::open(path));
  plan::RouterMatrices routers;
  for (const LayerSpec& layer : spec.layers) {
    if (!layer.moe) continue;
    const MatrixSpec& router = layer.moe->router.matrix;
    const base::TensorEntry* entry = file.find(tensor_of(router));
    if (entry == nullptr) {
      return fail(ErrorCode::kNotFound, "{}: tensor {} is missing", path, tensor_of(router));
    }
    const std::vector<std::size_t> expected = {router.out_features, router.in_features};
    const TensorView view{
        entry->dtype, {entry->shape.begin(), entry->shape.end()}, file.bytes(*entry)};
    const bool is_float =
        view.dtype == DType::kF32 || view.dtype == DType::kF16 || view.dtype == DType::kBF16;
    if (view.shape != expected || !is_float) {
      return fail(ErrorCode::kMalformed, "{}: {} is {} [{}], expected numbers [{}, {}]", path,
                  tensor_of(router), name_of(view.dtype), fmt::join(view.shape, ", "),
                  router.out_features, router.in_features);
    }
    routers[router.name] = kernels::widened(view, router.out_features, router.in_features, 1);
  }
  return routers;
}

/// True when the statistics say how inputs go together, which is worth more than anything else:
/// KL to the original of tiny-mixtral at 2 bits 0.040 with it, 0.068 with sizes of inputs alone.
bool has_products(const KnownInputs& known) {
  return !known.moments.empty() && known.moments.begin()->second.block_size > 0;
}

/// The table in the file, or a new one that is then kept there.
Result<ErrorTable> read_or_measure(const checkpoint::Checkpoint& source,
                                   const PlanOptions& options, const KnownInputs& known,
                                   int threads, const base::ProgressSink& progress) {
  compress::CandidateGrid grid;
  if (has_products(known)) {
    grid.quantizers = {"gptq"};
    grid.compensator = "whitened";
  }
  if (!options.quantizer.empty()) grid.quantizers = {options.quantizer};
  if (!options.compensator.empty()) grid.compensator = options.compensator;
  grid.factor_bits = options.factor_bits;
  grid.unbiased = options.unbiased.value_or(true);
  const compress::ErrorTableOrigin origin{checkpoint::fingerprint(source), known.xxh3, grid};
  if (!options.error_table.empty() && fs::exists(options.error_table)) {
    TRINE_ASSIGN_OR_RETURN(const base::Json json, base::read_json_file(options.error_table));
    TRINE_ASSIGN_OR_RETURN(ErrorTable kept,
                           compress::parse_error_table(json, origin, options.error_table));
    for (const ErrorRow& row : kept) {
      if (row.nonfinite == 0 || options.allow_nonfinite) continue;
      return fail(ErrorCode::kMalformed,
                  "{}: {} of the weights of {} were infinite or not a number; "
                  "--allow-nonfinite plans all the same",
                  options.error_table, row.nonfinite, row.name);
    }
    return kept;
  }
  const compress::MeasurementOptions measuring{
      .threads = threads,
      .moments = known.moments.empty() ? nullptr : &known.moments,
      .use = known.use,
      .allow_nonfinite = options.allow_nonfinite};
  TRINE_ASSIGN_OR_RETURN(ErrorTable table,
                         compress::measure_errors(source, grid, measuring, progress));
  if (!options.error_table.empty()) {
    const std::string text = compress::to_json(table, origin).dump();
    if (text.size() > kMostTableBytes) {
      return fail(ErrorCode::kUnsupported,
                  "{}: the error table would take {} bytes, at most {}", options.error_table,
                  text.size(), kMostTableBytes);
    }
    TRINE_RETURN_IF_ERROR(base::write_file_atomically(options.error_table, text));
  }
  return table;
}

/// Bytes the compressed matrices may take.
Result<std::uint64_t> budget_of(const checkpoint::Checkpoint& source,
                                const PlanOptions& options) {
  if (options.bits_per_weight) {
    std::uint64_t weights = 0;
    for (const MatrixSpec* matrix : compressible_matrices(source.spec())) {
      weights += matrix->out_features * matrix->in_features;
    }
    return static_cast<std::uint64_t>(*options.bits_per_weight * static_cast<double>(weights) /
                                      8.0);
  }
  const std::uint64_t untouched = untouched_bytes(source);
  if (*options.memory_bytes < untouched) {
    return fail(ErrorCode::kInvalidArgument,
                "{} bytes of memory hold less than the {} bytes that are not compressed "
                "(embeddings, head, routers, norms)",
                *options.memory_bytes, untouched);
  }
  return *options.memory_bytes - untouched;
}

/// What the user asked for on top of the preset.
void override_with(const PlanOptions& options, plan::Preset& preset) {
  plan::AllocatorInputs& inputs = preset.inputs;
  inputs.matrix.group_size = options.group_size;
  inputs.matrix.metadata_bits = options.metadata_bits;
  inputs.matrix.unbiased = options.unbiased.value_or(false);
  if (!options.quantizer.empty()) inputs.matrix.quantizer = options.quantizer;
  if (!options.allocator.empty()) preset.allocator = options.allocator;
  if (!options.compensator.empty()) preset.compensator = options.compensator;
  if (!options.rank.empty()) preset.rank_strategy = options.rank;
  if (!options.score.empty()) inputs.score = options.score;
  if (!options.levels.empty()) inputs.levels = options.levels;
  inputs.score_inputs.seed = options.seed;
  if (options.attention_bits) {
    inputs.attention_bits = *options.attention_bits;
    inputs.dense = inputs.matrix;
    inputs.dense->bits = *options.attention_bits;
    if (preset.allocator == "uniform") preset.allocator = "dense-sparse";
  }
}

}  // namespace

Result<KnownInputs> read_known_inputs(const std::string& statistics_file,
                                      const checkpoint::Checkpoint& source) {
  KnownInputs known;
  if (statistics_file.empty()) return known;
  const ModelSpec& spec = source.spec();
  TRINE_ASSIGN_OR_RETURN(const auto stored, calibrate::read_statistics(
                                                statistics_file, spec,
                                                calibrate::identity_of(spec, source.config())));
  TRINE_ASSIGN_OR_RETURN(const auto file, base::MappedFile::open(statistics_file));
  known.xxh3 = base::to_hex(base::xxh3(file.bytes()));
  known.statistics = shrunk_statistics(stored.statistics, spec);
  for (const auto& [site, statistics] : known.statistics.sites) {
    known.diagonals[site] = {statistics.second_moments.begin(),
                             statistics.second_moments.end()};
  }
  for (const auto& [matrix, site] : site_by_matrix(spec)) {
    const SiteStatistics& statistics = known.statistics.sites.at(site);
    known.moments[matrix] = {known.diagonals.at(site), statistics.block_size,
                             statistics.moment_blocks};
  }
  for (const InputSite& site : input_sites(spec)) {
    if (!site.expert) continue;
    const auto use = expert_use(known.statistics.routing.at(site.layer));
    for (const std::string& matrix : site.matrices) known.use[matrix] = use.at(*site.expert);
  }
  return known;
}

std::uint64_t untouched_bytes(const checkpoint::Checkpoint& source) {
  std::map<std::string, std::uint64_t> bytes;
  for (const auto& tensor : source.tensors()) bytes[tensor.name] = tensor.view.bytes.size();
  for (const MatrixSpec* matrix : compressible_matrices(source.spec())) {
    for (const std::string& name : models::tensors_of(*matrix)) bytes.erase(name);
  }
  std::uint64_t total = 0;
  for (const auto& entry : bytes) total += entry.second;
  return total;
}

Result<MadePlan> make_plan(const checkpoint::Checkpoint& source, const PlanOptions& options,
                           const KnownInputs& known, int threads,
                           const base::ProgressSink& progress) {
  const bool has_budget = options.bits_per_weight || options.memory_bytes;
  if (has_budget &&
      (!options.preset.empty() || (options.bits_per_weight && options.memory_bytes))) {
    return fail(ErrorCode::kInvalidArgument,
                "give one of a preset, bits per weight and memory, not several");
  }
  if (!options.error_table.empty()) {
    TRINE_RETURN_IF_ERROR(check_output_file(options.error_table, "the measured errors"));
  }
  const ModelSpec& spec = source.spec();
  plan::Preset preset;
  if (has_budget) {
    preset.allocator = "error";
  } else {
    TRINE_ASSIGN_OR_RETURN(
        preset, plan::parse_preset(options.preset.empty() ? "hqq-3bit" : options.preset));
  }
  override_with(options, preset);
  plan::AllocatorInputs& inputs = preset.inputs;
  TRINE_RETURN_IF_ERROR(compress::quantizer_named(inputs.matrix.quantizer));

  plan::RouterMatrices initial;
  if (!options.initial_routers.empty()) {
    TRINE_ASSIGN_OR_RETURN(initial, read_initial_routers(options.initial_routers, spec));
  }
  plan::WeightStatistics weights;
  const bool needs_weights =
      preset.allocator == "expert-mixed" || !preset.rank_strategy.empty();
  if (needs_weights) {
    TRINE_ASSIGN_OR_RETURN(
        weights, plan::measure_weights(spec, source, initial.empty() ? nullptr : &initial,
                                       threads, progress));
    inputs.score_inputs.weights = &weights;
  }
  if (!known.xxh3.empty()) inputs.score_inputs.statistics = &known.statistics;
  ErrorTable errors;
  const bool scores_errors =
      inputs.score.find("error") != std::string::npos || inputs.score == "hessian";
  if (preset.allocator == "error" || (preset.allocator == "expert-mixed" && scores_errors)) {
    TRINE_ASSIGN_OR_RETURN(errors, read_or_measure(source, options, known, threads, progress));
    inputs.score_inputs.errors = &errors;
  }
  if (has_budget) {
    TRINE_ASSIGN_OR_RETURN(inputs.budget_bytes, budget_of(source, options));
  }
  const auto start = std::chrono::steady_clock::now();
  TRINE_ASSIGN_OR_RETURN(plan::Plan plan, plan::allocate(preset.allocator, spec, inputs));
  plan.preset = has_budget ? "" : options.preset.empty() ? "hqq-3bit" : options.preset;
  plan.budget = {options.bits_per_weight, options.memory_bytes};
  plan.statistics_xxh3 = known.xxh3;
  if (!preset.rank_strategy.empty()) {
    const plan::RankInputs rank_inputs{&weights,
                                       known.xxh3.empty() ? nullptr : &known.statistics};
    const plan::RankOptions rank_options{.rank_scale = options.rank_scale,
                                         .compat = preset.compensator == "milo-paper",
                                         .rounds_to_step = preset.compensator != "milo-paper",
                                         .compensator = preset.compensator,
                                         .factor_bits = options.factor_bits};
    TRINE_RETURN_IF_ERROR(
        plan::apply_rank_strategy(preset.rank_strategy, spec, rank_inputs, rank_options, plan));
  }
  TRINE_RETURN_IF_ERROR(plan::check_plan(spec, plan, "plan"));
  const std::chrono::duration<double> allocation = std::chrono::steady_clock::now() - start;
  MadePlan made{.plan = std::move(plan), .allocation_seconds = allocation.count()};
  for (const ErrorRow& row : errors) made.nonfinite_weights += row.nonfinite;
  return made;
}

}  // namespace trine::api
