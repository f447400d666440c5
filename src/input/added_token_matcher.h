// Finds added tokens in a text.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace trine::input {

/// A token that is looked for in the text itself, before any splitting and merging.
struct AddedToken {
  std::int32_t id = 0;
  std::string content{};
  bool single_word = false;  ///< only where no word character touches it
  bool lstrip = false;       ///< takes white space before it along
  bool rstrip = false;       ///< takes white space after it along
  bool normalized = true;    ///< looked for, normalized, in the normalized text
  bool special = false;      ///< left out by decode() on request
};

/// A part of a text: an added token if `id` is set, else ordinary text.
struct TextSegment {
  std::string_view text{};
  std::optional<std::int32_t> id{};
};

/// Matches leftmost first, then longest; the patterns found do not overlap. Thread-safe once
/// filled.
class AddedTokenMatcher {
 public:
  /// Looks for `pattern`, not empty, and reports it as `token`. The later of two equal
  /// patterns holds.
  void add(std::string_view pattern, const AddedToken& token);

  /// `text` in order and without gaps, in non-empty segments; the views point into `text`.
  /// White space that an rstrip took along is still searched for tokens of its own, which then
  /// overlap it, or vanish in it if they have lstrip; the Rust library `tokenizers` does so, and
  /// ids must agree.
  [[nodiscard]] std::vector<TextSegment> split(std::string_view text) const;

 private:
  static constexpr std::uint32_t kNoToken = 0xFFFFFFFF;

  /// A node of a tree with one byte per edge.
  struct Node {
    std::vector<std::pair<char, std::uint32_t>> children{};
    std::uint32_t token = kNoToken;  ///< whose pattern ends here
  };

  struct Match {
    const AddedToken* token = nullptr;
    std::size_t length = 0;
  };

  [[nodiscard]] std::optional<std::uint32_t> child(std::uint32_t node, char byte) const;
  [[nodiscard]] std::optional<Match> longest_match(std::string_view text) const;

  std::vector<Node> nodes_{Node{}};
  std::bitset<256> first_bytes_{};  ///< passes over ordinary text quickly
  std::vector<AddedToken> tokens_{};
};

}  // namespace trine::input
