// TriviaQA (Joshi and others 2017) without context: the generated answer must be one of the
// aliases, but for case, ASCII punctuation and white space around it.
#include <algorithm>

#include "eval/tasks/document_fields.h"
#include "eval/tasks/python_text.h"
#include "eval/tasks/task.h"

namespace trine::eval {
namespace {

std::string lowered_without_punctuation(std::string_view text) {
  std::string lowered = lower(text);
  std::erase_if(lowered, [](char byte) {
    return (byte >= '!' && byte <= '/') || (byte >= ':' && byte <= '@') ||
           (byte >= '[' && byte <= '`') || (byte >= '{' && byte <= '~');
  });
  return lowered;
}

}  // namespace

ReadDocument read_triviaqa;
Result<Document> read_triviaqa(const base::JsonFields& fields) {
  Document document;
  TRINE_ASSIGN_OR_RETURN(const std::string question, fields.string("question"));
  document.question = "Question: " + question + "?\nAnswer:";
  TRINE_ASSIGN_OR_RETURN(const base::JsonFields answer, fields.object("answer"));
  TRINE_ASSIGN_OR_RETURN(document.targets, read_strings(answer, "aliases", 1));
  return document;
}

JudgeAnswer judge_triviaqa;
std::vector<Judgement> judge_triviaqa(const Document& document, std::string_view text) {
  const std::string answer = lowered_without_punctuation(strip(text));
  const bool is_right = std::any_of(
      document.targets.begin(), document.targets.end(),
      [&](const std::string& target) { return lowered_without_punctuation(target) == answer; });
  return {{"remove_whitespace", is_right}};
}

}  // namespace trine::eval
