#include "eval/perplexity.h"

#include <algorithm>
#include <vector>

#include "eval/logit_rows.h"
#include "eval/window_pass.h"
#include "eval/window_sums.h"
#include "eval/windows.h"

namespace trine::eval {
namespace {

/// What one scored token adds to the averages.
struct TokenScore {
  double nll = 0.0;
  TokenComparison comparison{};
  double expert_divergence = 0.0;
};

void add(ClusterSum& sum, double value) {
  sum.sum += value;
  sum.count += 1.0;
}

/// Adds the share of equal experts over some tokens of the batch.
void compare_routing(const runtime::RoutingTrace& trace, const runtime::RoutingTrace& reference,
                     std::size_t first, std::size_t count, ClusterSum& sums) {
  for (std::size_t layer = 0; layer < trace.size(); ++layer) {
    const std::size_t k = trace[layer].experts_per_token;
    for (std::size_t token = first; token < first + count; ++token) {
      const auto begin = trace[layer].experts.begin() + static_cast<std::ptrdiff_t>(token * k);
      const auto end = begin + static_cast<std::ptrdiff_t>(k);
      for (std::size_t slot = 0; slot < k; ++slot) {
        const std::int32_t expert = reference[layer].experts[token * k + slot];
        add(sums, std::find(begin, end, expert) != end ? 1.0 : 0.0);
      }
    }
  }
}

/// One text under way.
class PerplexityMeasurement {
 public:
  PerplexityMeasurement(runtime::Engine& model, const TextWindows& text,
                        const Listeners& listeners, bool splits)
      : model_(model),
        text_(text),
        listeners_(listeners),
        splits_(splits && listeners.reference != nullptr) {}

  Status run_batch(std::size_t first, std::size_t count) {
    const auto windows = std::span(text_.windows).subspan(first, count);
    TRINE_ASSIGN_OR_RETURN(pass_, run_windows(model_, windows, text_.token_ids));
    WindowRouting original;
    if (listeners_.reference != nullptr) {
      TRINE_ASSIGN_OR_RETURN(original, listeners_.reference->start_batch(first, count));
    }
    if (splits_) {
      TRINE_ASSIGN_OR_RETURN(forced_, run_windows(model_, windows, text_.token_ids, &original));
    }
    for (std::size_t i = 0; i < count; ++i) {
      const WindowRows& rows = pass_.rows[i];
      WindowSums sums;
      TRINE_RETURN_IF_ERROR(score_window(windows[i], i, sums));
      if (listeners_.reference != nullptr) {
        compare_routing(pass_.routing.encoder, original.encoder, rows.first_input,
                        rows.num_inputs, sums.same_experts);
        compare_routing(pass_.routing.decoder, original.decoder, rows.first, rows.count,
                        sums.same_experts);
      }
      tally_.windows.push_back(sums);
      if (listeners_.writer != nullptr) {
        TRINE_RETURN_IF_ERROR(listeners_.writer->finish_window(pass_.routing, rows));
      }
    }
    return {};
  }

  [[nodiscard]] const Tally& tally() const noexcept { return tally_; }

 private:
  /// Scores the window's tokens, some rows at a time.
  Status score_window(const Window& window, std::size_t index, WindowSums& sums) {
    for (std::size_t first = 0; first < window.num_scored(); first += kLogitRows) {
      const std::size_t count = std::min(kLogitRows, window.num_scored() - first);
      const auto targets = text_.token_ids.subspan(window.first_scored + first, count);
      const std::vector<float> logits = logits_of(pass_, index, first, count);
      PredictionRows original;
      std::vector<float> forced;
      if (listeners_.reference != nullptr) {
        TRINE_ASSIGN_OR_RETURN(original, listeners_.reference->rows(index, first, count));
      }
      if (splits_) forced = logits_of(forced_, index, first, count);
      add_scores({logits, forced}, original, targets, sums);
      if (listeners_.writer != nullptr) {
        listeners_.writer->add_rows(logits, targets, model_.threads());
      }
    }
    return {};
  }

  [[nodiscard]] std::vector<float> logits_of(const WindowPass& pass, std::size_t index,
                                             std::size_t first, std::size_t count) {
    const std::size_t hidden = model_.spec().hidden_size;
    const std::size_t row = pass.rows[index].first_scoring + first;
    return model_.logits(std::span(pass.hidden).subspan(row * hidden, count * hidden));
  }

  struct ModelLogits {
    std::span<const float> free;
    std::span<const float> forced;  ///< empty unless the divergence is split
  };

