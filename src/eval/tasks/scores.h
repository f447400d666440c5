// From what a model answered to the figures a task is known by.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/tasks/task.h"

namespace trine::eval {

/// What the model answered to one document. Metrics are made from it, so it is all that has to be
/// kept.
struct Outcome {
  std::vector<double> loglikelihoods{};  ///< one per request; of a rolling task their sum
  std::vector<bool> greedy{};            ///< of each request
  std::string text{};                    ///< of generation
};

/// How the values of all documents become one figure.
enum class Aggregation {
  kMean,
  kPerplexity,   ///< exp(−Σ values / Σ weights)
  kBitsPerByte,  ///< −Σ values / Σ weights / ln 2
};

/// One document's part in one metric.
struct DocumentScore {
  std::string_view metric{};  ///< lm_eval's name
  std::string_view filter{};  ///< lm_eval's; "none" where nothing is extracted
  Aggregation aggregation = Aggregation::kMean;
  double value = 0.0;
  double weight = 1.0;
};

/// acc, acc_norm and the others of the task for one document. Of equally likely choices the first
/// one counts as the answer.
[[nodiscard]] std::vector<DocumentScore> score_document(const Task& task,
                                                        const Document& document,
                                                        const Outcome& outcome);

struct Metric {
  std::string name{};
  std::string filter{};
  double value = 0.0;
  std::optional<double> standard_error{};  ///< absent for a single document
  bool higher_is_better = true;
};

/// The metrics of all documents, in the order of score_document(). Standard errors: of means
/// √(Σ (x − mean)² / (n − 1)) / √n; of perplexities and bits by the delta method, documents being
/// the independent draws.
[[nodiscard]] std::vector<Metric> aggregate(
    std::span<const std::vector<DocumentScore>> documents);

/// The subjects of a task as one: means weighted by their sizes, and lm_eval's pooled standard
/// error √(Σ (nᵢ − 1) nᵢ seᵢ² / (Σ nᵢ − k) / Σ nᵢ); absent unless every subject has one.
/// @param subjects metrics of each, the same ones in the same order. @param sizes documents.
[[nodiscard]] std::vector<Metric> pool(std::span<const std::vector<Metric>> subjects,
                                       std::span<const std::size_t> sizes);

}  // namespace trine::eval
