// What registry.cpp lists: the functions behind filters, tests, functions and methods.
#pragma once

#include "input/chat_template/operation.h"

namespace trine::input::chat_template {

/// The type of every one of them; see Operation::run.
using OperationFunction = Value(Interpreter& run, const Value& input,
                                const Arguments& arguments);

// text_filters.cpp
OperationFunction capitalize_filter, center_filter, escape_filter, forceescape_filter,
    format_filter, indent_filter, lower_filter, replace_filter, safe_filter, string_filter,
    title_filter, tojson_filter, trim_filter, truncate_filter, upper_filter, urlencode_filter,
    wordcount_filter;
// sequence_filters.cpp
OperationFunction batch_filter, dictsort_filter, first_filter, groupby_filter, items_filter,
    join_filter, last_filter, length_filter, list_filter, max_filter, min_filter,
    reverse_filter, slice_filter, sort_filter, sum_filter, unique_filter;
// selecting_filters.cpp
OperationFunction map_filter, reject_filter, rejectattr_filter, select_filter,
    selectattr_filter;
// value_filters.cpp
OperationFunction abs_filter, attr_filter, default_filter, float_filter, int_filter,
    round_filter;

// tests.cpp
OperationFunction boolean_test, callable_test, defined_test, divisibleby_test, eq_test,
    escaped_test, even_test, false_test, filter_test, float_test, ge_test, gt_test, in_test,
    integer_test, iterable_test, le_test, lower_test, lt_test, mapping_test, ne_test, none_test,
    number_test, odd_test, sameas_test, sequence_test, string_test, test_test, true_test,
    undefined_test, upper_test;

// functions.cpp
OperationFunction cycler_function, dict_function, joiner_function, namespace_function,
    raise_exception_function, range_function, strftime_now_function;

// text_methods.cpp
OperationFunction capitalize_method, center_method, count_method, endswith_method,
    find_text_method, index_method, isalnum_method, isalpha_method, isdecimal_method,
    isdigit_method, islower_method, isnumeric_method, isspace_method, isupper_method,
    join_method, ljust_method, lower_method, lstrip_method, partition_method,
    removeprefix_method, removesuffix_method, replace_method, rfind_method, rindex_method,
    rjust_method, rpartition_method, rsplit_method, rstrip_method, split_method,
    splitlines_method, startswith_method, strip_method, title_method, upper_method,
    zfill_method;
// container_methods.cpp
OperationFunction dict_copy_method, dict_get_method, dict_items_method, dict_keys_method,
    dict_values_method, list_copy_method, list_count_method, list_index_method;

}  // namespace trine::input::chat_template
