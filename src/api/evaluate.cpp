#include <trine/evaluate.h>

#include <chrono>

#include "api/opened_model.h"
#include "api/tokenized_file.h"
#include "eval/perplexity.h"

namespace trine {
namespace {

Score to_score(const eval::Estimate& estimate) {
  return {estimate.value, estimate.standard_error};
}

void add_fidelity(const eval::Fidelity& fidelity, PerplexityReport& report) {
  report.kl_divergence = to_score(fidelity.kl_divergence);
  report.top1_agreement = to_score(fidelity.top1_agreement);
  report.routing_agreement = to_score(fidelity.routing_agreement);
  report.original_perplexity = to_score(fidelity.original_perplexity);
  report.kl_divergence_99 = fidelity.kl_divergence_99;
  report.largest_kl_divergence = fidelity.largest_kl_divergence;
  report.top1_low = fidelity.top1_interval.low;
  report.top1_high = fidelity.top1_interval.high;
}

}  // namespace

Result<PerplexityReport> evaluate_perplexity(const std::string& model,
                                             const PerplexityOptions& options,
                                             const ProgressCallback& progress) {
  const auto start = std::chrono::steady_clock::now();
  TRINE_ASSIGN_OR_RETURN(const api::OpenedModel opened, api::open_model(model));
  TRINE_ASSIGN_OR_RETURN(runtime::Engine engine, api::make_engine(opened, options.engine));
  api::OpenedModel original;
  std::optional<runtime::Engine> reference;
  if (!options.reference.empty()) {
    TRINE_ASSIGN_OR_RETURN(original, api::open_model(options.reference));
    TRINE_ASSIGN_OR_RETURN(auto loaded, api::make_engine(original, options.engine));
    reference.emplace(std::move(loaded));
  }
  TRINE_ASSIGN_OR_RETURN(const auto token_ids, api::tokenize_file(model, options.text_file));
  const eval::PerplexityOptions protocol{options.window,
                                         options.stride.value_or(options.window)};
  TRINE_ASSIGN_OR_RETURN(const eval::PerplexityResult result,
                         eval::measure_perplexity(engine, reference ? &*reference : nullptr,
                                                  token_ids, protocol, progress));
  PerplexityReport report{.protocol = std::string(result.protocol),
                          .window = protocol.window,
                          .stride = protocol.stride,
                          .tokens = token_ids.size(),
                          .scored_tokens = result.num_scored,
                          .windows = result.num_windows,
                          .nll = to_score(result.nll),
                          .perplexity = to_score(result.perplexity)};
  if (result.fidelity) add_fidelity(*result.fidelity, report);
  report.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  report.peak_rss_bytes = api::peak_rss_bytes();
  return report;
}

}  // namespace trine
