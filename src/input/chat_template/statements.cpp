#include <utility>

#include "input/chat_template/interpreter.h"
#include "input/chat_template/namespace_object.h"

namespace trine::input::chat_template {

Interpreter::Flow Interpreter::execute(const Block& block) {
  const DepthGuard guard(depth_, budget_.limits().max_depth);
  for (const Statement& statement : block) {
    budget_.take_steps(1);
    line_ = statement.line;
    const Flow flow = execute(statement);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute(const Statement& statement) {
  switch (statement.kind) {
    case StatementKind::kText: write(statement.text); break;
    case StatementKind::kPrint: write(to_text(evaluate(*statement.expression))); break;
    case StatementKind::kIf: return execute_if(statement);
    case StatementKind::kFor: execute_for(statement); break;
    case StatementKind::kSet: assign(statement.target, evaluate(*statement.expression)); break;
    case StatementKind::kSetBlock: execute_set_block(statement); break;
    case StatementKind::kMacro: define_macro(statement); break;
    case StatementKind::kCallBlock: execute_call_block(statement); break;
    case StatementKind::kFilterBlock: {
      std::string inside = capture([&] {
        const ScopeGuard scope(*this);
        execute(*statement.body);
      });
      const Value content = text(std::move(inside));
      write(to_text(evaluate_filter(*statement.expression, &content)));
      break;
    }
    case StatementKind::kWith: return execute_with(statement);
    case StatementKind::kGeneration: {
      // A call block in transformers, so it has a scope of its own.
      const ScopeGuard scope(*this);
      return execute(*statement.body);
    }
    case StatementKind::kBreak: return Flow::kBreak;
    case StatementKind::kContinue: return Flow::kContinue;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::execute_if(const Statement& statement) {
  for (const Branch& branch : statement.branches) {
    if (branch.condition == nullptr || is_true(evaluate(*branch.condition))) {
      return execute(*branch.body);
    }
  }
  return Flow::kNext;
}

void Interpreter::execute_set_block(const Statement& statement) {
  std::string inside = capture([&] {
    const ScopeGuard scope(*this);
    execute(*statement.body);
  });
  Value content = text(std::move(inside));
  if (statement.expression) content = evaluate_filter(*statement.expression, &content);
  assign(statement.target, content);
}

void Interpreter::execute_call_block(const Statement& statement) {
  const Value caller = make_macro(*statement.macro);
  write(to_text(evaluate_call(*statement.expression, &caller)));
}

Interpreter::Flow Interpreter::execute_with(const Statement& statement) {
  std::vector<Value> values;  // all in the outer scope: they do not see each other
  for (const Assignment& assignment : statement.assignments) {
    values.push_back(evaluate(*assignment.value));
  }
  const ScopeGuard scope(*this);
  for (std::size_t i = 0; i < values.size(); ++i) {
    assign(statement.assignments[i].target, values[i]);
  }
  return execute(*statement.body);
}

void Interpreter::assign(const Target& target, const Value& value) {
  if (target.is_tuple) {
    const std::vector<Value> items = items_of(value);
    if (items.size() != target.parts.size()) {
      refuse("takes {} values apart into {} names", items.size(), target.parts.size());
    }
    for (std::size_t i = 0; i < items.size(); ++i) assign(target.parts[i], items[i]);
  } else if (target.field.empty()) {
    define(target.name, value);
  } else {
    const Value space = evaluate_name(target.name);
    auto* object = dynamic_cast<Namespace*>(space.as_object());
    if (object == nullptr) {
      refuse("assigns to {}.{}, but {} is no namespace", target.name, target.field,
             target.name);
    }
    object->set(target.field, value);
  }
}

void Interpreter::write(std::string_view text) {
  budget_.take_steps(text.size() / kBytesPerStep);
  if (output_.size() + text.size() > budget_.limits().max_output_bytes) {
    unsupported("writes more than {} bytes, the most a template may write",
                budget_.limits().max_output_bytes);
  }
  output_ += text;
}

}  // namespace trine::input::chat_template
