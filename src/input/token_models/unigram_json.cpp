// Reads {"type": "Unigram", "vocab": [["<pad>", 0.0], …], "unk_id": 2}: a token's id is its place
// in the list.
#include "input/token_models/unigram.h"

namespace trine::input {
namespace {

Status read_token(const JsonPart& token, UnigramRules& rules) {
  TRINE_ASSIGN_OR_RETURN(const auto pair, token.items(2));
  if (pair.size() != 2) return token.wrong("a text and a score");
  TRINE_ASSIGN_OR_RETURN(const std::string_view text, pair[0].string());
  TRINE_ASSIGN_OR_RETURN(const double score, pair[1].number());
  if (text.empty()) return pair[0].wrong("a text that is not empty");
  const auto id = static_cast<std::int32_t>(rules.scores.size());
  if (!rules.vocabulary.add(text, id)) return pair[0].wrong("a text that is not listed before");
  rules.pieces.add(text, id);
  rules.scores.push_back(score);
  return {};
}

}  // namespace

Result<std::unique_ptr<const TokenModel>> read_unigram(const JsonPart& part) {
  UnigramRules rules;
  TRINE_ASSIGN_OR_RETURN(const JsonPart vocab, part.field("vocab"));
  TRINE_ASSIGN_OR_RETURN(const auto tokens, vocab.items(kMaxVocabulary));
  for (const JsonPart& token : tokens) TRINE_RETURN_IF_ERROR(read_token(token, rules));
  if (tokens.empty()) return vocab.wrong("a list that is not empty");
  TRINE_ASSIGN_OR_RETURN(const JsonPart unk_field, part.field("unk_id"));
  const auto last = static_cast<std::int64_t>(tokens.size()) - 1;
  TRINE_ASSIGN_OR_RETURN(const std::int64_t unk_id, unk_field.integer(0, last));
  rules.unk_id = static_cast<std::int32_t>(unk_id);
  TRINE_ASSIGN_OR_RETURN(rules.byte_ids, read_byte_ids(part, rules.vocabulary));
  return make_unigram(std::move(rules));
}

}  // namespace trine::input
