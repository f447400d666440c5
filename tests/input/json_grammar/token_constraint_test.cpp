// Walks through masks at random must end in values that fit the schema.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <string>

#include "base/random.h"
#include "input/json_grammar/schema_check.h"  // of tests
#include "input/json_grammar/token_constraint.h"
#include "input/streaming_detokenizer.h"
#include "support/expect_error.h"

namespace trine::input::json_grammar {
namespace {

/// Every byte, an end token (256), and pieces that cross the joints of JSON.
std::shared_ptr<const TokenVocabulary> small_vocabulary() {
  std::vector<std::string> bytes;
  for (int i = 0; i < 256; ++i) bytes.emplace_back(1, static_cast<char>(i));
  bytes.emplace_back();  // 256 ends the text
  for (const char* piece :
       {"{\"",  "\":",           "\": ",     "\",\"",    "\"}",  "},",   "]}",   "[{\"", "true",
        "null", "false",         "12",       ".5",       "e-",   " the", "word", "é",    "😀😀",
        "\\n",  "\\u00",         "\xF0\x9F", "\x98\x80", "a\"",  "\n  ", "]",    "0",    "nul",
        "\xC3", "long one here", "\",",      "name",     "\\\"x"}) {
    bytes.emplace_back(piece);
  }
  return std::make_shared<const TokenVocabulary>(std::move(bytes),
                                                 std::vector<std::int32_t>{256});
}

OrderedJson parse(const std::string& text) {
  const auto json = base::parse_ordered_json(text, "text");
  EXPECT_TRUE(json.has_value()) << testing_support::sentence(json) << "\n" << text;
  return json ? *json : OrderedJson();
}

std::shared_ptr<const JsonGrammar> grammar_of(const std::string& schema) {
  auto grammar = JsonGrammar::from_schema(parse(schema), "schema");
  EXPECT_TRUE(grammar.has_value()) << testing_support::sentence(grammar);
  return std::make_shared<const JsonGrammar>(std::move(*grammar));
}

/// A random walk; towards its end prefers what closes, so that it does end.
std::string random_text(TokenConstraint constraint, const TokenVocabulary& vocabulary,
                        base::Random& random) {
  std::string text;
  for (int step = 0; !constraint.has_ended(); ++step) {
    const auto mask = constraint.allowed();
    std::vector<std::int32_t> ids;
    std::vector<std::int32_t> closing;
    for (std::int32_t id = 0; id < static_cast<std::int32_t>(vocabulary.size()); ++id) {
      if (!is_set(mask, id)) continue;
      ids.push_back(id);
      const std::string& bytes = vocabulary.bytes(id);
      if (vocabulary.is_end(id) || bytes == "\"" || bytes == "}" || bytes == "]") {
        closing.push_back(id);
      }
    }
    if (ids.empty() || step > 3000) {
      ADD_FAILURE() << "stuck after " << step << " tokens: " << text;
      return text;
    }
    EXPECT_EQ(is_set(mask, 256), constraint.is_complete());
    const auto& choices = step > 60 && !closing.empty() ? closing : ids;
    const std::int32_t chosen = choices[static_cast<std::size_t>(
        random.uniform() * static_cast<double>(choices.size()))];
    EXPECT_TRUE(constraint.accept(chosen));
    text += vocabulary.bytes(chosen);
  }
  return text;
}

constexpr const char* kSchemas[] = {
    R"({"type":"object"})",
    R"({"type":"string","minLength":2,"maxLength":5})",
    R"({"type":"array","items":{"type":"number"},"minItems":2,"maxItems":4})",
    R"({"anyOf":[{"type":"string","maxLength":2},{"enum":["long one here","é"]},{"type":"boolean"}]})",
    R"({"type":"object","properties":{"name":{"type":"string"},"n":{"type":["integer","null"]},
        "tags":{"type":"array","items":{"enum":["a","word",12]}},"any":{}},
        "required":["name","tags"],"additionalProperties":false})",
    R"({"$defs":{"t":{"type":"object","properties":{"l":{"$ref":"#/$defs/t"},"v":{"type":"integer"}},
        "required":["v"],"additionalProperties":false}},"$ref":"#/$defs/t"})",
    R"({"type":"object","additionalProperties":{"type":"array","items":{"const":{"a":[1,"x"]}}}})",
};

