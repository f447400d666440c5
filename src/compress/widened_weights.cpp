#include "compress/widened_weights.h"

#include <memory>
#include <variant>

#include "core/finite_check.h"
#include "kernels/widened.h"

namespace trine::compress {
namespace {

std::vector<float> widened(const MatrixSpec& spec, const models::WeightView& weight,
                           int threads) {
  const std::size_t rows = spec.out_features, cols = spec.in_features;
  if (const auto* reader = std::get_if<std::shared_ptr<const RowReader>>(&weight)) {
    return kernels::widened(**reader, rows, cols, threads);
  }
  const auto* tensor = std::get_if<TensorView>(&weight);
  check(tensor != nullptr, "read_widened: the source is packed already");
  return kernels::widened(*tensor, rows, cols, threads);
}

/// fp32 values seen as a tensor.
TensorView as_tensor(const std::vector<float>& values) {
  return {
      DType::kF32,
      {values.size()},
      {reinterpret_cast<const std::uint8_t*>(values.data()), values.size() * sizeof(float)}};
}

}  // namespace

Result<std::size_t> count_settled_nonfinite(std::string_view name, const TensorView& tensor,
                                            Nonfinite nonfinite) {
  const Status finite = require_finite(name, tensor);
  if (finite) return 0;
  if (nonfinite == Nonfinite::kRefuse) {
    return fail(finite.error().code, "{}; --allow-nonfinite compresses the model all the same",
                finite.error().message);
  }
  return count_nonfinite(tensor);
}

Result<WidenedWeights> read_widened(const checkpoint::Checkpoint& source,
                                    const MatrixSpec& spec, Nonfinite nonfinite, int threads) {
  TRINE_ASSIGN_OR_RETURN(const models::WeightView weight, source.matrix(spec));
  WidenedWeights weights{.values = widened(spec, weight, threads)};
  source.release(spec);
  TRINE_ASSIGN_OR_RETURN(
      weights.nonfinite,
      count_settled_nonfinite(spec.name, as_tensor(weights.values), nonfinite));
  if (weights.nonfinite > 0) replace_nonfinite(weights.values);
  return weights;
}

}  // namespace trine::compress
