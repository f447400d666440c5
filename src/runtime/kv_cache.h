// Keys and values of the tokens a sequence has seen.
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "core/model_spec.h"
#include "runtime/kv_pool.h"

namespace trine::runtime {

/// Where attention finds keys and values: rows in a piece, or the pages of a pool.
struct KeysAndValues {
  const float* keys = nullptr;    ///< [num_keys, num_key_value_heads · head_dim]
  const float* values = nullptr;  ///< likewise, v_head_dim wide
  const KvPool* pool = nullptr;   ///< set: pages instead of rows
  std::span<const PageIndex> pages{};
  std::size_t layer = 0;  ///< of the pages
};

/// One sequence's cache. Its own memory holds per layer keys [length, num_key_value_heads ·
/// head_dim] and values [length, num_key_value_heads · v_head_dim] in fp32, growing as tokens
/// come: 4 · layers · (both widths) bytes per token. With a PageTable they lie in pages instead,
/// which whoever owns the table has reserved. A decoder with cross attention has a second pair per
/// layer, of the encoded input: the memory, which does not grow.
class KvCache {
 public:
  explicit KvCache(const ModelSpec& spec) : KvCache(spec, spec.layers.size()) {}
  /// For `num_layers` layers of that model's widths.
  KvCache(const ModelSpec& spec, std::size_t num_layers)
      : key_width_(spec.num_key_value_heads * spec.head_dim),
        value_width_(spec.num_key_value_heads * spec.v_head_dim),
        layers_(num_layers) {}
  /// In the pages of `table`, which must outlive it.
  KvCache(const ModelSpec& spec, PageTable& table) : KvCache(spec) { table_ = &table; }

  /// Tokens whose keys and values are complete in every layer.
  [[nodiscard]] std::size_t length() const noexcept { return length_; }

  /// Stores `count` more tokens in `layer`, rows as wide as described above. Called once per layer
  /// and step, before advance(). @return all keys and values of the layer, valid until the next
  /// call for it.
  [[nodiscard]] KeysAndValues append(const kernels::KernelTable& table, std::size_t layer,
                                     std::size_t count, const float* keys,
                                     const float* values) {
    if (table_ == nullptr) {
      Rows& own = layers_[layer].own;
      own.keys.resize(length_ * key_width_);
      own.values.resize(length_ * value_width_);
      own.keys.insert(own.keys.end(), keys, keys + count * key_width_);
      own.values.insert(own.values.end(), values, values + count * value_width_);
      return {own.keys.data(), own.values.data()};
    }
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t position = length_ + i;
      table_->pool().write(table, table_->pages()[position / kPageTokens], layer,
                           position % kPageTokens, keys + i * key_width_,
                           values + i * value_width_);
    }
    return {nullptr, nullptr, &table_->pool(), table_->pages(), layer};
  }

  /// Counts the rows added to every layer as seen.
  void advance(std::size_t count) noexcept { length_ += count; }
  /// Forgets everything after the first `length` tokens; the memory stays.
  void truncate(std::size_t length) noexcept {
    if (length < length_) length_ = length;
  }
  /// With pages: so many tokens are there already, because the pages were taken over full.
  void set_length(std::size_t length) noexcept { length_ = length; }

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
  PageTable* table_ = nullptr;
};

}  // namespace trine::runtime
