// Reads a packed model: a source of weights in the bytes of the file.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "base/progress.h"
#include "base/result.h"
#include "base/safetensors_file.h"
#include "base/safetensors_writer.h"
#include "core/model_spec.h"
#include "models/weight_source.h"
#include "packed/manifest.h"

namespace trine::packed {

/// True when config.json of `directory` says quant_method "trine". kNotFound or kMalformed when
/// there is no readable config.json.
[[nodiscard]] Result<bool> is_packed_model(const std::filesystem::path& directory);

/// Read-only, mapped, thread-safe. Moves; views stay valid when it does.
class PackedModel final : public models::WeightSource {
 public:
  /// Checks structure: config, manifest and shards agree; every matrix has the shape its layout
  /// computes and lies 64-byte aligned. Values are looked at by verify().
  [[nodiscard]] static Result<PackedModel> open(const std::filesystem::path& directory);

  [[nodiscard]] Result<models::WeightView> matrix(const MatrixSpec& spec) const override;
  [[nodiscard]] Result<std::vector<float>> vector(const VectorSpec& spec) const override;
  void release(const MatrixSpec& spec) const override;

  /// Reads every byte: checksums, finite scales, zeros and weights. kChecksum or kMalformed names
  /// the tensor. Copied tensors may hold as many infinities and NaNs as the manifest counts.
  [[nodiscard]] Status verify(const base::ProgressSink& progress) const;

  [[nodiscard]] const ModelSpec& spec() const noexcept { return spec_; }
  [[nodiscard]] const Manifest& manifest() const noexcept { return manifest_; }
  [[nodiscard]] const base::Json& config() const noexcept { return config_; }

 private:
  struct Stored {
    const base::SafetensorsFile* file = nullptr;
    const base::TensorEntry* entry = nullptr;
    const MatrixRecord* matrix = nullptr;  ///< null for untouched tensors and factors
    PackedLayout layout{};  ///< of packed codes, also of factors; bits 0 when not packed
  };

  PackedModel() = default;
  [[nodiscard]] Status index_tensors();
  [[nodiscard]] Status index_matrix(const std::string& name, const MatrixRecord& record);
  [[nodiscard]] Status check_stored(const base::TensorPlan& plan) const;
  [[nodiscard]] Result<FactorView> factor(const std::string& name) const;
  [[nodiscard]] Result<TensorView> lookup(const std::string& name) const;
  [[nodiscard]] Status check_tensors() const;
  [[nodiscard]] Status verify_tensor(const std::string& name, const Stored& stored) const;

  std::string name_{};
  base::Json config_{};
  ModelSpec spec_{};
  Manifest manifest_{};
  std::vector<base::SafetensorsFile> files_{};
  std::unordered_map<std::string, Stored> tensors_{};  ///< by stored name
};

}  // namespace trine::packed
