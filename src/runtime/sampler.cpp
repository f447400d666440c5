#include "runtime/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>
#include <unordered_set>

#include "kernels/exponential.h"

namespace trine::runtime {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

struct Candidate {
  std::int32_t token;
  float logit;
  double probability;
};

/// Most likely first; equal logits in token order, so that the result is the same everywhere.
bool is_more_likely(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

void apply_filter(std::vector<float>& logits, std::span<const std::uint64_t> allowed) {
  for (std::size_t token = 0; token < logits.size(); ++token) {
    const std::size_t word = token / 64;
    if (word >= allowed.size() || (allowed[word] >> (token % 64) & 1) == 0) {
      logits[token] = kNever;
    }
  }
}

void penalise_seen(std::vector<float>& logits, const History& history, double penalty) {
  if (penalty == 1.0) return;
  const auto factor = static_cast<float>(penalty);
  std::unordered_set<std::int32_t> seen(history.prompt.begin(), history.prompt.end());
  seen.insert(history.generated.begin(), history.generated.end());
  for (const std::int32_t token : seen) {
    float& logit = logits[static_cast<std::size_t>(token)];
    logit = logit > 0.0f ? logit / factor : logit * factor;
  }
}

void penalise_generated(std::vector<float>& logits, std::span<const std::int32_t> generated,
                        double frequency, double presence) {
  if (frequency == 0.0 && presence == 0.0) return;
  std::unordered_map<std::int32_t, std::size_t> counts;
  for (const std::int32_t token : generated) ++counts[token];
  for (const auto& [token, count] : counts) {
    logits[static_cast<std::size_t>(token)] -=
        static_cast<float>(frequency * static_cast<double>(count) + presence);
  }
}

/// Probabilities of the first `count` candidates; the others are dropped.
void normalise(std::vector<Candidate>& candidates, std::size_t count) {
  candidates.resize(count);
  double sum = 0.0;
  for (const Candidate& candidate : candidates) sum += candidate.probability;
  for (Candidate& candidate : candidates) candidate.probability /= sum;
}

/// Keeps the k most likely, best first.
void keep_top_k(std::vector<Candidate>& candidates, std::size_t k) {
  if (k == 0 || k >= candidates.size()) return;
  std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(k),
                    candidates.end(), is_more_likely);
  normalise(candidates, k);
}

/// Keeps the smallest set of most likely candidates with that much probability, best first. A
/// vocabulary has 150 000 tokens and the set mostly a few dozen: sorting stops where it ends.
void keep_top_p(std::vector<Candidate>& candidates, double top_p) {
  if (top_p >= 1.0) return;
  double total = 0.0;
  std::size_t sorted = 0;
  for (std::size_t wanted = 64; sorted < candidates.size(); wanted *= 8) {
    const std::size_t end = std::min(wanted, candidates.size());
    std::partial_sort(candidates.begin() + static_cast<std::ptrdiff_t>(sorted),
                      candidates.begin() + static_cast<std::ptrdiff_t>(end), candidates.end(),
                      is_more_likely);
    for (; sorted < end; ++sorted) {
      total += candidates[sorted].probability;
      if (total >= top_p) return normalise(candidates, sorted + 1);
    }
  }
}

/// Drops what is less likely than that share of the most likely.
void keep_min_p(std::vector<Candidate>& candidates, double min_p) {
  if (min_p <= 0.0) return;
  double most = 0.0;
  for (const Candidate& candidate : candidates) most = std::max(most, candidate.probability);
  const auto end = std::remove_if(
      candidates.begin(), candidates.end(),
      [&](const Candidate& candidate) { return candidate.probability < min_p * most; });
  normalise(candidates, static_cast<std::size_t>(end - candidates.begin()));
}

std::int32_t draw(const std::vector<Candidate>& candidates, double uniform) {
  for (const Candidate& candidate : candidates) {
    uniform -= candidate.probability;
    if (uniform < 0.0) return candidate.token;
  }
  return candidates.back().token;  // the probabilities summed to a hair below 1
}

tl::unexpected<Error> refuse(const char* name, double found, const char* expected) {
  return fail(ErrorCode::kInvalidArgument, "{} is {}, expected {}", name, found, expected);
}

Status check_penalties(const SamplerOptions& options, std::size_t vocab_size) {
  if (!(options.repetition_penalty > 0.0 && options.repetition_penalty <= 100.0)) {
    return refuse("repetition_penalty", options.repetition_penalty, "above 0, at most 100");
  }
  if (!(std::abs(options.frequency_penalty) <= 100.0)) {
    return refuse("frequency_penalty", options.frequency_penalty, "-100 to 100");
  }
  if (!(std::abs(options.presence_penalty) <= 100.0)) {
    return refuse("presence_penalty", options.presence_penalty, "-100 to 100");
  }
  for (const auto& [token, bias] : options.logit_bias) {
    if (token < 0 || static_cast<std::size_t>(token) >= vocab_size) {
      return fail(ErrorCode::kInvalidArgument,
                  "logit_bias names token {}, outside the vocabulary of {} tokens", token,
                  vocab_size);
    }
    if (!(std::abs(bias) <= 1000.0)) return refuse("a logit_bias", bias, "-1000 to 1000");
  }
  return {};
}

}  // namespace

