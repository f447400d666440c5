// MathQA (Amini and others 2019): word problems with five choices, written in one string.
#include <algorithm>
#include <string_view>

#include "eval/tasks/task.h"

namespace trine::eval {
namespace {

/// Where the choice that starts with the letter at `at` ends, as the pattern
/// `[abcd] \) .*?, |e \) .*?$` ends it; npos when none starts there.
std::size_t end_of_choice(std::string_view options, std::size_t at) {
  const std::string_view rest = options.substr(at);
  if (rest.size() < 4 || rest.substr(1, 3) != " ) ") return rest.npos;
  const std::size_t line = std::min(options.find('\n', at), options.size());
  if (rest[0] >= 'a' && rest[0] <= 'd') {
    const std::size_t comma = options.find(", ", at + 4);
    return comma < line ? comma + 2 : options.npos;
  }
  // `$` is the end, or before the newline that ends the text.
  const bool at_end = line == options.size() || line + 1 == options.size();
  return rest[0] == 'e' && at_end ? line : options.npos;
}

std::vector<std::string> split_options(std::string_view options) {
  std::vector<std::string> choices;
  for (std::size_t at = 0; at < options.size();) {
    const std::size_t end = end_of_choice(options, at);
    if (end == options.npos) {
      ++at;
      continue;
    }
    std::string_view choice = options.substr(at + 4, end - at - 4);
    const std::size_t last = choice.find_last_not_of(" ,");
    choices.emplace_back(choice.substr(0, last == choice.npos ? 0 : last + 1));
    at = end;
  }
  return choices;
}

}  // namespace

ReadDocument read_mathqa;
Result<Document> read_mathqa(const base::JsonFields& fields) {
  Document document;
  TRINE_ASSIGN_OR_RETURN(const std::string problem, fields.string("Problem"));
  document.question = "Question: " + problem + "\nAnswer:";
  TRINE_ASSIGN_OR_RETURN(const std::string options, fields.string("options"));
  document.choices = split_options(options);
  TRINE_ASSIGN_OR_RETURN(const std::string correct, fields.string("correct"));
  const bool is_letter = correct.size() == 1 && correct[0] >= 'a' && correct[0] <= 'e';
  if (!is_letter || document.choices.empty()) {
    return fail(ErrorCode::kMalformed,
                "{}: field \"correct\" is \"{}\" and \"options\" has {} choices, expected \"a "
                ") ..., b ) ..., e ) ...\" and a letter of them",
                fields.name(), correct, document.choices.size());
  }
  // The data set has lines with fewer choices than that; they count as wrong, as in lm_eval.
  document.gold = static_cast<std::size_t>(correct[0] - 'a');
  return document;
}

}  // namespace trine::eval
