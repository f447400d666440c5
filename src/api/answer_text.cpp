#include "api/answer_text.h"

#include <algorithm>
#include <utility>

namespace trine::api {
namespace {

/// Of the prompt, as many tokens as can matter: a character has at most four byte tokens, and
/// whether a word begins with a space depends on whether there is anything before it.
constexpr std::size_t kTokensBefore = 8;

/// Length of the longest end of `text` that a stop text begins with.
std::size_t unfinished_length(const std::string& text, const std::vector<std::string>& stop) {
  std::size_t longest = 0;
  for (const std::string& wanted : stop) {
    std::size_t length = std::min(text.size(), wanted.size() - 1);
    for (; length > longest; --length) {
      if (text.compare(text.size() - length, length, wanted, 0, length) == 0) longest = length;
    }
  }
  return longest;
}

}  // namespace

AnswerText::AnswerText(const input::Tokenizer& tokenizer, std::span<const std::int32_t> before,
                       std::vector<std::string> stop)
    : detokenizer_(tokenizer, input::SpecialTokens::kExclude), stop_(std::move(stop)) {
  const std::size_t count = std::min(before.size(), kTokensBefore);
  for (const std::int32_t token : before.last(count)) {
    static_cast<void>(detokenizer_.push(token));
  }
}

std::string AnswerText::release(bool is_last) {
  std::size_t end = std::string::npos;
  for (const std::string& wanted : stop_) end = std::min(end, held_.find(wanted));
  if (end != std::string::npos) {
    is_stopped_ = true;
    held_.resize(end);
    return std::exchange(held_, {});
  }
  const std::size_t kept = is_last ? 0 : unfinished_length(held_, stop_);
  std::string certain = held_.substr(0, held_.size() - kept);
  held_.erase(0, held_.size() - kept);
  return certain;
}

std::string AnswerText::push(std::int32_t token) {
  if (is_stopped_) return {};
  held_ += detokenizer_.push(token);
  return release(false);
}

std::string AnswerText::flush() {
  if (is_stopped_) return {};
  held_ += detokenizer_.flush();
  return release(true);
}

}  // namespace trine::api
