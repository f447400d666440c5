// The smallest packed model: made in memory, changed at will, written, and spoilt on disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/json.h"
#include "base/safetensors_file.h"
#include "kernels/block_codec.h"
#include "packed/packed_writer.h"
#include "support/random_matrices.h"
#include "support/tiny_checkpoint.h"

namespace trine::testing_support {

/// Random codes for every compressible matrix of tiny_config(), each width and group size in
/// turn; the rest in BF16.
struct TinyPackedModel {
  base::Json config = tiny_config();
  std::vector<base::TensorPlan> tensors{};                   ///< packed ones first
  std::map<std::string, std::vector<std::uint8_t>> bytes{};  ///< by stored name
  std::map<std::string, QuantizedMatrix> matrices{};         ///< by original name
  packed::Manifest manifest{.trine_version = "0.1.0",
                            .recipe = {"hqq-3bit", "uniform"},
                            .source_xxh3 = "0123456789abcdef",
                            .source_tensors = 2};

  TinyPackedModel() {
    const auto spec = models::parse_model_config(base::JsonFields(config, "config.json"));
    std::vector<base::TensorPlan> untouched = plan_of(config);
    for (const MatrixSpec* matrix : compressible_matrices(spec.value())) {
      remove_tensor(untouched, matrix->name);
      add_packed(*matrix);
    }
    for (const base::TensorPlan& tensor : untouched) {
      tensors.push_back(tensor);
      std::vector<std::uint8_t>& data = bytes[tensor.name];
      data.resize(base::tensor_size_bytes(tensor.dtype, tensor.shape, tensor.name).value());
      for (std::size_t i = 0; i < data.size(); ++i) {
        data[i] = static_cast<std::uint8_t>((i + tensor.name.size()) % 64);
      }
    }
  }

  void add_packed(const MatrixSpec& spec) {
    constexpr int kWidths[] = {2, 3, 4, 5, 6, 8};
    constexpr std::size_t kGroups[] = {32, 64, 128};
    const std::size_t index = matrices.size();
    const QuantizedMatrix matrix = random_quantized(
        spec.out_features, spec.in_features, kWidths[index % 6], kGroups[index % 3], index);
    const PackedLayout layout{matrix.rows, matrix.cols, matrix.bits, matrix.group_size};
    tensors.push_back(packed::packed_tensor_plan(spec.name, layout));
    bytes[tensors.back().name] = kernels::pack(matrix, 1);
    matrices[spec.name] = matrix;
    manifest.matrices[spec.name] = {layout, "hqq", 0.125};
    manifest.totals.compressed_matrix_bytes += layout.total_bytes();
    manifest.totals.compressed_matrix_weights += layout.out_features * layout.in_features;
  }

  /// Appends every tensor and finishes.
  [[nodiscard]] Status write(const std::filesystem::path& directory,
                             std::uint64_t max_shard_bytes = packed::kMaxShardBytes) {
    TRINE_ASSIGN_OR_RETURN(auto writer,
                           packed::PackedWriter::create(directory, tensors, max_shard_bytes));
    for (const base::TensorPlan& tensor : tensors) {
      TRINE_RETURN_IF_ERROR(writer.append(bytes.at(tensor.name)));
    }
    return writer.finish(config, manifest);
  }
};

/// Reads a JSON file, lets `change` have it, writes it back.
inline void edit_json(const std::filesystem::path& path,
                      const std::function<void(base::Json&)>& change) {
  base::Json json = base::read_json_file(path).value();
  change(json);
  write_file(path, json.dump());
}

/// The weight file of a packed model that holds `tensor`.
inline std::filesystem::path shard_of(const std::filesystem::path& directory,
                                      const std::string& tensor) {
  const auto index = base::read_json_file(directory / "model.safetensors.index.json");
  return directory / index.value().at("weight_map").at(tensor).get<std::string>();
}

/// Where byte `offset` of `tensor` lies in its weight file.
inline std::size_t place_in_shard(const std::filesystem::path& shard, const std::string& tensor,
                                  std::size_t offset) {
  const auto file = base::SafetensorsFile::open(shard).value();
  const auto bytes = file.bytes(*file.find(tensor));
  return static_cast<std::size_t>(bytes.data() - file.file().bytes().data()) + offset;
}

/// Replaces one stored byte by `change` of it.
inline void edit_byte(const std::filesystem::path& directory, const std::string& tensor,
                      std::size_t offset,
                      const std::function<std::uint8_t(std::uint8_t)>& change) {
  const auto shard = shard_of(directory, tensor);
  std::string content = read_file(shard);
  char& byte = content.at(place_in_shard(shard, tensor, offset));
  byte = static_cast<char>(change(static_cast<std::uint8_t>(byte)));
  write_file(shard, content);
}

/// Makes the stored checksum of `tensor` that of its bytes as they are now.
inline void correct_checksum(const std::filesystem::path& directory,
                             const std::string& tensor) {
  const auto file = base::SafetensorsFile::open(shard_of(directory, tensor)).value();
  const std::string checksum = base::to_hex(base::xxh3(file.bytes(*file.find(tensor))));
  edit_json(directory / packed::kManifestFile,
            [&](base::Json& json) { json["checksums"][tensor] = checksum; });
}

}  // namespace trine::testing_support
