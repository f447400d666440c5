// The functions a template starts with.
#include <algorithm>

#include "input/chat_template/interpreter.h"
#include "input/chat_template/namespace_object.h"
#include "input/chat_template/operations.h"

namespace trine::input::chat_template {
namespace {

/// The entries of dict(…) and namespace(…): of one mapping or list of pairs, then named ones.
Dict read_entries(Interpreter& run, const Call& call) {
  Dict entries;
  if (call.positional.size() > 1) refuse("gives dict() {} values", call.positional.size());
  for (const Value& given : call.positional) {
    if (const Dict* dict = given.as_dict()) {
      entries = *dict;
      run.budget().take_bytes(dict->entries.size() * sizeof(Value));
      continue;
    }
    for (const Value& pair : run.items_of(given)) {
      const std::vector<Value> both = run.items_of(pair);
      if (both.size() != 2) refuse("makes a dict of {} values where 2 are needed", both.size());
      run.take_reading(both[0]);
      entries.set(both[0], both[1]);
    }
  }
  for (const auto& [name, value] : call.named) entries.set(run.text(name), value);
  return entries;
}

/// cycler(…): its method next() gives one value after the other, for ever.
class Cycler final : public Object {
 public:
  explicit Cycler(std::vector<Value> items) : items_(std::move(items)) {}
  std::string_view type_name() const noexcept override { return "Cycler"; }
  Value attribute(Interpreter& run, const std::string& name) override;
  void clear() override { items_.clear(); }

  [[nodiscard]] Value next() {
    Value item = items_[place_];
    place_ = (place_ + 1) % items_.size();
    return item;
  }
  void reset() noexcept { place_ = 0; }

 private:
  std::vector<Value> items_;
  std::size_t place_ = 0;
};

class CyclerMethod final : public Object {
 public:
  CyclerMethod(Cycler& cycler, bool is_reset) : cycler_(cycler), is_reset_(is_reset) {}
  std::string_view type_name() const noexcept override { return "method"; }
  bool is_callable() const noexcept override { return true; }
  Value call(Interpreter&, const Call&) override {
    if (!is_reset_) return cycler_.next();
    cycler_.reset();
    return Value::none();
  }

 private:
  Cycler& cycler_;  // both live as long as the rendering
  bool is_reset_;
};

Value Cycler::attribute(Interpreter& run, const std::string& name) {
  if (name == "current") return items_[place_];
  if (name != "next" && name != "reset") return Object::attribute(run, name);
  return run.keep(std::make_shared<CyclerMethod>(*this, name == "reset"));
}

/// joiner(…): empty the first time, then the separator.
class Joiner final : public Object {
 public:
  explicit Joiner(std::string separator) : separator_(std::move(separator)) {}
  std::string_view type_name() const noexcept override { return "Joiner"; }
  bool is_callable() const noexcept override { return true; }
  Value call(Interpreter& run, const Call&) override {
    return run.text(std::exchange(used_, true) ? separator_ : "");
  }

 private:
  std::string separator_;
  bool used_ = false;
};

/// What Python writes for %z, %Z and %f of a time without zone and microseconds.
std::string prepare_time_format(std::string_view format) {
  std::string prepared;
  for (std::size_t i = 0; i < format.size(); ++i) {
    const char next = format[i] == '%' && i + 1 < format.size() ? format[i + 1] : '\0';
    if (next == 'z' || next == 'Z') {
      ++i;
    } else if (next == 'f') {
      prepared += "000000";
      ++i;
    } else if (next != '\0') {
      prepared += format.substr(i++, 2);
    } else {
      prepared += format[i];
    }
  }
  return prepared;
}

}  // namespace

Value range_function(Interpreter& run, const Value&, const Arguments& arguments) {
  constexpr std::int64_t kMost = 100000;  // the sandbox's own limit
  const bool has_stop = arguments.find(1) != nullptr;
  const std::int64_t start = has_stop ? arguments.integer(0) : 0;
  const std::int64_t stop = arguments.integer(has_stop ? 1 : 0);
  const std::int64_t step = arguments.integer_or(2, 1);
  if (step == 0) refuse("range() arg 3 must not be zero");
  std::vector<Value> items;
  std::int64_t value = start;
  while (step > 0 ? value < stop : value > stop) {
    if (items.size() == static_cast<std::size_t>(kMost)) {
      refuse("makes a range of more than {} numbers", kMost);
    }
    items.push_back(Value::integer(value));
    if (__builtin_add_overflow(value, step, &value)) break;
  }
  return run.list(std::move(items), SequenceKind::kRange);
}

Value dict_function(Interpreter& run, const Value&, const Arguments& arguments) {
  return Value::dict(run.budget(), read_entries(run, arguments.call()));
}

Value namespace_function(Interpreter& run, const Value&, const Arguments& arguments) {
  auto space = std::make_shared<Namespace>();
  for (auto& [name, value] : read_entries(run, arguments.call()).entries) {
    space->set(name, value);
  }
  return run.keep(std::move(space));
}

Value cycler_function(Interpreter& run, const Value&, const Arguments& arguments) {
  if (arguments.call().positional.empty()) refuse("gives cycler() nothing to choose from");
  return run.keep(std::make_shared<Cycler>(arguments.call().positional));
}

Value joiner_function(Interpreter& run, const Value&, const Arguments& arguments) {
  return run.keep(std::make_shared<Joiner>(arguments.text_or(0, ", ")));
}

Value raise_exception_function(Interpreter&, const Value&, const Arguments& arguments) {
  throw TemplateError(ErrorCode::kInvalidArgument,
                      "refuses these messages: " + to_text(arguments[0]));
}

Value strftime_now_function(Interpreter& run, const Value&, const Arguments& arguments) {
  // A letter behind it sets an empty result apart from one that does not fit.
  const std::string format = prepare_time_format(arguments.text(0)) + ".";
  constexpr std::size_t kMostBytes = 4096;
  char text[kMostBytes];
  const std::size_t size = std::strftime(text, kMostBytes, format.c_str(), &run.now());
  if (size == 0) refuse("writes a time of more than {} bytes", kMostBytes);
  return run.text(std::string(text, size - 1));
}

}  // namespace trine::input::chat_template
