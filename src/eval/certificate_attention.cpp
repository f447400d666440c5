#include <algorithm>
#include <cmath>

#include "eval/certificate_blocks.h"
#include "eval/certificate_bounds.h"

namespace trine::eval {
namespace {

/// Lengths of one head's vector at one token, and how far it can move.
struct HeadSize {
  double length = 0.0;
  double change = 0.0;

  void widen(const HeadSize& other) {
    length = std::max(length, other.length);
    change = std::max(change, other.change);
  }
  [[nodiscard]] double packed() const noexcept { return length + change; }
};

struct Projections {
  BoundedOutputs queries{}, keys{}, values{}, outputs{};
  InputSizes packed_attended{};
};

HeadSize head_size(const MatrixPair& matrix, const BoundedOutputs& outputs, std::size_t token,
                   std::size_t head, BoundKind kind, double radius) {
  const std::size_t width = matrix.errors.part_rows();
  const float* values = outputs.center(kind).data() + token * matrix.errors.rows + head * width;
  return {norm_of({values, width}),
          bound_part(matrix.errors, outputs.rows, outputs.inputs, token, head, kind, radius)};
}

/// What all heads of one layer have in common.
struct Shape {
  std::size_t heads = 0;
  std::size_t heads_per_key = 0;
  std::size_t head_dim = 0;
  double scale = 0.0;  ///< of scores, the rotation's factor included
};

/// Change of one head's attended vector. Scores differ by at most
/// scale·(‖δq‖·max‖k‖ + ‖q̂‖·max‖δk‖), probabilities by softmax_change() of that.
double attended_change(const Shape& shape, const HeadSize& query, const HeadSize& keys,
                       const HeadSize& values, std::size_t num_keys) {
  const double score_rounding = 2.0 * static_cast<double>(shape.head_dim + 32) * kRoundoff *
                                query.packed() * keys.packed();
  const double score_change = shape.scale * (query.change * keys.length +
                                             query.packed() * keys.change + score_rounding);
  const double sum_rounding = 4.0 * static_cast<double>(num_keys + 64) * kRoundoff;
  return values.change + softmax_change(score_change) * values.length +
         sum_rounding * values.packed();
}

/// One window, one kind of bound: every token sees at most those before it.
void bound_window(const LayerPair& layer, const Shape& shape, const Projections& all,
                  const WindowRows& window, BoundKind kind, const Radii& moved, Radii& result) {
  const std::size_t key_heads = shape.heads / shape.heads_per_key;
  std::vector<HeadSize> keys(key_heads), values(key_heads);
  for (std::size_t i = 0; i < window.count; ++i) {
    const std::size_t token = window.first + i;
    const double radius = moved[token][kind];
    for (std::size_t head = 0; head < key_heads; ++head) {
      keys[head].widen(head_size(layer.k_proj, all.keys, token, head, kind, radius));
      values[head].widen(head_size(layer.v_proj, all.values, token, head, kind, radius));
    }
    double squares = 0.0;
    for (std::size_t head = 0; head < shape.heads; ++head) {
      const HeadSize query = head_size(layer.q_proj, all.queries, token, head, kind, radius);
      const std::size_t key_head = head / shape.heads_per_key;
      const double change =
          attended_change(shape, query, keys[key_head], values[key_head], i + 1);
      squares += change * change;
    }
    const InputSizes& attended = kind == kBlockBound ? all.packed_attended : all.outputs.inputs;
    result[token][kind] = bound_part(layer.o_proj.errors, all.outputs.rows, attended, token, 0,
                                     kind, std::sqrt(squares));
  }
}

}  // namespace

std::vector<Radii> bound_attention(runtime::Compute& compute, const LayerPair& layer,
                                   const ModelSpec& spec, const AttentionInputs& inputs,
                                   std::span<const Radii> moved, const BoundSettings& settings,
                                   RowTally& tally) {
  const std::size_t tokens = inputs.windows.back().first + inputs.windows.back().count;
  const auto bound = [&](const MatrixPair& matrix, const float* from) {
    return bound_outputs(compute, matrix, from, tokens, settings, tally);
  };
  const Projections all{bound(layer.q_proj, inputs.normed), bound(layer.k_proj, inputs.normed),
                        bound(layer.v_proj, inputs.normed),
                        bound(layer.o_proj, inputs.attended),
                        measure_inputs(inputs.packed_attended, tokens, layer.o_proj.errors.cols,
                                       layer.o_proj.errors.group_size)};
  const AttentionSpec& attention = spec.layers.front().attention;
  const double turn = std::max(
      {1.0, double{spec.rope.attention_factor}, double{spec.rope.long_attention_factor}});
  const Shape shape{spec.num_attention_heads,
                    spec.num_attention_heads / spec.num_key_value_heads, spec.head_dim,
                    attention.softmax_scale * turn * turn};
  std::vector<Radii> results(moved.size(), Radii(tokens));
  const std::size_t tasks = moved.size() * inputs.windows.size() * kCarriedKinds;
#pragma omp parallel for num_threads(settings.threads) schedule(dynamic)
  for (std::size_t task = 0; task < tasks; ++task) {
    const std::size_t set = task / (inputs.windows.size() * kCarriedKinds);
    const std::size_t window = task / kCarriedKinds % inputs.windows.size();
    bound_window(layer, shape, all, inputs.windows[window],
                 static_cast<BoundKind>(task % kCarriedKinds), moved[set], results[set]);
  }
  return results;
}

}  // namespace trine::eval
