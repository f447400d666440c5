// LAMBADA (Paperno and others 2016): the last word of a passage.
#include "eval/tasks/task.h"

namespace trine::eval {

ReadDocument read_lambada;
Result<Document> read_lambada(const base::JsonFields& fields) {
  TRINE_ASSIGN_OR_RETURN(const std::string text, fields.string("text"));
  const std::size_t space = text.rfind(' ');
  // Without a space all of the text is its last word, after nothing.
  const std::size_t word = space == std::string::npos ? 0 : space + 1;
  Document document{.question = text.substr(0, word == 0 ? 0 : space), .targets = {" "}};
  document.targets.front() += text.substr(word);
  return document;
}

}  // namespace trine::eval
