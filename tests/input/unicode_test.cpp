#include "input/unicode.h"

#include <gtest/gtest.h>

#include <string>

#include "support/tokenizers.h"

namespace trine::input {
namespace {

TEST(Unicode, ReadsEveryCodePoint) {
  for (std::uint32_t code_point = 0; code_point < 0x110000; ++code_point) {
    if (code_point >= 0xD800 && code_point < 0xE000) continue;
    std::string text;
    testing_support::append_utf8(text, code_point);
    const Utf8Character read = read_utf8(text);
    ASSERT_EQ(read.state, Utf8State::kComplete) << code_point;
    ASSERT_EQ(read.code_point, code_point);
    ASSERT_EQ(read.length, text.size());
    ASSERT_EQ(last_character("x" + text), code_point);
    ASSERT_TRUE(is_valid_utf8(text));
    for (std::size_t length = 1; length < text.size(); ++length) {
      ASSERT_EQ(read_utf8(text.substr(0, length)).state, Utf8State::kIncomplete);
    }
  }
}

TEST(Unicode, ReplacesMaximalSubparts) {
  // Unicode Standard 15, section 3.9, tables 3-8 to 3-11: U+FFFD as published there.
  EXPECT_EQ(replace_invalid_utf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"),
            "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDA");
  EXPECT_EQ(replace_invalid_utf8("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"),
            "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDA");
  EXPECT_EQ(replace_invalid_utf8("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"),
            "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD"
            "A\uFFFD\uFFFD"
            "B");
  EXPECT_EQ(replace_invalid_utf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"),
            "\uFFFD\uFFFD\uFFFD\uFFFDA");
}

TEST(Unicode, LossyReadingIsValidAndChangesNothingValid) {
  base::Random random(7);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes(testing_support::below(random, 12), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.next());
    const std::string text = replace_invalid_utf8(bytes);
    EXPECT_TRUE(is_valid_utf8(text));
    EXPECT_EQ(replace_invalid_utf8(text), text);
    EXPECT_EQ(text == bytes, is_valid_utf8(bytes));
  }
}

TEST(Unicode, KnowsSpacesAndWords) {
  const std::u32string spaces = U"\t\n\v\f\r \u0085\u00A0\u1680\u2003\u2028\u202F\u3000";
  for (const char32_t space : spaces) {
    EXPECT_TRUE(is_white_space(space)) << static_cast<std::uint32_t>(space);
  }
  for (const char32_t other : {U'a', U'\0', U'\u200B', U'\u180E', U'\uFEFF'}) {
    EXPECT_FALSE(is_white_space(other)) << static_cast<std::uint32_t>(other);
  }
  for (const char32_t word : {U'a', U'Z', U'0', U'_', U'é', U'\u0301', U'中', U'\u200D', U'Ⓐ',
                              U'\u203F', U'\U0001D7FF', U'\U000E01EF'}) {
    EXPECT_TRUE(is_word_character(word)) << static_cast<std::uint32_t>(word);
  }
  for (const char32_t other : {U' ', U'-', U'/', U'²', U'€', U'\u200B', U'😀', U'\U000E01F0'}) {
    EXPECT_FALSE(is_word_character(other)) << static_cast<std::uint32_t>(other);
  }
}

}  // namespace
}  // namespace trine::input
