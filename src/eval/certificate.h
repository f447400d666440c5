// The certificate: what packing can change, bounded from the weights and the activations, beside
// what it is observed to change. docs/certificate.md states and derives every bound.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "core/model_spec.h"
#include "eval/agreement_bound.h"
#include "eval/certificate_tally.h"
#include "kernels/kernel_table.h"
#include "models/weight_source.h"

namespace trine::eval {

struct CertificateOptions {
  std::size_t window = 256;     ///< disjoint windows
  double probability = 0.01;    ///< of probabilistic bounds and other windows, in (0, 1)
  std::size_t most_tokens = 0;  ///< of the text; 0: all
  int threads = 1;
  /// Multiplies every bound on a matrix. Other than 1 only to show that a bound too small is found.
  double scale = 1.0;
};

/// What is certified about one layer. "Local" blocks get the original's inputs.
struct LayerCertificate {
  ChangeTally attention{};  ///< output of the packed attention, local
  ChangeTally experts{};    ///< output of the packed experts (or dense feed-forward), local
  ChangeTally stream{};     ///< hidden states after the layer, everything before it packed too
  DecisionTally routing_local{};  ///< after the layer's own packed attention
  DecisionTally routing_next{};  ///< after the experts before it and its attention; not layer 0
  DecisionTally routing_full{};  ///< everything before it packed
};

struct Certificate {
  std::uint64_t tokens = 0;
  std::uint64_t windows = 0;
  double row_factor = 0.0;    ///< √(2 ln(2/p)), for one output of one matrix
  double union_factor = 0.0;  ///< the same for all outputs of a window together
  double rows_per_window = 0.0;
  std::uint64_t groups = 0;          ///< of packed weights
  std::uint64_t clipped_groups = 0;  ///< with an error above half a step
  std::vector<LayerCertificate> layers{};
  RowTally rows{};
  ChangeTally logits_local{};  ///< largest change of a logit, the last layer's experts packed
  ChangeTally logits_full{};   ///< the same with everything packed
  DecisionTally top1_local{};
  DecisionTally top1_full{};
  AgreementTally top1_agreement{};      ///< everything packed, window by window
  AgreementTally routing_agreement{};   ///< tokens with the same experts in every layer
  std::uint64_t windows_exceeding = 0;  ///< with anything above a probabilistic bound

  /// Of certain bounds: a number above its bound, or a certified decision that changed. Always 0
  /// unless the certificate is wrong.
  [[nodiscard]] std::uint64_t violations() const;
};

/// Certifies `packed` against `original` over disjoint windows of `token_ids`. kUnsupported names
/// what of a family no bound is derived for; kInvalidArgument for a text shorter than one window, and
/// when what packing leaves alone is not the same in both models.
/// @param progress counts tokens.
[[nodiscard]] Result<Certificate> certify(const ModelSpec& spec,
                                          const models::WeightSource& original,
                                          const models::WeightSource& packed,
                                          const kernels::KernelTable& table,
                                          std::span<const std::int32_t> token_ids,
                                          const CertificateOptions& options,
                                          const base::ProgressSink& progress);

}  // namespace trine::eval
