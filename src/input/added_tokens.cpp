#include "input/added_tokens.h"

namespace trine::input {
namespace {

constexpr std::size_t kMaxAddedTokens = std::size_t{1} << 20;
constexpr std::size_t kLongestContent = 1024;  // bytes; matching costs at most this per byte

Result<AddedToken> read_added_token(const JsonPart& part) {
  TRINE_ASSIGN_OR_RETURN(const JsonPart id_field, part.field("id"));
  TRINE_ASSIGN_OR_RETURN(const std::int64_t id, id_field.integer(0, kMaxVocabulary - 1));
  TRINE_ASSIGN_OR_RETURN(const JsonPart content_field, part.field("content"));
  TRINE_ASSIGN_OR_RETURN(const std::string_view content, content_field.string());
  if (content.empty() || content.size() > kLongestContent) {
    return content_field.wrong(fmt::format("a text of 1 to {} bytes", kLongestContent));
  }
  AddedToken token{.id = static_cast<std::int32_t>(id), .content = std::string(content)};
  TRINE_ASSIGN_OR_RETURN(token.special, part.boolean_or("special", false));
  TRINE_ASSIGN_OR_RETURN(token.single_word, part.boolean_or("single_word", false));
  TRINE_ASSIGN_OR_RETURN(token.lstrip, part.boolean_or("lstrip", false));
  TRINE_ASSIGN_OR_RETURN(token.rstrip, part.boolean_or("rstrip", false));
  TRINE_ASSIGN_OR_RETURN(token.normalized, part.boolean_or("normalized", !token.special));
  return token;
}

/// An id may have one text, and a text one id, over the model's tokens and the added ones.
Status check_agreement(const JsonPart& part, const AddedToken& token,
                       const Vocabulary& model_tokens) {
  const auto model_id = model_tokens.id_of(token.content);
  if (model_id && *model_id != token.id) {
    return fail(ErrorCode::kMalformed, "{} gives \"{}\" the id {}, but the model gives it {}",
                part.place(), token.content, token.id, *model_id);
  }
  if (!model_id && model_tokens.contains(token.id)) {
    return fail(ErrorCode::kMalformed,
                "{} gives \"{}\" the id {}, which is the model's id of \"{}\"", part.place(),
                token.content, token.id, model_tokens.text_of(token.id));
  }
  return {};
}

}  // namespace

Result<AddedTokens> AddedTokens::read(const JsonPart& part, const Vocabulary& model_tokens,
                                      const Normalizers& normalizers) {
  TRINE_ASSIGN_OR_RETURN(const auto items, part.items(kMaxAddedTokens));
  AddedTokens tokens;
  for (const JsonPart& item : items) {
    TRINE_RETURN_IF_ERROR(tokens.add(item, model_tokens, normalizers));
  }
  return tokens;
}

Status AddedTokens::add(const JsonPart& part, const Vocabulary& model_tokens,
                        const Normalizers& normalizers) {
  TRINE_ASSIGN_OR_RETURN(const AddedToken token, read_added_token(part));
  TRINE_RETURN_IF_ERROR(check_agreement(part, token, model_tokens));
  if (!texts_.add(token.content, token.id)) {
    return fail(ErrorCode::kMalformed, "{}: \"{}\" or its id {} was added before", part.place(),
                token.content, token.id);
  }
  if (token.normalized) {
    const std::string pattern = normalize(normalizers, token.content);
    if (!pattern.empty()) normalized_.add(pattern, token);
    normalized_texts_.emplace(token.id, pattern);
  } else {
    given_.add(token.content, token);
  }
  special_.resize(texts_.size(), false);
  special_[static_cast<std::size_t>(token.id)] = token.special;
  return {};
}

std::string_view AddedTokens::matched_text(std::int32_t id) const noexcept {
  const auto found = normalized_texts_.find(id);
  return found == normalized_texts_.end() ? texts_.text_of(id) : found->second;
}

bool AddedTokens::is_special(std::int32_t id) const noexcept {
  return texts_.contains(id) && special_[static_cast<std::size_t>(id)];
}

}  // namespace trine::input
