#include "checkpoint/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "base/safetensors_shards.h"
#include "checkpoint/companion_files.h"
#include "models/family.h"
#include "models/stacked_experts.h"
#include "models/stored_weights.h"

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
  // Formats some models are released in; their families know what to do with them.
  if (method == "fp8" || method == "mxfp4") return config;
  return fail(ErrorCode::kUnsupported,
              "{}: the model is already quantized (quant_method \"{}\"), expected an original "
              "checkpoint",
              path.string(), method);
}

bool is_rotary_table(std::string_view name) { return name.ends_with(".rotary_emb.inv_freq"); }

/// True for "model.layers.<n>.…" with n at or beyond `num_layers`.
bool is_extra_layer(std::string_view name, std::size_t num_layers) {
  constexpr std::string_view kPrefix = "model.layers.";
  if (!name.starts_with(kPrefix)) return false;
  std::size_t index = 0;
  const char* digits = name.data() + kPrefix.size();
  const auto [end, error] = std::from_chars(digits, name.data() + name.size(), index);
  return error == std::errc{} && end != digits && index >= num_layers;
}

std::vector<StoredTensor> collect_tensors(const std::vector<base::SafetensorsFile>& files,
                                          std::size_t num_layers) {
  std::vector<StoredTensor> tensors;
  for (std::size_t index = 0; index < files.size(); ++index) {
    for (const base::TensorEntry& entry : files[index].tensors()) {
      if (is_rotary_table(entry.name) || is_extra_layer(entry.name, num_layers)) continue;
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
      tensors_(collect_tensors(files_, spec_.layers.size())) {}

Result<Checkpoint> Checkpoint::open(const std::filesystem::path& directory) {
  const auto config_path = directory / "config.json";
  TRINE_ASSIGN_OR_RETURN(base::Json config, read_config(config_path));
  TRINE_ASSIGN_OR_RETURN(ModelSpec spec, models::parse_model_config(
                                             base::JsonFields(config, config_path.string())));
  TRINE_ASSIGN_OR_RETURN(auto files, base::open_safetensors_shards(directory));
  Checkpoint opened(directory, std::move(config), std::move(spec), std::move(files));
  models::adopt_stacked_experts(
      opened.spec_, [&](const std::string& name) { return opened.find(name) != nullptr; });
  if (const Status complete = opened.check_complete(); !complete) {
    return fail(complete.error().code, "{}: {}", directory.string(), complete.error().message);
  }
  return opened;
}

const StoredTensor* Checkpoint::find(std::string_view name) const noexcept {
  const auto found = std::lower_bound(
      tensors_.begin(), tensors_.end(), name,
      [](const StoredTensor& tensor, std::string_view wanted) { return tensor.name < wanted; });
  return found == tensors_.end() || found->name != name ? nullptr : &*found;
}

Result<TensorView> Checkpoint::lookup(const std::string& name) const {
  const StoredTensor* tensor = find(name);
  if (tensor != nullptr) return tensor->view;
  return fail(ErrorCode::kNotFound, "tensor \"{}\" is missing", name);
}

Status Checkpoint::check_complete() const {
  for (const MatrixSpec* matrix_spec : all_matrices(spec_)) {
    TRINE_RETURN_IF_ERROR(matrix(*matrix_spec));
  }
  for (const VectorSpec* vector_spec : all_vectors(spec_)) {
    TRINE_RETURN_IF_ERROR(vector(*vector_spec));
  }
  return {};
}

Result<models::WeightView> Checkpoint::matrix(const MatrixSpec& spec) const {
  return models::stored_matrix(spec, [this](const std::string& name) { return lookup(name); });
}

Result<std::vector<float>> Checkpoint::vector(const VectorSpec& spec) const {
  return models::stored_vector(spec, [this](const std::string& name) { return lookup(name); });
}

void Checkpoint::release(const MatrixSpec& spec) const {
  for (const std::string& name : models::tensors_of(spec)) release(name);
}

void Checkpoint::release(std::string_view tensor) const {
  const StoredTensor* stored = find(tensor);
  if (stored == nullptr) return;
  files_[stored->file_index].file().release_pages(stored->view.bytes);
}

std::vector<std::string> Checkpoint::unused_tensors() const {
  std::set<std::string> used;
  for (const MatrixSpec* matrix_spec : all_matrices(spec_)) {
    for (std::string& name : models::tensors_of(*matrix_spec)) used.insert(std::move(name));
  }
  for (const VectorSpec* vector_spec : all_vectors(spec_)) used.insert(tensor_of(*vector_spec));
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
