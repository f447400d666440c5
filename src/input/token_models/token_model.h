// How a stretch of normalized text becomes ids: the "model" of tokenizer.json.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "input/json_part.h"
#include "input/vocabulary.h"

namespace trine::input {

/// One call of encode(): working memory, and what was learned from the text so far.
class TokenModelRun {
 public:
  virtual ~TokenModelRun() = default;
  /// Appends the ids of `text`: valid UTF-8, normalized, without added tokens.
  virtual void append_ids(std::string_view text, std::vector<std::int32_t>& ids) = 0;
};

/// Immutable once read; each run is for one thread.
class TokenModel {
 public:
  virtual ~TokenModel() = default;
  /// The model must outlive the run.
  [[nodiscard]] virtual std::unique_ptr<TokenModelRun> start() const = 0;
  [[nodiscard]] virtual const Vocabulary& vocabulary() const noexcept = 0;
};

/// Reads one kind of "model" of tokenizer.json.
using TokenModelReader = Result<std::unique_ptr<const TokenModel>>(const JsonPart& part);

/// Reads "model". kUnsupported lists the known types.
TokenModelReader read_token_model;

}  // namespace trine::input
