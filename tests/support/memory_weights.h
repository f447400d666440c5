// A model's weights in memory: a WeightSource without files, and random ones to fill it.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/dtype.h"
#include "base/random.h"
#include "core/model_spec.h"
#include "models/family.h"
#include "models/stored_weights.h"
#include "models/weight_source.h"
#include "support/random_matrices.h"
#include "support/tiny_checkpoint.h"

namespace trine::testing_support {

/// `values` as the bytes of a tensor; BF16 cuts the mantissa off.
inline std::vector<std::uint8_t> encode(DType dtype, std::span<const float> values) {
  std::vector<std::uint8_t> bytes;
  const auto put = [&bytes](std::uint32_t bits, int num_bytes) {
    for (int i = 0; i < num_bytes; ++i) {
      bytes.push_back(static_cast<std::uint8_t>(bits >> (8 * i) & 0xFF));
    }
  };
  for (const float value : values) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    if (dtype == DType::kF32) put(bits, 4);
    if (dtype == DType::kF16) put(float_to_f16(value), 2);
    if (dtype == DType::kBF16) put(bits >> 16, 2);
  }
  return bytes;
}

/// The numbers `bytes` stand for.
inline std::vector<float> decode(DType dtype, std::span<const std::uint8_t> bytes) {
  const std::size_t width = bits_of(dtype) / 8;
  std::vector<float> values;
  for (std::size_t i = 0; i < bytes.size(); i += width) {
    std::uint32_t bits = 0;
    for (std::size_t b = 0; b < width; ++b) {
      bits |= std::uint32_t{bytes[i + b]} << (8 * b);
    }
    if (dtype == DType::kF32) values.push_back(std::bit_cast<float>(bits));
    const auto half = static_cast<std::uint16_t>(bits & 0xFFFF);
    if (dtype == DType::kF16) values.push_back(f16_to_float(half));
    if (dtype == DType::kBF16) values.push_back(bf16_to_float(half));
  }
  return values;
}

/// Owns its tensors. They start one byte beyond an aligned address, as a file may place them.
class MemoryWeights final : public models::WeightSource {
 public:
  /// Adds a tensor or replaces it.
  void set(const std::string& name, DType dtype, std::vector<std::size_t> shape,
           std::span<const float> values) {
    Stored& stored = tensors_[name];
    stored.bytes = encode(dtype, values);
    stored.bytes.insert(stored.bytes.begin(), 0);
    stored.view = TensorView{dtype, std::move(shape), std::span(stored.bytes).subspan(1)};
  }
  /// Adds a view of bytes somebody else owns.
  void set_view(const std::string& name, models::WeightView view) {
    tensors_[name] = Stored{.bytes = {}, .view = std::move(view)};
  }
  void remove(const std::string& name) { tensors_.erase(name); }

  [[nodiscard]] Result<models::WeightView> matrix(const MatrixSpec& spec) const override {
    const auto found = tensors_.find(spec.name);
    if (found != tensors_.end()) {
      if (models::codes_of(found->second.view) != nullptr) {
        return checked(spec, found->second.view);
      }
    }
    return models::stored_matrix(spec, lookup());
  }
  [[nodiscard]] Result<std::vector<float>> vector(const VectorSpec& spec) const override {
    return models::stored_vector(spec, lookup());
  }
  void release(const MatrixSpec&) const override {}

 private:
  struct Stored {
    std::vector<std::uint8_t> bytes{};
    models::WeightView view{};
  };

  [[nodiscard]] models::TensorLookup lookup() const {
    return [this](const std::string& name) -> Result<TensorView> {
      const auto found = tensors_.find(name);
      if (found == tensors_.end()) return fail(ErrorCode::kNotFound, "no tensor {}", name);
      return std::get<TensorView>(found->second.view);
    };
  }
  static Result<models::WeightView> checked(const MatrixSpec& spec,
                                            const models::WeightView& view) {
    const PackedLayout& layout = models::codes_of(view)->layout;
    if (layout.out_features == spec.out_features && layout.in_features == spec.in_features) {
      return view;
    }
    return fail(ErrorCode::kMalformed, "{} has shape [{}, {}], expected [{}, {}]", spec.name,
                layout.out_features, layout.in_features, spec.out_features, spec.in_features);
  }

  std::map<std::string, Stored> tensors_{};
};

/// Two layers, four experts of which two are used, hidden size 32, 50 tokens.
inline ModelSpec small_spec() {
  base::Json config = tiny_config();
  config["hidden_size"] = 32;
  config["intermediate_size"] = 48;
  config["num_local_experts"] = 4;
  config["num_experts_per_tok"] = 2;
  config["vocab_size"] = 50;
  return models::parse_model_config(base::JsonFields(config, "config.json")).value();
}

/// The same sizes as a Qwen2-MoE: a shared expert with a gate, biases in the attention.
inline ModelSpec small_shared_spec() {
  base::Json config = tiny_config();
  config["architectures"] = {"Qwen2MoeForCausalLM"};
  config["model_type"] = "qwen2_moe";
  config["hidden_size"] = 32;
  config["moe_intermediate_size"] = 48;
  config["shared_expert_intermediate_size"] = 64;
  config["num_experts"] = 4;
  config["num_experts_per_tok"] = 2;
  config["vocab_size"] = 50;
  return models::parse_model_config(base::JsonFields(config, "config.json")).value();
}

/// Matrices with entries of variance 1 / in_features, so that activations keep their size;
/// vectors (norm weights) around 1. All BF16.
inline MemoryWeights random_weights(const ModelSpec& spec, std::uint64_t seed) {
  base::Random random(seed);
  MemoryWeights weights;
  for (const MatrixSpec* matrix : all_matrices(spec)) {
    const double scale = 1.0 / std::sqrt(static_cast<double>(matrix->in_features));
    weights.set(
        matrix->name, DType::kBF16, {matrix->out_features, matrix->in_features},
        random_normal(matrix->out_features * matrix->in_features, random.next(), scale));
  }
  for (const VectorSpec* vector : all_vectors(spec)) {
    std::vector<float> values = random_normal(vector->size, random.next(), 0.1);
    for (float& value : values) value += 1.0f;
    weights.set(vector->name, DType::kBF16, {vector->size}, values);
  }
  return weights;
}

/// `count` token ids below `vocab_size`.
inline std::vector<std::int32_t> random_tokens(std::size_t count, std::size_t vocab_size,
                                               std::uint64_t seed) {
  base::Random random(seed);
  std::vector<std::int32_t> tokens(count);
  for (std::int32_t& token : tokens) {
    token = static_cast<std::int32_t>(random.next() % vocab_size);
  }
  return tokens;
}

}  // namespace trine::testing_support
