// The lists of filters, tests, functions and methods. To add one: write its function in the file
// of its kind, declare it in operations.h and add its row here. Nothing else changes.
#include <algorithm>
#include <array>

#include "input/chat_template/operations.h"

namespace trine::input::chat_template {
namespace {

constexpr std::array kFilters = {
    Operation{"abs", "", 0, abs_filter},
    Operation{"attr", "name", 1, attr_filter},
    Operation{"batch", "linecount fill_with", 1, batch_filter},
    Operation{"capitalize", "", 0, capitalize_filter},
    Operation{"center", "width", 0, center_filter},
    Operation{"count", "", 0, length_filter},
    Operation{"d", "default_value boolean", 0, default_filter},
    Operation{"default", "default_value boolean", 0, default_filter},
    Operation{"dictsort", "case_sensitive by reverse", 0, dictsort_filter},
    Operation{"e", "", 0, escape_filter},
    Operation{"escape", "", 0, escape_filter},
    Operation{"first", "", 0, first_filter},
    Operation{"float", "default", 0, float_filter},
    Operation{"forceescape", "", 0, forceescape_filter},
    Operation{"format", "*", 0, format_filter},
    Operation{"groupby", "attribute default case_sensitive", 1, groupby_filter},
    Operation{"indent", "width first blank", 0, indent_filter},
    Operation{"int", "default base", 0, int_filter},
    Operation{"items", "", 0, items_filter},
    Operation{"join", "d attribute", 0, join_filter},
    Operation{"last", "", 0, last_filter},
    Operation{"length", "", 0, length_filter},
    Operation{"list", "", 0, list_filter},
    Operation{"lower", "", 0, lower_filter},
    Operation{"map", "*", 0, map_filter},
    Operation{"max", "case_sensitive attribute", 0, max_filter},
    Operation{"min", "case_sensitive attribute", 0, min_filter},
    Operation{"reject", "*", 0, reject_filter},
    Operation{"rejectattr", "*", 0, rejectattr_filter},
    Operation{"replace", "old new count", 2, replace_filter},
    Operation{"reverse", "", 0, reverse_filter},
    Operation{"round", "precision method", 0, round_filter},
    Operation{"safe", "", 0, safe_filter},
    Operation{"select", "*", 0, select_filter},
    Operation{"selectattr", "*", 0, selectattr_filter},
    Operation{"slice", "slices fill_with", 1, slice_filter},
    Operation{"sort", "reverse case_sensitive attribute", 0, sort_filter},
    Operation{"string", "", 0, string_filter},
    Operation{"sum", "attribute start", 0, sum_filter},
    Operation{"title", "", 0, title_filter},
    Operation{"tojson", "ensure_ascii indent separators sort_keys", 0, tojson_filter},
    Operation{"trim", "chars", 0, trim_filter},
    Operation{"truncate", "length killwords end leeway", 0, truncate_filter},
    Operation{"unique", "case_sensitive attribute", 0, unique_filter},
    Operation{"upper", "", 0, upper_filter},
    Operation{"urlencode", "", 0, urlencode_filter},
    Operation{"wordcount", "", 0, wordcount_filter},
};

constexpr std::array kTests = {
    Operation{"!=", "other", 1, ne_test},
    Operation{"<", "other", 1, lt_test},
    Operation{"<=", "other", 1, le_test},
    Operation{"==", "other", 1, eq_test},
    Operation{">", "other", 1, gt_test},
    Operation{">=", "other", 1, ge_test},
    Operation{"boolean", "", 0, boolean_test},
    Operation{"callable", "", 0, callable_test},
    Operation{"defined", "", 0, defined_test},
    Operation{"divisibleby", "num", 1, divisibleby_test},
    Operation{"eq", "other", 1, eq_test},
    Operation{"equalto", "other", 1, eq_test},
    Operation{"escaped", "", 0, escaped_test},
    Operation{"even", "", 0, even_test},
    Operation{"false", "", 0, false_test},
    Operation{"filter", "", 0, filter_test},
    Operation{"float", "", 0, float_test},
    Operation{"ge", "other", 1, ge_test},
    Operation{"greaterthan", "other", 1, gt_test},
    Operation{"gt", "other", 1, gt_test},
    Operation{"in", "seq", 1, in_test},
    Operation{"integer", "", 0, integer_test},
    Operation{"iterable", "", 0, iterable_test},
    Operation{"le", "other", 1, le_test},
    Operation{"lessthan", "other", 1, lt_test},
    Operation{"lower", "", 0, lower_test},
    Operation{"lt", "other", 1, lt_test},
    Operation{"mapping", "", 0, mapping_test},
    Operation{"ne", "other", 1, ne_test},
    Operation{"none", "", 0, none_test},
    Operation{"number", "", 0, number_test},
    Operation{"odd", "", 0, odd_test},
    Operation{"sameas", "other", 1, sameas_test},
    Operation{"sequence", "", 0, sequence_test},
    Operation{"string", "", 0, string_test},
    Operation{"test", "", 0, test_test},
    Operation{"true", "", 0, true_test},
    Operation{"undefined", "", 0, undefined_test},
    Operation{"upper", "", 0, upper_test},
};

constexpr std::array kFunctions = {
    Operation{"cycler", "*", 0, cycler_function},
    Operation{"dict", "*", 0, dict_function},
    Operation{"joiner", "sep", 0, joiner_function},
    Operation{"namespace", "*", 0, namespace_function},
    Operation{"raise_exception", "message", 1, raise_exception_function},
    Operation{"range", "start stop step", 1, range_function},
    Operation{"strftime_now", "format", 1, strftime_now_function},
};

constexpr std::array kTextMethods = {
    Operation{"capitalize", "", 0, capitalize_method},
    Operation{"center", "width fillchar", 1, center_method},
    Operation{"count", "sub", 1, count_method},
    Operation{"endswith", "suffix", 1, endswith_method},
    Operation{"find", "sub start", 1, find_text_method},
    Operation{"index", "sub start", 1, index_method},
    Operation{"isalnum", "", 0, isalnum_method},
    Operation{"isalpha", "", 0, isalpha_method},
    Operation{"isdecimal", "", 0, isdecimal_method},
    Operation{"isdigit", "", 0, isdigit_method},
    Operation{"islower", "", 0, islower_method},
    Operation{"isnumeric", "", 0, isnumeric_method},
    Operation{"isspace", "", 0, isspace_method},
    Operation{"isupper", "", 0, isupper_method},
    Operation{"join", "iterable", 1, join_method},
    Operation{"ljust", "width fillchar", 1, ljust_method},
    Operation{"lower", "", 0, lower_method},
    Operation{"lstrip", "chars", 0, lstrip_method},
    Operation{"partition", "sep", 1, partition_method},
    Operation{"removeprefix", "prefix", 1, removeprefix_method},
    Operation{"removesuffix", "suffix", 1, removesuffix_method},
    Operation{"replace", "old new count", 2, replace_method},
    Operation{"rfind", "sub start", 1, rfind_method},
    Operation{"rindex", "sub start", 1, rindex_method},
    Operation{"rjust", "width fillchar", 1, rjust_method},
    Operation{"rpartition", "sep", 1, rpartition_method},
    Operation{"rsplit", "sep maxsplit", 0, rsplit_method},
    Operation{"rstrip", "chars", 0, rstrip_method},
    Operation{"split", "sep maxsplit", 0, split_method},
    Operation{"splitlines", "keepends", 0, splitlines_method},
    Operation{"startswith", "prefix", 1, startswith_method},
    Operation{"strip", "chars", 0, strip_method},
    Operation{"title", "", 0, title_method},
    Operation{"upper", "", 0, upper_method},
    Operation{"zfill", "width", 1, zfill_method},
};

constexpr std::array kDictMethods = {
    Operation{"copy", "", 0, dict_copy_method},
    Operation{"get", "key default", 1, dict_get_method},
    Operation{"items", "", 0, dict_items_method},
    Operation{"keys", "", 0, dict_keys_method},
    Operation{"values", "", 0, dict_values_method},
};

constexpr std::array kListMethods = {
    Operation{"copy", "", 0, list_copy_method},
    Operation{"count", "value", 1, list_count_method},
    Operation{"index", "value", 1, list_index_method},
};

template <std::size_t Count>
const Operation* find_row(const std::array<Operation, Count>& rows, std::string_view name) {
  const auto found = std::find_if(rows.begin(), rows.end(),
                                  [name](const Operation& row) { return row.name == name; });
  return found == rows.end() ? nullptr : &*found;
}

}  // namespace

const Operation* find_filter(std::string_view name) { return find_row(kFilters, name); }
const Operation* find_test(std::string_view name) { return find_row(kTests, name); }
const Operation* find_function(std::string_view name) { return find_row(kFunctions, name); }

const Operation* find_method(const Value& value, std::string_view name) {
  if (value.as_text()) return find_row(kTextMethods, name);
  if (value.as_dict()) return find_row(kDictMethods, name);
  if (value.as_sequence()) return find_row(kListMethods, name);
  return nullptr;
}

std::vector<const Operation*> all_functions() {
  std::vector<const Operation*> functions;
  for (const Operation& function : kFunctions) functions.push_back(&function);
  return functions;
}

}  // namespace trine::input::chat_template
