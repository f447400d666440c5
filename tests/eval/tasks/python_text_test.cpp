// Expected values are what Python 3.11 prints.
#include "eval/tasks/python_text.h"

#include <gtest/gtest.h>

namespace trine::eval {
namespace {

TEST(PythonText, StripsWhatStrIsspaceNames) {
  EXPECT_EQ(strip(" \n\x1c\u00a0\u3000a b\u2003\x1f\t"), "a b");
  EXPECT_EQ(strip_end("  a\u2028 "), "  a");
  EXPECT_EQ(strip(" \t "), "");
  EXPECT_EQ(strip("\u200bx"), "\u200bx");  // a zero-width space is none
}

TEST(PythonText, CapitalizesWithTheFullMappings) {
  EXPECT_EQ(capitalize("the LAMP"), "The lamp");
  EXPECT_EQ(capitalize("\u00dfO she"), "Sso she");  // ß has two letters as a title
  EXPECT_EQ(capitalize("\u01c6A"), "\u01c5a");      // ǆ has a title form of its own
  EXPECT_EQ(capitalize("\u039f\u0394\u039f\u03a3"), "\u039f\u03b4\u03bf\u03c2");  // final sigma
  EXPECT_EQ(capitalize(""), "");
}

TEST(PythonText, LowersWithTheFullMappings) {
  EXPECT_EQ(lower("\u00c9COLE \u0130"), "\u00e9cole i\u0307");
}

TEST(PythonText, CountsCharactersAndWords) {
  EXPECT_EQ(count_characters("\u00c9t\u00e9 \U0001F600"), 5u);
  EXPECT_EQ(count_words(""), 1u);
  EXPECT_EQ(count_words(" a  b\n"), 4u);  // ['', 'a', 'b', '']
}

TEST(PythonText, ReplacesFromLeftToRight) {
  EXPECT_EQ(replace_all("a    b", "  ", " "), "a  b");
  EXPECT_EQ(replace_all("xx", "y", "z"), "xx");
}

}  // namespace
}  // namespace trine::eval
