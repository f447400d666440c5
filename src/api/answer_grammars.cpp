#include "api/answer_grammars.h"

#include <utility>

#include "base/json.h"
#include "input/json_grammar/token_constraint.h"

namespace trine::api {
namespace {

namespace json_grammar = input::json_grammar;

class GrammarFilter final : public TokenFilter {
 public:
  explicit GrammarFilter(json_grammar::TokenConstraint constraint)
      : constraint_(std::move(constraint)) {}

  std::span<const std::uint64_t> allowed() override { return constraint_.allowed(); }
  void accept(std::int32_t token) override {
    check(constraint_.accept(token), "GrammarFilter: the token was not allowed");
  }

 private:
  json_grammar::TokenConstraint constraint_;
};

}  // namespace

AnswerGrammars::AnswerGrammars(const input::Tokenizer& tokenizer,
                               std::vector<std::int32_t> end_tokens)
    : tokenizer_(&tokenizer), end_tokens_(std::move(end_tokens)) {}

/// Built for the first who asks: sorting 150 000 tokens takes a while, and few models need it.
std::shared_ptr<const json_grammar::TokenVocabulary> AnswerGrammars::vocabulary() {
  std::call_once(built_, [this] {
    vocabulary_ = std::make_shared<const json_grammar::TokenVocabulary>(
        json_grammar::TokenVocabulary::of(*tokenizer_, end_tokens_));
  });
  return vocabulary_;
}

Result<std::vector<std::shared_ptr<TokenFilter>>> AnswerGrammars::filters(
    std::string_view schema, std::size_t count) {
  std::shared_ptr<const json_grammar::JsonGrammar> grammar;
  if (schema.empty()) {
    grammar = std::make_shared<const json_grammar::JsonGrammar>(
        json_grammar::JsonGrammar::any_object());
  } else {
    TRINE_ASSIGN_OR_RETURN(const auto parsed, base::parse_ordered_json(schema, "schema"));
    TRINE_ASSIGN_OR_RETURN(auto compiled,
                           json_grammar::JsonGrammar::from_schema(parsed, "schema"));
    grammar = std::make_shared<const json_grammar::JsonGrammar>(std::move(compiled));
  }
  std::vector<std::shared_ptr<TokenFilter>> filters;
  for (std::size_t i = 0; i < count; ++i) {
    TRINE_ASSIGN_OR_RETURN(auto constraint,
                           json_grammar::TokenConstraint::create(grammar, vocabulary()));
    filters.push_back(std::make_shared<GrammarFilter>(std::move(constraint)));
  }
  return filters;
}

}  // namespace trine::api
