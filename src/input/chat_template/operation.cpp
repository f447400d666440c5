#include "input/chat_template/operation.h"

#include <algorithm>

namespace trine::input::chat_template {
namespace {

std::vector<std::string_view> split_names(std::string_view names) {
  std::vector<std::string_view> list;
  while (!names.empty()) {
    const std::size_t space = std::min(names.find(' '), names.size());
    list.push_back(names.substr(0, space));
    names.remove_prefix(std::min(space + 1, names.size()));
  }
  return list;
}

}  // namespace

Arguments::Arguments(const Operation& operation, const Call& call)
    : operation_(operation), call_(call) {
  if (operation.parameters == "*") return;
  const std::vector<std::string_view> names = split_names(operation.parameters);
  if (call.positional.size() > names.size()) {
    refuse("gives {} {} arguments, it takes at most {}", operation.name, call.positional.size(),
           names.size());
  }
  given_.resize(names.size(), nullptr);
  for (std::size_t i = 0; i < call.positional.size(); ++i) given_[i] = &call.positional[i];
  for (const auto& [name, value] : call.named) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) {
      refuse("gives {} an argument {}, which it does not take", operation.name, name);
    }
    const auto place = static_cast<std::size_t>(found - names.begin());
    if (given_[place] != nullptr)
      refuse("gives {} its argument {} twice", operation.name, name);
    given_[place] = &value;
  }
  for (std::size_t i = 0; i < operation.required; ++i) {
    if (given_[i] == nullptr) refuse("gives {} no {}", operation.name, names[i]);
  }
}

const std::string& Arguments::text(std::size_t place) const {
  const Value& value = *given_[place];
  require_defined(value);
  const Text* text = value.as_text();
  if (text == nullptr) {
    refuse("gives {} an argument of type {} where a string was expected", operation_.name,
           value.type_name());
  }
  return text->bytes;
}

std::string Arguments::text_or(std::size_t place, std::string_view absent) const {
  return find(place) == nullptr ? std::string(absent) : text(place);
}

std::int64_t Arguments::integer(std::size_t place) const {
  const Value& value = *given_[place];
  require_defined(value);
  std::int64_t storage = 0;
  const auto* number = value.as_integer(storage);
  if (number == nullptr) {
    refuse("gives {} an argument of type {} where a whole number was expected", operation_.name,
           value.type_name());
  }
  return *number;
}

std::int64_t Arguments::integer_or(std::size_t place, std::int64_t absent) const {
  const Value* value = find(place);
  return value == nullptr || value->is_none() ? absent : integer(place);
}

bool Arguments::boolean_or(std::size_t place, bool absent) const {
  const Value* value = find(place);
  return value == nullptr ? absent : is_true(*value);
}

}  // namespace trine::input::chat_template
