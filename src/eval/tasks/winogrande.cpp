// WinoGrande (Sakaguchi and others 2020): which name fills the gap. The text after the gap is
// scored under both fillings (Trinh and Le 2018, "partial" scoring).
#include <algorithm>
#include <array>

#include "eval/tasks/document_fields.h"
#include "eval/tasks/python_text.h"
#include "eval/tasks/task.h"

namespace trine::eval {
namespace {

/// A table, not two comparisons: g++ 12 -O3 inlines those and warns, wrongly, that the string's
/// own buffer may be uninitialized.
constexpr std::array<std::string_view, 2> kAnswers = {"1", "2"};

}  // namespace

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
  const auto found = std::ranges::find(kAnswers, std::string_view(answer));
  if (found == kAnswers.end()) {
    return fail(ErrorCode::kMalformed,
                "{}: field \"answer\" is \"{}\", expected \"1\" or \"2\"", fields.name(),
                answer);
  }
  document.gold = static_cast<std::size_t>(found - kAnswers.begin());
  return document;
}

}  // namespace trine::eval
