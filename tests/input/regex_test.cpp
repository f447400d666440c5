// Expressions of tokenizer.json: how they are rewritten, what is refused, and what stops those
// that would never end.
#include "input/regex.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "input/regex_dialect.h"
#include "support/expect_error.h"

namespace trine::input {
namespace {

using testing_support::expect_error;
using testing_support::sentence;

std::vector<std::string> matches_of(std::string_view pattern, std::string_view text) {
  const auto regex = Regex::compile(pattern);
  EXPECT_TRUE(regex.has_value()) << sentence(regex);
  RegexSearch search(*regex);
  std::vector<std::string> matches;
  for (const RegexMatch& match : search.find_all(text)) {
    matches.emplace_back(text.substr(match.begin, match.end - match.begin));
  }
  return matches;
}

using Matches = std::vector<std::string>;

TEST(Regex, KnowsWhiteSpaceAsUnicodeDoes) {
  EXPECT_EQ(matches_of(R"(\s)", "a\u180Eb\u0085c\u2028d\u200Be f"),
            (Matches{"\u0085", "\u2028", " "}));
  EXPECT_EQ(matches_of(R"(\S+)", "a\u180Eb c"), (Matches{"a\u180Eb", "c"}));
  EXPECT_EQ(matches_of(R"([^\s]+)", "a\u180Eb c"), (Matches{"a\u180Eb", "c"}));
  EXPECT_EQ(matches_of(R"([^\S ]+)", "a \n\t b"), (Matches{"\n\t"}));
}

TEST(Regex, KnowsCharactersOfUnicode16) {
  // Tulu-Tigalari letter, Garay digit, CJK extension H and I, a mark.
  EXPECT_EQ(matches_of(R"(\p{L}+)", "\U00011380a\U00031350\U0002EBF0-"),
            (Matches{"\U00011380a\U00031350\U0002EBF0"}));
  EXPECT_EQ(matches_of(R"(\d|\p{M})", "\U00010D40\u0897"), (Matches{"\U00010D40", "\u0897"}));
  EXPECT_EQ(matches_of(R"([\p{Han}x]+)", "\u3001\U00031350x\u4E00"),
            (Matches{"\U00031350x\u4E00"}));
  EXPECT_EQ(matches_of(R"(\P{L}+|\p{^N})", "\U00011380--"), (Matches{"\U00011380", "--"}));
}

TEST(Regex, ReadsRubysLanguage) {
  EXPECT_EQ(matches_of("^.", "ab\ncd"), (Matches{"a", "c"}));
  EXPECT_EQ(matches_of(R"(\u00e9|\x41|\x{1F600}|\v)", "é A \U0001F600 \v"),
            (Matches{"é", "A", "\U0001F600", "\v"}));
  EXPECT_EQ(matches_of(R"([\s\-x]+)", "a -x"), (Matches{" -x"}));
  EXPECT_EQ(matches_of(R"([a-\s]+)", "a- b"), (Matches{"a- "}));
  EXPECT_EQ(matches_of("(?i:'S)", "'s 'S '\u017F"), (Matches{"'s", "'S", "'\u017F"}));
  EXPECT_EQ(matches_of(R"(\p{N}{1,3})", "12345"), (Matches{"123", "45"}));
  EXPECT_EQ(matches_of("a*", "baac"), (Matches{"", "aa", ""}));
}

TEST(Regex, TakesATextAsItStands) {
  const auto regex = Regex::of_text("a.(");
  ASSERT_TRUE(regex.has_value()) << sentence(regex);
  RegexSearch search(*regex);
  EXPECT_EQ(search.find_all("axa.(a.(").size(), 2u);
}

TEST(Regex, RefusesWhatTheLanguagesReadDifferently) {
  for (const auto& [pattern, word] : {std::pair{R"(\w+)", R"(\w)"},
                                      {R"(a\b)", R"(\b)"},
                                      {R"(\h)", R"(\h)"},
                                      {R"((a)\1)", R"(\1)"},
                                      {"[a[bc]]", "[ within a class"},
                                      {"[a-z&&[^b]]", "&&"},
                                      {"a{2}+", "{…}+"},
                                      {"a{,3}", "{ without two numbers"},
                                      {"[]", "an empty class"},
                                      {"[^]", "an empty class"},
                                      {"[ab", "[ without ]"},
                                      {R"([\P{L}])", R"(\P or \D)"},
                                      {R"([\D])", R"(\P or \D)"},
                                      {R"(\pL)", R"(\p without)"},
                                      {R"(\p{L)", R"(\p without)"},
                                      {R"(\p{})", R"(\p{})"},
                                      {R"(\p{C})", R"(\p{C})"},
                                      {R"(\p{Lx})", R"(\p{Lx})"},
                                      {"(?m:.)", "(?m"},
                                      {"a(?i)b", "(?i"},
                                      {"(?R)", "(?R"},
                                      {"(?<n>a)", "(?<"},
                                      {"(*LIMIT_MATCH=1)a", "(*"},
                                      {"a\\", "\\ at the end"},
                                      {R"(\x4)", R"(unfinished \x)"},
                                      {R"(\u12G4)", R"(unfinished \x)"},
                                      {R"(\C)", R"(\C)"},
                                      {R"(a\Kb)", R"(\K)"},
                                      {R"(\Q.)", R"(\Q)"}}) {
    SCOPED_TRACE(pattern);
    expect_error(Regex::compile(pattern), ErrorCode::kUnsupported, {"expression uses", word});
  }
}

TEST(Regex, SaysWhatCannotBeRead) {
  for (const char* pattern : {"(", "a)", "*a", "[z-a]", R"(\x{110000})", R"(\p{Klingon})",
                              "(?<=a+)b", "a{3,2}", "a{99999}"}) {
    SCOPED_TRACE(pattern);
    expect_error(Regex::compile(pattern), ErrorCode::kMalformed, {"cannot be read: "});
  }
  expect_error(Regex::compile(std::string(20000, 'a')), ErrorCode::kUnsupported,
               {"20000 bytes", "at most 16384"});
  expect_error(Regex::compile(std::string(1000, '(') + std::string(1000, ')')),
               ErrorCode::kMalformed, {"too deeply"});
}

TEST(Regex, GivesUpExpressionsThatWouldNeverEnd) {
  const std::string text = std::string(40, 'a') + "!";
  // Not one letter that PCRE2 could look for first.
  for (const char* pattern :
       {"(a+)+[bc]", "(a|aa)+$", "(a*)*[bc]", "(?:a|a|a)*[bc]", "(.*)*(.*)*[bc]"}) {
    SCOPED_TRACE(pattern);
    const auto regex = Regex::compile(pattern);
    ASSERT_TRUE(regex.has_value()) << sentence(regex);
    RegexSearch search(*regex);
    for (int i = 0; i < 1000; ++i) EXPECT_LE(search.find_all(text).size(), 1u);
  }
}

TEST(Regex, DoesNotGiveUpLongWords) {
  // A million capitals are read twice by GPT-OSS's expression. A group needs memory for each of
  // its repetitions: a hundred thousand fit.
  const std::string text(1000000, 'A');
  EXPECT_EQ(matches_of(R"([\p{Lu}]*[\p{Ll}]+|[\p{Lu}]+)", text).size(), 1u);
  EXPECT_EQ(matches_of(R"(\s+(?!\S)|\s+)", std::string(1000000, ' ') + "x").size(), 2u);
  EXPECT_EQ(matches_of(R"((?:AA|A(?=B)|A)+)", text.substr(0, 100000)).size(), 1u);
}

}  // namespace
}  // namespace trine::input
