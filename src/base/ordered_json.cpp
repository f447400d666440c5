// JSON in the order of the text. nlohmann's own reader looks through all earlier fields of an
// object at each new one: 100,000 fields took it minutes.
#include <algorithm>
#include <unordered_set>
#include <vector>

#include "base/json.h"

namespace trine::base {
namespace {

/// Builds the value from the parser's events.
class TreeBuilder {
 public:
  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(OrderedJson::number_integer_t value) { return add(value); }
  bool number_unsigned(OrderedJson::number_unsigned_t value) { return add(value); }
  bool number_float(OrderedJson::number_float_t value, const std::string&) {
    return add(value);
  }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(OrderedJson::binary_t&) { return false; }  // not in JSON texts

  bool start_object(std::size_t) { return open(OrderedJson::object()); }
  bool start_array(std::size_t) { return open(OrderedJson::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(std::string& name) {
    Level& level = levels_.back();
    if (!level.keys.insert(name).second) {
      problem_ = fmt::format("duplicate key \"{}\"", name);
      return false;
    }
    level.key = std::move(name);
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const Json::exception& error) {
    problem_ = fmt::format("not valid JSON: {}", error.what());
    return false;
  }

  OrderedJson root{};
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

 private:
  struct Level {
    OrderedJson value{};
    std::string key{};
    std::unordered_set<std::string> keys{};
  };

  bool add(OrderedJson value) {
    if (levels_.empty()) {
      root = std::move(value);
      return true;
    }
    Level& level = levels_.back();
    if (level.value.is_array()) {
      level.value.push_back(std::move(value));
    } else {
      // The vector below the object: key() has seen that the name is new.
      auto& fields = level.value.get_ref<OrderedJson::object_t&>();
      fields.OrderedJson::object_t::Container::emplace_back(std::move(level.key),
                                                            std::move(value));
    }
    return true;
  }

  bool open(OrderedJson empty) {
    if (levels_.size() >= static_cast<std::size_t>(kMaxJsonDepth)) {
      problem_ = fmt::format("nested deeper than {} levels", kMaxJsonDepth);
      return false;
    }
    levels_.push_back({std::move(empty)});
    return true;
  }

  bool close() {
    OrderedJson done = std::move(levels_.back().value);
    levels_.pop_back();
    return add(std::move(done));
  }

  std::vector<Level> levels_;
  std::string problem_;
};

}  // namespace

Result<OrderedJson> parse_ordered_json(std::string_view text, std::string_view name) {
  if (text.size() > kMaxJsonBytes) {
    return fail(ErrorCode::kMalformed, "{}: {} bytes of JSON, at most {} are read", name,
                text.size(), kMaxJsonBytes);
  }
  TreeBuilder builder;
  if (!OrderedJson::sax_parse(text, &builder)) {
    return fail(ErrorCode::kMalformed, "{}: {}", name, builder.problem());
  }
  return std::move(builder.root);
}

}  // namespace trine::base
