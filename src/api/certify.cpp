#include <trine/certify.h>

#include <chrono>

#include "api/opened_model.h"
#include "api/tokenized_file.h"
#include "base/peak_memory.h"
#include "eval/certificate.h"

namespace trine {
namespace {

static_assert(kCertificateBounds.size() == eval::kBoundKinds);

ChangeReport to_report(const eval::ChangeTally& tally) {
  ChangeReport report{.tokens = tally.tokens,
                      .largest_bound = tally.largest_bounds,
                      .largest_ratio = tally.largest_ratios,
                      .exceeded = tally.violations,
                      .largest_observed = tally.largest_observed};
  if (tally.tokens == 0) return report;
  const auto tokens = static_cast<double>(tally.tokens);
  for (std::size_t kind = 0; kind < eval::kBoundKinds; ++kind) {
    report.mean_bound[kind] = tally.bound_sums[kind] / tokens;
  }
  report.mean_observed = tally.observed_sum / tokens;
  report.mean_size = tally.size_sum / tokens;
  return report;
}

DecisionReport to_report(const eval::DecisionTally& tally) {
  DecisionReport report{
      .tokens = tally.tokens, .broken = tally.violations, .flips = tally.flips};
  if (tally.tokens == 0) return report;
  for (std::size_t kind = 0; kind < eval::kBoundKinds; ++kind) {
    report.certified[kind] =
        static_cast<double>(tally.certified[kind]) / static_cast<double>(tally.tokens);
  }
  return report;
}

AgreementReport to_report(const eval::AgreementTally& tally, double probability) {
  const std::size_t windows = tally.shares.size();
  return {.mean = tally.mean(),
          .drawn_agreeing = tally.drawn_agreeing,
          .at_least_binomial =
              eval::binomial_lower_bound(tally.drawn_agreeing, windows, probability),
          .at_least_hoeffding = eval::hoeffding_lower_bound(tally.mean(), windows, probability),
          .at_least = eval::betting_lower_bound(tally.shares, probability)};
}

CertificateReport to_report(const eval::Certificate& certificate,
                            const CertifyOptions& options) {
  CertificateReport report{
      .window = options.window,
      .probability = options.probability,
      .tokens = certificate.tokens,
      .windows = certificate.windows,
      .rows_per_window = certificate.rows_per_window,
      .groups = certificate.groups,
      .clipped_groups = certificate.clipped_groups,
      .row_outputs = certificate.rows.outputs,
      .row_exceeded = certificate.rows.violations,
      .logits_local = to_report(certificate.logits_local),
      .logits_full = to_report(certificate.logits_full),
      .top1_local = to_report(certificate.top1_local),
      .top1_full = to_report(certificate.top1_full),
      .top1_agreement = to_report(certificate.top1_agreement, options.probability),
      .routing_agreement = to_report(certificate.routing_agreement, options.probability),
      .windows_exceeding = certificate.windows_exceeding,
      .violations = certificate.violations()};
  for (const eval::LayerCertificate& layer : certificate.layers) {
    report.layers.push_back({to_report(layer.attention), to_report(layer.experts),
                             to_report(layer.stream), to_report(layer.routing_local),
                             to_report(layer.routing_next), to_report(layer.routing_full)});
  }
  return report;
}

/// The model packed, the reference its original, by their configurations.
Status require_pair(const api::OpenedModel& model, const api::OpenedModel& reference,
                    const std::string& path, const std::string& reference_path) {
  if (!model.packed) {
    return fail(ErrorCode::kInvalidArgument,
                "{} is an original model, expected a packed one; --reference is the original",
                path);
  }
  if (!reference.original) {
    return fail(ErrorCode::kInvalidArgument,
                "{} is a packed model, expected the original {} was made from", reference_path,
                path);
  }
  const auto before = all_matrices(reference.spec());
  const auto after = all_matrices(model.spec());
  bool is_same = before.size() == after.size();
  for (std::size_t i = 0; is_same && i < before.size(); ++i) {
    is_same = before[i]->name == after[i]->name &&
              before[i]->out_features == after[i]->out_features &&
              before[i]->in_features == after[i]->in_features;
  }
  if (is_same) return {};
  return fail(ErrorCode::kInvalidArgument,
              "{} and {} are not the same model: their matrices differ in name or shape", path,
              reference_path);
}

}  // namespace

Result<CertificateReport> certify(const std::string& model, const CertifyOptions& options,
                                  const ProgressCallback& progress) {
  const auto start = std::chrono::steady_clock::now();
  TRINE_ASSIGN_OR_RETURN(const api::OpenedModel packed, api::open_model(model));
  TRINE_ASSIGN_OR_RETURN(const api::OpenedModel original, api::open_model(options.reference));
  TRINE_RETURN_IF_ERROR(require_pair(packed, original, model, options.reference));
  TRINE_ASSIGN_OR_RETURN(const int threads, api::resolve_threads(options.engine.threads));
  TRINE_ASSIGN_OR_RETURN(const kernels::KernelTable* table,
                         kernels::table_named(options.engine.isa));
  TRINE_ASSIGN_OR_RETURN(const auto token_ids, api::tokenize_file(model, options.text_file));
  const eval::CertificateOptions settings{.window = options.window,
                                          .probability = options.probability,
                                          .most_tokens = options.tokens,
                                          .threads = threads};
  TRINE_ASSIGN_OR_RETURN(const eval::Certificate certificate,
                         eval::certify(original.spec(), original.source(), packed.source(),
                                       *table, token_ids, settings, progress));
  CertificateReport report = to_report(certificate, options);
  report.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  report.peak_rss_bytes = base::peak_rss_bytes();
  return report;
}

}  // namespace trine
