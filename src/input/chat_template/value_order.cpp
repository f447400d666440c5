// Truth, equality and order of values, as in Python.
#include <algorithm>

#include "input/chat_template/value.h"

namespace trine::input::chat_template {
namespace {

/// As a real number, if it is one; exact comparisons of two integers come before.
bool as_real(const Value& value, double& real) {
  std::int64_t storage = 0;
  if (const double* found = value.get<double>()) {
    real = *found;
  } else if (const auto* number = value.as_integer(storage)) {
    real = static_cast<double>(*number);
  } else {
    return false;
  }
  return true;
}

bool same_entries(const Dict& a, const Dict& b) {
  if (a.entries.size() != b.entries.size()) return false;
  return std::all_of(a.entries.begin(), a.entries.end(), [&b](const auto& entry) {
    const Value* other = b.find(entry.first);
    return other != nullptr && is_equal(entry.second, *other);
  });
}

[[noreturn]] void refuse_order(const Value& a, const Value& b) {
  require_defined(a);
  require_defined(b);
  refuse("'<' not supported between instances of '{}' and '{}'", a.type_name(), b.type_name());
}

}  // namespace

void require_defined(const Value& value) {
  const auto* undefined = value.get<Value::Undefined>();
  if (undefined == nullptr) return;
  refuse("{}", undefined->sentence ? *undefined->sentence : "a value is undefined");
}

bool is_true(const Value& value) {
  if (value.is_undefined() || value.is_none()) return false;
  if (const bool* truth = value.get<bool>()) return *truth;
  if (const auto* number = value.get<std::int64_t>()) return *number != 0;
  if (const double* real = value.get<double>()) return *real != 0.0;
  if (const Text* text = value.as_text()) return !text->bytes.empty();
  if (const Sequence* sequence = value.as_sequence()) return !sequence->items.empty();
  if (const Dict* dict = value.as_dict()) return !dict->entries.empty();
  return true;
}

bool is_equal(const Value& a, const Value& b) {
  std::int64_t a_storage = 0;
  std::int64_t b_storage = 0;
  const auto* a_integer = a.as_integer(a_storage);
  const auto* b_integer = b.as_integer(b_storage);
  if (a_integer && b_integer) return *a_integer == *b_integer;
  double a_real = 0.0;
  double b_real = 0.0;
  if (as_real(a, a_real)) return as_real(b, b_real) && a_real == b_real;
  if (a.is_undefined() || a.is_none()) {
    return a.is_undefined() ? b.is_undefined() : b.is_none();
  }
  if (const Text* text = a.as_text()) {
    return b.as_text() != nullptr && text->bytes == b.as_text()->bytes;
  }
  if (const Dict* dict = a.as_dict()) {
    return b.as_dict() != nullptr && same_entries(*dict, *b.as_dict());
  }
  const Sequence* left = a.as_sequence();
  const Sequence* right = b.as_sequence();
  if (left != nullptr && right != nullptr) {
    return left->kind == right->kind &&
           std::equal(left->items.begin(), left->items.end(), right->items.begin(),
                      right->items.end(), is_equal);
  }
  return a.is_same(b);
}

bool is_less(const Value& a, const Value& b) {
  std::int64_t a_storage = 0;
  std::int64_t b_storage = 0;
  const auto* a_integer = a.as_integer(a_storage);
  const auto* b_integer = b.as_integer(b_storage);
  if (a_integer && b_integer) return *a_integer < *b_integer;
  double a_real = 0.0;
  double b_real = 0.0;
  if (as_real(a, a_real) && as_real(b, b_real)) return a_real < b_real;
  if (a.as_text() && b.as_text()) return a.as_text()->bytes < b.as_text()->bytes;
  const Sequence* left = a.as_sequence();
  const Sequence* right = b.as_sequence();
  const bool ordered =
      left != nullptr && right != nullptr && left->kind == right->kind &&
      (left->kind == SequenceKind::kList || left->kind == SequenceKind::kTuple);
  if (!ordered) refuse_order(a, b);
  const std::size_t shorter = std::min(left->items.size(), right->items.size());
  for (std::size_t i = 0; i < shorter; ++i) {
    if (!is_equal(left->items[i], right->items[i])) {
      return is_less(left->items[i], right->items[i]);
    }
  }
  return left->items.size() < right->items.size();
}

}  // namespace trine::input::chat_template
