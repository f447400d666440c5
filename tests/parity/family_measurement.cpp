#include "parity/family_measurement.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <utility>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "compress/compressor.h"
#include "kernels/kernel_table.h"
#include "packed/packed_model.h"
#include "parity/golden_model.h"
#include "plan/presets.h"
#include "runtime/engine.h"
#include "support/temporary_directory.h"

namespace trine::parity {
namespace {

struct Run {
  std::vector<float> logits{};
  std::vector<std::int32_t> experts{}, encoder_experts{};  ///< ascending per token
};

Result<Run> run_model(const ModelSpec& spec, const models::WeightSource& source,
                      const Golden& golden) {
  TRINE_ASSIGN_OR_RETURN(
      auto engine, runtime::Engine::load(spec, source, *kernels::runnable_tables().back(), 1));
  runtime::RoutingTrace trace, encoder_trace;
  TRINE_ASSIGN_OR_RETURN(auto caches, start_sequences(engine, golden, &encoder_trace));
  std::vector<runtime::SequenceStep> steps;
  for (std::size_t i = 0; i < golden.num_sequences; ++i) {
    steps.push_back({golden.sequence(i), &caches[i]});
  }
  TRINE_ASSIGN_OR_RETURN(const auto hidden, engine.forward(steps, {&trace}));
  Run run{.logits = engine.logits(hidden),
          .experts = sorted_choices(std::move(trace)),
          .encoder_experts = sorted_choices(std::move(encoder_trace))};
  return run;
}

/// Probabilities of one row of logits.
std::vector<double> softmax(std::span<const float> logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  std::vector<double> values;
  double sum = 0.0;
  for (const float logit : logits) {
    values.push_back(std::exp(logit - largest));
    sum += values.back();
  }
  for (double& value : values) value /= sum;
  return values;
}

double mean_kl(std::span<const float> original, std::span<const float> compressed,
               std::size_t vocab_size) {
  double total = 0.0;
  for (std::size_t first = 0; first < original.size(); first += vocab_size) {
    const auto p = softmax(original.subspan(first, vocab_size));
    const auto q = softmax(compressed.subspan(first, vocab_size));
    for (std::size_t i = 0; i < vocab_size; ++i) total += p[i] * std::log(p[i] / q[i]);
  }
  return total / (static_cast<double>(original.size()) / static_cast<double>(vocab_size));
}

}  // namespace

Result<FamilyMeasurement> measure_family(const std::string& golden_name) {
  TRINE_ASSIGN_OR_RETURN(const Golden golden, Golden::open(golden_folder(golden_name)));
  TRINE_ASSIGN_OR_RETURN(const auto original,
                         checkpoint::Checkpoint::open(golden_folder(golden_name)));
  TRINE_ASSIGN_OR_RETURN(const Run run, run_model(original.spec(), original, golden));
  FamilyMeasurement measured{
      .family = original.spec().family,
      .same_experts = run.experts == golden.router_choices &&
                      run.encoder_experts == golden.encoder_router_choices};
  for (std::size_t i = 0; i < run.logits.size(); ++i) {
    measured.max_logit_difference =
        std::max(measured.max_logit_difference, std::abs(run.logits[i] - golden.logits[i]));
  }
  const auto measure = [&](const char* preset, double& kl, double& bits) -> Status {
    const testing_support::TemporaryDirectory folder;
    TRINE_ASSIGN_OR_RETURN(const plan::Preset parsed, plan::parse_preset(preset));
    MatrixPlan everywhere = parsed.inputs.matrix;
    everywhere.group_size = 32;
    plan::Plan plan{.preset = preset};
    for (const MatrixSpec* matrix : compressible_matrices(original.spec())) {
      plan.matrices[matrix->name] = everywhere;
    }
    TRINE_RETURN_IF_ERROR(
        compress::compress(original, plan, folder.path() / "packed", {.threads = 1}, {}));
    TRINE_ASSIGN_OR_RETURN(const auto packed,
                           packed::PackedModel::open(folder.path() / "packed"));
    TRINE_RETURN_IF_ERROR(packed.verify({}));
    TRINE_ASSIGN_OR_RETURN(const Run packed_run, run_model(packed.spec(), packed, golden));
    kl = mean_kl(run.logits, packed_run.logits, golden.vocab_size);
    bits = packed.manifest().totals.bits_per_weight();
    return {};
  };
  double bits_8bit = 0.0;
  TRINE_RETURN_IF_ERROR(measure("hqq-3bit", measured.kl_3bit, measured.bits_per_weight_3bit));
  TRINE_RETURN_IF_ERROR(measure("hqq-8bit", measured.kl_8bit, bits_8bit));
  return measured;
}

}  // namespace trine::parity
