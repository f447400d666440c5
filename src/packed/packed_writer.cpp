#include "packed/packed_writer.h"

#include "base/files.h"
#include "base/hash.h"

namespace trine::packed {
namespace {

/// Longest companion file that is copied; tokenizers of large vocabularies are some 30 MB.
constexpr std::size_t kMaxCompanionBytes = 256u << 20;

/// A packed tensor under exactly this name.
base::TensorPlan blocks_plan(std::string name, const PackedLayout& layout) {
  std::vector<std::size_t> shape = {layout.num_row_blocks(), layout.row_block_bytes()};
  if (layout.metadata_bits == 16) {
    shape = {layout.num_row_blocks(), layout.num_groups(),
             layout.row_block_bytes() / layout.num_groups()};
  }
  return {std::move(name), DType::kU8, shape};
}

}  // namespace

std::uint64_t bytes_of(const base::TensorPlan& tensor) {
  std::uint64_t elements = 1;
  for (const std::size_t extent : tensor.shape) elements *= extent;
  return elements * bits_of(tensor.dtype) / 8;
}

base::TensorPlan packed_tensor_plan(std::string_view name, const PackedLayout& layout) {
  return blocks_plan(packed_name(name), layout);
}

std::vector<base::TensorPlan> matrix_tensor_plans(std::string_view name,
                                                  const MatrixRecord& record) {
  const PackedLayout& layout = record.layout;
  std::vector<base::TensorPlan> plans = {packed_tensor_plan(name, layout)};
  if (record.rank == 0) return plans;
  if (record.factor_bits == 16) {
    const std::size_t rank = stored_rank(record.rank, record.factor_bits);
    plans.push_back({left_name(name), DType::kF16, {rank, layout.out_features}});
    plans.push_back({right_name(name), DType::kF16, {rank, layout.in_features}});
    return plans;
  }
  plans.push_back(
      blocks_plan(left_name(name), left_layout(layout, record.rank, record.factor_bits)));
  plans.push_back(
      blocks_plan(right_name(name), right_layout(layout, record.rank, record.factor_bits)));
  return plans;
}

PackedWriter::PackedWriter(base::AtomicDirectory directory, Journal journal,
                           std::vector<base::TensorPlan> tensors, std::uint64_t max_shard_bytes)
    : directory_(std::move(directory)),
      journal_(std::move(journal)),
      tensors_(std::move(tensors)) {
  std::uint64_t shard_bytes = 0;
  for (std::size_t index = 0; index < tensors_.size(); ++index) {
    const std::uint64_t bytes = bytes_of(tensors_[index]);
    if (shards_.empty() || shard_bytes + bytes > max_shard_bytes) {
      shards_.push_back({.first = index});
      shard_bytes = 0;
    }
    shard_bytes += bytes;
    shards_.back().end = index + 1;
  }
  for (std::size_t index = 0; index < shards_.size(); ++index) {
    shards_[index].file =
        fmt::format("model-{:05}-of-{:05}.safetensors", index + 1, shards_.size());
  }
}

Result<PackedWriter> PackedWriter::create(const std::filesystem::path& directory,
                                          std::vector<base::TensorPlan> tensors,
                                          std::uint64_t max_shard_bytes) {
  TRINE_ASSIGN_OR_RETURN(auto target, base::AtomicDirectory::create(directory));
  std::uint64_t total_bytes = 0;
  for (const base::TensorPlan& tensor : tensors) total_bytes += bytes_of(tensor);
  TRINE_RETURN_IF_ERROR(base::require_space(target.path(), total_bytes));
  TRINE_ASSIGN_OR_RETURN(auto journal, Journal::create(target.path()));
  return PackedWriter(std::move(target), std::move(journal), std::move(tensors),
                      max_shard_bytes);
}

Status PackedWriter::open_shard() {
  const Shard& shard = shards_[next_shard_++];
  const std::vector<base::TensorPlan> plan(
      tensors_.begin() + static_cast<std::ptrdiff_t>(shard.first),
      tensors_.begin() + static_cast<std::ptrdiff_t>(shard.end));
  TRINE_ASSIGN_OR_RETURN(
      auto writer, base::SafetensorsWriter::create(
                       directory_.path() / shard.file, plan,
                       {{"format", "pt"}, {"trine_format", std::to_string(kFormatVersion)}}));
  shard_.emplace(std::move(writer));
  return {};
}

Result<StoredPiece> PackedWriter::append(std::span<const std::uint8_t> bytes) {
  check(next_tensor_ < tensors_.size(),
        "PackedWriter::append: every tensor is written already");
  const base::TensorPlan& tensor = tensors_[next_tensor_];
  check(bytes.size() == bytes_of(tensor), "PackedWriter::append: size differs from the plan");
  if (!shard_) TRINE_RETURN_IF_ERROR(open_shard());
  StoredPiece piece{shards_[next_shard_ - 1].file, shard_->position(), bytes.size(),
                    base::to_hex(base::xxh3(bytes))};
  TRINE_RETURN_IF_ERROR(shard_->append(bytes));
  checksums_[tensor.name] = piece.xxh3;
  stored_bytes_ += bytes.size();
  if (++next_tensor_ == shards_[next_shard_ - 1].end) {
    TRINE_RETURN_IF_ERROR(shard_->finish());
    shard_.reset();
  }
  return piece;
}

void PackedWriter::keep() noexcept {
  if (shard_) shard_->keep();
  directory_.keep();
}

Status PackedWriter::copy_companion(const std::filesystem::path& source) {
  TRINE_ASSIGN_OR_RETURN(const std::string text,
                         base::read_text_file(source, kMaxCompanionBytes));
  TRINE_ASSIGN_OR_RETURN(auto file,
                         base::AtomicFile::create(directory_.path() / source.filename()));
  TRINE_RETURN_IF_ERROR(file.write(text));
  return file.commit();
}

Status PackedWriter::write_json(const char* file, const base::Json& json) const {
  TRINE_ASSIGN_OR_RETURN(auto target, base::AtomicFile::create(directory_.path() / file));
  TRINE_RETURN_IF_ERROR(target.write(json.dump(1) + "\n"));
  return target.commit();
}

base::Json PackedWriter::index_json() const {
  base::Json json;
  json["metadata"] = {{"total_size", stored_bytes_}};
  for (const Shard& shard : shards_) {
    for (std::size_t index = shard.first; index < shard.end; ++index) {
      json["weight_map"][tensors_[index].name] = shard.file;
    }
  }
  return json;
}

Status PackedWriter::finish(base::Json config, Manifest& manifest) {
  check(next_tensor_ == tensors_.size(), "PackedWriter::finish: tensors are missing");
  manifest.checksums = checksums_;
  manifest.totals.stored_bytes = stored_bytes_;
  base::Json quantization = {{"quant_method", kQuantMethod},
                             {"format_version", kFormatVersion}};
  // What is kept in the original's own encoding (FP8 latents, say) is still read by its rules.
  if (config.contains("quantization_config")) {
    quantization["source"] = config["quantization_config"];
  }
  config["quantization_config"] = std::move(quantization);
  TRINE_RETURN_IF_ERROR(write_json("model.safetensors.index.json", index_json()));
  TRINE_RETURN_IF_ERROR(write_json(kManifestFile, to_json(manifest)));
  TRINE_RETURN_IF_ERROR(write_json("config.json", config));
  TRINE_RETURN_IF_ERROR(journal_.remove());
  return directory_.commit();
}

}  // namespace trine::packed
