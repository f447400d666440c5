#include "eval/certificate_layer.h"

#include <algorithm>
#include <cmath>

#include "eval/certificate_bounds.h"

namespace trine::eval {
namespace {

Result<ExpertPair> load_expert(const ExpertSpec& spec, const ModelPair& models,
                               const BoundSettings& settings) {
  ExpertPair pair;
  TRINE_ASSIGN_OR_RETURN(pair.gate, MatrixPair::load(spec.gate_proj, models, 1, settings));
  TRINE_ASSIGN_OR_RETURN(pair.up, MatrixPair::load(spec.up_proj, models, 1, settings));
  TRINE_ASSIGN_OR_RETURN(pair.down, MatrixPair::load(spec.down_proj, models, 1, settings));
  return pair;
}

/// Counts rows whose observed change exceeds its bound.
void check_rows(const RowBounds& bounds, const std::vector<float>& original,
                const std::vector<float>& packed, int threads, RowTally& tally) {
  std::uint64_t steps = 0, norms = 0, exceeded = 0;
  double ratio = 0.0;
#pragma omp parallel for num_threads(threads) schedule(static) \
    reduction(+ : steps, norms, exceeded) reduction(max : ratio)
  for (std::size_t i = 0; i < original.size(); ++i) {
    const double change = std::abs(double{packed[i]} - original[i]);
    steps += change <= bounds.values[kStepBound][i] ? 0u : 1u;
    norms += change <= bounds.values[kNormBound][i] ? 0u : 1u;
    exceeded += change <= bounds.values[kProbabilityBound][i] ? 0u : 1u;
    if (change > 0.0) ratio = std::max(ratio, change / bounds.values[kNormBound][i]);
  }
  tally.outputs += original.size();
  tally.violations[kStepBound] += steps;
  tally.violations[kNormBound] += norms;
  tally.violations[kProbabilityBound] += exceeded;
  tally.largest_norm_ratio = std::max(tally.largest_norm_ratio, ratio);
}

}  // namespace

Result<MatrixPair> MatrixPair::load(const MatrixSpec& spec, const ModelPair& models,
                                    std::size_t num_parts, const BoundSettings& settings) {
  MatrixPair pair;
  TRINE_ASSIGN_OR_RETURN(pair.original, runtime::Linear::load(spec, models.original));
  TRINE_ASSIGN_OR_RETURN(pair.packed, runtime::Linear::load(spec, models.packed));
  TRINE_ASSIGN_OR_RETURN(pair.errors,
                         measure_errors(spec, models.original, models.packed, num_parts,
                                        settings.scale, settings.threads));
  return pair;
}

BoundedOutputs bound_outputs(runtime::Compute& compute, const MatrixPair& matrix,
                             const float* inputs, std::size_t num_tokens,
                             const BoundSettings& settings, RowTally& tally) {
  BoundedOutputs outputs;
  const MatrixErrors& errors = matrix.errors;
  outputs.original.resize(num_tokens * errors.rows);
  runtime::multiply(compute,
                    std::array{runtime::LinearCall{&matrix.original, outputs.original.data()}},
                    inputs, num_tokens);
  outputs.inputs = measure_inputs(inputs, num_tokens, errors.cols, errors.group_size);
  outputs.rows = bound_rows(errors, outputs.inputs, settings.row_factor, settings.threads);
  outputs.packed = outputs.original;
  if (!errors.is_packed) return outputs;
  runtime::multiply(compute,
                    std::array{runtime::LinearCall{&matrix.packed, outputs.packed.data()}},
                    inputs, num_tokens);
  check_rows(outputs.rows, outputs.original, outputs.packed, settings.threads, tally);
  const auto widening = static_cast<float>(settings.union_factor / settings.row_factor);
  for (float& value : outputs.rows.values[kProbabilityBound]) value *= widening;
  return outputs;
}

Result<BoundedNorm> BoundedNorm::load(const NormSpec& spec, double eps,
                                      const models::WeightSource& source) {
  BoundedNorm loaded;
  TRINE_ASSIGN_OR_RETURN(loaded.norm_, runtime::Norm::load(spec, eps, source));
  TRINE_ASSIGN_OR_RETURN(loaded.weight_, source.vector(spec.weight));
  if (spec.bias.exists()) {
    TRINE_ASSIGN_OR_RETURN(loaded.bias_, source.vector(spec.bias));
  }
  loaded.eps_ = spec.eps.value_or(eps);
  for (const float weight : loaded.weight_) {
    loaded.largest_weight_ = std::max(loaded.largest_weight_, std::abs(double{weight}));
  }
  return loaded;
}

BoundedNorm::Moments BoundedNorm::moments_of(const float* stream) const {
  const auto width = static_cast<double>(weight_.size());
  Moments moments;
  // A layer norm first takes the mean away, which is a projection: no distance grows.
  if (!bias_.empty()) {
    for (std::size_t i = 0; i < weight_.size(); ++i) moments.mean += stream[i];
    moments.mean /= width;
  }
  double squares = 0.0;
  for (std::size_t i = 0; i < weight_.size(); ++i) {
    squares += (stream[i] - moments.mean) * (stream[i] - moments.mean);
  }
  moments.length = std::sqrt(squares + width * eps_);
  return moments;
}

double BoundedNorm::rounding() const {
  return 16.0 * kRoundoff * std::sqrt(static_cast<double>(weight_.size()));
}

double BoundedNorm::radius_before_weights(const float* stream, double radius) const {
  if (radius == 0.0) return 0.0;  // the same numbers in, the same numbers out
  return normalized_radius(moments_of(stream).length, radius, weight_.size()) + rounding();
}

double BoundedNorm::distance_before_weights(const float* left, const float* right) const {
  const Moments of_left = moments_of(left);
  const Moments of_right = moments_of(right);
  double squares = 0.0;
  for (std::size_t i = 0; i < weight_.size(); ++i) {
    const double difference = (left[i] - of_left.mean) / of_left.length -
                              (right[i] - of_right.mean) / of_right.length;
    squares += difference * difference;
  }
  return std::sqrt(squares * static_cast<double>(weight_.size())) + rounding();
}

double BoundedNorm::largest_output() const {
  const double width = std::sqrt(static_cast<double>(weight_.size()));
  return width * largest_weight_ * (1.0 + 16.0 * kRoundoff) + norm_of(bias_);
}

Result<DecidingMatrix> DecidingMatrix::load(const MatrixSpec& spec, const BoundedNorm& norm,
                                            const models::WeightSource& source, int threads) {
  DecidingMatrix loaded;
  TRINE_ASSIGN_OR_RETURN(loaded.linear, runtime::Linear::load(spec, source));
  const std::size_t rows = spec.out_features;
  const std::size_t cols = spec.in_features;
  const auto& table = *kernels::runnable_tables().back();
  loaded.scaled.resize(rows * cols);
  loaded.lengths.resize(rows);
  loaded.roundings.resize(rows);
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t row = 0; row < rows; ++row) {
    float* values = loaded.scaled.data() + row * cols;
    loaded.linear.read_row(table, row, values);
    // Computed twice, so twice the roundings of a sum; 16 more for what follows it.
    loaded.roundings[row] =
        2.0 * static_cast<double>(cols + 16) * kRoundoff * 1.01 * norm_of({values, cols});
    for (std::size_t c = 0; c < cols; ++c) values[c] *= norm.weight()[c];
    loaded.lengths[row] = norm_of({values, cols}) * (1.0 + 4.0 * kRoundoff);
  }
  return loaded;
}

