// Carries out the tree of a chat template.
#pragma once

#include <algorithm>
#include <cstddef>
#include <ctime>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "input/chat_template/budget.h"
#include "input/chat_template/operation.h"
#include "input/chat_template/syntax.h"
#include "input/chat_template/value.h"

namespace trine::input::chat_template {

/// The variables of one block, within those of the block around it. {% for %}, {% macro %},
/// {% call %}, {% with %} and {% filter %} have their own; {% if %} has not.
struct Scope {
  std::shared_ptr<Scope> parent{};
  std::unordered_map<std::string, Value> variables{};
};

/// One rendering. What a template can do to it is bounded by its Budget.
class Interpreter {
 public:
  /// `now` is what strftime_now() writes.
  Interpreter(const RenderLimits& limits, const std::tm& now);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  void define(const std::string& name, Value value);
  [[nodiscard]] std::string run(const Block& program);

  // For filters, tests, functions and objects.
  [[nodiscard]] Budget& budget() noexcept { return budget_; }
  [[nodiscard]] const std::tm& now() const noexcept { return now_; }
  /// Steps for reading the whole of `value`.
  void take_reading(const Value& value) {
    budget_.take_steps(1 + value.weight() / kBytesPerStep);
  }
  /// The same for comparing two, which ends with the smaller.
  void take_comparison(const Value& a, const Value& b) {
    budget_.take_steps(1 + std::min(a.weight(), b.weight()) / kBytesPerStep);
  }
  /// Of the statement or expression being carried out.
  [[nodiscard]] int line() const noexcept { return line_; }
  [[nodiscard]] Value text(std::string bytes, bool markup = false) {
    return Value::text(budget_, std::move(bytes), markup);
  }
  [[nodiscard]] Value list(std::vector<Value> items, SequenceKind kind = SequenceKind::kList) {
    return Value::sequence(budget_, std::move(items), kind);
  }
  /// An object that lives until the rendering ends, so that none can keep another alive.
  [[nodiscard]] Value keep(Value::ObjectPointer object);
  [[nodiscard]] Value apply_filter(const std::string& name, const Value& input,
                                   const Call& call);
  [[nodiscard]] bool apply_test(const std::string& name, const Value& input, const Call& call);
  [[nodiscard]] Value call_value(const Value& callee, const Call& call);
  /// What iterating over `value` gives: items, keys of a dict, characters. TemplateError for what
  /// cannot be iterated over.
  [[nodiscard]] std::vector<Value> items_of(const Value& value);

  // access.cpp
  /// value.name: a method or, of a dict, an entry.
  [[nodiscard]] Value attribute(const Value& value, const std::string& name);
  /// value[key]: an entry or, of a name that is none, a method.
  [[nodiscard]] Value item(const Value& value, const Value& key);
  /// value[start:stop:step], undefined ones left out.
  [[nodiscard]] Value slice(const Value& value, const Value& start, const Value& stop,
                            const Value& step);
  /// item() of every part of "a.b.0"; `absent`, if given and not none, where one is undefined.
  [[nodiscard]] Value item_at_path(const Value& value, const Value& path,
                                   const Value* absent = nullptr);

  // macros.cpp
  [[nodiscard]] Value run_macro(const MacroDefinition& macro,
                                const std::shared_ptr<Scope>& scope, const Call& call);

  // loops.cpp: the output of one level of a loop, for loop(…) of a recursive one.
  [[nodiscard]] std::string run_loop_inside(const Statement& loop,
                                            const std::shared_ptr<Scope>& scope,
                                            const Value& iterable, std::size_t depth);

 private:
  enum class Flow { kNext, kBreak, kContinue };

  // statements.cpp
  Flow execute(const Block& block);
  Flow execute(const Statement& statement);
  Flow execute_if(const Statement& statement);
  void execute_set_block(const Statement& statement);
  void execute_call_block(const Statement& statement);
  Flow execute_with(const Statement& statement);
  void assign(const Target& target, const Value& value);
  void write(std::string_view text);
  /// What `action` writes, instead of writing it.
  template <class Action>
  std::string capture(const Action& action);

  // loops.cpp
  void execute_for(const Statement& statement);
  void run_loop(const Statement& loop, const Value& iterable, std::size_t depth);
  std::vector<Value> select_items(const Statement& loop, std::vector<Value> items);

  // macros.cpp
  void define_macro(const Statement& statement);
  Value make_macro(const MacroDefinition& macro);
  void bind_parameters(const MacroDefinition& macro, const Call& call);

  // expressions.cpp
  Value evaluate(const Expression& expression);
  Value evaluate_kind(const Expression& expression);
  Value evaluate_name(const std::string& name);
  Value evaluate_items(const Expression& expression, SequenceKind kind);
  Value evaluate_dict(const Expression& expression);
  Value evaluate_item(const Expression& expression);
  Value evaluate_sign(const Expression& expression);
  Value evaluate_concat(const Expression& expression);
  Value evaluate_comparison(const Expression& expression);
  Value evaluate_conditional(const Expression& expression);
  Value evaluate_call(const Expression& expression, const Value* caller);
  Value evaluate_filter(const Expression& expression, const Value* block_text);
  Call evaluate_arguments(const Expression& expression);

  /// A new innermost scope for as long as this lives.
  class ScopeGuard {
   public:
    ScopeGuard(Interpreter& run, std::shared_ptr<Scope> parent)
        : run_(run), outer_(std::move(run.scope_)) {
      run_.scope_ = std::make_shared<Scope>();
      run_.scope_->parent = std::move(parent);
    }
    explicit ScopeGuard(Interpreter& run) : ScopeGuard(run, run.scope_) {}
    ~ScopeGuard() { run_.scope_ = std::move(outer_); }
    ScopeGuard(const ScopeGuard&) = delete;
    ScopeGuard& operator=(const ScopeGuard&) = delete;

   private:
    Interpreter& run_;
    std::shared_ptr<Scope> outer_;
  };

  Budget budget_;
  std::tm now_;
  std::shared_ptr<Scope> scope_;
  std::string output_;
  std::size_t output_bytes_ = 0;  ///< of all outputs being captured
  std::size_t depth_ = 0;
  int line_ = 1;
  std::vector<Value::ObjectPointer> objects_;
  std::vector<std::shared_ptr<Scope>> captured_scopes_;  ///< that macros hold on to
};

template <class Action>
std::string Interpreter::capture(const Action& action) {
  std::string outer = std::exchange(output_, {});
  action();
  return std::exchange(output_, std::move(outer));
}

// operators.cpp
/// a symbol b for + - * / // % **.
[[nodiscard]] Value arithmetic(Interpreter& run, std::string_view symbol, const Value& a,
                               const Value& b);
/// needle in haystack.
[[nodiscard]] bool contains(Interpreter& run, const Value& haystack, const Value& needle);

// percent_format.cpp
/// format % arguments of strings: %s %r %d %i %f %x %o %e %g %%, with flags, width, precision.
[[nodiscard]] std::string percent_format(Interpreter& run, std::string_view format,
                                         const Value& arguments);

}  // namespace trine::input::chat_template
