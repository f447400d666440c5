// {"type": "Precompiled", "precompiled_charsmap": "…"}: SentencePiece's normalization rules, as
// T5's file holds them: base64 of a 32-bit size, a trie of that size, then the replacements,
// each with a zero behind it. All numbers are little-endian.
//
// The trie is the double array of Darts-clone (Yata 2008), one 32-bit unit per node. Its
// values are places among the replacements.
//
// SentencePiece replaces the longest rule that matches. The Rust library `tokenizers` goes by
// what a reader takes for a character (a "grapheme cluster"): one below six bytes becomes the
// replacement of the shortest rule that matches at its beginning, if there is one; else that
// holds for every code point in it. Ids must agree with the latter.
#include <unicode/brkiter.h>
#include <unicode/utext.h>

#include <optional>
#include <utility>

#include "input/normalizers/normalizer.h"
#include "input/unicode.h"

namespace trine::input {
namespace {

constexpr std::size_t kTrieUnitBytes = 4;
constexpr std::size_t kMaxCharsmapBytes = std::size_t{16} << 20;  // T5's has 240 KB
constexpr std::size_t kShortGraphemeBytes = 6;

/// Nothing when `text` is not base64 (RFC 4648, section 4) with padding.
std::optional<std::string> decode_base64(std::string_view text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() % 4 != 0) return std::nullopt;
  for (int padding = 0; padding < 2 && text.ends_with('='); ++padding) text.remove_suffix(1);
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char digit : text) {
    const std::size_t value = kDigits.find(digit);
    if (value == std::string_view::npos) return std::nullopt;
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>((bits >> count) & 0xFF);
  }
  return bytes;
}

std::uint32_t read_unit(std::string_view bytes) {
  std::uint32_t unit = 0;
  for (std::size_t i = kTrieUnitBytes; i-- > 0;) {
    unit = (unit << 8) | static_cast<std::uint8_t>(bytes[i]);
  }
  return unit;
}

/// The rules; any content is safe to search.
class Charsmap {
 public:
  Charsmap(std::vector<std::uint32_t> units, std::string replacements)
      : units_(std::move(units)), replacements_(std::move(replacements)) {}

  /// The replacement of the shortest rule that `text` begins with.
  std::optional<std::string_view> find(std::string_view text) const {
    std::size_t node = units_.empty() ? 0 : offset(units_[0]);
    for (const char byte : text) {
      const auto label = static_cast<std::uint8_t>(byte);
      node ^= label;
      if (label == 0 || node >= units_.size() || (units_[node] & kLabelMask) != label) break;
      const bool has_leaf = (units_[node] & kLeafBit) != 0;
      node ^= offset(units_[node]);
      if (has_leaf) return node < units_.size() ? replacement(units_[node]) : std::nullopt;
    }
    return std::nullopt;
  }

 private:
  static constexpr std::uint32_t kLabelMask = 0x800000FF;
  static constexpr std::uint32_t kLeafBit = 0x100;
  static constexpr std::uint32_t kValueMask = 0x7FFFFFFF;

  /// From a node to its children, 22 bits with a bit that says whether to shift them by 8.
  static std::size_t offset(std::uint32_t unit) {
    return std::size_t{unit >> 10} << ((unit & 0x200u) >> 6);
  }

  std::optional<std::string_view> replacement(std::uint32_t leaf) const {
    const std::size_t begin = leaf & kValueMask;
    if (begin >= replacements_.size()) return std::nullopt;
    const bool within_character =
        (static_cast<std::uint8_t>(replacements_[begin]) & 0xC0) == 0x80;
    if (within_character) return std::nullopt;
    const auto rest = std::string_view(replacements_).substr(begin);
    return rest.substr(0, rest.find('\0'));
  }

  std::vector<std::uint32_t> units_;
  std::string replacements_;
};

class Precompiled final : public Normalizer {
 public:
  Precompiled(Charsmap charsmap, std::unique_ptr<const icu::BreakIterator> graphemes)
      : charsmap_(std::move(charsmap)), graphemes_(std::move(graphemes)) {}

  void normalize(std::string& text) const override {
    UErrorCode error = U_ZERO_ERROR;
    UText view = UTEXT_INITIALIZER;
    utext_openUTF8(&view, text.data(), static_cast<std::int64_t>(text.size()), &error);
    const std::unique_ptr<icu::BreakIterator> graphemes(graphemes_->clone());
    graphemes->setText(&view, error);
    check(U_SUCCESS(error), "ICU could not read valid UTF-8");
    std::string normalized;
    normalized.reserve(text.size());
    std::size_t done = 0;
    while (graphemes->next() != icu::BreakIterator::DONE) {
      const auto end = static_cast<std::size_t>(graphemes->current());
      append_grapheme(std::string_view(text).substr(done, end - done), normalized);
      done = end;
    }
    utext_close(&view);
    text = std::move(normalized);
  }

 private:
  void append_grapheme(std::string_view grapheme, std::string& normalized) const {
    if (grapheme.size() < kShortGraphemeBytes) {
      if (const auto replacement = charsmap_.find(grapheme)) {
        normalized += *replacement;
        return;
      }
    }
    while (!grapheme.empty()) {
      const std::string_view character = grapheme.substr(0, read_utf8(grapheme).length);
      normalized += charsmap_.find(character).value_or(character);
      grapheme.remove_prefix(character.size());
    }
  }

  Charsmap charsmap_;
  std::unique_ptr<const icu::BreakIterator> graphemes_;  ///< cloned for every text
};

}  // namespace

Status read_precompiled_normalizer(const JsonPart& part, Normalizers& normalizers) {
  TRINE_ASSIGN_OR_RETURN(const JsonPart field, part.field("precompiled_charsmap"));
  TRINE_ASSIGN_OR_RETURN(const std::string_view text, field.string());
  if (text.empty()) return {};  // no rules
  const auto bytes = decode_base64(text.substr(0, 2 * kMaxCharsmapBytes));
  if (!bytes || bytes->size() < kTrieUnitBytes) return field.wrong("rules in base64");
  const std::size_t trie_bytes = read_unit(*bytes);
  if (trie_bytes > bytes->size() - kTrieUnitBytes || bytes->size() > kMaxCharsmapBytes) {
    return field.wrong(
        fmt::format("rules of at most {} bytes, with their trie", kMaxCharsmapBytes));
  }
  std::vector<std::uint32_t> units(trie_bytes / kTrieUnitBytes);
  for (std::size_t i = 0; i < units.size(); ++i) {
    units[i] = read_unit(std::string_view(*bytes).substr((i + 1) * kTrieUnitBytes));
  }
  std::string replacements = bytes->substr(kTrieUnitBytes + trie_bytes);
  if (!is_valid_utf8(replacements)) return field.wrong("replacements in UTF-8");
  UErrorCode error = U_ZERO_ERROR;
  std::unique_ptr<const icu::BreakIterator> graphemes(
      icu::BreakIterator::createCharacterInstance(icu::Locale::getRoot(), error));
  check(U_SUCCESS(error), "ICU has no data for graphemes");
  normalizers.push_back(std::make_unique<Precompiled>(
      Charsmap(std::move(units), std::move(replacements)), std::move(graphemes)));
  return {};
}

}  // namespace trine::input