Status check_sampler_options(const SamplerOptions& options, std::size_t vocab_size) {
  if (!(options.temperature >= 0.0 && options.temperature <= 100.0)) {
    return refuse("temperature", options.temperature, "0 to 100");
  }
  if (!(options.top_p > 0.0 && options.top_p <= 1.0)) {
    return refuse("top_p", options.top_p, "above 0, at most 1");
  }
  if (!(options.min_p >= 0.0 && options.min_p <= 1.0)) {
    return refuse("min_p", options.min_p, "0 to 1");
  }
  return check_penalties(options, vocab_size);
}

std::int32_t Sampler::sample(std::span<const float> logits, const History& history,
                             TokenFilter* filter) {
  if (filter == nullptr && options_.takes_logits_as_they_are()) {
    // Most requests of programs are of this kind: no copy of the vocabulary for them.
    const std::size_t best = kernels::largest_index(logits.data(), logits.size());
    return logits[best] == kNever ? -1 : static_cast<std::int32_t>(best);
  }
  std::vector<float> changed(logits.begin(), logits.end());
  if (filter != nullptr) apply_filter(changed, filter->allowed());
  for (const auto& [token, bias] : options_.logit_bias) {
    changed[static_cast<std::size_t>(token)] += static_cast<float>(bias);
  }
  penalise_seen(changed, history, options_.repetition_penalty);
  penalise_generated(changed, history.generated, options_.frequency_penalty,
                     options_.presence_penalty);
  const auto best = changed.begin() + static_cast<std::ptrdiff_t>(kernels::largest_index(
                                          changed.data(), changed.size()));
  if (*best == kNever) return -1;
  if (options_.temperature == 0.0) return static_cast<std::int32_t>(best - changed.begin());

  std::vector<Candidate> candidates;
  candidates.reserve(changed.size());
  double sum = 0.0;
  for (std::size_t i = 0; i < changed.size(); ++i) {
    if (changed[i] == kNever) continue;
    const double below = static_cast<double>(changed[i]) - *best;
    const double probability = std::exp(below / options_.temperature);
    sum += probability;
    candidates.push_back({static_cast<std::int32_t>(i), changed[i], probability});
  }
  for (Candidate& candidate : candidates) candidate.probability /= sum;
  keep_top_k(candidates, options_.top_k);
  keep_top_p(candidates, options_.top_p);
  keep_min_p(candidates, options_.min_p);
  return draw(candidates, random_.uniform());
}

TokenScore score_token(std::span<const float> logits, std::int32_t token, std::size_t count) {
  const float largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  const double log_sum = std::log(sum) + largest;
  const auto scored = [&](std::int32_t id) {
    return TokenLogProbability{id, logits[static_cast<std::size_t>(id)] - log_sum};
  };
  TokenScore score{scored(token), {}};
  std::vector<std::int32_t> best(std::min(count, logits.size()));
  if (best.empty()) return score;
  std::vector<std::int32_t> ids(logits.size());
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(i);
  std::partial_sort_copy(ids.begin(), ids.end(), best.begin(), best.end(),
                         [&](std::int32_t a, std::int32_t b) {
                           const float left = logits[static_cast<std::size_t>(a)];
                           const float right = logits[static_cast<std::size_t>(b)];
                           return left != right ? left > right : a < b;
                         });
  for (const std::int32_t id : best) score.most_likely.push_back(scored(id));
  return score;
}

}  // namespace trine::runtime
