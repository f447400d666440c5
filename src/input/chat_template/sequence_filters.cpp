// Filters over things that can be iterated over.
#include <algorithm>

#include "input/chat_template/interpreter.h"
#include "input/chat_template/operations.h"
#include "input/chat_template/python_text.h"

namespace trine::input::chat_template {
namespace {

/// Text in lower case, for comparisons that ignore case; other values as they are.
Value without_case(Interpreter& run, const Value& value) {
  const Text* text = value.as_text();
  return text == nullptr ? value : run.text(lower(text->bytes));
}

struct Keyed {
  Value item{};
  std::vector<Value> keys{};
};

/// The items of `input`, each with what it is compared by: itself or an attribute of it.
class KeyReader {
 public:
  /// `attribute` may be null or none; with `several`, commas separate more than one.
  KeyReader(Interpreter& run, const Value* attribute, bool case_sensitive, bool several)
      : run_(run), case_sensitive_(case_sensitive) {
    const Text* names = attribute == nullptr ? nullptr : attribute->as_text();
    if (names != nullptr && several) {
      for (const std::string_view name : split_at(names->bytes, ",", SIZE_MAX, false)) {
        paths_.push_back(run.text(std::string(name)));
      }
    } else {
      paths_.push_back(attribute == nullptr ? Value::none() : *attribute);
    }
  }

  [[nodiscard]] Keyed read(Value item) const {
    Keyed keyed;
    for (const Value& path : paths_) {
      const Value key = run_.item_at_path(item, path);
      keyed.keys.push_back(case_sensitive_ ? key : without_case(run_, key));
    }
    keyed.item = std::move(item);
    return keyed;
  }

  [[nodiscard]] std::vector<Keyed> read_all(const Value& input) const {
    std::vector<Keyed> all;
    for (Value& item : run_.items_of(input)) all.push_back(read(std::move(item)));
    return all;
  }

 private:
  Interpreter& run_;
  bool case_sensitive_;
  std::vector<Value> paths_;
};

bool keys_less(const Keyed& a, const Keyed& b) {
  for (std::size_t i = 0; i < a.keys.size(); ++i) {
    if (!is_equal(a.keys[i], b.keys[i])) return is_less(a.keys[i], b.keys[i]);
  }
  return false;
}

/// Stable both ways, as Python's sorted().
void sort_keyed(Interpreter& run, std::vector<Keyed>& all, bool reverse) {
  std::stable_sort(all.begin(), all.end(), [&](const Keyed& a, const Keyed& b) {
    for (std::size_t i = 0; i < a.keys.size(); ++i) run.take_comparison(a.keys[i], b.keys[i]);
    return reverse ? keys_less(b, a) : keys_less(a, b);
  });
}

Value list_of_items(Interpreter& run, std::vector<Keyed> all) {
  std::vector<Value> items;
  for (Keyed& keyed : all) items.push_back(std::move(keyed.item));
  return run.list(std::move(items));
}

Value extreme(Interpreter& run, const Value& input, const Arguments& arguments, bool largest) {
  const KeyReader reader(run, arguments.find(1), arguments.boolean_or(0, false), false);
  std::vector<Keyed> all = reader.read_all(input);
  if (all.empty()) return Value::undefined("No aggregated item, sequence was empty.");
  std::size_t best = 0;
  for (std::size_t i = 1; i < all.size(); ++i) {
    run.take_comparison(all[best].keys.front(), all[i].keys.front());
    if (largest ? keys_less(all[best], all[i]) : keys_less(all[i], all[best])) best = i;
  }
  return all[best].item;
}

}  // namespace

Value length_filter(Interpreter&, const Value& input, const Arguments&) {
  std::size_t length = 0;
  if (const Text* text = input.as_text()) {
    length = count_characters(text->bytes);
  } else if (const Sequence* sequence = input.as_sequence()) {
    length = sequence->items.size();
  } else if (const Dict* dict = input.as_dict()) {
    length = dict->entries.size();
  } else if (!input.is_undefined()) {
    refuse("object of type '{}' has no len()", input.type_name());
  }
  return Value::integer(static_cast<std::int64_t>(length));
}

Value list_filter(Interpreter& run, const Value& input, const Arguments&) {
  return run.list(run.items_of(input));
}

Value first_filter(Interpreter& run, const Value& input, const Arguments&) {
  std::vector<Value> items = run.items_of(input);
  return items.empty() ? Value::undefined("No first item, sequence was empty.") : items.front();
}

Value last_filter(Interpreter& run, const Value& input, const Arguments&) {
  if (dynamic_cast<Iterator*>(input.as_object())) {
    refuse("'{}' object is not reversible", input.type_name());
  }
  std::vector<Value> items = run.items_of(input);
  return items.empty() ? Value::undefined("No last item, sequence was empty.") : items.back();
}

Value reverse_filter(Interpreter& run, const Value& input, const Arguments&) {
  std::vector<Value> items = run.items_of(input);
  std::reverse(items.begin(), items.end());
  if (input.as_text() == nullptr) return run.keep(std::make_shared<Iterator>(std::move(items)));
  std::string text;
  for (const Value& character : items) text += character.as_text()->bytes;
  return run.text(std::move(text), input.as_text()->markup);
}

Value join_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  const std::string separator = arguments.find(0) ? to_text(arguments[0]) : "";
  const Value* attribute = arguments.find(1);
  std::string joined;
  bool first = true;
  for (const Value& item : run.items_of(input)) {
    if (!std::exchange(first, false)) joined += separator;
    joined += to_text(attribute ? run.item_at_path(item, *attribute) : item);
    // Counted as it grows: a long separator between many items is made of nothing.
    if (joined.size() > run.budget().limits().max_value_bytes) break;
  }
  return run.text(std::move(joined));
}

