#include "eval/tasks/document_fields.h"

#include <charconv>

namespace trine::eval {

Result<std::vector<std::string>> read_strings(const base::JsonFields& fields,
                                              std::string_view field, std::size_t fewest) {
  const auto wrong = [&] {
    return fail(ErrorCode::kMalformed,
                "{}: field \"{}\" is missing or not a list of at least {} strings",
                fields.name(), field, fewest);
  };
  const auto found = fields.json().find(field);
  if (found == fields.json().end() || !found->is_array() || found->size() < fewest) {
    return wrong();
  }
  std::vector<std::string> strings;
  for (const base::Json& entry : *found) {
    if (!entry.is_string()) return wrong();
    strings.push_back(entry.get<std::string>());
  }
  return strings;
}

Result<std::size_t> read_label(const base::JsonFields& fields, std::string_view field,
                               std::size_t count) {
  const auto found = fields.json().find(field);
  if (found != fields.json().end()) {
    std::size_t label = count;
    if (found->is_boolean()) {
      label = found->get<bool>() ? 1 : 0;
    } else if (found->is_number_unsigned()) {
      label = found->get<std::size_t>();
    } else if (found->is_string()) {
      const auto& digits = found->get_ref<const std::string&>();
      const char* end = digits.data() + digits.size();
      const auto parsed = std::from_chars(digits.data(), end, label);
      if (parsed.ec != std::errc() || parsed.ptr != end) label = count;
    }
    if (label < count) return label;
  }
  return fail(ErrorCode::kMalformed,
              "{}: field \"{}\" does not say which of {} choices is right: expected 0 to {} "
              "(a split without answers cannot be scored)",
              fields.name(), field, count, count - 1);
}

}  // namespace trine::eval
