#include <trine/evaluate.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <utility>

#include "api/opened_model.h"
#include "api/output_file.h"
#include "api/tokenized_file.h"
#include "base/peak_memory.h"
#include "eval/perplexity.h"
#include "eval/reference_file.h"

namespace trine {
namespace {

Score to_score(const eval::Estimate& estimate) {
  return {estimate.value, estimate.standard_error};
}

void add_fidelity(const eval::Fidelity& fidelity, TextReport& report) {
  report.kl_divergence = to_score(fidelity.kl_divergence);
  if (fidelity.split) {
    report.expert_divergence = to_score(fidelity.split->experts);
    report.routing_divergence = to_score(fidelity.split->routing);
  }
  report.kl_divergence_99 = fidelity.kl_divergence_99;
  report.largest_kl_divergence = fidelity.largest_kl_divergence;
  report.top1_agreement = to_score(fidelity.top1_agreement);
  report.top1_low = fidelity.top1_interval.low;
  report.top1_high = fidelity.top1_interval.high;
  report.routing_agreement = to_score(fidelity.routing_agreement);
  report.original_perplexity = to_score(fidelity.original_perplexity);
}

TextReport to_report(const eval::TextFigures& figures, std::string text_file,
                     std::uint64_t tokens) {
  TextReport report{.text_file = std::move(text_file),
                    .tokens = tokens,
                    .scored_tokens = figures.num_scored,
                    .windows = figures.num_windows,
                    .nll = to_score(figures.nll),
                    .perplexity = to_score(figures.perplexity)};
  if (figures.fidelity) add_fidelity(*figures.fidelity, report);
  return report;
}

/// The original, if there is one: a loaded model or a file of what it said.
struct OpenedReference {
  api::OpenedModel model{};
  std::unique_ptr<runtime::Engine> engine{};
  std::unique_ptr<eval::Reference> reference{};
};

Result<OpenedReference> open_reference(const PerplexityOptions& options) {
  OpenedReference opened;
  if (options.reference.empty()) return opened;
  if (std::filesystem::is_regular_file(options.reference)) {
    TRINE_ASSIGN_OR_RETURN(auto file, eval::FileReference::open(options.reference));
    opened.reference = std::make_unique<eval::FileReference>(std::move(file));
    return opened;
  }
  TRINE_ASSIGN_OR_RETURN(opened.model, api::open_model(options.reference));
  TRINE_ASSIGN_OR_RETURN(auto engine, api::make_engine(opened.model, options.engine));
  opened.engine = std::make_unique<runtime::Engine>(std::move(engine));
  opened.reference = std::make_unique<eval::EngineReference>(*opened.engine);
  return opened;
}

Status check_options(const PerplexityOptions& options) {
  if (options.text_files.empty()) {
    return fail(ErrorCode::kInvalidArgument, "perplexity needs at least one text");
  }
  if (options.split && options.reference.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                "a divergence can only be split with a reference to diverge from");
  }
  if (options.save_reference.empty()) return {};
  if (!options.reference.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                "a reference is made of the original alone: save it or compare with one, not "
                "both at once");
  }
  return api::check_output_file(options.save_reference, "the reference");
}

Result<std::vector<std::vector<std::int32_t>>> tokenize(const std::string& model,
                                                        const PerplexityOptions& options) {
  std::vector<std::vector<std::int32_t>> texts;
  for (const std::string& file : options.text_files) {
    TRINE_ASSIGN_OR_RETURN(auto token_ids, api::tokenize_file(model, file));
    texts.push_back(std::move(token_ids));
  }
  return texts;
}

PerplexityReport to_report(const eval::PerplexityResult& result,
                           const PerplexityOptions& options,
                           std::span<const std::vector<std::int32_t>> texts) {
  PerplexityReport report;
  std::uint64_t tokens = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    tokens += texts[i].size();
    report.texts.push_back(to_report(result.texts[i], options.text_files[i], texts[i].size()));
  }
  static_cast<TextReport&>(report) =
      to_report(result.all, texts.size() == 1 ? options.text_files.front() : "", tokens);
  report.protocol = result.protocol;
  report.window = options.window;
  report.stride = options.stride.value_or(options.window);
  return report;
}

}  // namespace

Result<PerplexityReport> evaluate_perplexity(const std::string& model,
                                             const PerplexityOptions& options,
                                             const ProgressCallback& progress) {
  const auto start = std::chrono::steady_clock::now();
  TRINE_RETURN_IF_ERROR(check_options(options));
  TRINE_ASSIGN_OR_RETURN(const api::OpenedModel opened, api::open_model(model));
  TRINE_ASSIGN_OR_RETURN(runtime::Engine engine, api::make_engine(opened, options.engine));
  TRINE_ASSIGN_OR_RETURN(const OpenedReference original, open_reference(options));
  TRINE_ASSIGN_OR_RETURN(const auto texts, tokenize(model, options));
  const eval::PerplexityOptions how{options.window, options.stride.value_or(options.window),
                                    options.split};
  TRINE_ASSIGN_OR_RETURN(const auto windows, eval::cut_texts(engine.spec(), texts, how));
  std::optional<eval::ReferenceWriter> writer;
  if (!options.save_reference.empty()) {
    TRINE_ASSIGN_OR_RETURN(auto created,
                           eval::ReferenceWriter::create(options.save_reference, engine.spec(),
                                                         eval::protocol_of(engine.spec(), how),
                                                         windows, options.top_tokens));
    writer.emplace(std::move(created));
  }
  TRINE_ASSIGN_OR_RETURN(
      const eval::PerplexityResult result,
      eval::measure_perplexity(engine, windows, how,
                               {original.reference.get(), writer ? &*writer : nullptr},
                               progress));
  if (writer) TRINE_RETURN_IF_ERROR(writer->finish());
  PerplexityReport report = to_report(result, options, texts);
  if (original.reference) report.top_tokens = original.reference->top_tokens();
  report.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  report.peak_rss_bytes = base::peak_rss_bytes();
  return report;
}

}  // namespace trine
