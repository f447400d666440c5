#include "runtime/sampler.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

namespace trine::runtime {
namespace {

struct Candidate {
  std::int32_t token;
  float logit;
  double probability;
};

/// Most likely first; equal logits in token order, so that the result is the same everywhere.
bool is_more_likely(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

void penalise_seen(std::vector<float>& logits, std::span<const std::int32_t> seen,
                   double penalty) {
  if (penalty == 1.0) return;
  const auto factor = static_cast<float>(penalty);
  for (const std::int32_t token : std::unordered_set<std::int32_t>(seen.begin(), seen.end())) {
    float& logit = logits[static_cast<std::size_t>(token)];
    logit = logit > 0.0f ? logit / factor : logit * factor;
  }
}

/// Probabilities of the first `count` candidates, which are sorted; the others are dropped.
void normalise(std::vector<Candidate>& candidates, std::size_t count, double temperature) {
  candidates.resize(count);
  double sum = 0.0;
  for (Candidate& candidate : candidates) {
    const double below = static_cast<double>(candidate.logit) - candidates.front().logit;
    candidate.probability = std::exp(below / temperature);
    sum += candidate.probability;
  }
  for (Candidate& candidate : candidates) candidate.probability /= sum;
}

std::size_t count_within_top_p(const std::vector<Candidate>& candidates, double top_p) {
  double total = 0.0;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    total += candidates[i].probability;
    if (total >= top_p) return i + 1;
  }
  return candidates.size();
}

std::size_t count_above_min_p(const std::vector<Candidate>& candidates, double min_p) {
  const double least = min_p * candidates.front().probability;
  std::size_t count = 1;
  while (count < candidates.size() && candidates[count].probability >= least) ++count;
  return count;
}

std::int32_t draw(const std::vector<Candidate>& candidates, double uniform) {
  for (const Candidate& candidate : candidates) {
    uniform -= candidate.probability;
    if (uniform < 0.0) return candidate.token;
  }
  return candidates.back().token;  // the probabilities summed to a hair below 1
}

}  // namespace

Status check_sampler_options(const SamplerOptions& options) {
  const auto refuse = [](const char* name, double found, const char* expected) {
    return fail(ErrorCode::kInvalidArgument, "{} is {}, expected {}", name, found, expected);
  };
  if (!(options.temperature >= 0.0 && options.temperature <= 100.0)) {
    return refuse("temperature", options.temperature, "0 to 100");
  }
  if (!(options.top_p > 0.0 && options.top_p <= 1.0)) {
    return refuse("top_p", options.top_p, "above 0, at most 1");
  }
  if (!(options.min_p >= 0.0 && options.min_p <= 1.0)) {
    return refuse("min_p", options.min_p, "0 to 1");
  }
  if (!(options.repetition_penalty > 0.0 && options.repetition_penalty <= 100.0)) {
    return refuse("repetition_penalty", options.repetition_penalty, "above 0, at most 100");
  }
  return {};
}

std::int32_t Sampler::sample(std::span<const float> logits,
                             std::span<const std::int32_t> seen) {
  std::vector<float> penalised(logits.begin(), logits.end());
  penalise_seen(penalised, seen, options_.repetition_penalty);
  if (options_.temperature == 0.0) {
    return static_cast<std::int32_t>(std::max_element(penalised.begin(), penalised.end()) -
                                     penalised.begin());
  }
  std::vector<Candidate> candidates(penalised.size());
  for (std::size_t i = 0; i < penalised.size(); ++i) {
    candidates[i] = {static_cast<std::int32_t>(i), penalised[i], 0.0};
  }
  std::size_t kept = candidates.size();
  if (options_.top_k > 0) kept = std::min(kept, options_.top_k);
  std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(kept),
                    candidates.end(), is_more_likely);
  normalise(candidates, kept, options_.temperature);
  if (options_.top_p < 1.0) {
    normalise(candidates, count_within_top_p(candidates, options_.top_p), options_.temperature);
  }
  if (options_.min_p > 0.0) {
    normalise(candidates, count_above_min_p(candidates, options_.min_p), options_.temperature);
  }
  return draw(candidates, random_.uniform());
}

}  // namespace trine::runtime
