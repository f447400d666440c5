// ARC (Clark and others 2018), easy and challenge: science questions of three to five choices.
#include <algorithm>

#include "eval/tasks/document_fields.h"
#include "eval/tasks/task.h"

namespace trine::eval {

ReadDocument read_arc;
Result<Document> read_arc(const base::JsonFields& fields) {
  Document document;
  TRINE_ASSIGN_OR_RETURN(const std::string question, fields.string("question"));
  document.question = "Question: " + question + "\nAnswer:";
  TRINE_ASSIGN_OR_RETURN(const base::JsonFields choices, fields.object("choices"));
  TRINE_ASSIGN_OR_RETURN(document.choices, read_strings(choices, "text", 2));
  TRINE_ASSIGN_OR_RETURN(const auto labels, read_strings(choices, "label", 2));
  TRINE_ASSIGN_OR_RETURN(const std::string answer, fields.string("answerKey"));
  const auto right = std::find(labels.begin(), labels.end(), answer);
  if (labels.size() != document.choices.size() || right == labels.end()) {
    return fail(ErrorCode::kMalformed,
                "{}: field \"answerKey\" is \"{}\", expected one of {} labels for {} choices",
                fields.name(), answer, labels.size(), document.choices.size());
  }
  document.gold = static_cast<std::size_t>(right - labels.begin());
  return document;
}

}  // namespace trine::eval
