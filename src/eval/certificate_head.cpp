// From hidden states to logits and the most likely token.
#include <algorithm>
#include <cmath>

#include "eval/certificate_bounds.h"
#include "eval/certificate_walk.h"
#include "eval/logit_rows.h"

namespace trine::eval {
namespace {

/// The two most likely tokens.
struct Best {
  std::size_t first = 0;
  std::size_t second = 0;
};

Best best_of(std::span<const float> logits) {
  Best best{0, logits.size() > 1 ? std::size_t{1} : 0};
  if (logits[best.second] > logits[best.first]) std::swap(best.first, best.second);
  for (std::size_t i = 2; i < logits.size(); ++i) {
    if (logits[i] > logits[best.first]) {
      best = {i, best.first};
    } else if (logits[i] > logits[best.second]) {
      best.second = i;
    }
  }
  return best;
}

/// What one token's decision is made from.
struct TopOne {
  const DecidingMatrix& head;
  std::span<const float> logits;
  Best best;
  double radius;
  double rounding;  ///< of the difference of two logits

  [[nodiscard]] bool holds_against(std::size_t other) const {
    const double gap = double{logits[best.first]} - logits[other];
    const double longest = head.lengths[best.first] + head.lengths[other];
    if (gap > longest * radius + rounding) return true;  // cheap, and mostly enough
    return gap > head.distance(best.first, other) * radius + rounding;
  }
  [[nodiscard]] bool is_certified() const {
    if (!holds_against(best.second)) return false;
    for (std::size_t other = 0; other < logits.size(); ++other) {
      if (other != best.first && !holds_against(other)) return false;
    }
    return true;
  }
};

/// One token, as measured by a thread.
struct Measured {
  std::array<bool, kBoundKinds> certified{};
  PerKind bounds{};
  double observed = 0.0;
  double margin = 0.0;
  bool has_changed = false;
};

}  // namespace

void CertificateWalk::decide_tokens(TrackName track, std::size_t first,
                                    const std::vector<float>& logits,
                                    const std::vector<float>& packed_logits,
                                    const Radii& radii) {
  const DecidingMatrix& head = model_.head;
  const std::size_t vocabulary = model_.spec.vocab_size;
  const std::size_t count = logits.size() / vocabulary;
  const double input_length = model_.final_norm.largest_output();
  const double longest = *std::max_element(head.lengths.begin(), head.lengths.end());
  const double rounding =
      2.0 * *std::max_element(head.roundings.begin(), head.roundings.end()) * input_length;
  std::vector<Measured> measured(count);
#pragma omp parallel for num_threads(settings_.threads) schedule(dynamic, 8)
  for (std::size_t i = 0; i < count; ++i) {
    const auto original = std::span(logits).subspan(i * vocabulary, vocabulary);
    const auto packed = std::span(packed_logits).subspan(i * vocabulary, vocabulary);
    const Best best = best_of(original);
    Measured& token = measured[i];
    for (std::size_t kind = 0; kind < kBoundKinds; ++kind) {
      const double radius = radii[first + i][kind];
      token.bounds[kind] = longest * radius + rounding;
      token.certified[kind] = TopOne{head, original, best, radius, rounding}.is_certified();
    }
    for (std::size_t v = 0; v < vocabulary; ++v) {
      token.observed = std::max(token.observed, std::abs(double{packed[v]} - original[v]));
    }
    token.margin = double{original[best.first]} - original[best.second];
    token.has_changed = best_of(packed).first != best.first;
  }
  ChangeTally& changes = track == kFull ? certificate_.logits_full : certificate_.logits_local;
  DecisionTally& decisions = track == kFull ? certificate_.top1_full : certificate_.top1_local;
  for (std::size_t i = 0; i < count; ++i) {
    const Measured& token = measured[i];
    const bool exceeds = changes.add(token.bounds, token.observed, token.margin);
    if (decisions.add(token.certified, token.has_changed) || exceeds) flag(first + i);
    if (track == kFull) same_top1_[first + i] = !token.has_changed;
  }
}

void CertificateWalk::head() {
  const std::size_t tokens = window_of_.size();
  const std::size_t vocabulary = model_.spec.vocab_size;
  const std::vector<float> inputs = normed(model_.final_norm, stream_);
  constexpr std::array kDeciding = {kNext, kFull};
  std::array<std::vector<float>, kDeciding.size()> packed;
  std::array<Radii, kDeciding.size()> radii;
  for (std::size_t i = 0; i < kDeciding.size(); ++i) {
    packed[i] = normed(model_.final_norm, tracks_[kDeciding[i]].stream);
    radii[i] = normed_radii(model_.final_norm, kDeciding[i], false);
  }
  for (std::size_t first = 0; first < tokens; first += kLogitRows) {
    const std::size_t count = std::min(kLogitRows, tokens - first);
    const auto logits_of = [&](const std::vector<float>& states) {
      std::vector<float> logits(count * vocabulary);
      runtime::multiply(compute_,
                        std::array{runtime::LinearCall{&model_.head.linear, logits.data()}},
                        states.data() + first * hidden_, count);
      return logits;
    };
    const std::vector<float> logits = logits_of(inputs);
    for (std::size_t i = 0; i < kDeciding.size(); ++i) {
      decide_tokens(kDeciding[i], first, logits, logits_of(packed[i]), radii[i]);
    }
  }
}

}  // namespace trine::eval
