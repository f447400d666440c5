#include "eval/reference.h"

#include <algorithm>
#include <cmath>

#include "core/model_spec.h"
#include "eval/logit_rows.h"
#include "eval/reference_format.h"

namespace trine::eval {
namespace {

TokenComparison compare_whole(std::span<const float> original, std::span<const float> logits,
                              double log_sum, std::int32_t target) {
  const double sum = log_sum_exp(original);
  return {.original_nll = sum - original[static_cast<std::size_t>(target)],
          .kl_divergence = kl_divergence(original, sum, logits, log_sum),
          .same_top1 = argmax(original) == argmax(logits)};
}

TokenComparison compare_kept(const PredictionRows& original, std::size_t row,
                             std::span<const float> logits, double log_sum) {
  const std::size_t first = row * original.num_outcomes;
  const std::size_t best = argmax(logits);
  // The same exponentials that log_sum_exp() added up are taken away again, so that what is left
  // for the other tokens is right to 1e-16 of the whole: a rest of 1e-9 still has seven digits.
  const float largest = logits[best];
  const double whole = std::exp(log_sum - largest);
  double divergence = 0.0, left = whole;
  for (std::size_t i = first; i < first + original.num_outcomes; ++i) {
    const float logit = logits[static_cast<std::size_t>(original.token_ids[i])];
    const double log_original = original.values[i];
    divergence += std::exp(log_original) * (log_original - (logit - log_sum));
    left -= std::exp(logit - largest);
  }
  const double log_rest = original.rest[row];
  if (std::isfinite(log_rest)) {
    constexpr double kSmallest = 1e-16;
    divergence += std::exp(log_rest) * (log_rest - std::log(std::max(left / whole, kSmallest)));
  }
  return {.original_nll = -double{original.targets[row]},
          .kl_divergence = divergence,
          .same_top1 = static_cast<std::size_t>(original.token_ids[first]) == best};
}

}  // namespace

TokenComparison compare(const PredictionRows& original, std::size_t row,
                        std::span<const float> logits, double log_sum, std::int32_t target) {
  if (!original.is_whole()) return compare_kept(original, row, logits, log_sum);
  return compare_whole(
      std::span(original.values).subspan(row * original.num_outcomes, original.num_outcomes),
      logits, log_sum, target);
}

Status EngineReference::require_same(const ModelSpec& model, const Protocol&) const {
  const ModelSpec& reference = engine_.spec();
  const bool is_same =
      reference.vocab_size == model.vocab_size &&
      reference.encoder.has_value() == model.encoder.has_value() &&
      experts_of(encoder_layers(reference)) == experts_of(encoder_layers(model)) &&
      experts_of(reference.layers) == experts_of(model.layers);
  if (is_same) return {};
  return fail(
      ErrorCode::kInvalidArgument,
      "the reference is {} with {} layers and {} tokens in its vocabulary, the model {} "
      "with {} and {}: they are not the same model (vocabulary, layers and experts must "
      "agree)",
      reference.family, all_layers(reference).size(), reference.vocab_size, model.family,
      all_layers(model).size(), model.vocab_size);
}

Status EngineReference::start_text(const TextWindows& text) {
  text_ = &text;
  return {};
}

Result<WindowRouting> EngineReference::start_batch(std::size_t first, std::size_t count) {
  TRINE_ASSIGN_OR_RETURN(
      pass_,
      run_windows(engine_, std::span(text_->windows).subspan(first, count), text_->token_ids));
  return std::move(pass_.routing);
}

Result<PredictionRows> EngineReference::rows(std::size_t window_of_batch, std::size_t first,
                                             std::size_t count) {
  const std::size_t hidden = engine_.spec().hidden_size;
  const std::size_t row = pass_.rows[window_of_batch].first_scoring + first;
  return PredictionRows{
      .num_outcomes = engine_.spec().vocab_size,
      .values = engine_.logits(std::span(pass_.hidden).subspan(row * hidden, count * hidden))};
}

}  // namespace trine::eval
