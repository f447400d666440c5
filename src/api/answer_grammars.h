// Grammars over one model's vocabulary, as filters of answers.
#pragma once

#include <trine/token_filter.h>

#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "input/json_grammar/token_vocabulary.h"
#include "input/tokenizer.h"

namespace trine::api {

/// From several threads at once.
class AnswerGrammars {
 public:
  /// `tokenizer` must outlive it.
  AnswerGrammars(const input::Tokenizer& tokenizer, std::vector<std::int32_t> end_tokens);

  /// Of the values a JSON schema describes; of any JSON object when `schema` is empty. All share
  /// one grammar, which may have 20 MB.
  [[nodiscard]] Result<std::vector<std::shared_ptr<TokenFilter>>> filters(
      std::string_view schema, std::size_t count);

 private:
  [[nodiscard]] std::shared_ptr<const input::json_grammar::TokenVocabulary> vocabulary();

  const input::Tokenizer* tokenizer_;
  std::vector<std::int32_t> end_tokens_;
  std::once_flag built_{};
  std::shared_ptr<const input::json_grammar::TokenVocabulary> vocabulary_{};
};

}  // namespace trine::api
