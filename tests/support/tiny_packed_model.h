// The smallest packed model: made in memory, changed at will, written, and spoilt on disk.
#pragma once

#include <array>
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

/// A packed matrix of TinyPackedModel, the tensor of its codes, and a tensor that stays as it was.
inline constexpr const char* kTinyMatrix =
    "model.layers.1.block_sparse_moe.experts.0.w2.weight";
inline constexpr const char* kTinyPacked =
    "model.layers.1.block_sparse_moe.experts.0.w2.weight.packed";
inline constexpr const char* kTinyRouter = "model.layers.0.block_sparse_moe.gate.weight";

/// Random codes for every compressible matrix of tiny_config(), each width and group size in
/// turn; the rest in BF16. Layer 1 is what version 1 knew; in layer 0 every other matrix has 8-bit
/// metadata and most have a compensator, each width of factors in turn.
struct TinyPackedModel {
  base::Json config = tiny_config();
  std::vector<base::TensorPlan> tensors{};                   ///< packed ones first
  std::map<std::string, std::vector<std::uint8_t>> bytes{};  ///< by stored name
  std::map<std::string, QuantizedMatrix> matrices{};         ///< by original name
  std::map<std::string, QuantizedMatrix> factors{};          ///< by stored name, packed ones
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
    const bool is_new = spec.name.find("layers.0.") != std::string::npos;
    const QuantizedMatrix matrix =
        random_quantized(spec.out_features, spec.in_features, kWidths[index % 6],
                         kGroups[index % 3], index, is_new && index % 2 == 0 ? 8 : 16);
    const PackedLayout layout{matrix.rows, matrix.cols, matrix.bits, matrix.group_size,
                              matrix.metadata_bits};
    packed::MatrixRecord record{layout, "hqq", 0.125};
    if (is_new && index != 0) {
      record.rank = 1 + index % 4;  // k_proj has 4 outputs
      record.factor_bits = std::array{3, 4, 8, 16}[index % 4];
      record.compensator = "milo";
    }
    for (const base::TensorPlan& tensor : packed::matrix_tensor_plans(spec.name, record)) {
      tensors.push_back(tensor);
    }
    bytes[packed::packed_name(spec.name)] = kernels::pack(matrix, 1);
    if (record.rank > 0) {
      add_factor(packed::left_name(spec.name), spec.out_features, record);
      add_factor(packed::right_name(spec.name), spec.in_features, record);
    }
    matrices[spec.name] = matrix;
    manifest.matrices[spec.name] = record;
    manifest.totals.compressed_matrix_bytes += record.stored_bytes();
    manifest.totals.compressed_matrix_weights += layout.out_features * layout.in_features;
  }

  /// Random codes or fp16 numbers for one factor.
  void add_factor(const std::string& name, std::size_t features,
                  const packed::MatrixRecord& record) {
    if (record.factor_bits < 16) {
      factors[name] = random_quantized(record.rank, features, record.factor_bits,
                                       kFactorGroupSize, features, record.layout.metadata_bits);
      bytes[name] = kernels::pack(factors[name], 1);
      return;
    }
    std::vector<std::uint8_t>& data = bytes[name];
    data.resize(2 * stored_rank(record.rank, 16) * features);
    for (std::size_t i = 0; i < 2 * record.rank * features; ++i) {
      data[i] = static_cast<std::uint8_t>(i % 64);  // finite whatever the order of bytes
    }
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
