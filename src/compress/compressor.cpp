#include "compress/compressor.h"

#include <map>
#include <vector>

#include "base/hash.h"
#include "compress/compensators/compensator.h"
#include "compress/matrix_compressor.h"
#include "compress/widened_weights.h"
#include "models/stored_weights.h"
#include "packed/journal.h"
#include "packed/packed_writer.h"

namespace trine::compress {
namespace {

using checkpoint::StoredTensor;

/// One matrix on its way through a wave.
struct InFlight {
  const MatrixSpec* spec = nullptr;
  std::string key{};            ///< see key_of()
  std::uint64_t nonfinite = 0;  ///< infinities and NaNs that are packed as 0
  bool is_finished = false;     ///< taken over from an earlier run
  std::vector<float> values{};
  Result<CompressedMatrix> compressed = fail(ErrorCode::kInvalidArgument, "not compressed");
};

/// One run of the compressor.
class Run {
 public:
  Run(const checkpoint::Checkpoint& source, const plan::Plan& plan,
      const CompressorOptions& options, const base::ProgressSink& progress)
      : source_(source), plan_(plan), options_(options), progress_(progress) {
    for (const StoredTensor& tensor : source.tensors()) tensors_[tensor.name] = &tensor;
    matrices_ = compressible_matrices(source.spec());
    untouched_ = tensors_;
    for (const MatrixSpec* matrix : matrices_) {
      for (const std::string& name : models::tensors_of(*matrix)) untouched_.erase(name);
      total_weights_ += size_of(*matrix);
    }
    for (const auto& [name, tensor] : untouched_) total_weights_ += tensor->view.num_elements();
  }

  Result<packed::Manifest> write(const std::filesystem::path& target) {
    if (options_.resume) {
      TRINE_ASSIGN_OR_RETURN(earlier_, packed::EarlierRun::take(target));
    }
    TRINE_ASSIGN_OR_RETURN(auto writer, packed::PackedWriter::create(target, tensor_plans()));
    const Status written = write_all(writer);
    if (!written) {
      // A full disk is no fault of the run; after other errors nothing is left behind, unless the
      // user works with --resume: then hours of work outlive whatever went wrong after them.
      const bool is_disk = written.error().code == ErrorCode::kIo;
      if (is_disk || (options_.resume && finished_ > 0)) writer.keep();
      return tl::unexpected<Error>(written.error());
    }
    packed::EarlierRun::discard(target);
    return std::move(manifest_);
  }

 private:
  Status write_all(packed::PackedWriter& writer) {
    for (std::size_t first = 0; first < matrices_.size();) {
      const std::size_t count = wave_length(first);
      TRINE_RETURN_IF_ERROR(write_wave(std::span(matrices_).subspan(first, count), writer));
      first += count;
    }
    for (const auto& [name, tensor] : untouched_) {
      TRINE_RETURN_IF_ERROR(write_untouched(*tensor, writer));
    }
    TRINE_ASSIGN_OR_RETURN(const auto companions, source_.companion_files());
    for (const auto& companion : companions) {
      TRINE_RETURN_IF_ERROR(writer.copy_companion(source_.directory() / companion));
    }
    describe();
    return writer.finish(source_.config(), manifest_);
  }

  [[nodiscard]] static std::size_t size_of(const MatrixSpec& matrix) {
    return matrix.out_features * matrix.in_features;
  }

  [[nodiscard]] packed::MatrixRecord record_of(const MatrixSpec& matrix) const {
    const MatrixPlan& wanted = plan_.matrices.at(matrix.name);
    packed::MatrixRecord record{
        .layout = layout_of(matrix.out_features, matrix.in_features, wanted),
        .quantizer = wanted.quantizer};
    if (wanted.rank == 0) return record;
    record.rank = wanted.rank;
    record.factor_bits = wanted.factor_bits;
    record.compensator = wanted.compensator;
    return record;
  }

  /// Matrices compressed side by side, one thread each: a large one keeps all threads busy by
  /// itself and bounds memory, small ones would not be worth waking threads for.
  [[nodiscard]] std::size_t wave_length(std::size_t first) const {
    constexpr std::size_t kWorthThreads = std::size_t{1} << 20;
    const auto most = static_cast<std::size_t>(options_.threads) * 4;
    std::size_t count = 1;
    while (count < most && first + count < matrices_.size() &&
           size_of(*matrices_[first]) < kWorthThreads &&
           size_of(*matrices_[first + count]) < kWorthThreads) {
      ++count;
    }
    return count;
  }

