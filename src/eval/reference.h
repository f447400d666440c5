// The original that a model is compared with: loaded, or a file of what it said.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/model_spec.h"
#include "eval/window_pass.h"
#include "eval/windows.h"
#include "runtime/engine.h"

namespace trine::eval {

/// A text in the windows that are scored.
struct TextWindows {
  std::span<const std::int32_t> token_ids{};
  std::vector<Window> windows{};
};

/// How texts are cut; figures of different protocols are not comparable.
struct Protocol {
  std::string_view name{};  ///< "disjoint", "sliding" or "halves"
  std::size_t window = 0;
  std::size_t stride = 0;
};

/// What the original predicted for some consecutive tokens: whole rows of logits, or of each row
/// the most likely tokens and what is left.
struct PredictionRows {
  std::size_t num_outcomes = 0;  ///< per row: the vocabulary, or the tokens kept
  std::vector<float> values{};   ///< [rows, num_outcomes] logits, or log-probabilities
  std::vector<std::int32_t>
      token_ids{};            ///< [rows, num_outcomes], best first; empty: whole rows
  std::vector<float> rest{};  ///< [rows] log-probability of all other tokens; empty: whole rows
  std::vector<float> targets{};  ///< [rows] that of the token which came; empty: whole rows

  [[nodiscard]] bool is_whole() const noexcept { return token_ids.empty(); }
};

/// One token as two models see it.
struct TokenComparison {
  double original_nll = 0.0;
  /// Original ‖ model, nats. Of kept tokens: that of the kept ones and the rest as one outcome,
  /// which is never above the whole vocabulary's (data processing inequality).
  double kl_divergence = 0.0;
  bool same_top1 = false;
};

/// @param logits of the model. @param log_sum its log_sum_exp(). @param target the token that came.
[[nodiscard]] TokenComparison compare(const PredictionRows& original, std::size_t row,
                                      std::span<const float> logits, double log_sum,
                                      std::int32_t target);

class Reference {
 public:
  virtual ~Reference() = default;

  /// kInvalidArgument when tokens and experts of the two cannot be compared.
  [[nodiscard]] virtual Status require_same(const ModelSpec& model,
                                            const Protocol& protocol) const = 0;

  /// The text that the next batches are of; it must outlive them.
  [[nodiscard]] virtual Status start_text(const TextWindows& text) = 0;

  /// Moves to windows [first, first + count) of the text and returns the experts chosen there.
  [[nodiscard]] virtual Result<WindowRouting> start_batch(std::size_t first,
                                                          std::size_t count) = 0;

  /// Predictions of scored tokens [first, first + count) of one window of the batch, counted from
  /// Window::first_scored.
  [[nodiscard]] virtual Result<PredictionRows> rows(std::size_t window_of_batch,
                                                    std::size_t first, std::size_t count) = 0;

  /// Tokens kept per prediction; 0: the whole vocabulary.
  [[nodiscard]] virtual std::size_t top_tokens() const noexcept = 0;
};

/// The original itself, run beside the model.
class EngineReference final : public Reference {
 public:
  /// @param engine must outlive this.
  explicit EngineReference(runtime::Engine& engine) : engine_(engine) {}

  [[nodiscard]] Status require_same(const ModelSpec& model,
                                    const Protocol& protocol) const override;
  [[nodiscard]] Status start_text(const TextWindows& text) override;
  [[nodiscard]] Result<WindowRouting> start_batch(std::size_t first,
                                                  std::size_t count) override;
  [[nodiscard]] Result<PredictionRows> rows(std::size_t window_of_batch, std::size_t first,
                                            std::size_t count) override;
  [[nodiscard]] std::size_t top_tokens() const noexcept override { return 0; }

 private:
  runtime::Engine& engine_;
  const TextWindows* text_ = nullptr;
  WindowPass pass_{};
};

}  // namespace trine::eval
