#include "input/metaspace.h"

#include "input/unicode.h"

namespace trine::input {
namespace {

Result<PrependScheme> read_prepend_scheme(const JsonPart& part) {
  const auto scheme = part.find("prepend_scheme");
  if (!scheme) {
    TRINE_ASSIGN_OR_RETURN(const bool prepends, part.boolean_or("add_prefix_space", true));
    return prepends ? PrependScheme::kAlways : PrependScheme::kNever;
  }
  TRINE_ASSIGN_OR_RETURN(const std::string_view name, scheme->string());
  if (name == "always") return PrependScheme::kAlways;
  if (name == "first") return PrependScheme::kFirst;
  if (name == "never") return PrependScheme::kNever;
  return scheme->wrong("always, first or never");
}

}  // namespace

Result<Metaspace> read_metaspace(const JsonPart& part) {
  Metaspace metaspace;
  TRINE_ASSIGN_OR_RETURN(const JsonPart field, part.field("replacement"));
  TRINE_ASSIGN_OR_RETURN(const std::string_view replacement, field.string());
  if (replacement.empty() || read_utf8(replacement).length != replacement.size()) {
    return field.wrong("one character");
  }
  metaspace.replacement = replacement;
  TRINE_ASSIGN_OR_RETURN(metaspace.prepend_scheme, read_prepend_scheme(part));
  TRINE_ASSIGN_OR_RETURN(metaspace.split, part.boolean_or("split", true));
  return metaspace;
}

}  // namespace trine::input
