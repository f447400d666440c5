// The text of one answer as its tokens come: whole characters, cut at stop texts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "input/streaming_detokenizer.h"
#include "input/tokenizer.h"

namespace trine::api {

/// Holds back what may still become a stop text.
class AnswerText {
 public:
  /// `tokenizer` must outlive it. `before` are the tokens the answer goes on from.
  AnswerText(const input::Tokenizer& tokenizer, std::span<const std::int32_t> before,
             std::vector<std::string> stop);

  /// Text that became certain; empty after a stop text was found.
  [[nodiscard]] std::string push(std::int32_t token);
  /// The rest. The last call.
  [[nodiscard]] std::string flush();
  [[nodiscard]] bool is_stopped() const noexcept { return is_stopped_; }

 private:
  [[nodiscard]] std::string release(bool is_last);

  input::StreamingDetokenizer detokenizer_;
  std::vector<std::string> stop_;
  std::string held_{};
  bool is_stopped_ = false;
};

}  // namespace trine::api
