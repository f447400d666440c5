#include "input/chat_template/interpreter.h"

#include <utility>

#include "input/chat_template/python_text.h"

namespace trine::input::chat_template {
namespace {

/// A function of registry.cpp as a value.
class Function final : public Object {
 public:
  explicit Function(const Operation& operation) : operation_(operation) {}
  std::string_view type_name() const noexcept override { return "function"; }
  bool is_callable() const noexcept override { return true; }
  Value call(Interpreter& run, const Call& call) override {
    return operation_.run(run, Value::none(), Arguments(operation_, call));
  }

 private:
  const Operation& operation_;
};

}  // namespace

Interpreter::Interpreter(const RenderLimits& limits, const std::tm& now)
    : budget_(limits), now_(now), scope_(std::make_shared<Scope>()) {
  for (const Operation* function : all_functions()) {
    define(std::string(function->name), Value::object(std::make_shared<Function>(*function)));
  }
}

Interpreter::~Interpreter() {
  // A macro holds the scope it was defined in, which holds the macro; a namespace may hold itself.
  for (const auto& object : objects_) object->clear();
  for (const auto& scope : captured_scopes_) scope->variables.clear();
}

void Interpreter::define(const std::string& name, Value value) {
  scope_->variables.insert_or_assign(name, std::move(value));
}

std::string Interpreter::run(const Block& program) {
  execute(program);
  return std::move(output_);
}

Value Interpreter::keep(Value::ObjectPointer object) {
  constexpr std::size_t kObjectBytes = 256;
  budget_.take_bytes(kObjectBytes);
  objects_.push_back(object);
  return Value::object(std::move(object));
}

Value Interpreter::apply_filter(const std::string& name, const Value& input, const Call& call) {
  const Operation* filter = find_filter(name);
  if (filter == nullptr) unsupported("uses a filter {}, which Trine does not know", name);
  budget_.take_steps(1);
  if (input.as_text() != nullptr) take_reading(input);
  return filter->run(*this, input, Arguments(*filter, call));
}

bool Interpreter::apply_test(const std::string& name, const Value& input, const Call& call) {
  const Operation* test = find_test(name);
  if (test == nullptr) unsupported("uses a test {}, which Trine does not know", name);
  budget_.take_steps(1);
  return is_true(test->run(*this, input, Arguments(*test, call)));
}

Value Interpreter::call_value(const Value& callee, const Call& call) {
  require_defined(callee);
  Object* object = callee.as_object();
  if (object == nullptr || !object->is_callable()) {
    refuse("'{}' object is not callable", callee.type_name());
  }
  return object->call(*this, call);
}

std::vector<Value> Interpreter::items_of(const Value& value) {
  std::vector<Value> items;
  if (const Sequence* sequence = value.as_sequence()) {
    items = sequence->items;
  } else if (const Dict* dict = value.as_dict()) {
    for (const auto& entry : dict->entries) items.push_back(entry.first);
  } else if (const Text* string = value.as_text()) {
    for (const std::string_view character : split_characters(string->bytes)) {
      items.push_back(text(std::string(character), string->markup));
    }
  } else if (auto* iterator = dynamic_cast<Iterator*>(value.as_object())) {
    items = iterator->take();
  } else if (!value.is_undefined()) {
    refuse("'{}' object is not iterable", value.type_name());
  }
  budget_.take_steps(items.size());
  return items;
}

}  // namespace trine::input::chat_template