  void add_scores(const ModelLogits& logits, const PredictionRows& original,
                  std::span<const std::int32_t> targets, WindowSums& sums) {
    const std::size_t vocabulary = model_.spec().vocab_size;
    const bool has_reference = listeners_.reference != nullptr;
    std::vector<TokenScore> scores(targets.size());
#pragma omp parallel for num_threads(model_.threads()) schedule(static)
    for (std::size_t i = 0; i < targets.size(); ++i) {
      const auto row = logits.free.subspan(i * vocabulary, vocabulary);
      const double sum = log_sum_exp(row);
      scores[i].nll = sum - row[static_cast<std::size_t>(targets[i])];
      if (!has_reference) continue;
      scores[i].comparison = compare(original, i, row, sum, targets[i]);
      if (!splits_) continue;
      const auto forced = logits.forced.subspan(i * vocabulary, vocabulary);
      scores[i].expert_divergence =
          compare(original, i, forced, log_sum_exp(forced), targets[i]).kl_divergence;
    }
    for (const TokenScore& score : scores) {
      add(sums.nll, score.nll);
      if (!has_reference) continue;
      const double divergence = score.comparison.kl_divergence;
      add(sums.original_nll, score.comparison.original_nll);
      add(sums.kl_divergence, divergence);
      add(sums.same_top1, score.comparison.same_top1 ? 1.0 : 0.0);
      add(sums.expert_divergence, score.expert_divergence);
      add(sums.routing_divergence, divergence - score.expert_divergence);
      tally_.divergences.push_back(divergence);
    }
  }

  runtime::Engine& model_;
  const TextWindows& text_;
  Listeners listeners_;
  bool splits_;
  WindowPass pass_{};
  WindowPass forced_{};  ///< with the original's experts
  Tally tally_{};
};

}  // namespace

Protocol protocol_of(const ModelSpec& model, const PerplexityOptions& options) {
  const bool is_disjoint = options.stride == options.window;
  return {.name = model.encoder ? "halves" : (is_disjoint ? "disjoint" : "sliding"),
          .window = options.window,
          .stride = options.stride};
}

Result<std::vector<TextWindows>> cut_texts(const ModelSpec& model,
                                           std::span<const std::vector<std::int32_t>> texts,
                                           const PerplexityOptions& options) {
  const auto cut = model.encoder ? cut_halves : cut_windows;
  std::vector<TextWindows> result;
  for (const auto& token_ids : texts) {
    auto windows = cut(token_ids.size(), options.window, options.stride);
    if (!windows) {
      const Error& error = windows.error();
      if (texts.size() == 1) return tl::unexpected<Error>(error);
      return fail(error.code, "text {} of {}: {}", result.size() + 1, texts.size(),
                  error.message);
    }
    result.push_back({token_ids, std::move(*windows)});
  }
  return result;
}

Result<PerplexityResult> measure_perplexity(runtime::Engine& model,
                                            std::span<const TextWindows> texts,
                                            const PerplexityOptions& options,
                                            const Listeners& listeners,
                                            const base::ProgressSink& progress) {
  const Protocol protocol = protocol_of(model.spec(), options);
  if (listeners.reference != nullptr) {
    TRINE_RETURN_IF_ERROR(listeners.reference->require_same(model.spec(), protocol));
  }
  std::size_t total = 0, finished = 0;  // tokens
  for (const TextWindows& text : texts) total += text.windows.back().end;
  const std::size_t per_batch = std::max<std::size_t>(1, kBatchTokens / options.window);
  PerplexityResult result{.protocol = protocol.name};
  const bool has_split = options.splits_divergence && listeners.reference != nullptr;
  Tally all;
  for (const TextWindows& text : texts) {
    if (listeners.reference != nullptr) {
      TRINE_RETURN_IF_ERROR(listeners.reference->start_text(text));
    }
    PerplexityMeasurement measurement(model, text, listeners, options.splits_divergence);
    for (std::size_t first = 0; first < text.windows.size(); first += per_batch) {
      const std::size_t count = std::min(per_batch, text.windows.size() - first);
      TRINE_RETURN_IF_ERROR(measurement.run_batch(first, count));
      if (progress) {
        progress({"tokens", finished + text.windows[first + count - 1].end, total});
      }
    }
    finished += text.windows.back().end;
    result.texts.push_back(figures_of(measurement.tally(), has_split));
    all.append(measurement.tally());
  }
  result.all = figures_of(all, has_split);
  return result;
}

}  // namespace trine::eval
