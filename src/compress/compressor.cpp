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

/// The matrix as fp32.
std::vector<float> widen(const TensorView& tensor, int threads) {
  const kernels::KernelTable& table = *kernels::runnable_tables().back();
  std::vector<float> values(tensor.num_elements());
  if (tensor.dtype == DType::kF32) {
    std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
    return values;
  }
  const auto widen_16 = tensor.dtype == DType::kF16 ? table.widen_f16 : table.widen_bf16;
  const std::size_t rows = tensor.shape.front();
  const std::size_t cols = values.size() / rows;
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t row = 0; row < rows; ++row) {
    widen_16(tensor.bytes.data() + row * cols * 2, values.data() + row * cols, cols);
  }
  return values;
}

/// One run of the compressor.
class Run {
 public:
  Run(const checkpoint::Checkpoint& source, const Recipe& recipe, int threads,
      const base::ProgressSink& progress)
      : source_(source), recipe_(recipe), threads_(threads), progress_(progress) {
    for (const StoredTensor& tensor : source.tensors()) {
      tensors_[tensor.name] = &tensor;
      total_weights_ += tensor.view.num_elements();
    }
    matrices_ = compressible_matrices(source.spec());
    untouched_ = tensors_;
    for (const MatrixSpec* matrix : matrices_) {
      untouched_.erase(matrix->name);
    }
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
    const TensorView& tensor = tensors_.at(spec.name)->view;
    TRINE_RETURN_IF_ERROR(read_source(spec.name, tensor));
    const int threads = threads_for(tensor.num_elements());
    const std::vector<float> values = widen(tensor, threads);
    source_.release(spec.name);
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
    TRINE_RETURN_IF_ERROR(read_source(tensor.name, tensor.view));
    TRINE_RETURN_IF_ERROR(writer.append(tensor.view.bytes));
    source_.release(tensor.name);
    report(tensor.name, tensor.view.num_elements());
    return {};
  }

  /// Refuses what cannot be a weight and takes the tensor's hash.
  Status read_source(const std::string& name, const TensorView& tensor) {
    TRINE_RETURN_IF_ERROR(require_finite(name, tensor));
    source_hashes_[name] = base::xxh3(tensor.bytes);
    return {};
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
