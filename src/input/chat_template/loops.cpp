// {% for %} and the variable loop.
#include <utility>

#include "input/chat_template/interpreter.h"

namespace trine::input::chat_template {
namespace {

/// The variable `loop`.
class Loop final : public Object {
 public:
  Loop(const Statement& statement, std::shared_ptr<Scope> scope, std::vector<Value> items,
       std::size_t depth)
      : statement_(statement),
        scope_(std::move(scope)),
        items_(std::move(items)),
        depth_(depth) {}

  std::string_view type_name() const noexcept override { return "LoopContext"; }
  bool is_callable() const noexcept override { return true; }
  [[nodiscard]] const std::vector<Value>& items() const noexcept { return items_; }
  void move_to(std::size_t index) noexcept { index_ = index; }

  Value attribute(Interpreter& run, const std::string& name) override;
  Value call(Interpreter& run, const Call& call) override {
    if (!statement_.recursive) refuse("calls loop() of a loop that is not recursive");
    if (call.positional.size() != 1 || !call.named.empty()) {
      refuse("gives loop() {} arguments, it takes one",
             call.positional.size() + call.named.size());
    }
    return run.text(run.run_loop_inside(statement_, scope_, call.positional[0], depth_ + 1));
  }
  void clear() override {
    items_.clear();
    last_changed_.clear();
    scope_.reset();
  }

  /// loop.changed(…): whether the values are others than the last time.
  bool note_values(Interpreter& run, const std::vector<Value>& values) {
    bool same = has_changed_ && values.size() == last_changed_.size();
    for (std::size_t i = 0; same && i < values.size(); ++i) {
      run.take_comparison(values[i], last_changed_[i]);
      same = is_equal(values[i], last_changed_[i]);
    }
    has_changed_ = true;
    last_changed_ = values;
    return !same;
  }
  [[nodiscard]] std::size_t index() const noexcept { return index_; }

 private:
  const Statement& statement_;
  std::shared_ptr<Scope> scope_;  ///< around the loop
  std::vector<Value> items_;
  std::size_t depth_;  ///< from 0, of a recursive loop
  std::size_t index_ = 0;
  bool has_changed_ = false;
  std::vector<Value> last_changed_;
};

/// loop.cycle or loop.changed, to be called.
class LoopMethod final : public Object {
 public:
  LoopMethod(Loop& loop, bool is_cycle) : loop_(loop), is_cycle_(is_cycle) {}
  std::string_view type_name() const noexcept override { return "method"; }
  bool is_callable() const noexcept override { return true; }
  Value call(Interpreter& run, const Call& call) override {
    if (!is_cycle_) return Value::boolean(loop_.note_values(run, call.positional));
    if (call.positional.empty()) refuse("gives loop.cycle() nothing to choose from");
    return call.positional[loop_.index() % call.positional.size()];
  }

 private:
  Loop& loop_;  // both live as long as the rendering
  bool is_cycle_;
};

Value Loop::attribute(Interpreter& run, const std::string& name) {
  const auto number = [](std::size_t value) {
    return Value::integer(static_cast<std::int64_t>(value));
  };
  if (name == "index") return number(index_ + 1);
  if (name == "index0") return number(index_);
  if (name == "revindex") return number(items_.size() - index_);
  if (name == "revindex0") return number(items_.size() - index_ - 1);
  if (name == "first") return Value::boolean(index_ == 0);
  if (name == "last") return Value::boolean(index_ + 1 == items_.size());
  if (name == "length") return number(items_.size());
  if (name == "depth") return number(depth_ + 1);
  if (name == "depth0") return number(depth_);
  if (name == "previtem") {
    return index_ == 0 ? Value::undefined("there is no previous item") : items_[index_ - 1];
  }
  if (name == "nextitem") {
    return index_ + 1 < items_.size() ? items_[index_ + 1]
                                      : Value::undefined("there is no next item");
  }
  if (name == "cycle" || name == "changed") {
    return run.keep(std::make_shared<LoopMethod>(*this, name == "cycle"));
  }
  return Value::undefined(fmt::format("'loop object' has no attribute '{}'", name));
}

}  // namespace

void Interpreter::execute_for(const Statement& statement) {
  run_loop(statement, evaluate(*statement.expression), 0);
}

std::vector<Value> Interpreter::select_items(const Statement& loop, std::vector<Value> items) {
  if (!loop.test) return items;
  std::vector<Value> selected;
  for (Value& item : items) {
    const ScopeGuard scope(*this);
    assign(loop.target, item);
    if (is_true(evaluate(*loop.test))) selected.push_back(std::move(item));
  }
  return selected;
}

void Interpreter::run_loop(const Statement& loop, const Value& iterable, std::size_t depth) {
  auto object =
      std::make_shared<Loop>(loop, scope_, select_items(loop, items_of(iterable)), depth);
  const Value loop_value = keep(object);
  if (loop.recursive) captured_scopes_.push_back(scope_);
  const std::size_t count = object->items().size();
  budget_.take_bytes(count * sizeof(Value));
  for (std::size_t i = 0; i < count; ++i) {
    budget_.take_steps(1);
    object->move_to(i);
    const ScopeGuard scope(*this);
    define("loop", loop_value);
    const Value item = object->items()[i];
    assign(loop.target, item);
    if (execute(*loop.body) == Flow::kBreak) break;
  }
  if (count == 0 && loop.else_body) {
    const ScopeGuard scope(*this);
    execute(*loop.else_body);
  }
}

std::string Interpreter::run_loop_inside(const Statement& loop,
                                         const std::shared_ptr<Scope>& scope,
                                         const Value& iterable, std::size_t depth) {
  const DepthGuard guard(depth_, budget_.limits().max_depth);
  return capture([&] {
    const ScopeGuard inner(*this, scope);
    run_loop(loop, iterable, depth);
  });
}

}  // namespace trine::input::chat_template
