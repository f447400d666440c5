#include "api/token_texts.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "input/byte_alphabet.h"

namespace trine::api {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// "<0x0A>" → '\n'.
std::optional<char> byte_token(std::string_view spelled) {
  if (spelled.size() != 6 || !spelled.starts_with("<0x") || spelled.back() != '>') {
    return std::nullopt;
  }
  unsigned value = 0;
  const char* end = spelled.data() + 5;
  const auto [last, error] = std::from_chars(spelled.data() + 3, end, value, 16);
  if (error != std::errc{} || last != end) return std::nullopt;
  return static_cast<char>(value);
}

/// The bytes a byte-level vocabulary spells with its own alphabet, if all of it is of that.
std::optional<std::string> byte_level(std::string_view spelled) {
  std::string bytes;
  for (std::size_t i = 0; i < spelled.size(); ++i) {
    auto character = static_cast<char32_t>(static_cast<unsigned char>(spelled[i]));
    if (character >= 0xE0) return std::nullopt;  // three bytes or more: not of the alphabet
    if (character >= 0xC0 && i + 1 < spelled.size()) {
      character = ((character & 0x1F) << 6) | (static_cast<unsigned char>(spelled[++i]) & 0x3F);
    }
    const auto byte = input::byte_of_character(character);
    if (!byte) return std::nullopt;
    bytes += static_cast<char>(*byte);
  }
  return bytes;
}

}  // namespace

TokenTexts::TokenTexts(const input::Tokenizer& tokenizer) : tokenizer_(&tokenizer) {
  const auto count = static_cast<std::int32_t>(tokenizer.vocab_size());
  for (std::int32_t token = 0; token < count && !anchor_; ++token) {
    const std::string text =
        tokenizer.decode(std::span(&token, 1), input::SpecialTokens::kExclude);
    if (text.size() == 1 && std::isalpha(static_cast<unsigned char>(text[0])) != 0) {
      anchor_ = token;
      anchor_text_ = text;
    }
  }
}

std::string TokenTexts::text(std::int32_t token) const {
  if (tokenizer_->is_special(token)) return std::string(tokenizer_->token_text(token));
  if (!anchor_) return tokenizer_->decode(std::span(&token, 1), input::SpecialTokens::kInclude);
  const std::vector<std::int32_t> both = {*anchor_, token};
  const std::string text = tokenizer_->decode(both, input::SpecialTokens::kInclude);
  return text.starts_with(anchor_text_) ? text.substr(anchor_text_.size()) : text;
}

std::string TokenTexts::bytes(std::int32_t token) const {
  const std::string whole = text(token);
  if (whole.find(kReplacement) == std::string::npos) return whole;
  const std::string_view spelled = tokenizer_->token_text(token);
  if (const auto byte = byte_token(spelled)) return std::string(1, *byte);
  return byte_level(spelled).value_or(whole);
}

}  // namespace trine::api
