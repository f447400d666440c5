// The "added_tokens" of a tokenizer.json.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "input/added_token_matcher.h"
#include "input/json_part.h"
#include "input/normalizers/normalizer.h"
#include "input/vocabulary.h"

namespace trine::input {

/// Added tokens by id, and two matchers: one for the text as given, one for normalized text.
class AddedTokens {
 public:
  /// Reads the list. An added token is either one of `model_tokens`, under the same id, or new.
  /// kMalformed names a wrong type, an id or text that is taken, a missing field.
  [[nodiscard]] static Result<AddedTokens> read(const JsonPart& part,
                                                const Vocabulary& model_tokens,
                                                const Normalizers& normalizers);

  /// Matches before normalization.
  [[nodiscard]] const AddedTokenMatcher& in_given_text() const noexcept { return given_; }
  /// Matches after it.
  [[nodiscard]] const AddedTokenMatcher& in_normalized_text() const noexcept {
    return normalized_;
  }
  /// By the texts written in the file.
  [[nodiscard]] const Vocabulary& texts() const noexcept { return texts_; }
  /// As it was found in a text, which decoding starts from: normalized if matched so. Empty
  /// for an id that was not added.
  [[nodiscard]] std::string_view matched_text(std::int32_t id) const noexcept;
  /// By id. (The Rust library goes by text, and so shows a special token matched normalized.)
  [[nodiscard]] bool is_special(std::int32_t id) const noexcept;

 private:
  [[nodiscard]] Status add(const JsonPart& part, const Vocabulary& model_tokens,
                           const Normalizers& normalizers);

  Vocabulary texts_;
  AddedTokenMatcher given_;
  AddedTokenMatcher normalized_;
  std::unordered_map<std::int32_t, std::string> normalized_texts_;
  std::vector<bool> special_;  ///< by id
};

}  // namespace trine::input
