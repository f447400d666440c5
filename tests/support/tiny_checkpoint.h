// The smallest Mixtral checkpoint that opens, written to a directory, and ways to spoil it.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/safetensors_writer.h"
#include "core/model_spec.h"
#include "models/family.h"
#include "support/temporary_directory.h"

namespace trine::testing_support {

/// One of its matrices.
inline constexpr const char* kTinyQProj = "model.layers.0.self_attn.q_proj.weight";

/// Two layers, two experts, hidden size 8.
inline base::Json tiny_config() {
  return base::Json::parse(R"({
    "architectures": ["MixtralForCausalLM"], "model_type": "mixtral",
    "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "num_local_experts": 2,
    "num_experts_per_tok": 1, "vocab_size": 10, "max_position_embeddings": 32,
    "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu"})");
}

/// Every tensor `config` asks for, in BF16.
inline std::vector<base::TensorPlan> plan_of(const base::Json& config) {
  const auto spec = models::parse_model_config(base::JsonFields(config, "config.json"));
  std::vector<base::TensorPlan> plan;
  for (const MatrixSpec* matrix : all_matrices(spec.value())) {
    plan.push_back({matrix->name, DType::kBF16, {matrix->out_features, matrix->in_features}});
  }
  for (const VectorSpec* vector : all_vectors(*spec)) {
    plan.push_back({vector->name, DType::kBF16, {vector->size}});
  }
  return plan;
}

/// The matrix called `name` of tiny_config()'s model.
inline MatrixSpec matrix_named(const std::string& name) {
  const base::Json config = tiny_config();
  const auto spec = models::parse_model_config(base::JsonFields(config, "config.json"));
  for (const MatrixSpec* matrix : all_matrices(spec.value())) {
    if (matrix->name == name) return *matrix;
  }
  return {.name = name, .out_features = 1, .in_features = 1};
}

/// The tensor called `name`, to be changed.
inline base::TensorPlan& tensor_named(std::vector<base::TensorPlan>& plan,
                                      const std::string& name) {
  for (base::TensorPlan& tensor : plan) {
    if (tensor.name == name) return tensor;
  }
  throw std::runtime_error("no tensor " + name);
}

inline void remove_tensor(std::vector<base::TensorPlan>& plan, const std::string& name) {
  std::erase_if(plan, [&](const base::TensorPlan& tensor) { return tensor.name == name; });
}

/// Bytes all tensors of `plan` take.
inline std::size_t plan_bytes(const std::vector<base::TensorPlan>& plan) {
  std::size_t total = 0;
  for (const base::TensorPlan& tensor : plan) {
    total += base::tensor_size_bytes(tensor.dtype, tensor.shape, tensor.name).value();
  }
  return total;
}

/// A safetensors file of `plan`; byte i of a tensor is (i + length of its name) mod 64.
inline void write_weights(const std::filesystem::path& path,
                          const std::vector<base::TensorPlan>& plan) {
  auto writer = base::SafetensorsWriter::create(path, plan, {{"format", "pt"}});
  ASSERT_TRUE(writer.has_value()) << writer.error().message;
  for (const base::TensorPlan& tensor : plan) {
    std::vector<std::uint8_t> bytes(
        base::tensor_size_bytes(tensor.dtype, tensor.shape, tensor.name).value());
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<std::uint8_t>((i + tensor.name.size()) % 64);
    }
    ASSERT_TRUE(writer->append(bytes).has_value());
  }
  ASSERT_TRUE(writer->finish().has_value());
}

/// config.json and model.safetensors in `directory`.
inline void write_tiny_checkpoint(const std::filesystem::path& directory) {
  write_file(directory / "config.json", tiny_config().dump());
  write_weights(directory / "model.safetensors", plan_of(tiny_config()));
}

}  // namespace trine::testing_support
