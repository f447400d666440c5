// Byte-pair encoding: characters, merged pair by pair in the order of a learned list.
// Sennrich, Haddow, Birch 2016, arXiv:1508.07909; parts as in Hugging Face tokenizer.json.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>

#include "input/token_models/bpe_cuts.h"
#include "input/token_models/byte_tokens.h"
#include "input/token_models/token_model.h"

namespace trine::input {

/// What two neighbouring symbols become.
struct BpeMerge {
  std::uint32_t rank = 0;    ///< place in the list of merges; the lowest goes first
  std::int32_t product = 0;  ///< id
};

/// Merges by the ids of left and right symbol.
class BpeMerges {
 public:
  void reserve(std::size_t count) { merges_.reserve(count); }
  /// A pair named twice keeps its later rank, as in the Rust library `tokenizers`.
  void add(std::int32_t left, std::int32_t right, BpeMerge merge) {
    merges_.insert_or_assign(key(left, right), merge);
  }
  /// nullptr when the two do not merge.
  [[nodiscard]] const BpeMerge* find(std::int32_t left, std::int32_t right) const {
    const auto found = merges_.find(key(left, right));
    return found == merges_.end() ? nullptr : &found->second;
  }

 private:
  static std::uint64_t key(std::int32_t left, std::int32_t right) noexcept {
    return (std::uint64_t{static_cast<std::uint32_t>(left)} << 32) |
           static_cast<std::uint32_t>(right);
  }
  std::unordered_map<std::uint64_t, BpeMerge> merges_;
};

/// What a "model" of type BPE says.
struct BpeRules {
  Vocabulary vocabulary{};
  BpeMerges merges{};
  BpeCuts cuts{};
  /// With byte_fallback: the ids of "<0x00>" to "<0xFF>", which spell unknown characters.
  std::optional<ByteIds> byte_ids{};
  /// Stands for an unknown character when there are no byte_ids; without either, unknown
  /// characters vanish.
  std::optional<std::int32_t> unk_id{};
  bool fuse_unk = false;       ///< one unk for a run of unknown characters
  bool ignore_merges = false;  ///< a text that is a token is that token, whatever the merges
};

/// The token model of `rules`.
[[nodiscard]] std::unique_ptr<const TokenModel> make_bpe(BpeRules rules);

}  // namespace trine::input
