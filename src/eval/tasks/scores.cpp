#include "eval/tasks/scores.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/result.h"
#include "eval/estimate.h"
#include "eval/tasks/python_text.h"

namespace trine::eval {
namespace {

/// 1 when the right choice has the largest loglikelihood per unit of `length`.
template <class Length>
double is_right(const Document& document, const Outcome& outcome, Length length) {
  std::vector<double> scaled;
  for (std::size_t i = 0; i < outcome.loglikelihoods.size(); ++i) {
    scaled.push_back(outcome.loglikelihoods[i] / length(i));
  }
  const auto best = std::max_element(scaled.begin(), scaled.end()) - scaled.begin();
  return static_cast<std::size_t>(best) == document.gold ? 1.0 : 0.0;
}

std::vector<DocumentScore> score_choices(const Task& task, const Document& document,
                                         const Outcome& outcome) {
  constexpr Aggregation kMean = Aggregation::kMean;
  std::vector<DocumentScore> scores = {
      {"acc", "none", kMean, is_right(document, outcome, [](std::size_t) { return 1.0; })}};
  if (!task.has_length_norms) return scores;
  // Lengths are those of the choices without the space before them. acc_norm counts characters:
  // it is acc_bytes that counts bytes.
  scores.push_back({"acc_norm", "none", kMean, is_right(document, outcome, [&](std::size_t i) {
                      return static_cast<double>(count_characters(document.choices[i]));
                    })});
  scores.push_back({"acc_bytes", "none", kMean, is_right(document, outcome, [&](std::size_t i) {
                      return static_cast<double>(document.choices[i].size());
                    })});
  return scores;
}

std::vector<DocumentScore> score_text(const Document& document, const Outcome& outcome) {
  const double value = outcome.loglikelihoods.front();
  const auto words = static_cast<double>(count_words(document.question));
  const auto bytes = static_cast<double>(document.question.size());
  return {{"word_perplexity", "none", Aggregation::kPerplexity, value, words},
          {"byte_perplexity", "none", Aggregation::kPerplexity, value, bytes},
          {"bits_per_byte", "none", Aggregation::kBitsPerByte, value, bytes}};
}

Metric metric_of(const DocumentScore& score, const std::vector<ClusterSum>& clusters) {
  const Estimate mean = mean_of_clusters(clusters);
  Metric metric{.name = std::string(score.metric), .filter = std::string(score.filter)};
  double scale = 1.0;
  metric.value = mean.value;
  if (score.aggregation == Aggregation::kPerplexity) {
    metric.value = std::exp(-mean.value);
    scale = metric.value;
  } else if (score.aggregation == Aggregation::kBitsPerByte) {
    metric.value = -mean.value / std::numbers::ln2;
    scale = 1.0 / std::numbers::ln2;
  }
  metric.higher_is_better = score.aggregation == Aggregation::kMean;
  if (clusters.size() > 1) metric.standard_error = mean.standard_error * scale;
  return metric;
}

}  // namespace

std::vector<DocumentScore> score_document(const Task& task, const Document& document,
                                          const Outcome& outcome) {
  std::vector<DocumentScore> scores;
  switch (task.kind) {
    case TaskKind::kMultipleChoice: return score_choices(task, document, outcome);
    case TaskKind::kLoglikelihood:
      return {{"perplexity", "none", Aggregation::kPerplexity, outcome.loglikelihoods.front()},
              {"acc", "none", Aggregation::kMean, outcome.greedy.front() ? 1.0 : 0.0}};
    case TaskKind::kRolling: return score_text(document, outcome);
    case TaskKind::kGenerate:
      for (const Judgement& judgement : task.judge(document, outcome.text)) {
        scores.push_back({"exact_match", judgement.filter, Aggregation::kMean,
                          judgement.is_right ? 1.0 : 0.0});
      }
  }
  return scores;
}

std::vector<Metric> aggregate(std::span<const std::vector<DocumentScore>> documents) {
  std::vector<Metric> metrics;
  if (documents.empty()) return metrics;
  for (std::size_t i = 0; i < documents.front().size(); ++i) {
    std::vector<ClusterSum> clusters;
    for (const std::vector<DocumentScore>& scores : documents) {
      check(scores.size() == documents.front().size(), "documents of a task differ in metrics");
      clusters.push_back({scores[i].value, scores[i].weight});
    }
    metrics.push_back(metric_of(documents.front()[i], clusters));
  }
  return metrics;
}

std::vector<Metric> pool(std::span<const std::vector<Metric>> subjects,
                         std::span<const std::size_t> sizes) {
  std::vector<Metric> pooled;
  if (subjects.empty()) return pooled;
  for (std::size_t i = 0; i < subjects.front().size(); ++i) {
    Metric metric = subjects.front()[i];
    double total = 0.0, sum = 0.0, squares = 0.0;
    bool has_error = true;
    for (std::size_t k = 0; k < subjects.size(); ++k) {
      const auto size = static_cast<double>(sizes[k]);
      const Metric& subject = subjects[k][i];
      total += size;
      sum += size * subject.value;
      const double error = subject.standard_error.value_or(0.0);
      has_error = has_error && subject.standard_error.has_value();
      squares += (size - 1.0) * size * error * error;
    }
    metric.value = sum / total;
    metric.standard_error.reset();
    if (has_error) {
      metric.standard_error =
          std::sqrt(squares / (total - static_cast<double>(subjects.size())) / total);
    }
    pooled.push_back(std::move(metric));
  }
  return pooled;
}

}  // namespace trine::eval
