#include "packed/packed_model.h"

#include <cmath>

#include "base/hash.h"
#include "base/safetensors_shards.h"
#include "core/finite_check.h"
#include "kernels/block_codec.h"
#include "models/family.h"
#include "packed/packed_writer.h"

namespace trine::packed {
namespace {

TensorView view_of(const base::SafetensorsFile& file, const base::TensorEntry& entry) {
  return {entry.dtype, {entry.shape.begin(), entry.shape.end()}, file.bytes(entry)};
}

/// kMalformed when a scale or zero of any block is not finite.
Status check_metadata(const std::string& name, const PackedMatrixView& matrix) {
  const PackedLayout& layout = matrix.layout;
  for (std::size_t offset = 0; offset < layout.total_bytes(); offset += layout.block_bytes()) {
    const auto metadata = kernels::read_metadata(matrix.blocks.data() + offset, layout);
    for (std::size_t row = 0; row < kBlockRows; ++row) {
      if (!std::isfinite(metadata.scales[row]) || !std::isfinite(metadata.zeros[row])) {
        return fail(ErrorCode::kMalformed,
                    "{}: block {} has a scale or zero that is not finite", name,
                    offset / layout.block_bytes());
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
    const auto found = tensors_.find(packed_name(name));
    if (found == tensors_.end()) {
      return fail(ErrorCode::kNotFound, "{}: packed matrix {} is not in the weight files",
                  name_, packed_name(name));
    }
    if (tensors_.contains(name)) {
      return fail(ErrorCode::kMalformed, "{}: {} is stored twice, packed and unpacked", name_,
                  name);
    }
    found->second.matrix = &record;
  }
  return {};
}

Status PackedModel::check_packed(const std::string& name, const Stored& stored) const {
  const base::TensorPlan plan = packed_tensor_plan("", stored.matrix->layout);
  const TensorView view = view_of(*stored.file, *stored.entry);
  if (view.dtype != DType::kU8 || view.shape != plan.shape) {
    return fail(ErrorCode::kMalformed, "{}: {} is {} [{}], expected U8 [{}]", name_, name,
                name_of(view.dtype), fmt::join(view.shape, ", "), fmt::join(plan.shape, ", "));
  }
  if (reinterpret_cast<std::uintptr_t>(view.bytes.data()) % kLineBytes != 0) {
    return fail(ErrorCode::kMalformed, "{}: {} does not start at a multiple of {} bytes", name_,
                name, kLineBytes);
  }
  return {};
}

Status PackedModel::check_needed(const std::string& name,
                                 const std::vector<std::size_t>& shape) const {
  TRINE_ASSIGN_OR_RETURN(const models::WeightView weight, this->weight(name));
  std::vector<std::size_t> found;
  if (const auto* packed = std::get_if<PackedMatrixView>(&weight)) {
    found = {packed->layout.out_features, packed->layout.in_features};
  } else {
    found = std::get<TensorView>(weight).shape;
  }
  if (found != shape) {
    return fail(ErrorCode::kMalformed, "{}: {} has shape {}, config.json asks for {}", name_,
                name, base::shape_text(found), base::shape_text(shape));
  }
  return {};
}

Status PackedModel::check_tensors() const {
  for (const auto& [name, stored] : tensors_) {
    if (stored.matrix != nullptr) TRINE_RETURN_IF_ERROR(check_packed(name, stored));
  }
  for (const MatrixSpec* matrix : all_matrices(spec_)) {
    TRINE_RETURN_IF_ERROR(
        check_needed(matrix->name, {matrix->out_features, matrix->in_features}));
  }
  for (const std::string& norm : norm_names(spec_)) {
    TRINE_RETURN_IF_ERROR(check_needed(norm, {spec_.hidden_size}));
  }
  return {};
}

Result<models::WeightView> PackedModel::weight(std::string_view name) const {
  const auto packed = tensors_.find(packed_name(name));
  if (packed != tensors_.end() && packed->second.matrix != nullptr) {
    const Stored& stored = packed->second;
    return PackedMatrixView{stored.matrix->layout, stored.file->bytes(*stored.entry)};
  }
  const auto found = tensors_.find(std::string(name));
  if (found == tensors_.end()) {
    return fail(ErrorCode::kNotFound, "{}: there is no tensor {}", name_, name);
  }
  return view_of(*found->second.file, *found->second.entry);
}

void PackedModel::release(std::string_view name) const {
  for (const std::string& stored_name : {packed_name(name), std::string(name)}) {
    const auto found = tensors_.find(stored_name);
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
  if (stored.matrix != nullptr) return check_metadata(name, {stored.matrix->layout, bytes});
  return require_finite(name, view_of(*stored.file, *stored.entry));
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
