#include "eval/perplexity.h"

#include <algorithm>
#include <cmath>
#include <vector>

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
  double kl_divergence = 0.0;
  bool same_top1 = false;
};

/// log Σ exp(logits).
double log_sum_exp(std::span<const float> logits) {
  const float largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  return std::log(sum) + largest;
}

std::size_t argmax(std::span<const float> logits) {
  return static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) -
                                  logits.begin());
}

double kl_divergence(std::span<const float> original, double original_sum,
                     std::span<const float> compressed, double compressed_sum) {
  double divergence = 0.0;
  for (std::size_t i = 0; i < original.size(); ++i) {
    const auto log_original = static_cast<float>(original[i] - original_sum);
    const auto log_compressed = static_cast<float>(compressed[i] - compressed_sum);
    divergence += static_cast<double>(std::exp(log_original)) * (log_original - log_compressed);
  }
  return divergence;
}

TokenScore score_token(std::span<const float> logits, std::span<const float> reference,
                       std::int32_t target) {
  const double sum = log_sum_exp(logits);
  TokenScore score{.nll = sum - logits[static_cast<std::size_t>(target)]};
  if (!reference.empty()) {
    score.kl_divergence = kl_divergence(reference, log_sum_exp(reference), logits, sum);
    score.same_top1 = argmax(reference) == argmax(logits);
  }
  return score;
}

/// Per window: sums over its scored tokens.
struct WindowSums {
  ClusterSum nll{}, kl_divergence{}, same_top1{}, same_experts{};
};

/// One model's view of a batch of windows.
struct Pass {
  std::vector<float> hidden{};  ///< [tokens of the batch, hidden_size]
  runtime::RoutingTrace trace{};
};

Result<Pass> run_windows(runtime::Engine& engine, std::span<const Window> windows,
                         std::span<const std::int32_t> token_ids) {
  std::vector<runtime::KvCache> caches(windows.size(), runtime::KvCache(engine.spec()));
  std::vector<runtime::SequenceStep> steps;
  for (std::size_t i = 0; i < windows.size(); ++i) {
    steps.push_back(
        {token_ids.subspan(windows[i].begin, windows[i].end - windows[i].begin), &caches[i]});
  }
  Pass pass;
  TRINE_ASSIGN_OR_RETURN(pass.hidden, engine.forward(steps, &pass.trace));
  return pass;
}

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
    TRINE_ASSIGN_OR_RETURN(const Pass pass, run_windows(model_, windows, token_ids_));
    Pass original;
    if (reference_ != nullptr) {
      TRINE_ASSIGN_OR_RETURN(original, run_windows(*reference_, windows, token_ids_));
    }
    std::size_t first_row = 0;
    for (const Window& window : windows) {
      WindowSums sums;
      score_window(window, first_row, pass, original, sums);
      const std::size_t count = window.end - window.begin;
      if (reference_ != nullptr) {
        compare_routing(pass.trace, original.trace, first_row, count, sums.same_experts);
      }
      sums_.push_back(sums);
      first_row += count;
    }
    return {};
  }

  [[nodiscard]] PerplexityResult result() const {
    PerplexityResult result{.num_windows = sums_.size()};
    result.nll = estimate(&WindowSums::nll);
    for (const WindowSums& sums : sums_) {
      result.num_scored += static_cast<std::size_t>(sums.nll.count);
    }
    const double perplexity = std::exp(result.nll.value);
    result.perplexity = {perplexity, perplexity * result.nll.standard_error};
    if (reference_ != nullptr) {
      result.fidelity =
          Fidelity{estimate(&WindowSums::kl_divergence), estimate(&WindowSums::same_top1),
                   estimate(&WindowSums::same_experts)};
    }
    return result;
  }

 private:
  /// The hidden state of a token predicts the next one: row i scores token i + 1.
  void score_window(const Window& window, std::size_t first_row, const Pass& pass,
                    const Pass& original, WindowSums& sums) {
    const std::size_t hidden = model_.spec().hidden_size;
    for (std::size_t first = window.first_scored; first < window.end; first += kLogitRows) {
      const std::size_t count = std::min(kLogitRows, window.end - first);
      const std::size_t offset = (first_row + first - 1 - window.begin) * hidden;
      const auto rows = [&](const Pass& from) {
        return std::span<const float>(from.hidden).subspan(offset, count * hidden);
      };
      const std::vector<float> logits = model_.logits(rows(pass));
      std::vector<float> reference;
      if (reference_ != nullptr) reference = reference_->logits(rows(original));
      add_scores(logits, reference, token_ids_.subspan(first, count), sums);
    }
  }

  void add_scores(std::span<const float> logits, std::span<const float> reference,
                  std::span<const std::int32_t> targets, WindowSums& sums) const {
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
      sums.kl_divergence.sum += score.kl_divergence;
      sums.same_top1.sum += score.same_top1 ? 1.0 : 0.0;
    }
    sums.nll.count += count;
    sums.kl_divergence.count += count;
    sums.same_top1.count += count;
  }

  [[nodiscard]] Estimate estimate(ClusterSum WindowSums::*member) const {
    std::vector<ClusterSum> clusters;
    for (const WindowSums& sums : sums_) clusters.push_back(sums.*member);
    return mean_of_clusters(clusters);
  }

  runtime::Engine& model_;
  runtime::Engine* reference_;
  std::span<const std::int32_t> token_ids_;
  std::vector<WindowSums> sums_{};
};

}  // namespace

Result<PerplexityResult> measure_perplexity(runtime::Engine& model, runtime::Engine* reference,
                                            std::span<const std::int32_t> token_ids,
                                            const PerplexityOptions& options,
                                            const base::ProgressSink& progress) {
  if (reference != nullptr && (reference->spec().vocab_size != model.spec().vocab_size ||
                               reference->spec().layers.size() != model.spec().layers.size())) {
    return fail(ErrorCode::kInvalidArgument,
                "the reference has {} layers and {} tokens in its vocabulary, the model {} and "
                "{}: they are not the same model",
                reference->spec().layers.size(), reference->spec().vocab_size,
                model.spec().layers.size(), model.spec().vocab_size);
  }
  TRINE_ASSIGN_OR_RETURN(const std::vector<Window> windows,
                         cut_windows(token_ids.size(), options.window, options.stride));
  const std::size_t per_batch = std::max<std::size_t>(1, kBatchTokens / options.window);
  Measurement measurement(model, reference, token_ids);
  for (std::size_t first = 0; first < windows.size(); first += per_batch) {
    const std::size_t count = std::min(per_batch, windows.size() - first);
    TRINE_RETURN_IF_ERROR(measurement.run_batch(std::span(windows).subspan(first, count)));
    if (progress) {
      progress({"tokens", windows[first + count - 1].end, windows.back().end});
    }
  }
  return measurement.result();
}

}  // namespace trine::eval
