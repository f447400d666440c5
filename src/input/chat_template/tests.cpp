// Tests: what stands behind `is`.
#include "input/chat_template/interpreter.h"
#include "input/chat_template/operations.h"
#include "input/chat_template/python_text.h"

namespace trine::input::chat_template {
namespace {

Value truth(bool value) { return Value::boolean(value); }

bool rest_is(Interpreter& run, const Value& input, std::int64_t divisor, std::int64_t rest) {
  return is_equal(arithmetic(run, "%", input, Value::integer(divisor)), Value::integer(rest));
}

}  // namespace

Value defined_test(Interpreter&, const Value& input, const Arguments&) {
  return truth(!input.is_undefined());
}

Value undefined_test(Interpreter&, const Value& input, const Arguments&) {
  return truth(input.is_undefined());
}

Value none_test(Interpreter&, const Value& input, const Arguments&) {
  return truth(input.is_none());
}

Value boolean_test(Interpreter&, const Value& input, const Arguments&) {
  return truth(input.get<bool>() != nullptr);
}

Value true_test(Interpreter&, const Value& input, const Arguments&) {
  return truth(input.get<bool>() != nullptr && *input.get<bool>());
}

Value false_test(Interpreter&, const Value& input, const Arguments&) {
  return truth(input.get<bool>() != nullptr && !*input.get<bool>());
}

Value integer_test(Interpreter&, const Value& input, const Arguments&) {
  return truth(input.get<std::int64_t>() != nullptr);
}

Value float_test(Interpreter&, const Value& input, const Arguments&) {
  return truth(input.get<double>() != nullptr);
}

Value number_test(Interpreter&, const Value& input, const Arguments&) {
  return truth(input.is_number());
}

Value string_test(Interpreter&, const Value& input, const Arguments&) {
  return truth(input.as_text() != nullptr);
}

Value mapping_test(Interpreter&, const Value& input, const Arguments&) {
  return truth(input.as_dict() != nullptr);
}

Value sequence_test(Interpreter&, const Value& input, const Arguments&) {
  // Python asks for a length and an index, which strings, dicts and undefined values have.
  const Sequence* sequence = input.as_sequence();
  return truth(input.as_text() || input.as_dict() || input.is_undefined() ||
               (sequence != nullptr && sequence->kind <= SequenceKind::kRange));
}

Value iterable_test(Interpreter&, const Value& input, const Arguments&) {
  return truth(input.as_text() || input.as_dict() || input.as_sequence() ||
               input.is_undefined() || dynamic_cast<Iterator*>(input.as_object()));
}

Value callable_test(Interpreter&, const Value& input, const Arguments&) {
  const Object* object = input.as_object();
  return truth(input.is_undefined() || (object != nullptr && object->is_callable()));
}

Value escaped_test(Interpreter&, const Value& input, const Arguments&) {
  return truth(input.as_text() != nullptr && input.as_text()->markup);
}

Value lower_test(Interpreter& run, const Value& input, const Arguments&) {
  run.take_reading(input);
  return truth(is_lower(to_text(input)));
}

Value upper_test(Interpreter& run, const Value& input, const Arguments&) {
  run.take_reading(input);
  return truth(is_upper(to_text(input)));
}

Value odd_test(Interpreter& run, const Value& input, const Arguments&) {
  return truth(rest_is(run, input, 2, 1));
}

Value even_test(Interpreter& run, const Value& input, const Arguments&) {
  return truth(rest_is(run, input, 2, 0));
}

Value divisibleby_test(Interpreter& run, const Value& input, const Arguments& arguments) {
  return truth(rest_is(run, input, arguments.integer(0), 0));
}

Value sameas_test(Interpreter&, const Value& input, const Arguments& arguments) {
  return truth(input.is_same(arguments[0]));
}

Value in_test(Interpreter& run, const Value& input, const Arguments& arguments) {
  return truth(contains(run, arguments[0], input));
}

Value eq_test(Interpreter& run, const Value& input, const Arguments& arguments) {
  run.take_comparison(input, arguments[0]);
  return truth(is_equal(input, arguments[0]));
}

Value ne_test(Interpreter& run, const Value& input, const Arguments& arguments) {
  run.take_comparison(input, arguments[0]);
  return truth(!is_equal(input, arguments[0]));
}

Value lt_test(Interpreter& run, const Value& input, const Arguments& arguments) {
  run.take_comparison(input, arguments[0]);
  return truth(is_less(input, arguments[0]));
}

Value le_test(Interpreter& run, const Value& input, const Arguments& arguments) {
  run.take_comparison(input, arguments[0]);
  return truth(is_less(input, arguments[0]) || is_equal(input, arguments[0]));
}

Value gt_test(Interpreter& run, const Value& input, const Arguments& arguments) {
  run.take_comparison(input, arguments[0]);
  return truth(is_less(arguments[0], input));
}

Value ge_test(Interpreter& run, const Value& input, const Arguments& arguments) {
  run.take_comparison(input, arguments[0]);
  return truth(is_less(arguments[0], input) || is_equal(input, arguments[0]));
}

Value filter_test(Interpreter& run, const Value& input, const Arguments&) {
  run.take_reading(input);
  return truth(find_filter(to_text(input)) != nullptr);
}

Value test_test(Interpreter& run, const Value& input, const Arguments&) {
  run.take_reading(input);
  return truth(find_test(to_text(input)) != nullptr);
}

}  // namespace trine::input::chat_template
