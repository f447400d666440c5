#include "compress/compressor.h"

#include <cmath>
#include <cstring>
#include <map>
#include <vector>

#include "base/hash.h"
#include "compress/quantizers/quantizer.h"
#include "core/finite_check.h"
#include "kernels/block_codec.h"
#include "kernels/kernel_table.h"
#include "models/stored_weights.h"
#include "packed/packed_writer.h"

namespace trine::compress {
namespace {

using checkpoint::StoredTensor;

/// ‖W − Ŵ‖F² and ‖W‖F², summed row by row in order.
struct SquaredError {
  double error = 0.0;
  double weights = 0.0;

  void add(const SquaredError& other) {
    error += other.error;
    weights += other.weights;
  }
  /// ‖W − Ŵ‖F / ‖W‖F; 0 for a matrix of zeros, which every quantizer stores exactly.
  [[nodiscard]] double relative() const {
    return weights > 0.0 ? std::sqrt(error / weights) : 0.0;
  }
};

/// Compares the original with what a reader of the stored bytes gets.
SquaredError measure_error(MatrixView weights, const PackedMatrixView& packed, int threads) {
  const PackedLayout& layout = packed.layout;
  const std::size_t row_length = layout.num_groups() * layout.group_size;
  std::vector<SquaredError> blocks(layout.num_row_blocks());
#pragma omp parallel num_threads(threads)
  {
    std::vector<float> restored(kBlockRows * row_length);
#pragma omp for schedule(static)
    for (std::size_t block = 0; block < blocks.size(); ++block) {
      kernels::dequantize_row_block(packed, block, restored.data());
      const std::size_t first = block * kBlockRows;
      for (std::size_t row = first; row < std::min(first + kBlockRows, weights.rows); ++row) {
        const float* stored = restored.data() + (row - first) * row_length;
        for (std::size_t col = 0; col < weights.cols; ++col) {
          const double weight = weights.values[row * weights.cols + col];
          const double difference = weight - stored[col];
          blocks[block].error += difference * difference;
          blocks[block].weights += weight * weight;
        }
      }
    }
  }
  SquaredError total;
  for (const SquaredError& block : blocks) total.add(block);
  return total;
}

/// The matrix as fp32, whatever it is stored as; it is not packed.
std::vector<float> widen(const MatrixSpec& spec, const models::WeightView& weight,
                         int threads) {
  const kernels::KernelTable& table = *kernels::runnable_tables().back();
  std::vector<float> values(spec.out_features * spec.in_features);
  const auto* reader = std::get_if<std::shared_ptr<const RowReader>>(&weight);
  const auto* tensor = std::get_if<TensorView>(&weight);
  check(reader != nullptr || tensor != nullptr, "compress: the source is packed already");
  const std::size_t width = spec.in_features;
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t row = 0; row < spec.out_features; ++row) {
    float* target = values.data() + row * width;
    if (reader != nullptr) {
      (*reader)->read_rows(row, 1, target);
      continue;
    }
    const std::uint8_t* source =
        tensor->bytes.data() + row * width * bits_of(tensor->dtype) / 8;
    switch (tensor->dtype) {
      case DType::kF16: table.widen_f16(source, target, width); break;
      case DType::kBF16: table.widen_bf16(source, target, width); break;
      default: std::memcpy(target, source, width * sizeof(float));
    }
  }
  return values;
}

/// fp32 values seen as a tensor, for require_finite.
TensorView as_tensor(const std::vector<float>& values) {
  return {
      DType::kF32,
      {values.size()},
      {reinterpret_cast<const std::uint8_t*>(values.data()), values.size() * sizeof(float)}};
}

/// One run of the compressor.
class Run {
 public:
  Run(const checkpoint::Checkpoint& source, const Recipe& recipe, int threads,
      const base::ProgressSink& progress)
      : source_(source), recipe_(recipe), threads_(threads), progress_(progress) {
    for (const StoredTensor& tensor : source.tensors()) tensors_[tensor.name] = &tensor;
    matrices_ = compressible_matrices(source.spec());
    untouched_ = tensors_;
    for (const MatrixSpec* matrix : matrices_) {
      for (const std::string& name : models::tensors_of(*matrix)) untouched_.erase(name);
      total_weights_ += matrix->out_features * matrix->in_features;
    }
    for (const auto& [name, tensor] : untouched_) total_weights_ += tensor->view.num_elements();
  }

  Result<packed::Manifest> write(const std::filesystem::path& target) {
    TRINE_ASSIGN_OR_RETURN(quantizer_, quantizer_named(recipe_.quantizer));
    TRINE_ASSIGN_OR_RETURN(auto writer, packed::PackedWriter::create(target, plan()));
    for (const MatrixSpec* matrix : matrices_) {
      TRINE_RETURN_IF_ERROR(write_packed(*matrix, writer));
    }
    for (const auto& [name, tensor] : untouched_) {
      TRINE_RETURN_IF_ERROR(write_untouched(*tensor, writer));
    }
    TRINE_ASSIGN_OR_RETURN(const auto companions, source_.companion_files());
    for (const auto& companion : companions) {
      TRINE_RETURN_IF_ERROR(writer.copy_companion(source_.directory() / companion));
    }
    describe();
    TRINE_RETURN_IF_ERROR(writer.finish(source_.config(), manifest_));
    return std::move(manifest_);
  }

