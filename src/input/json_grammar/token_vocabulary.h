// A vocabulary as bytes, arranged so that a grammar can be asked about all tokens at once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "input/tokenizer.h"

namespace trine::input::json_grammar {

/// One bit per token id, 64 in a word.
using TokenMask = std::vector<std::uint64_t>;

[[nodiscard]] inline bool is_set(std::span<const std::uint64_t> mask,
                                 std::int32_t id) noexcept {
  const auto bit = static_cast<std::size_t>(id);
  return id >= 0 && bit / 64 < mask.size() && ((mask[bit / 64] >> (bit % 64)) & 1) != 0;
}

/// The bytes that token `id` adds in the middle of a text: of a byte token one byte, which need
/// not be a character. Empty for special tokens and ids without a token.
[[nodiscard]] std::string token_bytes(const Tokenizer& tokenizer, std::int32_t id);

/// Tokens sorted by their bytes, as a tree of bytes written in the order of a walk through it.
class TokenTree {
 public:
  /// One byte behind its parent's. Nodes follow each other depth first.
  struct Node {
    std::uint8_t byte = 0;
    std::uint16_t depth = 0;       ///< bytes before this one
    std::int32_t end = 0;          ///< the node behind all that begin like this one
    std::int32_t first_token = 0;  ///< tokens()[first_token, last_token) end here
    std::int32_t last_token = 0;
  };

  TokenTree() = default;
  /// `bytes` by id; only those of `ids` take part, none of which is empty.
  TokenTree(std::span<const std::string> bytes, std::vector<std::int32_t> ids);

  [[nodiscard]] std::span<const Node> nodes() const noexcept { return nodes_; }
  [[nodiscard]] std::span<const std::int32_t> tokens() const noexcept { return tokens_; }
  /// The most bytes of a token.
  [[nodiscard]] std::size_t height() const noexcept { return height_; }

 private:
  std::vector<Node> nodes_;
  std::vector<std::int32_t> tokens_;
  std::size_t height_ = 0;
};

/// Built once per model and shared by all that constrain its output. Immutable.
class TokenVocabulary {
 public:
  /// `bytes` by id, empty for tokens that never take part; `end_tokens` end a text. Tokens longer
  /// than 65,535 bytes are left out.
  TokenVocabulary(std::vector<std::string> bytes, std::vector<std::int32_t> end_tokens);
  [[nodiscard]] static TokenVocabulary of(const Tokenizer& tokenizer,
                                          std::vector<std::int32_t> end_tokens);

  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
  [[nodiscard]] std::size_t mask_words() const noexcept { return (bytes_.size() + 63) / 64; }
  [[nodiscard]] const std::string& bytes(std::int32_t id) const {
    return bytes_[static_cast<std::size_t>(id)];
  }
  [[nodiscard]] std::span<const std::int32_t> end_tokens() const noexcept {
    return end_tokens_;
  }
  [[nodiscard]] bool is_end(std::int32_t id) const noexcept;

  [[nodiscard]] const TokenTree& all() const noexcept { return all_; }
  /// Those that are not plain.
  [[nodiscard]] const TokenTree& not_plain() const noexcept { return not_plain_; }
  /// Plain tokens are whole characters that a JSON string holds as they are. Of those, the ones
  /// with at most `characters`; 0: none.
  [[nodiscard]] const TokenMask& plain(std::int32_t characters) const;

 private:
  static constexpr std::size_t kMostPlain = 32;  ///< longer ones count as not plain

  std::vector<std::string> bytes_;
  std::vector<std::int32_t> end_tokens_;
  TokenTree all_;
  TokenTree not_plain_;
  std::array<TokenMask, kMostPlain + 1> plain_;  ///< by the most characters
};

}  // namespace trine::input::json_grammar
