// WinoGrande (Sakaguchi and others 2020): which name fills the gap. The text after the gap is
// scored under both fillings (Trinh and Le 2018, "partial" scoring).
#include "eval/tasks/document_fields.h"
#include "eval/tasks/python_text.h"
#include "eval/tasks/task.h"

namespace trine::eval {

ReadDocument read_winogrande;
Result<Document> read_winogrande(const base::JsonFields& fields) {
  Document document;
  TRINE_ASSIGN_OR_RETURN(const std::string sentence, fields.string("sentence"));
  const std::size_t gap = sentence.find('_');
  if (gap == std::string::npos) {
    return fail(ErrorCode::kMalformed, "{}: field \"sentence\" has no gap, expected a \"_\"",
                fields.name());
  }
  for (const char* field : {"option1", "option2"}) {
    TRINE_ASSIGN_OR_RETURN(const std::string option, fields.string(field));
    document.contexts.push_back(sentence.substr(0, gap) + option);
  }
  document.targets.emplace_back(strip(std::string_view(sentence).substr(gap + 1)));
  TRINE_ASSIGN_OR_RETURN(const std::string answer, fields.string("answer"));
  if (answer != "1" && answer != "2") {
    return fail(ErrorCode::kMalformed,
                "{}: field \"answer\" is \"{}\", expected \"1\" or \"2\"", fields.name(),
                answer);
  }
  document.gold = answer == "1" ? 0 : 1;
  return document;
}

}  // namespace trine::eval
