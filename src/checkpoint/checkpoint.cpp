#include "checkpoint/checkpoint.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/safetensors_shards.h"
#include "checkpoint/companion_files.h"
#include "models/family.h"

namespace trine::checkpoint {
namespace {

/// config.json as an object that is not already a compressed model's.
Result<base::Json> read_config(const std::filesystem::path& path) {
  TRINE_ASSIGN_OR_RETURN(base::Json config, base::read_json_file(path));
  if (!config.is_object()) {
    return fail(ErrorCode::kMalformed, "{}: not a JSON object", path.string());
  }
  const base::JsonFields fields(config, path.string());
  if (!fields.has("quantization_config")) return config;
  TRINE_ASSIGN_OR_RETURN(const auto quantization, fields.object("quantization_config"));
  TRINE_ASSIGN_OR_RETURN(const auto method, quantization.string_or("quant_method", "unnamed"));
  return fail(ErrorCode::kUnsupported,
              "{}: the model is already quantized (quant_method \"{}\"), expected an original "
              "checkpoint",
              path.string(), method);
}

bool is_rotary_table(std::string_view name) { return name.ends_with(".rotary_emb.inv_freq"); }

std::vector<StoredTensor> collect_tensors(const std::vector<base::SafetensorsFile>& files) {
  std::vector<StoredTensor> tensors;
  for (std::size_t index = 0; index < files.size(); ++index) {
    for (const base::TensorEntry& entry : files[index].tensors()) {
      if (is_rotary_table(entry.name)) continue;
      tensors.push_back(
          {entry.name, {entry.dtype, entry.shape, files[index].bytes(entry)}, index});
    }
  }
  std::sort(tensors.begin(), tensors.end(),
            [](const auto& left, const auto& right) { return left.name < right.name; });
  return tensors;
}

}  // namespace

Checkpoint::Checkpoint(std::filesystem::path directory, base::Json config, ModelSpec spec,
                       std::vector<base::SafetensorsFile> files)
    : directory_(std::move(directory)),
      config_(std::move(config)),
      spec_(std::move(spec)),
      files_(std::move(files)),
      tensors_(collect_tensors(files_)) {}

Result<Checkpoint> Checkpoint::open(const std::filesystem::path& directory) {
  const auto config_path = directory / "config.json";
  TRINE_ASSIGN_OR_RETURN(base::Json config, read_config(config_path));
  TRINE_ASSIGN_OR_RETURN(ModelSpec spec, models::parse_model_config(
                                             base::JsonFields(config, config_path.string())));
  TRINE_ASSIGN_OR_RETURN(auto files, base::open_safetensors_shards(directory));
  Checkpoint opened(directory, std::move(config), std::move(spec), std::move(files));
  TRINE_RETURN_IF_ERROR(opened.check_complete());
  return opened;
}

const StoredTensor* Checkpoint::find(std::string_view name) const noexcept {
  const auto found = std::lower_bound(
      tensors_.begin(), tensors_.end(), name,
      [](const StoredTensor& tensor, std::string_view wanted) { return tensor.name < wanted; });
  return found == tensors_.end() || found->name != name ? nullptr : &*found;
}

Status Checkpoint::check_tensor(const std::string& name,
                                const std::vector<std::size_t>& shape) const {
  const StoredTensor* tensor = find(name);
  if (tensor == nullptr) {
    return fail(ErrorCode::kNotFound, "{}: tensor \"{}\" is missing, expected shape {}",
                directory_.string(), name, base::shape_text(shape));
  }
  if (tensor->view.shape != shape) {
    return fail(ErrorCode::kMalformed,
                "{}: tensor \"{}\" has shape {}, config.json asks for {}", directory_.string(),
                name, base::shape_text(tensor->view.shape), base::shape_text(shape));
  }
  const DType dtype = tensor->view.dtype;
  if (dtype != DType::kF32 && dtype != DType::kF16 && dtype != DType::kBF16) {
    return fail(ErrorCode::kUnsupported,
                "{}: tensor \"{}\" has dtype {}, expected F32, F16 or BF16",
                directory_.string(), name, name_of(dtype));
  }
  return {};
}

Status Checkpoint::check_complete() const {
  for (const MatrixSpec* matrix : all_matrices(spec_)) {
    TRINE_RETURN_IF_ERROR(
        check_tensor(matrix->name, {matrix->out_features, matrix->in_features}));
  }
  for (const std::string& norm : norm_names(spec_)) {
    TRINE_RETURN_IF_ERROR(check_tensor(norm, {spec_.hidden_size}));
  }
  return {};
}

Result<models::WeightView> Checkpoint::weight(std::string_view name) const {
  const StoredTensor* tensor = find(name);
  if (tensor == nullptr) {
    return fail(ErrorCode::kNotFound, "{}: there is no tensor \"{}\"", directory_.string(),
                name);
  }
  return models::WeightView(tensor->view);
}

void Checkpoint::release(std::string_view name) const {
  const StoredTensor* tensor = find(name);
  if (tensor == nullptr) return;
  files_[tensor->file_index].file().release_pages(tensor->view.bytes);
}

std::vector<std::string> Checkpoint::unused_tensors() const {
  const auto norms = norm_names(spec_);
  std::set<std::string_view> used(norms.begin(), norms.end());
  for (const MatrixSpec* matrix : all_matrices(spec_)) used.insert(matrix->name);
  std::vector<std::string> unused;
  for (const StoredTensor& tensor : tensors_) {
    if (!used.contains(tensor.name)) unused.push_back(tensor.name);
  }
  return unused;
}

std::size_t Checkpoint::total_weight_bytes() const noexcept {
  std::size_t total = 0;
  for (const StoredTensor& tensor : tensors_) total += tensor.view.bytes.size();
  return total;
}

Result<std::vector<std::filesystem::path>> Checkpoint::companion_files() const {
  return list_companion_files(directory_);
}

}  // namespace trine::checkpoint
