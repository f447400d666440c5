// namespace(): the one value of a template that changes.
#pragma once

#include <string>

#include "input/chat_template/value.h"

namespace trine::input::chat_template {

class Namespace final : public Object {
 public:
  std::string_view type_name() const noexcept override { return "Namespace"; }
  Value attribute(Interpreter&, const std::string& name) override {
    const Value* found = fields_.find(name);
    if (found != nullptr) return *found;
    return Value::undefined(fmt::format("'namespace object' has no attribute '{}'", name));
  }
  void set(const Value& name, Value value) { fields_.set(name, std::move(value)); }
  void set(const std::string& name, Value value) {
    Budget unbounded{RenderLimits{}};  // one name; what it holds has been counted
    fields_.set(Value::text(unbounded, name), std::move(value));
  }
  void clear() override { fields_ = {}; }

 private:
  Dict fields_;
};

}  // namespace trine::input::chat_template