double DecidingMatrix::distance(std::size_t a, std::size_t b) const {
  const std::size_t cols = linear.in_features();
  const float* left = scaled.data() + a * cols;
  const float* right = scaled.data() + b * cols;
  double squares = 0.0;
  for (std::size_t c = 0; c < cols; ++c) {
    squares += (double{left[c]} - right[c]) * (double{left[c]} - right[c]);
  }
  return std::sqrt(squares) + 4.0 * kRoundoff * (lengths[a] + lengths[b]);
}

Result<LayerPair> LayerPair::load(const ModelPair& models, std::size_t layer,
                                  const BoundSettings& settings) {
  const ModelSpec& spec = models.spec;
  const LayerSpec& from = spec.layers[layer];
  LayerPair loaded;
  TRINE_ASSIGN_OR_RETURN(loaded.input_norm,
                         BoundedNorm::load(from.input_norm, spec.norm_eps, models.original));
  TRINE_ASSIGN_OR_RETURN(
      loaded.post_attention_norm,
      BoundedNorm::load(from.post_attention_norm, spec.norm_eps, models.original));
  const std::array sources = {&models.original, &models.packed};
  for (std::size_t side = 0; side < sources.size(); ++side) {
    TRINE_ASSIGN_OR_RETURN(loaded.attention[side],
                           runtime::AttentionBlock::load(from.attention, spec,
                                                         {.cache_layer = 0}, *sources[side]));
    if (from.moe) {
      TRINE_ASSIGN_OR_RETURN(loaded.experts[side],
                             runtime::Experts::load(*from.moe, spec, *sources[side]));
    } else {
      TRINE_ASSIGN_OR_RETURN(loaded.dense[side],
                             runtime::FeedForward::load(*from.dense, spec, *sources[side]));
    }
  }
  const auto load = [&](const MatrixSpec& matrix, std::size_t parts) {
    return MatrixPair::load(matrix, models, parts, settings);
  };
  const AttentionSpec& attention = from.attention;
  TRINE_ASSIGN_OR_RETURN(loaded.q_proj, load(attention.q_proj, spec.num_attention_heads));
  TRINE_ASSIGN_OR_RETURN(loaded.k_proj, load(attention.k_proj, spec.num_key_value_heads));
  TRINE_ASSIGN_OR_RETURN(loaded.v_proj, load(attention.v_proj, spec.num_key_value_heads));
  TRINE_ASSIGN_OR_RETURN(loaded.o_proj, load(attention.o_proj, 1));
  const std::vector<ExpertSpec> experts =
      from.moe ? from.moe->experts : std::vector{*from.dense};
  for (const ExpertSpec& expert : experts) {
    TRINE_ASSIGN_OR_RETURN(auto pair, load_expert(expert, models, settings));
    loaded.expert_pairs.push_back(std::move(pair));
  }
  if (!from.moe) return loaded;
  if (from.moe->shared_expert) {
    TRINE_ASSIGN_OR_RETURN(loaded.shared,
                           load_expert(*from.moe->shared_expert, models, settings));
  }
  TRINE_ASSIGN_OR_RETURN(loaded.shared_gate,
                         runtime::Linear::load(from.moe->shared_expert_gate, models.original));
  if (loaded.shared_gate.exists()) {
    std::vector<float> row(spec.hidden_size);
    loaded.shared_gate.read_row(*kernels::runnable_tables().back(), 0, row.data());
    loaded.shared_gate_length = norm_of(row);
  }
  loaded.rule = from.moe->router;
  TRINE_ASSIGN_OR_RETURN(loaded.router,
                         DecidingMatrix::load(loaded.rule.matrix, loaded.post_attention_norm,
                                              models.original, settings.threads));
  return loaded;
}

}  // namespace trine::eval
