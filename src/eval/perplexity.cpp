#include "eval/perplexity.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "eval/logit_rows.h"
#include "eval/window_pass.h"
#include "eval/windows.h"

namespace trine::eval {
namespace {

/// Tokens run through the model together; several windows fill one batch.
constexpr std::size_t kBatchTokens = 1024;

/// Rows of logits held at once: 128 rows of a 128k vocabulary are 64 MB.
constexpr std::size_t kLogitRows = 128;

/// What one scored token adds to the averages.
struct TokenScore {
  double nll = 0.0;
  double original_nll = 0.0;
  double kl_divergence = 0.0;
  bool same_top1 = false;
};

TokenScore score_token(std::span<const float> logits, std::span<const float> reference,
                       std::int32_t target) {
  const double sum = log_sum_exp(logits);
  TokenScore score{.nll = sum - logits[static_cast<std::size_t>(target)]};
  if (!reference.empty()) {
    const double original_sum = log_sum_exp(reference);
    score.original_nll = original_sum - reference[static_cast<std::size_t>(target)];
    score.kl_divergence = kl_divergence(reference, original_sum, logits, sum);
    score.same_top1 = argmax(reference) == argmax(logits);
  }
  return score;
}

/// Per window: sums over its scored tokens.
struct WindowSums {
  ClusterSum nll{}, original_nll{}, kl_divergence{}, same_top1{}, same_experts{};
};

/// Adds the share of equal experts over the tokens [first, first + count) of the batch.
void compare_routing(const runtime::RoutingTrace& trace, const runtime::RoutingTrace& reference,
                     std::size_t first, std::size_t count, ClusterSum& sums) {
  for (std::size_t layer = 0; layer < trace.size(); ++layer) {
    const std::size_t k = trace[layer].experts_per_token;
    for (std::size_t token = first; token < first + count; ++token) {
      const auto begin = trace[layer].experts.begin() + static_cast<std::ptrdiff_t>(token * k);
      const auto end = begin + static_cast<std::ptrdiff_t>(k);
      for (std::size_t slot = 0; slot < k; ++slot) {
        const std::int32_t expert = reference[layer].experts[token * k + slot];
        sums.sum += std::find(begin, end, expert) != end ? 1.0 : 0.0;
        sums.count += 1.0;
      }
    }
  }
}

class Measurement {
 public:
  Measurement(runtime::Engine& model, runtime::Engine* reference,
              std::span<const std::int32_t> token_ids)
      : model_(model), reference_(reference), token_ids_(token_ids) {}

  Status run_batch(std::span<const Window> windows) {
    TRINE_ASSIGN_OR_RETURN(const WindowPass pass, run_windows(model_, windows, token_ids_));
    WindowPass original;
    if (reference_ != nullptr) {
      TRINE_ASSIGN_OR_RETURN(original, run_windows(*reference_, windows, token_ids_));
    }
    for (std::size_t i = 0; i < windows.size(); ++i) {
      const WindowRows& rows = pass.rows[i];
      WindowSums sums;
      score_window(windows[i], rows, pass, original, sums);
      if (reference_ != nullptr) {
        compare_routing(pass.encoder_trace, original.encoder_trace, rows.first_input,
                        rows.num_inputs, sums.same_experts);
        compare_routing(pass.trace, original.trace, rows.first, rows.count, sums.same_experts);
      }
      sums_.push_back(sums);
    }
    return {};
  }

  [[nodiscard]] PerplexityResult result() const {
    PerplexityResult result{.num_windows = sums_.size()};
    result.nll = estimate(&WindowSums::nll);
    for (const WindowSums& sums : sums_) {
      result.num_scored += static_cast<std::size_t>(sums.nll.count);
    }
    result.perplexity = perplexity_of(result.nll);
    if (reference_ != nullptr) result.fidelity = fidelity();
    return result;
  }

 private:
  void score_window(const Window& window, const WindowRows& rows, const WindowPass& pass,
                    const WindowPass& original, WindowSums& sums) {
    const std::size_t hidden = model_.spec().hidden_size;
    for (std::size_t first = window.first_scored; first < window.end; first += kLogitRows) {
      const std::size_t count = std::min(kLogitRows, window.end - first);
      const std::size_t offset = (rows.first_scoring + first - window.first_scored) * hidden;
      const auto states = [&](const WindowPass& from) {
        return std::span<const float>(from.hidden).subspan(offset, count * hidden);
      };
      const std::vector<float> logits = model_.logits(states(pass));
      std::vector<float> reference;
      if (reference_ != nullptr) reference = reference_->logits(states(original));
      add_scores(logits, reference, token_ids_.subspan(first, count), sums);
    }
  }

