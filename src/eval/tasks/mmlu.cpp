// MMLU (Hendrycks and others 2021): four choices, of which only the letter is scored; 57 subjects.
#include "eval/tasks/document_fields.h"
#include "eval/tasks/python_text.h"
#include "eval/tasks/task.h"

namespace trine::eval {

ReadDocument read_mmlu;
Result<Document> read_mmlu(const base::JsonFields& fields) {
  Document document{.choices = {"A", "B", "C", "D"}};
  TRINE_ASSIGN_OR_RETURN(document.subject, fields.string("subject"));
  TRINE_ASSIGN_OR_RETURN(const std::string question, fields.string("question"));
  TRINE_ASSIGN_OR_RETURN(const auto answers, read_strings(fields, "choices", 4));
  document.question = strip(question);
  for (std::size_t i = 0; i < document.choices.size(); ++i) {
    document.question += "\n" + document.choices[i] + ". " + answers[i];
  }
  document.question += "\nAnswer:";
  TRINE_ASSIGN_OR_RETURN(document.gold, read_label(fields, "answer", 4));
  return document;
}

}  // namespace trine::eval
