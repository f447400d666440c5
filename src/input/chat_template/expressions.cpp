#include <utility>

#include "input/chat_template/interpreter.h"

namespace trine::input::chat_template {

Value Interpreter::evaluate(const Expression& expression) {
  const DepthGuard guard(depth_, budget_.limits().max_depth);
  budget_.take_steps(1);
  line_ = expression.line;
  return evaluate_kind(expression);
}

Value Interpreter::evaluate_kind(const Expression& expression) {
  const auto child = [&](std::size_t i) { return evaluate(*expression.children[i]); };
  switch (expression.kind) {
    case ExpressionKind::kConstant: return expression.constant;
    case ExpressionKind::kName: return evaluate_name(expression.text);
    case ExpressionKind::kList: return evaluate_items(expression, SequenceKind::kList);
    case ExpressionKind::kTuple: return evaluate_items(expression, SequenceKind::kTuple);
    case ExpressionKind::kDict: return evaluate_dict(expression);
    case ExpressionKind::kAttribute: return attribute(child(0), expression.text);
    case ExpressionKind::kItem: return evaluate_item(expression);
    case ExpressionKind::kCall: return evaluate_call(expression, nullptr);
    case ExpressionKind::kFilter: return evaluate_filter(expression, nullptr);
    case ExpressionKind::kTest: {
      const Value value = child(0);
      const Call call = evaluate_arguments(expression);
      return Value::boolean(apply_test(expression.text, value, call));
    }
    case ExpressionKind::kNot: return Value::boolean(!is_true(child(0)));
    case ExpressionKind::kNegative:
    case ExpressionKind::kPositive: return evaluate_sign(expression);
    case ExpressionKind::kArithmetic: {
      const Value left = child(0);
      const Value right = child(1);
      line_ = expression.line;
      return arithmetic(*this, expression.text, left, right);
    }
    case ExpressionKind::kConcat: return evaluate_concat(expression);
    case ExpressionKind::kCompare: return evaluate_comparison(expression);
    case ExpressionKind::kAnd: {
      Value left = child(0);
      return is_true(left) ? child(1) : left;
    }
    case ExpressionKind::kOr: {
      Value left = child(0);
      return is_true(left) ? left : child(1);
    }
    case ExpressionKind::kConditional: return evaluate_conditional(expression);
    case ExpressionKind::kSlice: break;  // only within kItem
  }
  refuse("has a slice outside of an index");
}

Value Interpreter::evaluate_name(const std::string& name) {
  for (const Scope* scope = scope_.get(); scope != nullptr; scope = scope->parent.get()) {
    budget_.take_steps(1);
    const auto found = scope->variables.find(name);
    if (found != scope->variables.end()) return found->second;
  }
  return Value::undefined(fmt::format("'{}' is undefined", name));
}

Value Interpreter::evaluate_items(const Expression& expression, SequenceKind kind) {
  std::vector<Value> items;
  items.reserve(expression.children.size());
  for (const auto& child : expression.children) items.push_back(evaluate(*child));
  return list(std::move(items), kind);
}

Value Interpreter::evaluate_dict(const Expression& expression) {
  Dict dict;
  for (std::size_t i = 0; i < expression.children.size(); i += 2) {
    const Value key = evaluate(*expression.children[i]);
    take_reading(key);
    dict.set(key, evaluate(*expression.children[i + 1]));
  }
  return Value::dict(budget_, std::move(dict));
}

Value Interpreter::evaluate_item(const Expression& expression) {
  const Value value = evaluate(*expression.children[0]);
  const Expression& index = *expression.children[1];
  if (index.kind != ExpressionKind::kSlice) return item(value, evaluate(index));
  const auto bound = [&](std::size_t i) {
    return index.children[i] ? evaluate(*index.children[i]) : Value::none();
  };
  const Value start = bound(0);
  const Value stop = bound(1);
  const Value step = bound(2);
  return slice(value, start, stop, step);
}

Value Interpreter::evaluate_sign(const Expression& expression) {
  const Value value = evaluate(*expression.children[0]);
  require_defined(value);
  if (!value.is_number()) refuse("bad operand type for a sign: '{}'", value.type_name());
  const bool negative = expression.kind == ExpressionKind::kNegative;
  if (const double* real = value.get<double>()) return Value::real(negative ? -*real : *real);
  return arithmetic(*this, negative ? "-" : "+", Value::integer(0), value);
}

Value Interpreter::evaluate_concat(const Expression& expression) {
  std::string joined;
  for (const auto& child : expression.children) {
    joined += to_text(evaluate(*child));
    budget_.take_steps(joined.size() / kBytesPerStep);
    if (joined.size() > budget_.limits().max_value_bytes) break;  // text() refuses
  }
  return text(std::move(joined));
}

Value Interpreter::evaluate_comparison(const Expression& expression) {
  Value left = evaluate(*expression.children[0]);
  for (std::size_t i = 0; i < expression.operators.size(); ++i) {
    Value right = evaluate(*expression.children[i + 1]);
    const std::string& symbol = expression.operators[i];
    if (symbol != "in" && symbol != "not in") take_comparison(left, right);
    bool holds = false;
    if (symbol == "==") {
      holds = is_equal(left, right);
    } else if (symbol == "!=") {
      holds = !is_equal(left, right);
    } else if (symbol == "<") {
      holds = is_less(left, right);
    } else if (symbol == ">") {
      holds = is_less(right, left);
    } else if (symbol == "<=") {
      holds = is_less(left, right) || is_equal(left, right);
    } else if (symbol == ">=") {
      holds = is_less(right, left) || is_equal(left, right);
    } else {
      holds = contains(*this, right, left) == (symbol == "in");
    }
    if (!holds) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Value Interpreter::evaluate_conditional(const Expression& expression) {
  if (is_true(evaluate(*expression.children[0]))) return evaluate(*expression.children[1]);
  if (expression.children[2]) return evaluate(*expression.children[2]);
  return Value::undefined(
      "the inline if-expression evaluated to false and no else section was defined");
}

Value Interpreter::evaluate_call(const Expression& expression, const Value* caller) {
  const Value callee = evaluate(*expression.children[0]);
  Call call = evaluate_arguments(expression);
  if (caller != nullptr) call.named.emplace_back("caller", *caller);
  line_ = expression.line;
  return call_value(callee, call);
}

/// `block_text` stands for the value before the first | of a filter block.
Value Interpreter::evaluate_filter(const Expression& expression, const Value* block_text) {
  const DepthGuard guard(depth_, budget_.limits().max_depth);
  const ExpressionPointer& child = expression.children[0];
  Value input;
  if (child == nullptr) {
    input = *block_text;
  } else if (block_text != nullptr) {
    input = evaluate_filter(*child, block_text);
  } else {
    input = evaluate(*child);
  }
  const Call call = evaluate_arguments(expression);
  line_ = expression.line;
  return apply_filter(expression.text, input, call);
}

Call Interpreter::evaluate_arguments(const Expression& expression) {
  Call call;
  for (const Argument& argument : expression.arguments) {
    Value value = evaluate(*argument.value);
    switch (argument.kind) {
      case ArgumentKind::kPositional: call.positional.push_back(std::move(value)); break;
      case ArgumentKind::kNamed:
        call.named.emplace_back(argument.name, std::move(value));
        break;
      case ArgumentKind::kPositionalList:
        for (Value& item : items_of(value)) call.positional.push_back(std::move(item));
        break;
      case ArgumentKind::kNamedDict: {
        require_defined(value);
        const Dict* dict = value.as_dict();
        if (dict == nullptr) refuse("gives ** a value of type {}", value.type_name());
        budget_.take_steps(dict->entries.size());
        for (const auto& [key, entry] : dict->entries) {
          call.named.emplace_back(to_text(key), entry);
        }
        break;
      }
    }
  }
  return call;
}

}  // namespace trine::input::chat_template