  /// Packed matrices in the order of a forward pass, then everything else by name.
  [[nodiscard]] std::vector<base::TensorPlan> tensor_plans() const {
    std::vector<base::TensorPlan> tensors;
    for (const MatrixSpec* matrix : matrices_) {
      for (auto& stored : packed::matrix_tensor_plans(matrix->name, record_of(*matrix))) {
        tensors.push_back(std::move(stored));
      }
    }
    for (const auto& [name, tensor] : untouched_) {
      tensors.push_back({name, tensor->view.dtype, tensor->view.shape});
    }
    return tensors;
  }

  Status read(const MatrixSpec& spec, InFlight& matrix) {
    matrix.spec = &spec;
    // Before the matrix is read, because reading lets go of the pages.
    for (const std::string& name : models::tensors_of(spec)) take_hash(*tensors_.at(name));
    matrix.key = key_of(spec);
    if (take_over(matrix)) {
      source_.release(spec);
    } else {
      TRINE_ASSIGN_OR_RETURN(WidenedWeights weights,
                             read_widened(source_, spec, nonfinite(), options_.threads));
      matrix.nonfinite = weights.nonfinite;
      matrix.values = std::move(weights.values);
    }
    if (matrix.nonfinite > 0) manifest_.nonfinite[spec.name] = matrix.nonfinite;
    return {};
  }

  /// Hash of everything the bytes of a matrix depend on.
  [[nodiscard]] std::string key_of(const MatrixSpec& spec) const {
    std::string all =
        fmt::format("{}\n{}\n[{}, {}]\n{}\n{}\n", TRINE_VERSION, spec.name, spec.out_features,
                    spec.in_features, plan::to_json(plan_.matrices.at(spec.name)).dump(),
                    plan_.statistics_xxh3);
    for (const std::string& name : models::tensors_of(spec)) {
      all += name + ":" + base::to_hex(source_hashes_.at(name)) + "\n";
    }
    return base::to_hex(
        base::xxh3(std::span(reinterpret_cast<const std::uint8_t*>(all.data()), all.size())));
  }

  /// True when an earlier run had finished the matrix.
  bool take_over(InFlight& matrix) const {
    const packed::FinishedMatrix* finished = earlier_.find(matrix.spec->name, matrix.key);
    if (finished == nullptr) return false;
    if (finished->nonfinite > 0 && nonfinite() == Nonfinite::kRefuse) return false;
    auto pieces = earlier_.read(*finished);
    if (!pieces) return false;
    // Damage has shown by now; this is about journals that were tampered with.
    const auto tensors =
        packed::matrix_tensor_plans(matrix.spec->name, record_of(*matrix.spec));
    if (pieces->size() != tensors.size()) return false;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if ((*pieces)[i].size() != packed::bytes_of(tensors[i])) return false;
    }
    matrix.nonfinite = finished->nonfinite;
    CompressedMatrix compressed{.error = {finished->squared_error, finished->squared_norm},
                                .trace = finished->trace};
    compressed.blocks = std::move((*pieces)[0]);
    if (tensors.size() == 3) {
      compressed.factors = {std::move((*pieces)[1]), std::move((*pieces)[2])};
    }
    matrix.compressed = std::move(compressed);
    matrix.is_finished = true;
    return true;
  }

  [[nodiscard]] Nonfinite nonfinite() const {
    return options_.allow_nonfinite ? Nonfinite::kCount : Nonfinite::kRefuse;
  }

  void compress(InFlight& matrix, int threads, CompensatorMemory* memory) const {
    if (matrix.is_finished) return;
    const MatrixSpec& spec = *matrix.spec;
    matrix.compressed =
        compress_matrix(spec.name, {spec.out_features, spec.in_features, matrix.values},
                        plan_.matrices.at(spec.name), moments_of(spec.name), threads, memory);
  }

  [[nodiscard]] InputMoments moments_of(const std::string& name) const {
    if (options_.moments == nullptr) return {};
    const auto found = options_.moments->find(name);
    return found == options_.moments->end() ? InputMoments{} : found->second;
  }

