// Where a text may be cut before merging without changing a single id.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_set>

namespace trine::input {

/// A merge (left, right) joins two symbols across the boundary between left's last character
/// and right's first. Between two characters for which no merge does that, no token of any
/// text can ever reach; the text may be cut there and its parts encoded on their own.
///
/// For vocabularies made of words that means: one cut per word, although Llama's tokenizer.json
/// hands over a whole book at once. Words repeat, so their ids can be kept; and the merging
/// queue stays as short as a word.
class BpeCuts {
 public:
  /// Notes that a merge joins symbols spelled `left` and `right`: valid UTF-8, not empty.
  void add_join(std::string_view left, std::string_view right);

  /// For merges of symbols that do not stand for the text they are spelled with (byte tokens,
  /// unk): their boundaries cannot be told from characters, so nothing is ever cut.
  void forbid() noexcept { forbidden_ = true; }

  /// Called once per character of the vocabulary, or never. Once called, nothing is cut next to
  /// any other character: unknown ones may fuse with each other, or vanish and leave their
  /// neighbours side by side.
  void add_known_character(char32_t character);

  /// Bytes up to the first place where `text` (valid UTF-8, not empty) may be cut, or all.
  [[nodiscard]] std::size_t first_cut(std::string_view text) const noexcept;

 private:
  [[nodiscard]] bool may_cut(char32_t left, char32_t right) const noexcept;
  [[nodiscard]] bool is_joined(char32_t left, char32_t right) const noexcept;

  static constexpr std::size_t kAscii = 128;

  bool forbidden_ = false;
  bool has_unknown_ = false;
  std::bitset<kAscii * kAscii> joined_ascii_{};  ///< pairs of ASCII characters: most lookups
  std::unordered_set<std::uint64_t> joined_{};   ///< all other pairs
  std::unordered_set<char32_t> known_{};
};

}  // namespace trine::input
