#include "packed/packed_model.h"

#include <cmath>

#include "base/hash.h"
#include "base/safetensors_shards.h"
#include "core/finite_check.h"
#include "kernels/block_codec.h"
#include "models/family.h"
#include "models/stored_weights.h"
#include "packed/packed_writer.h"

namespace trine::packed {
namespace {

TensorView view_of(const base::SafetensorsFile& file, const base::TensorEntry& entry) {
  return {entry.dtype, {entry.shape.begin(), entry.shape.end()}, file.bytes(entry)};
}

/// kMalformed when a scale or zero of any block is not finite.
Status check_metadata(const std::string& name, const PackedMatrixView& matrix) {
  const PackedLayout& layout = matrix.layout;
  for (std::size_t block = 0; block < layout.num_row_blocks(); ++block) {
    const std::uint8_t* row_block = matrix.blocks.data() + block * layout.row_block_bytes();
    for (std::size_t group = 0; group < layout.num_groups(); ++group) {
      const auto metadata = kernels::read_metadata(row_block, layout, group);
      for (std::size_t row = 0; row < kBlockRows; ++row) {
        if (!std::isfinite(metadata.scales[row]) || !std::isfinite(metadata.zeros[row])) {
          return fail(ErrorCode::kMalformed,
                      "{}: row block {}, group {} has a scale or zero that is not finite", name,
                      block, group);
        }
      }
    }
  }
  return {};
}

}  // namespace

Result<bool> is_packed_model(const std::filesystem::path& directory) {
  TRINE_ASSIGN_OR_RETURN(const base::Json json,
                         base::read_json_file(directory / "config.json"));
  const base::JsonFields config(json, (directory / "config.json").string());
  if (!config.has("quantization_config")) return false;
  TRINE_ASSIGN_OR_RETURN(const auto quantization, config.object("quantization_config"));
  TRINE_ASSIGN_OR_RETURN(const auto method, quantization.string_or("quant_method", ""));
  return method == kQuantMethod;
}

Result<PackedModel> PackedModel::open(const std::filesystem::path& directory) {
  PackedModel model;
  model.name_ = directory.string();
  const auto config_path = directory / "config.json";
  TRINE_ASSIGN_OR_RETURN(model.config_, base::read_json_file(config_path));
  const base::JsonFields config(model.config_, config_path.string());
  TRINE_ASSIGN_OR_RETURN(const auto quantization, config.object("quantization_config"));
  TRINE_RETURN_IF_ERROR(check_format_version(quantization));
  TRINE_ASSIGN_OR_RETURN(model.spec_, models::parse_model_config(config));
  const auto manifest_path = directory / kManifestFile;
  TRINE_ASSIGN_OR_RETURN(const base::Json manifest, base::read_json_file(manifest_path));
  TRINE_ASSIGN_OR_RETURN(model.manifest_, parse_manifest(manifest, manifest_path.string()));
  TRINE_ASSIGN_OR_RETURN(model.files_, base::open_safetensors_shards(directory));
  TRINE_RETURN_IF_ERROR(model.index_tensors());
  TRINE_RETURN_IF_ERROR(model.check_tensors());
  return model;
}

Status PackedModel::index_tensors() {
  for (const base::SafetensorsFile& file : files_) {
    for (const base::TensorEntry& entry : file.tensors()) {
      if (!manifest_.checksums.contains(entry.name)) {
        return fail(ErrorCode::kMalformed,
                    "{}: tensor {} is stored but {} has no checksum of it", name_, entry.name,
                    kManifestFile);
      }
      tensors_[entry.name] = {&file, &entry, nullptr};
    }
  }
  for (const auto& [name, checksum] : manifest_.checksums) {
    if (!tensors_.contains(name)) {
      return fail(ErrorCode::kNotFound, "{}: tensor {} of {} is not in the weight files", name_,
                  name, kManifestFile);
    }
  }
  for (const auto& [name, record] : manifest_.matrices) {
    TRINE_RETURN_IF_ERROR(index_matrix(name, record));
  }
  return {};
}

Status PackedModel::index_matrix(const std::string& name, const MatrixRecord& record) {
  if (tensors_.contains(name)) {
    return fail(ErrorCode::kMalformed, "{}: {} is stored twice, packed and unpacked", name_,
                name);
  }
  for (const base::TensorPlan& plan : matrix_tensor_plans(name, record)) {
    const auto found = tensors_.find(plan.name);
    if (found == tensors_.end()) {
      return fail(ErrorCode::kNotFound, "{}: {} of packed matrix {} is not in the weight files",
                  name_, plan.name, name);
    }
    TRINE_RETURN_IF_ERROR(check_stored(plan));
    Stored& stored = found->second;
    if (plan.name == packed_name(name)) {
      stored.matrix = &record;
      stored.layout = record.layout;
    } else if (record.factor_bits != 16) {
      stored.layout = plan.name == left_name(name)
                          ? left_layout(record.layout, record.rank, record.factor_bits)
                          : right_layout(record.layout, record.rank, record.factor_bits);
    }
  }
  return {};
}

Status PackedModel::check_stored(const base::TensorPlan& plan) const {
  const Stored& stored = tensors_.at(plan.name);
  const TensorView view = view_of(*stored.file, *stored.entry);
  if (view.dtype != plan.dtype || view.shape != plan.shape) {
    return fail(ErrorCode::kMalformed, "{}: {} is {} [{}], expected {} [{}]", name_, plan.name,
                name_of(view.dtype), fmt::join(view.shape, ", "), name_of(plan.dtype),
                fmt::join(plan.shape, ", "));
  }
  const bool is_packed = plan.dtype == DType::kU8;
  if (is_packed && reinterpret_cast<std::uintptr_t>(view.bytes.data()) % kLineBytes != 0) {
    return fail(ErrorCode::kMalformed, "{}: {} does not start at a multiple of {} bytes", name_,
                plan.name, kLineBytes);
  }
  return {};
}

Status PackedModel::check_tensors() const {
  for (const MatrixSpec* spec : all_matrices(spec_)) TRINE_RETURN_IF_ERROR(matrix(*spec));
  for (const VectorSpec* spec : all_vectors(spec_)) TRINE_RETURN_IF_ERROR(vector(*spec));
  return {};
}

Result<TensorView> PackedModel::lookup(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    return fail(ErrorCode::kNotFound, "{}: tensor {} is missing", name_, name);
  }
  return view_of(*found->second.file, *found->second.entry);
}

