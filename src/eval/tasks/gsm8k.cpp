// GSM8K (Cobbe and others 2021): the number a worked solution ends with, found in two ways.
#include <optional>

#include "eval/tasks/python_text.h"
#include "eval/tasks/task.h"

namespace trine::eval {
namespace {

constexpr std::string_view kMark = "#### ";
constexpr std::string_view kNothing = "[invalid]";

bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }
bool is_amount(char byte) {
  return is_digit(byte) || byte == '$' || byte == '.' || byte == ',';
}

/// Bytes from `at` on that satisfy `belongs`.
template <class Belongs>
std::size_t run_length(std::string_view text, std::size_t at, Belongs belongs) {
  std::size_t end = at;
  while (end < text.size() && belongs(text[end])) ++end;
  return end - at;
}

/// The first match of `#### (\-?[0-9\.\,]+)`.
std::string_view strict_answer(std::string_view text) {
  for (std::size_t at = text.find(kMark); at != text.npos; at = text.find(kMark, at + 1)) {
    const std::size_t begin = at + kMark.size();
    const std::size_t sign = begin < text.size() && text[begin] == '-' ? 1 : 0;
    const std::size_t digits = run_length(
        text, begin + sign, [](char byte) { return is_amount(byte) && byte != '$'; });
    if (digits > 0) return text.substr(begin, sign + digits);
  }
  return kNothing;
}

/// The last match of `(-?[$0-9.,]{2,})|(-?[0-9]+)`.
std::string_view flexible_answer(std::string_view text) {
  std::string_view last = kNothing;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t sign = text[at] == '-' ? 1 : 0;
    std::size_t length = run_length(text, at + sign, is_amount);
    if (length < 2) length = run_length(text, at + sign, is_digit);
    if (length == 0) {
      ++at;
      continue;
    }
    last = text.substr(at, sign + length);
    at += sign + length;
  }
  return last;
}

/// What is compared: without commas, dollars, everything up to the last "#### ", and one final
/// full stop; in lower case.
std::string normalized(std::string_view text) {
  std::string number = replace_all(replace_all(text, ",", ""), "$", "");
  if (const std::size_t mark = number.rfind(kMark); mark != std::string::npos) {
    number.erase(0, mark + kMark.size());
  }
  const bool newline = number.ends_with('\n');
  const std::size_t end = number.size() - (newline ? 1 : 0);
  if (end > 0 && number[end - 1] == '.') number.erase(end - 1, 1);
  return lower(number);
}

}  // namespace

ReadDocument read_gsm8k;
Result<Document> read_gsm8k(const base::JsonFields& fields) {
  Document document;
  TRINE_ASSIGN_OR_RETURN(const std::string question, fields.string("question"));
  document.question = "Question: " + question + "\nAnswer:";
  TRINE_ASSIGN_OR_RETURN(std::string answer, fields.string("answer"));
  document.targets = {std::move(answer)};
  return document;
}

JudgeAnswer judge_gsm8k;
std::vector<Judgement> judge_gsm8k(const Document& document, std::string_view text) {
  const std::string right = normalized(document.targets.front());
  return {{"strict-match", normalized(strict_answer(text)) == right},
          {"flexible-extract", normalized(flexible_answer(text)) == right}};
}

}  // namespace trine::eval
