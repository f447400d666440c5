#include "input/charsmap_guard.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "input/unicode.h"

namespace trine::input {
namespace {

constexpr std::size_t kUnitBytes = 4;

/// Rules of which one begins with the other: the library collects them in an array of this size
/// and does not look where it ends.
constexpr std::uint8_t kMostNestedRules = 32;

/// The longest replacement of Unicode's own forms has 33 bytes (U+FDFA). Without a limit, every
/// character of a text could become megabytes; the library needs 90 bytes of memory for each of them.
constexpr std::size_t kMostReplacementBytes = 64;

std::uint32_t read_unit(std::string_view bytes, std::size_t index) {
  std::uint32_t unit = 0;
  for (std::size_t i = kUnitBytes; i-- > 0;) {
    unit = (unit << 8) | static_cast<std::uint8_t>(bytes[index * kUnitBytes + i]);
  }
  return unit;
}

/// Visits every node of the trie that a text can lead to, children before their parents. Nodes
/// may share children, but no way may lead back to where it came from.
class TrieWalk {
 public:
  TrieWalk(std::string_view trie, std::string_view replacements)
      : trie_(trie),
        num_units_(trie.size() / kUnitBytes),
        replacements_(replacements),
        rules_below_(num_units_, kUnseen) {}

  Status run() {
    TRINE_RETURN_IF_ERROR(enter(0));
    while (!path_.empty()) {
      Step& step = path_.back();
      if (step.label > 0xFF) {
        leave();
        continue;
      }
      const std::size_t child = children_of(step.node) ^ step.label;
      const std::uint32_t unit = read_unit(trie_, child);
      if ((unit & kLabelMask) != step.label++) continue;
      if (rules_below_[child] == kOpen) {
        return fail(ErrorCode::kMalformed, "its trie leads in a circle at unit {}", child);
      }
      if (rules_below_[child] == kUnseen) {
        TRINE_RETURN_IF_ERROR(enter(child));
        --path_[path_.size() - 2].label;  // come back to it when its own rules are counted
        continue;
      }
      TRINE_RETURN_IF_ERROR(count_rules(step, child, unit));
    }
    return {};
  }

 private:
  struct Step {
    std::size_t node = 0;
    std::uint32_t label = 0;  ///< the next to try
    std::uint8_t rules = 0;   ///< most on one way below, so far
  };

  static constexpr std::uint32_t kLabelMask = 0x800000FF;
  static constexpr std::uint32_t kLeafBit = 0x100;
  static constexpr std::uint32_t kValueMask = 0x7FFFFFFF;
  static constexpr std::uint8_t kUnseen = 0xFF;
  static constexpr std::uint8_t kOpen = 0xFE;

  /// Where the unit of a node's child with label 0 lies; those of the others are this xor label.
  [[nodiscard]] std::size_t children_of(std::size_t node) const {
    const std::uint32_t unit = read_unit(trie_, node);
    return node ^ (std::size_t{unit >> 10} << ((unit & 0x200u) >> 6));
  }

  Status enter(std::size_t node) {
    // The library reads the unit of whatever byte comes next in a text.
    if ((children_of(node) | 0xFF) >= num_units_) {
      return fail(ErrorCode::kMalformed, "unit {} of its trie leads beyond the {} there are",
                  node, num_units_);
    }
    rules_below_[node] = kOpen;
    path_.push_back({node});
    return {};
  }

  void leave() {
    rules_below_[path_.back().node] = path_.back().rules;
    path_.pop_back();
  }

  Status count_rules(Step& step, std::size_t child, std::uint32_t unit) const {
    std::uint8_t rules = rules_below_[child];
    if ((unit & kLeafBit) != 0) {
      TRINE_RETURN_IF_ERROR(
          check_replacement(read_unit(trie_, children_of(child)) & kValueMask));
      ++rules;
    }
    if (rules > kMostNestedRules) {
      return fail(ErrorCode::kMalformed,
                  "more than {} of its rules begin with one another, expected at most that",
                  kMostNestedRules);
    }
    step.rules = std::max(step.rules, rules);
    return {};
  }

  [[nodiscard]] Status check_replacement(std::size_t begin) const {
    if (begin >= replacements_.size()) {
      return fail(ErrorCode::kMalformed, "a replacement at byte {} of {}", begin,
                  replacements_.size());
    }
    const bool within_character =
        (static_cast<std::uint8_t>(replacements_[begin]) & 0xC0) == 0x80;
    const auto found = replacements_.substr(begin, kMostReplacementBytes + 1);
    if (within_character || found.find('\0') == std::string_view::npos) {
      return fail(ErrorCode::kMalformed,
                  "the replacement at byte {} is not text of at most {} bytes", begin,
                  kMostReplacementBytes);
    }
    return {};
  }

  std::string_view trie_;
  std::size_t num_units_;
  std::string_view replacements_;
  std::vector<std::uint8_t> rules_below_;  ///< by unit: most rules on one way, kOpen or kUnseen
  std::vector<Step> path_{};
};

}  // namespace

Status check_charsmap(std::string_view charsmap) {
  if (charsmap.empty()) return {};
  if (charsmap.size() > kMostCharsmapBytes) {
    return fail(ErrorCode::kMalformed, "{} bytes of rules, expected at most {}",
                charsmap.size(), kMostCharsmapBytes);
  }
  const std::size_t trie_bytes = charsmap.size() < kUnitBytes ? 0 : read_unit(charsmap, 0);
  if (trie_bytes == 0 || trie_bytes % kUnitBytes != 0 ||
      trie_bytes + kUnitBytes >= charsmap.size()) {
    return fail(ErrorCode::kMalformed,
                "a trie of {} bytes in {} bytes of rules, expected whole units of {} and "
                "replacements behind them",
                trie_bytes, charsmap.size(), kUnitBytes);
  }
  const std::string_view replacements = charsmap.substr(kUnitBytes + trie_bytes);
  if (!is_valid_utf8(replacements)) {
    return fail(ErrorCode::kMalformed, "replacements that are not UTF-8");
  }
  return TrieWalk(charsmap.substr(kUnitBytes, trie_bytes), replacements).run();
}

}  // namespace trine::input
