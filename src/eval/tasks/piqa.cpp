// PIQA (Bisk and others 2020): which of two solutions reaches a goal.
#include "eval/tasks/document_fields.h"
#include "eval/tasks/task.h"

namespace trine::eval {

ReadDocument read_piqa;
Result<Document> read_piqa(const base::JsonFields& fields) {
  Document document;
  TRINE_ASSIGN_OR_RETURN(const std::string goal, fields.string("goal"));
  document.question = "Question: " + goal + "\nAnswer:";
  for (const char* field : {"sol1", "sol2"}) {
    TRINE_ASSIGN_OR_RETURN(std::string solution, fields.string(field));
    document.choices.push_back(std::move(solution));
  }
  TRINE_ASSIGN_OR_RETURN(document.gold, read_label(fields, "label", 2));
  return document;
}

}  // namespace trine::eval
