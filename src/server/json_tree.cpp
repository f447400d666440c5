#include "server/json_tree.h"

#include <unordered_map>
#include <utility>
#include <vector>

namespace trine::server {
namespace {

using Json = nlohmann::ordered_json;

/// Takes the parser's events. The names of an object are looked up in a table beside it.
class TreeBuilder {
 public:
  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(Json::number_integer_t value) { return add(value); }
  bool number_unsigned(Json::number_unsigned_t value) { return add(value); }
  bool number_float(Json::number_float_t value, const std::string&) { return add(value); }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(Json::binary_t&) { return false; }  // not in JSON texts

  bool start_object(std::size_t) { return open(Json::object()); }
  bool start_array(std::size_t) { return open(Json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(std::string& name) {
    Level& level = levels_.back();
    auto& fields = fields_of(level);
    const auto [place, is_new] = level.places.try_emplace(name, fields.size());
    if (is_new) fields.emplace_back(name, nullptr);
    level.place = place->second;
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& error) {
    problem_ = error.what();
    // "[json.exception.parse_error.101] parse error at line 1, column 2: …"
    const std::size_t start = problem_.find("] ");
    if (start != std::string::npos) problem_.erase(0, start + 2);
    return false;
  }

  Json root{};
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

 private:
  /// An ordered object is a vector of pairs; emplace of the object itself would search it.
  using Fields = Json::object_t::Container;

  struct Level {
    Json value{};
    std::unordered_map<std::string, std::size_t> places{};  ///< of an object's names
    std::size_t place = 0;                                  ///< of the field being read
  };

  static Fields& fields_of(Level& level) { return level.value.get_ref<Json::object_t&>(); }

  bool add(Json value) {
    if (levels_.empty()) {
      root = std::move(value);
    } else if (Level& level = levels_.back(); level.value.is_array()) {
      level.value.push_back(std::move(value));
    } else {
      fields_of(level)[level.place].second = std::move(value);
    }
    return true;
  }

  bool open(Json empty) {
    levels_.push_back({std::move(empty)});
    return true;
  }

  bool close() {
    Json done = std::move(levels_.back().value);
    levels_.pop_back();
    return add(std::move(done));
  }

  std::vector<Level> levels_;
  std::string problem_;
};

}  // namespace

tl::expected<Json, std::string> parse_json_tree(std::string_view text) {
  TreeBuilder builder;
  if (!Json::sax_parse(text, &builder)) return tl::unexpected<std::string>(builder.problem());
  return std::move(builder.root);
}

}  // namespace trine::server
