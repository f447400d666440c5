// BoolQ (Clark and others 2019), as SuperGLUE has it: yes or no from a passage.
#include "eval/tasks/document_fields.h"
#include "eval/tasks/task.h"

namespace trine::eval {

ReadDocument read_boolq;
Result<Document> read_boolq(const base::JsonFields& fields) {
  Document document{.choices = {"no", "yes"}};
  TRINE_ASSIGN_OR_RETURN(const std::string passage, fields.string("passage"));
  TRINE_ASSIGN_OR_RETURN(const std::string question, fields.string("question"));
  document.question = passage + "\nQuestion: " + question + "?\nAnswer:";
  TRINE_ASSIGN_OR_RETURN(document.gold, read_label(fields, "label", 2));
  return document;
}

}  // namespace trine::eval
