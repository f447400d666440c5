// Keys and values of the tokens a sequence has seen.
#pragma once

#include <cstddef>
#include <vector>

#include "core/model_spec.h"

namespace trine::runtime {

/// One sequence's cache: per layer keys [length, num_key_value_heads · head_dim] and values
/// [length, num_key_value_heads · v_head_dim] in fp32, growing as tokens come. Memory:
/// 4 · layers · (both widths) bytes per token.
class KvCache {
 public:
  explicit KvCache(const ModelSpec& spec)
      : key_width_(spec.num_key_value_heads * spec.head_dim),
        value_width_(spec.num_key_value_heads * spec.v_head_dim),
        layers_(spec.layers.size()) {}

  /// Tokens whose keys and values are complete in every layer.
  [[nodiscard]] std::size_t length() const noexcept { return length_; }

  /// Makes room for `count` more tokens in `layer`; keys_at/values_at of the new rows may then be
  /// written. Called once per layer and step, before advance().
  void extend(std::size_t layer, std::size_t count) {
    layers_[layer].keys.resize((length_ + count) * key_width_);
    layers_[layer].values.resize((length_ + count) * value_width_);
  }
  /// Counts the rows added to every layer as seen.
  void advance(std::size_t count) noexcept { length_ += count; }
  /// Forgets everything after the first `length` tokens.
  void truncate(std::size_t length) noexcept {
    if (length < length_) length_ = length;
  }

  [[nodiscard]] float* keys_at(std::size_t layer, std::size_t position) noexcept {
    return layers_[layer].keys.data() + position * key_width_;
  }
  [[nodiscard]] float* values_at(std::size_t layer, std::size_t position) noexcept {
    return layers_[layer].values.data() + position * value_width_;
  }

 private:
  struct Layer {
    std::vector<float> keys{};
    std::vector<float> values{};
  };

  std::size_t key_width_;
  std::size_t value_width_;
  std::size_t length_ = 0;
  std::vector<Layer> layers_;
};

}  // namespace trine::runtime