  void add_scores(std::span<const float> logits, std::span<const float> reference,
                  std::span<const std::int32_t> targets, WindowSums& sums) {
    const std::size_t vocabulary = model_.spec().vocab_size;
    std::vector<TokenScore> scores(targets.size());
#pragma omp parallel for num_threads(model_.threads()) schedule(static)
    for (std::size_t i = 0; i < targets.size(); ++i) {
      scores[i] = score_token(
          logits.subspan(i * vocabulary, vocabulary),
          reference.empty() ? reference : reference.subspan(i * vocabulary, vocabulary),
          targets[i]);
    }
    const auto count = static_cast<double>(scores.size());
    for (const TokenScore& score : scores) {
      sums.nll.sum += score.nll;
      sums.original_nll.sum += score.original_nll;
      sums.kl_divergence.sum += score.kl_divergence;
      sums.same_top1.sum += score.same_top1 ? 1.0 : 0.0;
      if (reference_ != nullptr) token_divergences_.push_back(score.kl_divergence);
    }
    sums.nll.count += count;
    sums.original_nll.count += count;
    sums.kl_divergence.count += count;
    sums.same_top1.count += count;
  }

  [[nodiscard]] Estimate estimate(ClusterSum WindowSums::*member) const {
    std::vector<ClusterSum> clusters;
    for (const WindowSums& sums : sums_) clusters.push_back(sums.*member);
    return mean_of_clusters(clusters);
  }

  [[nodiscard]] static Estimate perplexity_of(const Estimate& nll) {
    const double perplexity = std::exp(nll.value);
    return {perplexity, perplexity * nll.standard_error};
  }

  [[nodiscard]] Fidelity fidelity() const {
    Fidelity fidelity{
        .kl_divergence = estimate(&WindowSums::kl_divergence),
        .top1_agreement = estimate(&WindowSums::same_top1),
        .routing_agreement = estimate(&WindowSums::same_experts),
        .original_perplexity = perplexity_of(estimate(&WindowSums::original_nll))};
    fidelity.top1_interval = share_interval(fidelity.top1_agreement, sums_.size());
    // NaN sorts last here, so that a broken model shows in both figures.
    std::vector<double> sorted = token_divergences_;
    std::sort(sorted.begin(), sorted.end(), [](double left, double right) {
      return std::isnan(right) ? !std::isnan(left) : left < right;
    });
    const std::size_t rank = (99 * sorted.size() + 99) / 100;  // ⌈0.99 n⌉
    fidelity.kl_divergence_99 = sorted[rank - 1];
    fidelity.largest_kl_divergence = sorted.back();
    return fidelity;
  }

  runtime::Engine& model_;
  runtime::Engine* reference_;
  std::span<const std::int32_t> token_ids_;
  std::vector<WindowSums> sums_{};
  std::vector<double> token_divergences_{};
};

/// Experts chosen per token in every layer, encoder first; 0 where there are none.
std::vector<std::size_t> routed_layers(const ModelSpec& spec) {
  std::vector<std::size_t> chosen;
  for (const LayerSpec* layer : all_layers(spec)) {
    chosen.push_back(layer->moe ? layer->moe->router.experts_per_token : 0);
  }
  return chosen;
}

/// What tokens and experts of two models can be compared by.
Status require_same_model(const ModelSpec& model, const ModelSpec& reference) {
  const bool is_same = reference.vocab_size == model.vocab_size &&
                       reference.layers.size() == model.layers.size() &&
                       reference.encoder.has_value() == model.encoder.has_value() &&
                       routed_layers(reference) == routed_layers(model);
  if (is_same) return {};
  return fail(
      ErrorCode::kInvalidArgument,
      "the reference is {} with {} layers and {} tokens in its vocabulary, the model {} "
      "with {} and {}: they are not the same model (vocabulary, layers and experts per token "
      "must agree)",
      reference.family, all_layers(reference).size(), reference.vocab_size, model.family,
      all_layers(model).size(), model.vocab_size);
}

}  // namespace

Result<PerplexityResult> measure_perplexity(runtime::Engine& model, runtime::Engine* reference,
                                            std::span<const std::int32_t> token_ids,
                                            const PerplexityOptions& options,
                                            const base::ProgressSink& progress) {
  if (reference != nullptr) {
    TRINE_RETURN_IF_ERROR(require_same_model(model.spec(), reference->spec()));
  }
  const bool has_encoder = model.spec().encoder.has_value();
  const auto cut = has_encoder ? cut_halves : cut_windows;
  TRINE_ASSIGN_OR_RETURN(const std::vector<Window> windows,
                         cut(token_ids.size(), options.window, options.stride));
  const std::size_t per_batch = std::max<std::size_t>(1, kBatchTokens / options.window);
  Measurement measurement(model, reference, token_ids);
  for (std::size_t first = 0; first < windows.size(); first += per_batch) {
    const std::size_t count = std::min(per_batch, windows.size() - first);
    TRINE_RETURN_IF_ERROR(measurement.run_batch(std::span(windows).subspan(first, count)));
    if (progress) {
      progress({"tokens", windows[first + count - 1].end, windows.back().end});
    }
  }
  PerplexityResult result = measurement.result();
  result.protocol = has_encoder                        ? "halves"
                    : options.stride == options.window ? "disjoint"
                                                       : "sliding";
  return result;
}

}  // namespace trine::eval
