// What no golden shows: limits, sentences with their line, where templates are found.
#include "input/chat_template/chat_template.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "support/expect_error.h"
#include "support/temporary_directory.h"

namespace trine::input::chat_template {
namespace {

using testing_support::expect_error;
using testing_support::sentence;
using testing_support::TemporaryDirectory;

Result<std::string> render(std::string_view source, const ChatInput& input = {},
                           const RenderLimits& limits = {}) {
  const auto parsed = ChatTemplate::parse(source, "x.jinja");
  if (!parsed) return tl::unexpected<Error>(parsed.error());
  return parsed->render(input, limits);
}

TEST(ChatTemplate, SentencesNameFileAndLine) {
  expect_error(render("a\nb\n{{ 1 + }}"), ErrorCode::kMalformed, {"x.jinja, line 3"});
  expect_error(render("a\n{{ x.y }}"), ErrorCode::kMalformed,
               {"x.jinja, line 2", "'x' is undefined"});
  expect_error(render("\n\n\n{{ 'a' | pprint }}"), ErrorCode::kUnsupported,
               {"line 4", "filter pprint"});
  expect_error(render("{% include 'x' %}"), ErrorCode::kUnsupported, {"line 1", "include"});
  expect_error(render("\n{{ raise_exception('no ' ~ 'cats') }}"), ErrorCode::kInvalidArgument,
               {"line 2", "no cats"});
  expect_error(render("{% for a in b %}\n\n"), ErrorCode::kMalformed, {"endfor"});
  expect_error(render("{{ 9223372036854775807 + 1 }}"), ErrorCode::kUnsupported, {"64 bits"});
}

TEST(ChatTemplate, HostileTemplatesEndInASentence) {
  // A tenth of what is allowed otherwise, so that the test is quick with sanitizers too.
  const RenderLimits limits{.max_steps = 200'000,
                            .max_output_bytes = std::size_t{1} << 20,
                            .max_value_bytes = std::size_t{16} << 20};
  const auto refused = [&limits](std::string_view source, std::string_view word) {
    expect_error(render(source, {}, limits), ErrorCode::kUnsupported, {"line 1", word});
  };
  refused("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
          "steps");
  refused("{{ 'x' * 9000000000 }}", "bytes");
  refused("{{ [1] * 900000000 }}", "bytes");
  refused(
      "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% "
      "endfor %}",
      "bytes");
  refused("{{ 'a'.replace('', 'x' * 100000) * 3000 }}", "bytes");
  refused("{{ 'x'.ljust(9000000000) }}", "bytes");
  refused("{{ 'x' | center(9000000000) }}", "bytes");
  refused("{% for i in range(9999) %}{{ 'x' * 10000 }}{% endfor %}", "bytes");
  refused("{% set x = 'a' * 9999999 %}{{ x ~ x ~ x ~ x ~ x }}", "bytes");
  refused("{{ [['a' * 1000000] * 1000] | string }}", "bytes");
  refused("{% set x = 'a' * 9999999 %}{% for i in range(9999) %}{{ x | length }}{% endfor %}",
          "steps");
  refused(
      "{% set x = [['a' * 999] * 999] %}{% set y = [['a' * 999] * 999] %}"
      "{% for i in range(9999) %}{{ x == y }}{% endfor %}",
      "steps");
  refused(
      "{% set x = [['a' * 999] * 999] %}{% set y = [['a' * 999] * 999] %}"
      "{% for i in range(9999) %}{{ loop.changed(x if i % 2 else y) }}{% endfor %}",
      "steps");
  refused("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "deeper");
  refused("{% macro f() %}{% call f() %}{% endcall %}{{ caller() }}{% endmacro %}{{ f() }}",
          "deeper");
  refused(
      "{% set n = namespace(x=[]) %}{% for i in range(999) %}{% set n.x = [n.x] %}{% endfor %}",
      "nested deeper");
  refused("{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}", "deeper");
  std::string chain = "{{ 1";
  for (int i = 0; i < 100000; ++i) chain += "+1";
  refused(chain + " }}", "levels");
  const std::string brackets = "{{ " + std::string(100000, '(') + std::string(100000, ')');
  refused(brackets + "}}", "deeper");
  std::string blocks;
  for (int i = 0; i < 100000; ++i) blocks += "{% if 1 %}";
  refused(blocks, "deeper");
  expect_error(render(std::string(2u << 20, ' ')), ErrorCode::kUnsupported, {"1048576"});
}

TEST(ChatTemplate, ValuesThatHoldEachOtherAreFreed) {
  // Found as leaks by AddressSanitizer if they are not.
  const auto text = render(
      "{% set n = namespace() %}{% set n.n = n %}{% macro m() %}{% endmacro %}{% set n.m = m %}"
      "{% for i in [1] %}{% set n.l = loop %}{% set n.c = loop.cycle %}{% endfor %}ok");
  ASSERT_TRUE(text.has_value()) << sentence(text);
  EXPECT_EQ(*text, "ok");
}

TEST(ChatTemplate, LimitsAreTheCallers) {
  RenderLimits limits;
  limits.max_output_bytes = 10;
  EXPECT_TRUE(render("0123456789", {}, limits).has_value());
  expect_error(render("0123456789a", {}, limits), ErrorCode::kUnsupported, {"10 bytes"});
}

TEST(ChatTemplate, InputOfAnotherShape) {
  ChatInput input;
  input.messages = "text";
  expect_error(render("", input), ErrorCode::kInvalidArgument, {"messages", "array"});
  input = {};
  input.tools = 3;
  expect_error(render("", input), ErrorCode::kInvalidArgument, {"tools"});
  input = {};
  input.messages.push_back({{"role", "user"}, {"content", "\xff"}});
  const auto text = render("{{ messages[0].content }}", input);
  ASSERT_TRUE(text.has_value());
  EXPECT_EQ(*text, "\xEF\xBF\xBD");
}

void write(const std::filesystem::path& path, std::string_view text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

std::string rendered(const std::filesystem::path& directory, const ChatInput& input = {},
                     std::string_view name = {}) {
  const auto model = ModelTemplates::read(directory);
  if (!model) return model.error().message;
  const auto text = model->render(input, name);
  return text ? *text : text.error().message;
}

TEST(ModelTemplates, FoundWhereModelsKeepThem) {
  const TemporaryDirectory folder;
  EXPECT_NE(rendered(folder.path()).find("has no chat template"), std::string::npos);
  write(folder.path() / "chat_template.json", R"({"chat_template":"processor"})");
  EXPECT_EQ(rendered(folder.path()), "processor");
  write(
      folder.path() / "tokenizer_config.json",
      R"({"bos_token":{"content":"<s>"},"eos_token":"</s>","chat_template":"{{bos_token}}config{{eos_token}}"})");
  EXPECT_EQ(rendered(folder.path()), "<s>config</s>");
  write(folder.path() / "chat_template.jinja", "file");
  EXPECT_EQ(rendered(folder.path()), "file");
  write(folder.path() / "additional_chat_templates/rag.jinja", "rag {{ documents | length }}");
  ChatInput input;
  input.variables["documents"] = {1, 2};
  EXPECT_EQ(rendered(folder.path(), input, "rag"), "rag 2");
  const std::string unknown = rendered(folder.path(), {}, "nope");
  EXPECT_NE(unknown.find("\"nope\""), std::string::npos) << unknown;
  EXPECT_NE(unknown.find("default, rag"), std::string::npos) << unknown;
}

TEST(ModelTemplates, NamedOnesInAList) {
  const TemporaryDirectory folder;
  write(
      folder.path() / "tokenizer_config.json",
      R"({"chat_template":[{"name":"default","template":"d"},{"name":"tool_use","template":"t"}]})");
  EXPECT_EQ(rendered(folder.path()), "d");
  ChatInput input;
  input.tools = base::OrderedJson::array({base::OrderedJson::object()});
  EXPECT_EQ(rendered(folder.path(), input), "t");
  const auto model = ModelTemplates::read(folder.path());
  ASSERT_TRUE(model.has_value()) << sentence(model);
  EXPECT_EQ(model->source(), "d");
  EXPECT_EQ(model->source(true), "t");
  EXPECT_EQ(ModelTemplates::read(folder.path() / "nowhere")->source(), "");
  write(folder.path() / "tokenizer_config.json", R"({"chat_template":[{"name":"default"}]})");
  EXPECT_NE(rendered(folder.path()).find("\"name\" and \"template\""), std::string::npos);
}

TEST(PlainChatText, IsOneLinePerMessage) {
  ChatInput input;
  input.messages = {{{"role", "system"}, {"content", "S"}},
                    {{"role", "user"}, {"content", {{{"type", "text"}, {"text", "a"}}}}}};
  const auto text = plain_chat_text(input);
  ASSERT_TRUE(text.has_value()) << sentence(text);
  EXPECT_EQ(*text, "system: S\nuser: a\nassistant:");
  input.messages.push_back(3);
  expect_error(plain_chat_text(input), ErrorCode::kInvalidArgument, {"role"});
}

}  // namespace
}  // namespace trine::input::chat_template
