#include "eval/certificate.h"

#include <algorithm>
#include <cmath>
#include <variant>

#include "eval/certificate_bounds.h"
#include "eval/certificate_walk.h"
#include "eval/windows.h"

namespace trine::eval {
namespace {

tl::unexpected<Error> unsupported(const ModelSpec& spec, std::string_view what) {
  return fail(ErrorCode::kUnsupported,
              "no certificate for {}: its bounds are not derived for {}; docs/certificate.md "
              "lists what is covered",
              spec.family, what);
}

Status require_layer(const ModelSpec& spec, const LayerSpec& layer) {
  const AttentionSpec& attention = layer.attention;
  if (attention.latent) return unsupported(spec, "latent attention");
  if (attention.q_norm.weight.exists() || attention.k_norm.weight.exists()) {
    return unsupported(spec, "norms of queries and keys");
  }
  if (attention.clip_qkv) return unsupported(spec, "clipped queries, keys and values");
  if (!layer.moe) return {};
  const MoeSpec& moe = *layer.moe;
  const bool is_top_k = moe.router.rule == RoutingRule::kSoftmaxTopK ||
                        moe.router.rule == RoutingRule::kTopKSoftmax;
  if (!is_top_k || moe.router.num_groups > 1 || moe.router.selection_bias.exists() ||
      moe.router.matrix.bias.exists()) {
    return unsupported(spec, "its rule of routing");
  }
  for (const ExpertSpec& expert : moe.experts) {
    if (!expert.gate_proj.exists()) return unsupported(spec, "experts without a gate");
  }
  return {};
}

Status require_supported(const ModelSpec& spec) {
  if (spec.encoder) return unsupported(spec, "encoder–decoder models");
  if (spec.relative_bias) return unsupported(spec, "position biases");
  if (spec.activation != Activation::kSilu) return unsupported(spec, "activations but silu");
  for (const LayerSpec& layer : spec.layers) {
    TRINE_RETURN_IF_ERROR(require_layer(spec, layer));
  }
  return {};
}

tl::unexpected<Error> not_the_same(const std::string& name) {
  return fail(ErrorCode::kInvalidArgument,
              "{} is not the same in the model and the reference, expected the original the "
              "model was made from: packing leaves it alone",
              name);
}

/// Everything but the packed matrices is the same, so that all changes come from them.
Status require_same_rest(const ModelPair& models) {
  for (const VectorSpec* vector : all_vectors(models.spec)) {
    TRINE_ASSIGN_OR_RETURN(const auto before, models.original.vector(*vector));
    TRINE_ASSIGN_OR_RETURN(const auto after, models.packed.vector(*vector));
    if (before != after) return not_the_same(vector->name);
  }
  for (const MatrixSpec* matrix : all_matrices(models.spec)) {
    TRINE_ASSIGN_OR_RETURN(const auto after, models.packed.matrix(*matrix));
    if (models::codes_of(after) != nullptr) continue;
    TRINE_ASSIGN_OR_RETURN(const auto before, models.original.matrix(*matrix));
    const auto* left = std::get_if<TensorView>(&before);
    const auto* right = std::get_if<TensorView>(&after);
    if (left == nullptr || right == nullptr) continue;  // encoded: one reader of the same bytes
    const bool is_same =
        left->dtype == right->dtype && left->bytes.size() == right->bytes.size() &&
        std::equal(left->bytes.begin(), left->bytes.end(), right->bytes.begin());
    if (!is_same) return not_the_same(matrix->name);
  }
  return {};
}

/// Outputs of matrices one token of a window needs, over all layers.
double rows_per_token(const ModelSpec& spec) {
  double rows = 0.0;
  const auto add = [&](const MatrixSpec& matrix, double times) {
    rows += static_cast<double>(matrix.out_features) * times;
  };
  const auto add_expert = [&](const ExpertSpec& expert, double times) {
    add(expert.gate_proj, times);
    add(expert.up_proj, times);
    add(expert.down_proj, times);
  };
  for (const LayerSpec& layer : spec.layers) {
    for (const MatrixSpec* matrix : {&layer.attention.q_proj, &layer.attention.k_proj,
                                     &layer.attention.v_proj, &layer.attention.o_proj}) {
      add(*matrix, 1.0);
    }
    if (layer.dense) add_expert(*layer.dense, 1.0);
    if (layer.moe) {
      add_expert(layer.moe->experts.front(),
                 static_cast<double>(layer.moe->router.experts_per_token));
      if (layer.moe->shared_expert) add_expert(*layer.moe->shared_expert, 1.0);
    }
  }
  return rows;
}

void count_groups(const CertifiedModel& model, Certificate& certificate) {
  const auto count = [&](const MatrixPair& matrix) {
    certificate.groups += matrix.errors.norms.size();
    certificate.clipped_groups += matrix.errors.clipped_groups;
  };
  for (const LayerPair& layer : model.layers) {
    for (const MatrixPair* matrix :
         {&layer.q_proj, &layer.k_proj, &layer.v_proj, &layer.o_proj}) {
      count(*matrix);
    }
    const auto count_expert = [&](const ExpertPair& expert) {
      for (const MatrixPair* matrix : {&expert.gate, &expert.up, &expert.down}) count(*matrix);
    };
    std::for_each(layer.expert_pairs.begin(), layer.expert_pairs.end(), count_expert);
    if (layer.shared) count_expert(*layer.shared);
  }
}

}  // namespace

std::uint64_t Certificate::violations() const {
  std::uint64_t sum = 0;
  const auto add = [&](const CountPerKind& counts) {
    sum += counts[kStepBound] + counts[kNormBound] + counts[kBlockBound] + counts[kStateBound];
  };
  for (const LayerCertificate& layer : layers) {
    for (const ChangeTally* changes : {&layer.attention, &layer.experts, &layer.stream}) {
      add(changes->violations);
    }
    for (const DecisionTally* decisions :
         {&layer.routing_local, &layer.routing_next, &layer.routing_full}) {
      add(decisions->violations);
    }
  }
  add(rows.violations);
  add(logits_local.violations);
  add(logits_full.violations);
  add(top1_local.violations);
  add(top1_full.violations);
  return sum;
}

Result<Certificate> certify(const ModelSpec& spec, const models::WeightSource& original,
                            const models::WeightSource& packed,
                            const kernels::KernelTable& table,
                            std::span<const std::int32_t> token_ids,
                            const CertificateOptions& options,
                            const base::ProgressSink& progress) {
  if (!(options.probability > 0.0 && options.probability < 1.0)) {
    return fail(ErrorCode::kInvalidArgument, "probability is {}, expected one between 0 and 1",
                options.probability);
  }
  if (options.most_tokens > 0) {
    token_ids = token_ids.first(std::min(options.most_tokens, token_ids.size()));
  }
  TRINE_ASSIGN_OR_RETURN(const auto windows,
                         cut_windows(token_ids.size(), options.window, options.window));
  for (const std::int32_t id : token_ids) {
    if (id < 0 || static_cast<std::size_t>(id) >= spec.vocab_size) {
      return fail(ErrorCode::kInvalidArgument,
                  "token id {} is outside the vocabulary of {} tokens", id, spec.vocab_size);
    }
  }
  TRINE_RETURN_IF_ERROR(require_supported(spec));
  const ModelPair models{spec, original, packed};
  TRINE_RETURN_IF_ERROR(require_same_rest(models));
  Certificate certificate;
  certificate.rows_per_window = rows_per_token(spec) * static_cast<double>(options.window);
  certificate.row_factor = deviation_factor(options.probability);
  certificate.union_factor =
      deviation_factor(options.probability / certificate.rows_per_window);
  certificate.layers.resize(spec.layers.size());
  const BoundSettings settings{certificate.row_factor, certificate.union_factor, options.scale,
                               options.threads};
  TRINE_ASSIGN_OR_RETURN(const CertifiedModel model, CertifiedModel::load(models, settings));
  count_groups(model, certificate);
  CertificateWalk walk(model, table, settings, certificate);
  const std::size_t per_batch = std::max<std::size_t>(1, kBatchTokens / options.window);
  for (std::size_t first = 0; first < windows.size(); first += per_batch) {
    std::vector<std::span<const std::int32_t>> batch;
    for (std::size_t i = first; i < std::min(first + per_batch, windows.size()); ++i) {
      batch.push_back(token_ids.subspan(windows[i].begin, options.window));
    }
    walk.run(batch);
    if (progress) progress({"tokens", certificate.tokens, windows.back().end});
  }
  return certificate;
}

}  // namespace trine::eval
