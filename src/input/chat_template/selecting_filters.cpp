// map, select and their sisters: filters that call filters and tests.
#include <utility>

#include "input/chat_template/interpreter.h"
#include "input/chat_template/operations.h"

namespace trine::input::chat_template {
namespace {

/// What is left of a call behind its first `count` arguments, the first of which names an
/// operation.
Call rest_of(const Call& call, std::size_t count) {
  Call rest;
  rest.positional.assign(call.positional.begin() + static_cast<std::ptrdiff_t>(count),
                         call.positional.end());
  rest.named = call.named;
  return rest;
}

std::string name_at(const Call& call, std::size_t place) {
  const Text* name = call.positional[place].as_text();
  if (name == nullptr)
    refuse("names a filter or test by a {}", call.positional[place].type_name());
  return name->bytes;
}

/// Keeps the items whose test (of themselves or of an attribute) gives `wanted`.
Value choose(Interpreter& run, const Value& input, const Arguments& arguments, bool wanted,
             bool by_attribute) {
  const Call& call = arguments.call();
  const std::size_t offset = by_attribute ? 1 : 0;
  if (by_attribute && call.positional.empty()) refuse("gives selectattr no attribute");
  const bool has_test = call.positional.size() > offset;
  const std::string test = has_test ? name_at(call, offset) : "";
  const Call rest = has_test ? rest_of(call, offset + 1) : Call{};
  std::vector<Value> chosen;
  for (const Value& item : run.items_of(input)) {
    const Value tested = by_attribute ? run.item_at_path(item, call.positional[0]) : item;
    const bool holds = has_test ? run.apply_test(test, tested, rest) : is_true(tested);
    if (holds == wanted) chosen.push_back(item);
  }
  return run.keep(std::make_shared<Iterator>(std::move(chosen)));
}

}  // namespace

Value map_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  const Call& call = arguments.call();
  std::vector<Value> mapped;
  if (!call.positional.empty()) {
    const std::string filter = name_at(call, 0);
    const Call rest = rest_of(call, 1);
    for (const Value& item : run.items_of(input)) {
      mapped.push_back(run.apply_filter(filter, item, rest));
    }
    return run.keep(std::make_shared<Iterator>(std::move(mapped)));
  }
  const Value* attribute = nullptr;
  const Value* absent = nullptr;
  for (const auto& [name, value] : call.named) {
    if (name == "attribute") {
      attribute = &value;
    } else if (name == "default") {
      absent = &value;
    } else {
      refuse("gives map an argument {}, which it does not take", name);
    }
  }
  if (attribute == nullptr) refuse("gives map neither a filter nor an attribute");
  for (const Value& item : run.items_of(input)) {
    mapped.push_back(run.item_at_path(item, *attribute, absent));
  }
  return run.keep(std::make_shared<Iterator>(std::move(mapped)));
}

Value select_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  return choose(run, input, arguments, true, false);
}

Value reject_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  return choose(run, input, arguments, false, false);
}

Value selectattr_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  return choose(run, input, arguments, true, true);
}

Value rejectattr_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  return choose(run, input, arguments, false, true);
}

}  // namespace trine::input::chat_template