  Status write_wave(std::span<const MatrixSpec* const> specs, packed::PackedWriter& writer) {
    std::vector<InFlight> wave(specs.size());
    for (std::size_t i = 0; i < specs.size(); ++i) {
      TRINE_RETURN_IF_ERROR(read(*specs[i], wave[i]));
    }
    if (wave.size() == 1) {
      compress(wave[0], options_.threads, &memory_);
    } else {
#pragma omp parallel for num_threads(options_.threads) schedule(dynamic)
      for (std::size_t i = 0; i < wave.size(); ++i) compress(wave[i], 1, nullptr);
    }
    for (const InFlight& matrix : wave) TRINE_RETURN_IF_ERROR(write_packed(matrix, writer));
    return {};
  }

  Status write_packed(const InFlight& matrix, packed::PackedWriter& writer) {
    const MatrixSpec& spec = *matrix.spec;
    if (!matrix.compressed) {
      return fail(matrix.compressed.error().code, "{}: {}", spec.name,
                  matrix.compressed.error().message);
    }
    const CompressedMatrix& compressed = *matrix.compressed;
    total_error_.add(compressed.error);
    packed::MatrixRecord record = record_of(spec);
    record.weight_error = compressed.error.relative();
    manifest_.totals.compressed_matrix_bytes += record.stored_bytes();
    manifest_.totals.compressed_matrix_weights += size_of(spec);
    manifest_.matrices[spec.name] = std::move(record);
    packed::FinishedMatrix finished{.name = spec.name,
                                    .key = matrix.key,
                                    .squared_error = compressed.error.error,
                                    .squared_norm = compressed.error.weights,
                                    .nonfinite = matrix.nonfinite,
                                    .trace = compressed.trace};
    for (const auto* bytes :
         {&compressed.blocks, &compressed.factors.left, &compressed.factors.right}) {
      if (bytes->empty()) continue;
      TRINE_ASSIGN_OR_RETURN(auto piece, writer.append(*bytes));
      finished.pieces.push_back(std::move(piece));
    }
    TRINE_RETURN_IF_ERROR(writer.note(finished));
    ++finished_;
    if (matrix.is_finished && options_.taken_over) options_.taken_over(spec.name);
    if (options_.trace) options_.trace(spec.name, compressed.trace);
    report(spec.name, size_of(spec));
    return {};
  }

  Status write_untouched(const StoredTensor& tensor, packed::PackedWriter& writer) {
    TRINE_ASSIGN_OR_RETURN(const std::size_t found,
                           count_settled_nonfinite(tensor.name, tensor.view, nonfinite()));
    if (found > 0) manifest_.nonfinite[tensor.name] = found;
    take_hash(tensor);
    TRINE_RETURN_IF_ERROR(writer.append(tensor.view.bytes));
    source_.release(tensor.name);
    report(tensor.name, tensor.view.num_elements());
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
    manifest_.recipe = {plan_.preset, plan_.allocator, plan_.budget.bits_per_weight,
                        plan_.budget.memory_bytes, plan_.statistics_xxh3};
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
  const plan::Plan& plan_;
  const CompressorOptions& options_;
  const base::ProgressSink& progress_;
  CompensatorMemory memory_{};  ///< of matrices that are compressed one at a time
  std::vector<const MatrixSpec*> matrices_{};
  std::map<std::string, const StoredTensor*> tensors_{};
  std::map<std::string, const StoredTensor*> untouched_{};
  std::map<std::string, std::uint64_t> source_hashes_{};
  std::uint64_t total_weights_ = 0;
  std::uint64_t done_weights_ = 0;
  SquaredError total_error_{};
  std::size_t finished_ = 0;  ///< matrices in the journal
  packed::EarlierRun earlier_{};
  packed::Manifest manifest_{};
};

}  // namespace

Result<packed::Manifest> compress(const checkpoint::Checkpoint& source, const plan::Plan& plan,
                                  const std::filesystem::path& target,
                                  const CompressorOptions& options,
                                  const base::ProgressSink& progress) {
  TRINE_RETURN_IF_ERROR(plan::check_plan(source.spec(), plan, "plan"));
  for (const auto& [name, matrix] : plan.matrices) {
    if (const auto known = quantizer_named(matrix.quantizer); !known) {
      return fail(known.error().code, "plan: {}: {}", name, known.error().message);
    }
    if (matrix.rank == 0) continue;
    if (const auto known = compensator_named(matrix.compensator); !known) {
      return fail(known.error().code, "plan: {}: {}", name, known.error().message);
    }
  }
  return Run(source, plan, options, progress).write(target);
}

}  // namespace trine::compress