Value items_filter(Interpreter& run, const Value& input, const Arguments&) {
  std::vector<Value> pairs;
  if (const Dict* dict = input.as_dict()) {
    for (const auto& [key, value] : dict->entries) {
      pairs.push_back(run.list({key, value}, SequenceKind::kTuple));
    }
  } else if (!input.is_undefined()) {
    refuse("Can only get item pairs from a mapping, not from {}", input.type_name());
  }
  return run.keep(std::make_shared<Iterator>(std::move(pairs)));
}

Value dictsort_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  require_defined(input);
  const Dict* dict = input.as_dict();
  if (dict == nullptr) refuse("'{}' object has no attribute 'items'", input.type_name());
  const bool case_sensitive = arguments.boolean_or(0, false);
  const std::string by = arguments.text_or(1, "key");
  if (by != "key" && by != "value") refuse("You can only sort by either \"key\" or \"value\"");
  std::vector<Keyed> all;
  for (const auto& [key, value] : dict->entries) {
    const Value& compared = by == "key" ? key : value;
    all.push_back({run.list({key, value}, SequenceKind::kTuple),
                   {case_sensitive ? compared : without_case(run, compared)}});
  }
  sort_keyed(run, all, arguments.boolean_or(2, false));
  return list_of_items(run, std::move(all));
}

Value sort_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  const KeyReader reader(run, arguments.find(2), arguments.boolean_or(1, false), true);
  std::vector<Keyed> all = reader.read_all(input);
  sort_keyed(run, all, arguments.boolean_or(0, false));
  return list_of_items(run, std::move(all));
}

Value unique_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  const KeyReader reader(run, arguments.find(1), arguments.boolean_or(0, false), false);
  Dict seen;
  std::vector<Value> items;
  for (Keyed& keyed : reader.read_all(input)) {
    const std::size_t before = seen.entries.size();
    run.take_reading(keyed.keys.front());
    seen.set(keyed.keys.front(), Value());
    if (seen.entries.size() > before) items.push_back(std::move(keyed.item));
  }
  return run.keep(std::make_shared<Iterator>(std::move(items)));
}

Value min_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  return extreme(run, input, arguments, false);
}

Value max_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  return extreme(run, input, arguments, true);
}

Value sum_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  const Value* attribute = arguments.find(0);
  Value sum = arguments.find(1) ? arguments[1] : Value::integer(0);
  for (const Value& item : run.items_of(input)) {
    sum = arithmetic(run, "+", sum, attribute ? run.item_at_path(item, *attribute) : item);
  }
  return sum;
}

Value batch_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  const std::int64_t size = arguments.integer(0);
  if (size < 1) refuse("gives batch a size of {}", size);
  const Value* fill = arguments.find(1);
  std::vector<Value> batches;
  std::vector<Value> batch;
  for (const Value& item : run.items_of(input)) {
    if (batch.size() == static_cast<std::size_t>(size)) {
      batches.push_back(run.list(std::exchange(batch, {})));
    }
    batch.push_back(item);
  }
  if (!batch.empty()) {
    if (fill != nullptr && !fill->is_none()) {
      const auto missing = static_cast<std::size_t>(size) - batch.size();
      run.budget().take_bytes(missing);  // first, in case that alone is too many
      batch.resize(static_cast<std::size_t>(size), *fill);
    }
    batches.push_back(run.list(std::move(batch)));
  }
  return run.keep(std::make_shared<Iterator>(std::move(batches)));
}

Value slice_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  const std::int64_t count = arguments.integer(0);
  constexpr std::int64_t kMost = 100000;
  if (count < 1 || count > kMost) refuse("gives slice a count of {}", count);
  const Value* fill = arguments.find(1);
  const std::vector<Value> items = run.items_of(input);
  const auto slices = static_cast<std::size_t>(count);
  const std::size_t size = items.size() / slices;
  const std::size_t longer = items.size() % slices;
  std::vector<Value> parts;
  auto next = items.begin();
  for (std::size_t i = 0; i < slices; ++i) {
    const auto end = next + static_cast<std::ptrdiff_t>(size + (i < longer ? 1 : 0));
    std::vector<Value> part(next, end);
    if (fill != nullptr && !fill->is_none() && i >= longer) part.push_back(*fill);
    parts.push_back(run.list(std::move(part)));
    next = end;
  }
  return run.keep(std::make_shared<Iterator>(std::move(parts)));
}

Value groupby_filter(Interpreter& run, const Value& input, const Arguments& arguments) {
  const Value* attribute = arguments.find(0);
  const Value* absent = arguments.find(1);
  const bool case_sensitive = arguments.boolean_or(2, false);
  std::vector<Keyed> all;  // two keys: compared by, and shown
  for (const Value& item : run.items_of(input)) {
    const Value shown = run.item_at_path(item, *attribute, absent);
    all.push_back({item, {case_sensitive ? shown : without_case(run, shown), shown}});
  }
  std::stable_sort(all.begin(), all.end(), [&run](const Keyed& a, const Keyed& b) {
    run.take_comparison(a.keys[0], b.keys[0]);
    return is_less(a.keys[0], b.keys[0]);
  });
  std::vector<Value> groups;
  for (std::size_t begin = 0, end = 0; begin < all.size(); begin = end) {
    std::vector<Value> members;
    while (end < all.size() && is_equal(all[end].keys[0], all[begin].keys[0])) {
      members.push_back(all[end++].item);
    }
    groups.push_back(
        run.list({all[begin].keys[1], run.list(std::move(members))}, SequenceKind::kTuple));
    if (end == begin) break;  // a key that does not equal itself: NaN
  }
  return run.list(std::move(groups));
}

}  // namespace trine::input::chat_template
