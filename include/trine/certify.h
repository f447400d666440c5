// What may quantization change? Bounds that hold, beside what is observed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <trine/engine.h>
#include <trine/progress.h>
#include <trine/result.h>
#include <vector>

namespace trine {

struct CertifyOptions {
  std::string reference{};    ///< the original the model was made from
  std::string text_file{};    ///< UTF-8, tokenized as for evaluate_perplexity()
  std::size_t window = 256;   ///< tokens run together; windows are disjoint
  double probability = 0.01;  ///< of probabilistic bounds, and that other windows agree less
  std::uint64_t tokens = 0;   ///< of the text; 0: all
  EngineOptions engine{};
};

/// In the order of every array below. Nothing of the packed model is run for: step, certain, from
/// the quantizer's steps; norm, certain, from the norms of the exact weight errors; probability,
/// from the steps, with the stated probability under the error model. Certain too: block, for which
/// each packed block is run on the original's inputs; state, for which all but the decision is run.
inline constexpr std::array<const char*, 5> kCertificateBounds = {"step", "norm", "probability",
                                                                  "block", "state"};

template <typename Number>
using PerBound = std::array<Number, kCertificateBounds.size()>;

/// Norms of changes, one per token, beside their bounds.
struct ChangeReport {
  std::uint64_t tokens = 0;
  PerBound<double> mean_bound{};
  PerBound<double> largest_bound{};
  PerBound<double> largest_ratio{};    ///< observed ÷ bound, of the worst token
  PerBound<std::uint64_t> exceeded{};  ///< tokens with the observed above the bound
  double mean_observed = 0.0;
  double largest_observed = 0.0;
  double mean_size = 0.0;  ///< of the original's vector; of a logit change: the top-1 margin
};

/// Decisions, one per token.
struct DecisionReport {
  std::uint64_t tokens = 0;
  PerBound<double> certified{};      ///< share proven unchanged
  PerBound<std::uint64_t> broken{};  ///< proven unchanged, and observed to change
  std::uint64_t flips = 0;           ///< observed to change
};

/// Agreement on windows that were seen, and the least it is on windows like them that were not.
/// Each bound alone holds with confidence 1 − probability if windows are drawn independently.
struct AgreementReport {
  double mean = 0.0;                 ///< share of tokens
  std::uint64_t drawn_agreeing = 0;  ///< of one token drawn from each window
  double at_least_binomial = 0.0;    ///< exact, from the drawn tokens (Clopper–Pearson)
  double at_least_hoeffding = 0.0;   ///< from the shares of all windows
  double at_least = 0.0;             ///< from the same, by betting: the closest of the three
};

struct CertifiedLayer {
  ChangeReport attention{}, experts{};  ///< fed with the original's hidden states
  ChangeReport stream{};                ///< with everything before packed too
  DecisionReport routing_local{}, routing_next{},
      routing_full{};  ///< no tokens: no such decision
};

/// docs/certificate.md says what each figure claims.
struct CertificateReport {
  std::size_t window = 0;
  double probability = 0.0;
  std::uint64_t tokens = 0;
  std::uint64_t windows = 0;
  double rows_per_window = 0.0;  ///< outputs the probability of a window is divided among
  std::uint64_t groups = 0;
  std::uint64_t clipped_groups = 0;        ///< with an error above half a step
  std::uint64_t row_outputs = 0;           ///< of packed matrices, checked one by one
  PerBound<std::uint64_t> row_exceeded{};  ///< probability: of one output, p each
  std::vector<CertifiedLayer> layers{};
  ChangeReport logits_local{}, logits_full{};
  DecisionReport top1_local{}, top1_full{};
  AgreementReport top1_agreement{};
  AgreementReport routing_agreement{};  ///< tokens with the same experts in every layer
  std::uint64_t windows_exceeding = 0;  ///< with anything above a probabilistic bound
  std::uint64_t violations = 0;         ///< of certain bounds; 0, or the certificate is wrong
  double seconds = 0.0;
  std::uint64_t peak_rss_bytes = 0;
};

[[nodiscard]] Result<CertificateReport> certify(const std::string& model,
                                                const CertifyOptions& options,
                                                const ProgressCallback& progress = {});

}  // namespace trine
