// Templates against Jinja itself (tools/make_chat_goldens.py): every byte, and every refusal.
#include <gtest/gtest.h>

#include <string>

#include "base/files.h"
#include "input/chat_template/chat_template.h"
#include "support/expect_error.h"

namespace trine::input::chat_template {
namespace {

using base::OrderedJson;

constexpr const char* kFolder = "tests/golden/chat/";

OrderedJson read_golden(const std::string& name) {
  const auto text = base::read_text_file(kFolder + name, std::size_t{16} << 20);
  if (!text) throw std::runtime_error(text.error().message);
  auto json = base::parse_ordered_json(*text, name);
  if (!json) throw std::runtime_error(json.error().message);
  return *json;
}

/// 2024-07-26 09:05:03, a Friday: the clock of make_chat_goldens.py.
std::tm golden_time() {
  std::tm now{};
  now.tm_year = 124;
  now.tm_mon = 6;
  now.tm_mday = 26;
  now.tm_hour = 9;
  now.tm_min = 5;
  now.tm_sec = 3;
  now.tm_wday = 5;
  now.tm_yday = 207;
  return now;
}

void expect_golden(const OrderedJson& golden, const Result<std::string>& rendered) {
  if (golden.contains("refused")) {
    EXPECT_FALSE(rendered.has_value())
        << "Jinja refuses with " << golden["refused"] << ", Trine writes: " << *rendered;
    if (!rendered) {
      EXPECT_NE(rendered.error().message.find("line "), std::string::npos)
          << rendered.error().message;
    }
    return;
  }
  ASSERT_TRUE(rendered.has_value()) << rendered.error().message;
  EXPECT_EQ(*rendered, golden["output"].get<std::string>());
}

Result<std::string> render_text(const std::string& source, const ChatInput& input) {
  const auto parsed = ChatTemplate::parse(source, "case");
  if (!parsed) return tl::unexpected<Error>(parsed.error());
  return parsed->render(input);
}

TEST(ChatGolden, EveryFeatureIsAsInJinja) {
  const OrderedJson golden = read_golden("features.json");
  ChatInput input;
  input.variables = golden["variables"];
  input.now = golden_time();
  ASSERT_GT(golden["cases"].size(), 150u);
  for (const auto& sample : golden["cases"]) {
    const auto source = sample["template"].get<std::string>();
    SCOPED_TRACE(source);
    expect_golden(sample, render_text(source, input));
  }
}

TEST(ChatGolden, EveryStyleIsAsInJinja) {
  const OrderedJson golden = read_golden("styles.json");
  for (const auto& sample : golden["cases"]) {
    const auto style = sample["style"].get<std::string>();
    const auto& conversation =
        golden["conversations"][sample["conversation"].get<std::string>()];
    SCOPED_TRACE(style + ", " + sample["conversation"].get<std::string>());
    const auto source =
        base::read_text_file(kFolder + ("styles/" + style + ".jinja"), std::size_t{1} << 20);
    ASSERT_TRUE(source.has_value()) << testing_support::sentence(source);
    ChatInput input;
    input.messages = conversation["messages"];
    if (conversation.contains("tools")) input.tools = conversation["tools"];
    input.add_generation_prompt = conversation.value("add_generation_prompt", true);
    if (conversation.contains("variables")) input.variables = conversation["variables"];
    input.variables["bos_token"] = "<s>";
    input.variables["eos_token"] = "</s>";
    input.now = golden_time();
    expect_golden(sample, render_text(*source, input));
  }
}

}  // namespace
}  // namespace trine::input::chat_template
