// Methods of dicts, lists and tuples that leave them as they are.
#include "input/chat_template/interpreter.h"
#include "input/chat_template/operations.h"

namespace trine::input::chat_template {
namespace {

const Dict& dict_of(const Value& input) { return *input.as_dict(); }
const std::vector<Value>& items_in(const Value& input) { return input.as_sequence()->items; }

}  // namespace

Value dict_get_method(Interpreter& run, const Value& input, const Arguments& arguments) {
  run.take_reading(arguments[0]);
  const Value* found = dict_of(input).find(arguments[0]);
  if (found != nullptr) return *found;
  return arguments.find(1) ? arguments[1] : Value::none();
}

Value dict_items_method(Interpreter& run, const Value& input, const Arguments&) {
  std::vector<Value> pairs;
  for (const auto& [key, value] : dict_of(input).entries) {
    pairs.push_back(run.list({key, value}, SequenceKind::kTuple));
  }
  return run.list(std::move(pairs), SequenceKind::kDictItems);
}

Value dict_keys_method(Interpreter& run, const Value& input, const Arguments&) {
  return run.list(run.items_of(input), SequenceKind::kDictKeys);
}

Value dict_values_method(Interpreter& run, const Value& input, const Arguments&) {
  std::vector<Value> values;
  for (const auto& entry : dict_of(input).entries) values.push_back(entry.second);
  return run.list(std::move(values), SequenceKind::kDictValues);
}

Value dict_copy_method(Interpreter&, const Value& input, const Arguments&) { return input; }

Value list_copy_method(Interpreter&, const Value& input, const Arguments&) { return input; }

Value list_count_method(Interpreter& run, const Value& input, const Arguments& arguments) {
  std::int64_t count = 0;
  for (const Value& item : items_in(input)) {
    run.take_comparison(item, arguments[0]);
    count += is_equal(item, arguments[0]) ? 1 : 0;
  }
  return Value::integer(count);
}

Value list_index_method(Interpreter& run, const Value& input, const Arguments& arguments) {
  const std::vector<Value>& items = items_in(input);
  for (std::size_t i = 0; i < items.size(); ++i) {
    run.take_comparison(items[i], arguments[0]);
    if (is_equal(items[i], arguments[0])) return Value::integer(static_cast<std::int64_t>(i));
  }
  refuse("a value is not in the list");
}

}  // namespace trine::input::chat_template
