// What an expected failure looks like: the code, and words its sentence must contain.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>

#include "base/result.h"

namespace trine::testing_support {

/// EXPECT that `result` is an Error with `code` whose sentence contains each of `words`.
template <class T>
void expect_error(const Result<T>& result, ErrorCode code,
                  std::initializer_list<std::string_view> words) {
  ASSERT_FALSE(result.has_value()) << "expected an error with code " << to_string(code);
  EXPECT_EQ(to_string(result.error().code), to_string(code)) << result.error().message;
  for (const std::string_view word : words) {
    EXPECT_NE(result.error().message.find(word), std::string::npos)
        << "expected \"" << word << "\" in: " << result.error().message;
  }
}

/// The error's sentence for ASSERT_TRUE(result) << sentence(result).
template <class T>
std::string sentence(const Result<T>& result) {
  return result.has_value() ? "success" : result.error().message;
}

}  // namespace trine::testing_support
