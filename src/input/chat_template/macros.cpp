// {% macro %} and {% call %}.
#include <algorithm>
#include <utility>

#include "input/chat_template/interpreter.h"

namespace trine::input::chat_template {
namespace {

class Macro final : public Object {
 public:
  Macro(const MacroDefinition& definition, std::shared_ptr<Scope> scope)
      : definition_(definition), scope_(std::move(scope)) {}
  std::string_view type_name() const noexcept override { return "Macro"; }
  bool is_callable() const noexcept override { return true; }
  Value call(Interpreter& run, const Call& call) override {
    return run.run_macro(definition_, scope_, call);
  }
  Value attribute(Interpreter& run, const std::string& name) override {
    if (name == "name") return run.text(definition_.name);
    return Object::attribute(run, name);
  }
  void clear() override { scope_.reset(); }

 private:
  const MacroDefinition& definition_;
  std::shared_ptr<Scope> scope_;  ///< where it was defined
};

}  // namespace

Value Interpreter::make_macro(const MacroDefinition& macro) {
  captured_scopes_.push_back(scope_);
  return keep(std::make_shared<Macro>(macro, scope_));
}

void Interpreter::define_macro(const Statement& statement) {
  define(statement.macro->name, make_macro(*statement.macro));
}

Value Interpreter::run_macro(const MacroDefinition& macro, const std::shared_ptr<Scope>& scope,
                             const Call& call) {
  const DepthGuard guard(depth_, budget_.limits().max_depth);
  const int call_line = line_;
  std::string written = capture([&] {
    const ScopeGuard inner(*this, scope);
    bind_parameters(macro, call);
    execute(*macro.body);
  });
  line_ = call_line;
  return text(std::move(written));
}

/// Defines the macro's parameters, and varargs, kwargs and caller if it uses them.
void Interpreter::bind_parameters(const MacroDefinition& macro, const Call& call) {
  const std::size_t count = macro.parameters.size();
  std::vector<bool> used(call.named.size(), false);
  const auto take_named = [&](std::string_view name) -> const Value* {
    for (std::size_t i = 0; i < call.named.size(); ++i) {
      if (call.named[i].first != name || used[i]) continue;
      used[i] = true;
      return &call.named[i].second;
    }
    return nullptr;
  };
  const std::size_t first_default = count - macro.defaults.size();
  for (std::size_t i = 0; i < count; ++i) {
    const std::string& name = macro.parameters[i];
    const Value* given = i < call.positional.size() ? &call.positional[i] : take_named(name);
    if (given != nullptr) {
      define(name, *given);
    } else if (i >= first_default) {
      define(name, evaluate(*macro.defaults[i - first_default]));
    } else {
      define(name, Value::undefined(fmt::format("parameter '{}' was not provided", name)));
    }
  }
  const bool takes_caller =
      macro.uses_caller && std::find(macro.parameters.begin(), macro.parameters.end(),
                                     "caller") == macro.parameters.end();
  if (takes_caller) {
    const Value* caller = take_named("caller");
    define("caller", caller != nullptr ? *caller : Value::undefined("No caller defined"));
  }
  if (macro.uses_kwargs) {
    Dict rest;
    for (std::size_t i = 0; i < call.named.size(); ++i) {
      if (!used[i]) rest.set(text(call.named[i].first), call.named[i].second);
    }
    define("kwargs", Value::dict(budget_, std::move(rest)));
  } else if (const auto unused = std::find(used.begin(), used.end(), false);
             unused != used.end()) {
    refuse("gives macro {} an argument {}, which it does not take", macro.name,
           call.named[static_cast<std::size_t>(unused - used.begin())].first);
  }
  if (macro.uses_varargs) {
    const auto rest = call.positional.begin() +
                      static_cast<std::ptrdiff_t>(std::min(count, call.positional.size()));
    define("varargs", list({rest, call.positional.end()}, SequenceKind::kTuple));
  } else if (call.positional.size() > count) {
    refuse("gives macro {} {} arguments, it takes at most {}", macro.name,
           call.positional.size(), count);
  }
}

}  // namespace trine::input::chat_template
