// HellaSwag (Zellers and others 2019): which ending continues a description of everyday life.
#include <string>

#include "eval/tasks/document_fields.h"
#include "eval/tasks/python_text.h"
#include "eval/tasks/task.h"

namespace trine::eval {
namespace {

/// Everything from "[" to the next "]" of the same line, away: marks of the WikiHow source.
std::string without_brackets(std::string_view text) {
  std::string kept;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const std::size_t end = text[at] == '[' ? text.find_first_of("]\n", at) : text.npos;
    if (end != text.npos && text[end] == ']') {
      at = end;
    } else {
      kept += text[at];
    }
  }
  return kept;
}

std::string cleaned(std::string_view text) {
  const std::string titled = replace_all(strip(text), " [title]", ". ");
  return replace_all(without_brackets(titled), "  ", " ");
}

}  // namespace

ReadDocument read_hellaswag;
Result<Document> read_hellaswag(const base::JsonFields& fields) {
  Document document;
  TRINE_ASSIGN_OR_RETURN(const std::string activity, fields.string("activity_label"));
  TRINE_ASSIGN_OR_RETURN(const std::string begin, fields.string("ctx_a"));
  TRINE_ASSIGN_OR_RETURN(const std::string end, fields.string("ctx_b"));
  document.question = cleaned(activity + ": " + begin + " " + capitalize(end));
  TRINE_ASSIGN_OR_RETURN(const auto endings, read_strings(fields, "endings", 2));
  for (const std::string& ending : endings) document.choices.push_back(cleaned(ending));
  TRINE_ASSIGN_OR_RETURN(document.gold, read_label(fields, "label", endings.size()));
  return document;
}

}  // namespace trine::eval
