// Keys and values of the tokens a sequence has seen.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "core/model_spec.h"

namespace trine::runtime {

/// One sequence's cache: per layer keys [length, num_key_value_heads · head_dim] and values
/// [length, num_key_value_heads · v_head_dim] in fp32, growing as tokens come. Memory:
/// 4 · layers · (both widths) bytes per token. A decoder with cross attention has a second pair
/// per layer, of the encoded input: the memory, which does not grow.
class KvCache {
 public:
  explicit KvCache(const ModelSpec& spec) : KvCache(spec, spec.layers.size()) {}
  /// For `num_layers` layers of that model's widths.
  KvCache(const ModelSpec& spec, std::size_t num_layers)
      : key_width_(spec.num_key_value_heads * spec.head_dim),
        value_width_(spec.num_key_value_heads * spec.v_head_dim),
        layers_(num_layers) {}

  /// Tokens whose keys and values are complete in every layer.
  [[nodiscard]] std::size_t length() const noexcept { return length_; }

  /// Makes room for `count` more tokens in `layer`; keys_at/values_at of the new rows may then be
  /// written. Called once per layer and step, before advance().
  void extend(std::size_t layer, std::size_t count) {
    layers_[layer].own.keys.resize((length_ + count) * key_width_);
    layers_[layer].own.values.resize((length_ + count) * value_width_);
  }
  /// Counts the rows added to every layer as seen.
  void advance(std::size_t count) noexcept { length_ += count; }
  /// Forgets everything after the first `length` tokens; the memory stays.
  void truncate(std::size_t length) noexcept {
    if (length < length_) length_ = length;
  }

  [[nodiscard]] float* keys_at(std::size_t layer, std::size_t position) noexcept {
    return layers_[layer].own.keys.data() + position * key_width_;
  }
  [[nodiscard]] float* values_at(std::size_t layer, std::size_t position) noexcept {
    return layers_[layer].own.values.data() + position * value_width_;
  }

  /// Keys and values of one layer's attention.
  struct Rows {
    std::vector<float> keys{};
    std::vector<float> values{};
  };

  /// Tokens of the encoded input; 0: none was encoded.
  [[nodiscard]] std::size_t memory_length() const noexcept { return memory_length_; }
  void set_memory_length(std::size_t length) noexcept { memory_length_ = length; }

  /// What cross attention in `layer` looks at, [memory_length, width] each.
  [[nodiscard]] const Rows& memory(std::size_t layer) const { return layers_[layer].memory; }
  void set_memory(std::size_t layer, Rows rows) { layers_[layer].memory = std::move(rows); }

 private:
  struct Layer {
    Rows own{};
    Rows memory{};
  };

  std::size_t key_width_;
  std::size_t value_width_;
  std::size_t length_ = 0;
  std::size_t memory_length_ = 0;
  std::vector<Layer> layers_;
};

}  // namespace trine::runtime
