// What the automaton of a schema lets through, byte by byte, and what the compiler refuses.
#include <gtest/gtest.h>

#include <string>

#include "input/json_grammar/automaton.h"
#include "input/json_grammar/json_grammar.h"
#include "support/expect_error.h"

namespace trine::input::json_grammar {
namespace {

using testing_support::expect_error;

Result<JsonGrammar> compile(const std::string& schema) {
  const auto json = base::parse_ordered_json(schema, "schema");
  EXPECT_TRUE(json.has_value()) << testing_support::sentence(json);
  return JsonGrammar::from_schema(*json, "schema");
}

/// How many bytes of `text` are let through; one more when the whole of it is a value.
std::size_t progress(const JsonGrammar& grammar, std::string_view text) {
  JsonAutomaton automaton(std::make_shared<const JsonGrammar>(grammar));
  JsonAutomaton::State state = automaton.start();
  for (std::size_t i = 0; i < text.size(); ++i) {
    state = automaton.next(state, static_cast<std::uint8_t>(text[i]));
    if (state == JsonAutomaton::kDead) return i;
  }
  return text.size() + (automaton.is_complete(state) ? 1 : 0);
}

bool accepts(const JsonGrammar& grammar, std::string_view text) {
  return progress(grammar, text) == text.size() + 1;
}

struct Sample {
  const char* schema;
  std::vector<std::string> good;
  std::vector<std::string> bad;
};

TEST(JsonGrammar, AnyObject) {
  const JsonGrammar grammar = JsonGrammar::any_object();
  for (const char* good :
       {"{}", "{ }", R"({"a":1})",
        R"({"a": [1, -0.5e+3, true, null, {"b": ""}], "é€😀": "\u00e9\ud83d\ude00\n"})",
        "{\n  \"a\": 1\n}", R"({"a":[],"b":[[]]})"}) {
    EXPECT_TRUE(accepts(grammar, good)) << good;
  }
  for (const char* bad : {"",
                          "[]",
                          "1",
                          "{",
                          R"({"a"})",
                          R"({"a":1,})",
                          R"({a:1})",
                          R"({"a":01})",
                          R"({"a":1.})",
                          R"({"a":.5})",
                          R"({"a":"\x"})",
                          R"({"a":"\ud800"})",
                          "{\"a\":\"\n\"}",
                          "{\"\xff\":1}",
                          "{\"\xC0\x80\":1}",
                          "{\"\xED\xA0\x80\":1}",
                          R"({"a":tru})",
                          R"({"a":1} )",
                          "{}{}",
                          "{  }",
                          R"({"a":1234567890123456789012})"}) {
    EXPECT_FALSE(accepts(grammar, bad)) << bad;
  }
}

TEST(JsonGrammar, NestingIsBoundedAndWhatBeginsCanEnd) {
  JsonAutomaton automaton(std::make_shared<const JsonGrammar>(JsonGrammar::any_object()));
  JsonAutomaton::State state = automaton.start();
  for (const char byte : std::string_view("{\"a\":")) {
    state = automaton.next(state, static_cast<std::uint8_t>(byte));
  }
  int depth = 0;
  for (JsonAutomaton::State next = state;
       (next = automaton.next(state, '[')) != JsonAutomaton::kDead; ++depth) {
    state = next;
    ASSERT_LT(depth, 1000);
  }
  EXPECT_GT(depth, 30);
  for (int i = 0; i < depth; ++i) {
    state = automaton.next(state, ']');
    ASSERT_NE(state, JsonAutomaton::kDead);
  }
  state = automaton.next(state, '}');
  ASSERT_NE(state, JsonAutomaton::kDead);
  EXPECT_TRUE(automaton.is_complete(state));
}

TEST(JsonGrammar, SchemasLetThroughWhatTheyDescribe) {
  const std::vector<Sample> samples = {
      {R"({"type":"string","minLength":2,"maxLength":3})",
       {R"("ab")", R"("é€😀")", R"("a\n")", R"("\ud83d\ude00x")"},
       {R"("a")", R"("abcd")", R"("a)", "1"}},
      {R"({"type":"integer"})", {"0", "-12", "7"}, {"1.0", "1e2", "01", "-", "+1"}},
      {R"({"type":"number"})", {"0", "-1.5", "1E-9"}, {"1e999", "--1", "."}},
      {R"({"type":["boolean","null"]})", {"true", "false", "null"}, {"0", "nul"}},
      {R"({"enum":["a","ab",1,12,null,{"k":[1]}]})",
       {R"("a")", R"("ab")", "1", "12", "null", R"({"k":[1]})"},
       {R"("b")", "2", R"({"k": [1]})"}},
      {R"({"enum":["a",1],"type":"integer"})", {"1"}, {R"("a")"}},
      {R"({"const":"é\"\n"})", {R"("é\"\n")"}, {R"("e")"}},
      {R"({"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":2})",
       {"[1]", "[1,2]", "[ 1, 2 ]"},
       {"[]", "[1,2,3]", "[true]", "[1,]"}},
      {R"({"type":"array","items":{"type":"null"},"minItems":2})",
       {"[null,null]", "[null, null, null, null]"},
       {"[null]", "[]"}},
      {R"({"type":"array","maxItems":0})", {"[]"}, {"[1]"}},
      {R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"null"},"c":{}},
           "required":["b"],"additionalProperties":false})",
       {R"({"b":null})", R"({"a":1,"b":null})", R"({"a": 1, "b": null, "c": {"x": []}})",
        R"({"b":null,"c":2})"},
       {"{}", R"({"a":1})", R"({"b":null,"a":1})", R"({"b":null,"d":1})", R"({"b":null,})"}},
      {R"({"type":"object","properties":{"a":{},"b":{}}})",
       {"{}", R"({"a":1})", R"({"b":1})", R"({"a":1,"b":2})"},
       {R"({,"b":1})", R"({"c":1})"}},
      {R"({"type":"object","additionalProperties":{"type":"boolean"}})",
       {"{}", R"({"x":true,"y":false})"},
       {R"({"x":1})"}},
      {R"({"type":"object","additionalProperties":false})", {"{}"}, {R"({"x":1})"}},
      {R"({"anyOf":[{"type":"string","maxLength":1},{"enum":["long one"]},{"type":"null"}]})",
       {R"("x")", R"("long one")", "null"},
       {R"("xy")", R"("long on")"}},
      {R"({"$ref":"#/$defs/node","$defs":{"node":{"type":"object",
           "properties":{"v":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},
           "required":["v","next"],"additionalProperties":false}}})",
       {R"({"v":1,"next":null})", R"({"v":1,"next":{"v":2,"next":null}})"},
       {R"({"v":1})"}},
      {"true", {"1", "[]", R"("a")"}, {"x"}},
      {R"({"title":"t","description":"d"})", {"{}", "1"}, {""}},
  };
  for (const Sample& sample : samples) {
    SCOPED_TRACE(sample.schema);
    const auto grammar = compile(sample.schema);
    ASSERT_TRUE(grammar.has_value()) << testing_support::sentence(grammar);
    for (const std::string& text : sample.good) EXPECT_TRUE(accepts(*grammar, text)) << text;
    for (const std::string& text : sample.bad) EXPECT_FALSE(accepts(*grammar, text)) << text;
  }
}