 private:
  [[nodiscard]] PackedLayout layout_of(const MatrixSpec& matrix) const {
    return {matrix.out_features, matrix.in_features, recipe_.bits, recipe_.group_size};
  }

  /// A matrix takes one thread below a million weights: waking more costs more than it brings.
  [[nodiscard]] int threads_for(std::size_t weights) const {
    constexpr std::size_t kWorthThreads = std::size_t{1} << 20;
    return weights < kWorthThreads ? 1 : threads_;
  }

  /// Packed matrices in the order of a forward pass, then everything else by name.
  [[nodiscard]] std::vector<base::TensorPlan> plan() const {
    std::vector<base::TensorPlan> tensors;
    for (const MatrixSpec* matrix : matrices_) {
      tensors.push_back(packed::packed_tensor_plan(matrix->name, layout_of(*matrix)));
    }
    for (const auto& [name, tensor] : untouched_) {
      tensors.push_back({name, tensor->view.dtype, tensor->view.shape});
    }
    return tensors;
  }

  Status write_packed(const MatrixSpec& spec, packed::PackedWriter& writer) {
    TRINE_ASSIGN_OR_RETURN(const models::WeightView weight, source_.matrix(spec));
    for (const std::string& name : models::tensors_of(spec)) take_hash(*tensors_.at(name));
    const int threads = threads_for(spec.out_features * spec.in_features);
    std::vector<float> values = widen(spec, weight, threads);
    source_.release(spec);
    TRINE_RETURN_IF_ERROR(settle_nonfinite(spec.name, as_tensor(values)));
    if (manifest_.nonfinite.contains(spec.name)) replace_nonfinite(values);
    const MatrixView weights{spec.out_features, spec.in_features, values};
    auto quantized = quantizer_->quantize(
        weights, {.bits = recipe_.bits, .group_size = recipe_.group_size, .threads = threads});
    if (!quantized) {
      return fail(quantized.error().code, "{}: {}", spec.name, quantized.error().message);
    }
    const std::vector<std::uint8_t> blocks = kernels::pack(*quantized, threads);
    const PackedMatrixView packed{layout_of(spec), blocks};
    const SquaredError error = measure_error(weights, packed, threads);
    total_error_.add(error);
    manifest_.matrices[spec.name] = {packed.layout, recipe_.quantizer, error.relative()};
    manifest_.totals.compressed_matrix_bytes += blocks.size();
    manifest_.totals.compressed_matrix_weights += values.size();
    TRINE_RETURN_IF_ERROR(writer.append(blocks));
    report(spec.name, values.size());
    return {};
  }

  Status write_untouched(const StoredTensor& tensor, packed::PackedWriter& writer) {
    TRINE_RETURN_IF_ERROR(settle_nonfinite(tensor.name, tensor.view));
    take_hash(tensor);
    TRINE_RETURN_IF_ERROR(writer.append(tensor.view.bytes));
    source_.release(tensor.name);
    report(tensor.name, tensor.view.num_elements());
    return {};
  }

  /// Infinities and NaNs are refused, or counted when the recipe allows them.
  Status settle_nonfinite(const std::string& name, const TensorView& tensor) {
    const Status finite = require_finite(name, tensor);
    if (finite) return {};
    if (!recipe_.allow_nonfinite) {
      return fail(finite.error().code,
                  "{}; --allow-nonfinite compresses the model all the same",
                  finite.error().message);
    }
    manifest_.nonfinite[name] = count_nonfinite(tensor);
    return {};
  }

  /// Once per tensor: stacked ones hold many matrices.
  void take_hash(const StoredTensor& tensor) {
    if (source_hashes_.contains(tensor.name)) return;
    source_hashes_[tensor.name] = base::xxh3(tensor.view.bytes);
  }

  void report(const std::string& name, std::size_t weights) {
    done_weights_ += weights;
    if (progress_) progress_({name, done_weights_, total_weights_});
  }

  void describe() {
    manifest_.trine_version = TRINE_VERSION;
    manifest_.recipe = {recipe_.preset, recipe_.quantizer, recipe_.bits, recipe_.group_size};
    std::string all;  // in name order: the hash does not depend on how the source is sharded
    for (const auto& [name, hash] : source_hashes_)
      all += name + ":" + base::to_hex(hash) + "\n";
    manifest_.source_xxh3 = base::to_hex(
        base::xxh3(std::span(reinterpret_cast<const std::uint8_t*>(all.data()), all.size())));
    manifest_.source_tensors = source_hashes_.size();
    manifest_.totals.original_bytes = source_.total_weight_bytes();
    manifest_.totals.weight_error = total_error_.relative();
  }

  const checkpoint::Checkpoint& source_;
  const Recipe& recipe_;
  int threads_;
  const base::ProgressSink& progress_;
  std::unique_ptr<Quantizer> quantizer_{};
  std::vector<const MatrixSpec*> matrices_{};
  std::map<std::string, const StoredTensor*> tensors_{};
  std::map<std::string, const StoredTensor*> untouched_{};
  std::map<std::string, std::uint64_t> source_hashes_{};
  std::uint64_t total_weights_ = 0;
  std::uint64_t done_weights_ = 0;
  SquaredError total_error_{};
  packed::Manifest manifest_{};
};

}  // namespace

Result<packed::Manifest> compress(const checkpoint::Checkpoint& source, const Recipe& recipe,
                                  const std::filesystem::path& target, int threads,
                                  const base::ProgressSink& progress) {
  return Run(source, recipe, threads, progress).write(target);
}

}  // namespace trine::compress
