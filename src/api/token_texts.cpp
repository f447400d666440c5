#include "api/token_texts.h"

#include <cctype>
#include <vector>

#include "input/json_grammar/token_vocabulary.h"

namespace trine::api {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

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
  const std::string part = input::json_grammar::token_bytes(*tokenizer_, token);
  return part.empty() ? whole : part;
}

}  // namespace trine::api