TEST(JsonGrammar, RefusalsNameKeywordAndPlace) {
  expect_error(
      compile(R"({"type":"object","properties":{"a":{"type":"string","pattern":"x"}}})"),
      ErrorCode::kUnsupported, {"schema", "#/properties/a", "\"pattern\""});
  expect_error(compile(R"({"type":"integer","minimum":3})"), ErrorCode::kUnsupported,
               {"\"minimum\""});
  expect_error(compile(R"({"items":{"oneOf":[]}})"), ErrorCode::kUnsupported,
               {"#/items", "\"oneOf\""});
  expect_error(compile(R"({"enum":[1],"minLength":1})"), ErrorCode::kUnsupported,
               {"minLength"});
  expect_error(compile(R"({"type":"thing"})"), ErrorCode::kMalformed, {"#", "\"type\""});
  expect_error(compile(R"({"type":"string","minLength":3,"maxLength":2})"),
               ErrorCode::kMalformed, {"maxLength", "minLength"});
  expect_error(compile(R"({"type":"string","maxLength":-1})"), ErrorCode::kMalformed,
               {"maxLength"});
  expect_error(compile(R"({"$ref":"http://x/y"})"), ErrorCode::kUnsupported, {"http://x/y"});
  expect_error(compile(R"({"$ref":"#/$defs/no"})"), ErrorCode::kMalformed, {"#/$defs/no"});
  expect_error(compile(R"({"enum":[]})"), ErrorCode::kMalformed, {"enum"});
  expect_error(compile(R"({"type":"object","required":["x"]})"), ErrorCode::kUnsupported,
               {"required", "\"x\""});
  expect_error(compile("false"), ErrorCode::kMalformed, {"schema"});
}

TEST(JsonGrammar, HostileSchemasAreRefused) {
  expect_error(compile(R"({"$ref":"#"})"), ErrorCode::kMalformed, {"itself"});
  expect_error(compile(R"({"anyOf":[{"$ref":"#"},{"type":"null"}]})"), ErrorCode::kMalformed,
               {"itself"});
  expect_error(compile(R"({"type":"array","items":{"$ref":"#"},"minItems":1})"),
               ErrorCode::kMalformed, {"no finite text"});
  expect_error(compile(R"({"type":"string","maxLength":1000000})"), ErrorCode::kUnsupported,
               {"maxLength", "1000000"});
  expect_error(compile(R"({"type":"array","items":{"type":"string"},"maxItems":60000})"),
               ErrorCode::kUnsupported, {"states"});
  std::string same = R"({"enum":[1)";
  for (int i = 0; i < 100'000; ++i) same += ",1";
  const auto once = compile(same + "]}");
  ASSERT_TRUE(once.has_value());
  EXPECT_EQ(once->position(once->start()).bytes.size(), 1u);  // not a way for each
  std::string deep = R"({"type":"null"})";
  for (int i = 0; i < 60; ++i) deep = R"({"anyOf":[)" + deep + "]}";
  const auto parsed = base::parse_ordered_json(deep, "schema");
  EXPECT_FALSE(parsed.has_value());  // the reader's own limit comes first
  // Every reading doubles at each step; the automaton keeps a bounded number.
  std::string wide = R"({"anyOf":[)";
  for (int i = 0; i < 3000; ++i) wide += R"({"type":"array","items":{"type":"null"}},)";
  wide += R"({"type":"null"}]})";
  const auto grammar = compile(wide);
  ASSERT_TRUE(grammar.has_value()) << testing_support::sentence(grammar);
  EXPECT_TRUE(accepts(*grammar, "[null, null]"));
}

}  // namespace
}  // namespace trine::input::json_grammar
