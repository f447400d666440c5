// Reads {"type": "BPE", …}: everything an id depends on is checked here, once.
#include <algorithm>

#include "input/token_models/bpe.h"
#include "input/unicode.h"

namespace trine::input {
namespace {

constexpr std::size_t kMaxMerges = std::size_t{1} << 23;  // a token has a few ways to arise

Result<Vocabulary> read_vocabulary(const JsonPart& model) {
  TRINE_ASSIGN_OR_RETURN(const JsonPart part, model.field("vocab"));
  TRINE_ASSIGN_OR_RETURN(const auto tokens, part.fields(kMaxVocabulary));
  Vocabulary vocabulary;
  for (const JsonPart& token : tokens) {
    TRINE_ASSIGN_OR_RETURN(const std::int64_t number, token.integer(0, kMaxVocabulary - 1));
    const auto id = static_cast<std::int32_t>(number);
    if (!vocabulary.add(token.key(), id)) {
      return fail(ErrorCode::kMalformed, "{} is {}, which is already the id of \"{}\"",
                  token.place(), id, vocabulary.text_of(id));
    }
  }
  return vocabulary;
}

/// The two texts of a merge, written as "left right" or as ["left", "right"].
Result<std::pair<std::string_view, std::string_view>> read_merge_pair(const JsonPart& merge) {
  constexpr std::string_view kExpected = "two tokens: \"a b\" or [\"a\", \"b\"]";
  if (merge.is_string()) {
    TRINE_ASSIGN_OR_RETURN(const std::string_view line, merge.string());
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos || line.find(' ', space + 1) != line.npos) {
      return merge.wrong(kExpected);
    }
    return std::pair(line.substr(0, space), line.substr(space + 1));
  }
  TRINE_ASSIGN_OR_RETURN(const auto texts, merge.items(2));
  if (texts.size() != 2) return merge.wrong(kExpected);
  TRINE_ASSIGN_OR_RETURN(const std::string_view left, texts[0].string());
  TRINE_ASSIGN_OR_RETURN(const std::string_view right, texts[1].string());
  return std::pair(left, right);
}

Result<std::int32_t> find_token(const Vocabulary& vocabulary, std::string_view text,
                                const JsonPart& named_at) {
  if (const auto id = vocabulary.id_of(text)) return *id;
  return fail(ErrorCode::kMalformed,
              "{} names the token \"{}\", which is not in the vocabulary", named_at.place(),
              text);
}

Status read_unknown_token(const JsonPart& model, BpeRules& rules) {
  TRINE_ASSIGN_OR_RETURN(rules.fuse_unk, model.boolean_or("fuse_unk", false));
  const auto unk_token = model.find("unk_token");
  if (!unk_token) return {};
  TRINE_ASSIGN_OR_RETURN(const std::string_view text, unk_token->string());
  TRINE_ASSIGN_OR_RETURN(rules.unk_id, find_token(rules.vocabulary, text, *unk_token));
  return {};
}

/// True when `id` gets into a text for characters other than its own.
bool stands_for_other_text(const BpeRules& rules, std::int32_t id) {
  if (rules.unk_id == id) return true;
  if (!rules.byte_ids) return false;
  const std::string_view text = rules.vocabulary.text_of(id);
  return text.size() == 6 && text.starts_with("<0x") && text.ends_with('>');
}

Status read_merges(const JsonPart& model, BpeRules& rules) {
  TRINE_ASSIGN_OR_RETURN(const JsonPart part, model.field("merges"));
  TRINE_ASSIGN_OR_RETURN(const auto merges, part.items(kMaxMerges));
  rules.merges.reserve(merges.size());
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const JsonPart& merge = merges[rank];
    TRINE_ASSIGN_OR_RETURN(const auto pair, read_merge_pair(merge));
    if (pair.first.empty() || pair.second.empty()) return merge.wrong("two tokens with text");
    const Vocabulary& vocabulary = rules.vocabulary;
    TRINE_ASSIGN_OR_RETURN(const auto left, find_token(vocabulary, pair.first, merge));
    TRINE_ASSIGN_OR_RETURN(const auto right, find_token(vocabulary, pair.second, merge));
    const std::string joined = std::string(pair.first).append(pair.second);
    TRINE_ASSIGN_OR_RETURN(const auto product, find_token(vocabulary, joined, merge));
    rules.merges.add(left, right, {static_cast<std::uint32_t>(rank), product});
    rules.cuts.add_join(pair.first, pair.second);
    for (const std::int32_t id : {left, right, product}) {
      if (stands_for_other_text(rules, id)) rules.cuts.forbid();
    }
  }
  return {};
}

void note_known_characters(BpeRules& rules) {
  for (std::size_t id = 0; id < rules.vocabulary.size(); ++id) {
    const std::string_view text = rules.vocabulary.text_of(static_cast<std::int32_t>(id));
    if (text.empty()) continue;
    const Utf8Character first = read_utf8(text);
    if (first.length == text.size()) rules.cuts.add_known_character(first.code_point);
  }
}

/// kUnsupported for settings that would change ids and that no known model uses.
Status refuse_other_settings(const JsonPart& model) {
  for (const std::string_view name : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const auto affix = model.find(name);
    if (!affix) continue;
    TRINE_ASSIGN_OR_RETURN(const std::string_view text, affix->string());
    if (text.empty()) continue;
    return fail(ErrorCode::kUnsupported, "{} is \"{}\", which Trine does not know; known: null",
                affix->place(), text);
  }
  if (const auto dropout = model.find("dropout")) {
    return fail(ErrorCode::kUnsupported,
                "{} is set, but Trine's tokens never depend on chance; known: null",
                dropout->place());
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<const TokenModel>> read_bpe(const JsonPart& part) {
  TRINE_RETURN_IF_ERROR(refuse_other_settings(part));
  BpeRules rules;
  TRINE_ASSIGN_OR_RETURN(rules.vocabulary, read_vocabulary(part));
  TRINE_ASSIGN_OR_RETURN(rules.byte_ids, read_byte_ids(part, rules.vocabulary));
  TRINE_RETURN_IF_ERROR(read_unknown_token(part, rules));
  TRINE_RETURN_IF_ERROR(read_merges(part, rules));
  TRINE_ASSIGN_OR_RETURN(rules.ignore_merges, part.boolean_or("ignore_merges", false));
  if (!rules.byte_ids) note_known_characters(rules);
  return make_bpe(std::move(rules));
}

}  // namespace trine::input