TEST(TokenConstraint, RandomWalksEndInValuesThatFit) {
  const auto vocabulary = small_vocabulary();
  base::Random random(20240726);
  for (const char* schema : kSchemas) {
    SCOPED_TRACE(schema);
    const auto grammar = grammar_of(schema);
    const OrderedJson rules = parse(schema);
    for (int walk = 0; walk < 40; ++walk) {
      auto constraint = TokenConstraint::create(grammar, vocabulary);
      ASSERT_TRUE(constraint.has_value());
      const std::string text = random_text(std::move(*constraint), *vocabulary, random);
      // Keys of free objects may repeat, which our reader refuses and JSON does not.
      const OrderedJson value = OrderedJson::parse(text, nullptr, false);
      ASSERT_FALSE(value.is_discarded()) << text;
      EXPECT_TRUE(fits(value, rules, rules)) << text;
    }
  }
}

TEST(TokenConstraint, TakesWhatItAllowsAtTheDeepestLevels) {
  const auto vocabulary = small_vocabulary();
  const auto grammar =
      grammar_of(R"({"anyOf":[{"type":"string"},{"type":"array","items":{"$ref":"#"}}]})");
  std::size_t strings = 0;
  for (int depth = 58; depth <= 66; ++depth) {  // an array takes two levels of 128
    auto constraint = TokenConstraint::create(grammar, vocabulary);
    ASSERT_TRUE(constraint.has_value());
    bool fits = true;
    for (int i = 0; i < depth && fits; ++i) fits = constraint->accept('[');
    if (!fits || !constraint->accept('"')) continue;
    ++strings;
    const auto mask = constraint->allowed();
    const std::vector<std::uint64_t> allowed(mask.begin(), mask.end());
    for (std::int32_t id = 0; id < static_cast<std::int32_t>(vocabulary->size()); ++id) {
      if (!is_set(allowed, id)) continue;
      auto fresh = TokenConstraint::create(grammar, vocabulary);
      ASSERT_TRUE(fresh.has_value());
      for (int i = 0; i < depth; ++i) ASSERT_TRUE(fresh->accept('['));
      ASSERT_TRUE(fresh->accept('"'));
      EXPECT_TRUE(fresh->accept(id)) << "token " << id << " in " << depth << " arrays";
    }
  }
  EXPECT_GE(strings, 3u);
}

TEST(TokenConstraint, MaskIsWhatTheBytesAllow) {
  // The two steps of a mask against the plain question, token by token.
  const auto vocabulary = small_vocabulary();
  base::Random random(7);
  for (const char* schema : kSchemas) {
    SCOPED_TRACE(schema);
    const auto grammar = grammar_of(schema);
    JsonAutomaton automaton(grammar);
    auto constraint = TokenConstraint::create(grammar, vocabulary);
    ASSERT_TRUE(constraint.has_value());
    JsonAutomaton::State state = automaton.start();
    for (int step = 0; step < 60 && !constraint->has_ended(); ++step) {
      const auto mask = constraint->allowed();
      std::vector<std::int32_t> ids;
      for (std::int32_t id = 0; id < static_cast<std::int32_t>(vocabulary->size()); ++id) {
        if (vocabulary->is_end(id)) continue;
        JsonAutomaton::State reached = state;
        for (const char byte : vocabulary->bytes(id)) {
          if (reached != JsonAutomaton::kDead) {
            reached = automaton.next(reached, static_cast<std::uint8_t>(byte));
          }
        }
        const bool allowed = reached != JsonAutomaton::kDead;
        ASSERT_EQ(is_set(mask, id), allowed) << "token " << id << " at step " << step;
        if (allowed) ids.push_back(id);
      }
      if (ids.empty()) break;
      const std::int32_t chosen =
          ids[static_cast<std::size_t>(random.uniform() * static_cast<double>(ids.size()))];
      ASSERT_TRUE(constraint->accept(chosen));
      for (const char byte : vocabulary->bytes(chosen)) {
        state = automaton.next(state, static_cast<std::uint8_t>(byte));
      }
    }
  }
}

TEST(TokenConstraint, RefusesWhatIsNotAllowed) {
  auto constraint =
      TokenConstraint::create(grammar_of(R"({"type":"boolean"})"), small_vocabulary());
  ASSERT_TRUE(constraint.has_value());
  EXPECT_FALSE(constraint->accept(256));  // nothing is complete yet
  EXPECT_FALSE(constraint->accept('x'));
  EXPECT_FALSE(constraint->accept(-1));
  EXPECT_FALSE(constraint->accept(100000));
  EXPECT_TRUE(constraint->accept('t'));
  EXPECT_FALSE(constraint->is_complete());
  for (const char byte : std::string_view("rue")) EXPECT_TRUE(constraint->accept(byte));
  EXPECT_TRUE(constraint->is_complete());
  EXPECT_FALSE(constraint->accept(' '));
  EXPECT_TRUE(constraint->accept(256));
  EXPECT_TRUE(constraint->has_ended());
  EXPECT_FALSE(constraint->accept(256));
}

TEST(TokenConstraint, NeedsTheCharactersOfJson) {
  std::vector<std::string> bytes = {"{", "}"};
  const auto vocabulary =
      std::make_shared<const TokenVocabulary>(std::move(bytes), std::vector<std::int32_t>{});
  testing_support::expect_error(
      TokenConstraint::create(grammar_of(R"({"type":"object"})"), vocabulary),
      ErrorCode::kUnsupported, {"single character"});
}

TEST(TokenConstraint, LongAnswersForgetOldStates) {
  auto constraint = TokenConstraint::create(
      grammar_of(R"({"type":"string","maxLength":20000})"), small_vocabulary());
  ASSERT_TRUE(constraint.has_value());
  ASSERT_TRUE(constraint->accept('"'));
  for (int i = 0; i < 20000; ++i) {
    ASSERT_TRUE(constraint->accept('x')) << i;
    if (i % 1000 == 0) {
      ASSERT_TRUE(is_set(constraint->allowed(), '"'));
    }
  }
  EXPECT_FALSE(constraint->accept('x'));
  ASSERT_TRUE(constraint->accept('"'));
  EXPECT_TRUE(constraint->accept(256));
}

TEST(TokenBytes, OfARealVocabularyArePartsOfItsTexts) {
  const auto tokenizer = open_tokenizer("models/tiny-mixtral");
  ASSERT_TRUE(tokenizer.has_value()) << testing_support::sentence(tokenizer);
  const TokenVocabulary vocabulary = TokenVocabulary::of(**tokenizer, {2});
  std::string joined;
  const std::string text = "{\"name\": \"Zürich 😀\",\n  \"x\": [1, 2.5]}";
  for (const std::int32_t id : (*tokenizer)->encode(text, SpecialTokens::kExclude)) {
    joined += vocabulary.bytes(id);
  }
  EXPECT_EQ(joined, " " + text);             // in the middle of a text the leading space is one
  EXPECT_TRUE(vocabulary.bytes(1).empty());  // <s>
}

/// 150,000 tokens of all lengths, as large vocabularies have them. Prints times; what is asserted
/// leaves a factor of twenty for slow machines and sanitizers.
TEST(TokenConstraint, MasksOfALargeVocabularyAreFast) {
  base::Random random(3);
  std::vector<std::string> bytes;
  for (int i = 0; i < 256; ++i) bytes.emplace_back(1, static_cast<char>(i));
  bytes.emplace_back();
  constexpr std::string_view kOdd = "{}[]\",:0123456789.\\\n\t-_()";
  while (bytes.size() < 150000) {
    std::string token(random.uniform() < 0.4 ? " " : "");
    const int length = 2 + static_cast<int>(random.uniform() * 8.0);
    for (int i = 0; i < length; ++i) {
      const bool odd = random.uniform() < 0.02;
      token += odd ? kOdd[static_cast<std::size_t>(random.uniform() *
                                                   static_cast<double>(kOdd.size()))]
                   : static_cast<char>('a' + static_cast<int>(random.uniform() * 26.0));
    }
    bytes.push_back(std::move(token));
  }
  const auto vocabulary =
      std::make_shared<const TokenVocabulary>(std::move(bytes), std::vector<std::int32_t>{256});
  const auto grammar = grammar_of(R"({"type":"object","properties":{"name":{"type":"string"},
      "city":{"type":"string","maxLength":40},"age":{"type":"integer"}},
      "required":["name","city","age"],"additionalProperties":false})");
  auto constraint = TokenConstraint::create(grammar, vocabulary);
  ASSERT_TRUE(constraint.has_value());
  const std::string text =
      R"({"name": "Ada Lovelace of London", "city": "London on Thames", "age": 36})";
  std::vector<double> microseconds;
  for (const char byte : text) {
    const auto start = std::chrono::steady_clock::now();
    ASSERT_TRUE(is_set(constraint->allowed(), static_cast<unsigned char>(byte)));
    microseconds.push_back(
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
            .count());
    ASSERT_TRUE(constraint->accept(static_cast<unsigned char>(byte)));
  }
  std::sort(microseconds.begin(), microseconds.end());
  const double median = microseconds[microseconds.size() / 2];
  std::printf("masks of 150,000 tokens: median %.1f us, slowest %.1f us of %zu\n", median,
              microseconds.back(), microseconds.size());
  EXPECT_LT(median, 20000.0);
}

}  // namespace
}  // namespace trine::input::json_grammar