Result<models::WeightView> PackedModel::matrix(const MatrixSpec& spec) const {
  const auto packed = tensors_.find(packed_name(spec.name));
  if (packed == tensors_.end() || packed->second.matrix == nullptr) {
    return models::stored_matrix(spec,
                                 [this](const std::string& name) { return lookup(name); });
  }
  const PackedLayout& layout = packed->second.matrix->layout;
  if (layout.out_features != spec.out_features || layout.in_features != spec.in_features) {
    return fail(ErrorCode::kMalformed,
                "{}: {} has shape [{}, {}], config.json asks for [{}, {}]", name_, spec.name,
                layout.out_features, layout.in_features, spec.out_features, spec.in_features);
  }
  const PackedMatrixView codes{layout, packed->second.file->bytes(*packed->second.entry)};
  const MatrixRecord& record = *packed->second.matrix;
  if (record.rank == 0) return codes;
  CompensatedMatrixView compensated{codes,
                                    {stored_rank(record.rank, record.factor_bits), {}, {}}};
  TRINE_ASSIGN_OR_RETURN(compensated.low_rank.left, factor(left_name(spec.name)));
  TRINE_ASSIGN_OR_RETURN(compensated.low_rank.right, factor(right_name(spec.name)));
  return compensated;
}

Result<FactorView> PackedModel::factor(const std::string& name) const {
  TRINE_ASSIGN_OR_RETURN(const TensorView view, lookup(name));
  const PackedLayout& layout = tensors_.at(name).layout;
  if (layout.bits == 0) return view;
  return PackedMatrixView{layout, view.bytes};
}

Result<std::vector<float>> PackedModel::vector(const VectorSpec& spec) const {
  return models::stored_vector(spec, [this](const std::string& name) { return lookup(name); });
}

void PackedModel::release(const MatrixSpec& spec) const {
  std::vector<std::string> names = models::tensors_of(spec);
  for (const auto name_of : {packed_name, left_name, right_name}) {
    names.push_back(name_of(spec.name));
  }
  for (const std::string& name : names) {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) continue;
    const Stored& stored = found->second;
    stored.file->file().release_pages(stored.file->bytes(*stored.entry));
  }
}

Status PackedModel::verify_tensor(const std::string& name, const Stored& stored) const {
  const auto bytes = stored.file->bytes(*stored.entry);
  const std::string found = base::to_hex(base::xxh3(bytes));
  const std::string& expected = manifest_.checksums.at(name);
  if (found != expected) {
    return fail(ErrorCode::kChecksum,
                "{}: tensor {} is damaged: its checksum is {}, expected {}", name_, name, found,
                expected);
  }
  if (stored.layout.bits != 0) return check_metadata(name, {stored.layout, bytes});
  const TensorView view = view_of(*stored.file, *stored.entry);
  const auto counted = manifest_.nonfinite.find(name);
  if (counted == manifest_.nonfinite.end()) return require_finite(name, view);
  const std::uint64_t nonfinite = count_nonfinite(view);
  if (nonfinite != counted->second) {
    return fail(ErrorCode::kMalformed,
                "{}: tensor {} has {} values that are infinite or not a number, {} counts {}",
                name_, name, nonfinite, kManifestFile, counted->second);
  }
  return {};
}

Status PackedModel::verify(const base::ProgressSink& progress) const {
  std::uint64_t done = 0;
  for (const auto& file : files_) {
    for (const base::TensorEntry& entry : file.tensors()) {
      const Stored& stored = tensors_.at(entry.name);
      TRINE_RETURN_IF_ERROR(verify_tensor(entry.name, stored));
      const auto bytes = file.bytes(entry);
      file.file().release_pages(bytes);
      done += bytes.size();
      if (progress) progress({entry.name, done, manifest_.totals.stored_bytes});
    }
  }
  return {};
}

}  // namespace trine::packed
