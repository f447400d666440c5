// An original model as published: a directory with config.json and safetensors files.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/safetensors_file.h"
#include "core/model_spec.h"
#include "core/tensor_view.h"
#include "models/weight_source.h"

namespace trine::checkpoint {

/// A tensor of the checkpoint; `view` borrows from the Checkpoint it came from.
struct StoredTensor {
  std::string name{};
  TensorView view{};
  std::size_t file_index = 0;  ///< which weight file holds it
};

/// Read-only and thread-safe. Moves; views stay valid when it does.
class Checkpoint final : public models::WeightSource {
 public:
  /// Reads config.json and maps the weights: model.safetensors, or the files that
  /// model.safetensors.index.json names (both present is an error: which one counts is a
  /// guess). Afterwards every tensor the family needs is there, in its shape, as F32, F16 or
  /// BF16. Values are not looked at; find_nonfinite (core/finite_check.h) does that per tensor.
  ///
  /// kNotFound: a file or tensor is missing. kUnsupported: unknown family or number type, or a
  /// config with `quantization_config` (already compressed). kMalformed: everything else.
  [[nodiscard]] static Result<Checkpoint> open(const std::filesystem::path& directory);

  [[nodiscard]] Result<models::WeightView> matrix(const MatrixSpec& spec) const override;
  [[nodiscard]] Result<std::vector<float>> vector(const VectorSpec& spec) const override;
  void release(const MatrixSpec& spec) const override;
  void release(std::string_view tensor) const;

  [[nodiscard]] const ModelSpec& spec() const noexcept { return spec_; }
  /// config.json as it stands.
  [[nodiscard]] const base::Json& config() const noexcept { return config_; }
  [[nodiscard]] const std::filesystem::path& directory() const noexcept { return directory_; }

  /// Every tensor, sorted by name whatever file it lies in. Not among them: stored rotary tables
  /// ("….rotary_emb.inv_freq", left behind by old exporters) and layers beyond
  /// num_hidden_layers (DeepSeek-V3's multi-token prediction).
  [[nodiscard]] std::span<const StoredTensor> tensors() const noexcept { return tensors_; }
  /// Names of the tensors the family does not ask for, sorted.
  [[nodiscard]] std::vector<std::string> unused_tensors() const;
  /// Bytes of all tensors().
  [[nodiscard]] std::size_t total_weight_bytes() const noexcept;

  /// Names of the other files a compressed model takes over unchanged (tokenizer, templates,
  /// licence, …); companion_files.h has the rule and the errors.
  [[nodiscard]] Result<std::vector<std::filesystem::path>> companion_files() const;

 private:
  Checkpoint(std::filesystem::path directory, base::Json config, ModelSpec spec,
             std::vector<base::SafetensorsFile> files);
  [[nodiscard]] const StoredTensor* find(std::string_view name) const noexcept;
  [[nodiscard]] Result<TensorView> lookup(const std::string& name) const;
  [[nodiscard]] Status check_complete() const;

  std::filesystem::path directory_;
  base::Json config_;
  ModelSpec spec_;
  std::vector<base::SafetensorsFile> files_;
  std::vector<StoredTensor> tensors_;
};

}  // namespace trine::checkpoint
