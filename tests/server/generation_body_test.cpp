// What bodies mean, and which sentence refuses them.
#include "server/generation_body.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace trine::server {
namespace {

void expect_refused(const std::string& body, const std::string& param,
                    const std::string& words) {
  const auto parsed = parse_completion_body(body);
  ASSERT_FALSE(parsed.has_value()) << body;
  EXPECT_EQ(parsed.error().status, 400u);
  EXPECT_EQ(parsed.error().param, param) << body;
  EXPECT_NE(parsed.error().message.find(words), std::string::npos) << parsed.error().message;
}

TEST(CompletionBody, HasOpenAisDefaults) {
  const auto parsed = parse_completion_body(R"({"prompt": "Hi", "unknown": {"a": 1}})");
  ASSERT_TRUE(parsed.has_value());
  const GenerationRequest& request = parsed->generation.request;
  EXPECT_EQ(std::get<std::string>(parsed->prompts.at(0)), "Hi");
  EXPECT_EQ(request.max_tokens, 16u);
  EXPECT_EQ(request.temperature, 1.0);
  EXPECT_EQ(request.top_p, 1.0);
  EXPECT_FALSE(request.top_scores.has_value());
  EXPECT_FALSE(parsed->generation.has_seed);
  EXPECT_FALSE(parsed->generation.is_stream);
}

TEST(CompletionBody, ReadsEveryOption) {
  const auto parsed = parse_completion_body(R"({
    "prompt": [[1, 2], [3]], "max_tokens": 5, "temperature": 0.5, "top_p": 0.9, "top_k": 4,
    "min_p": 0.1, "repetition_penalty": 1.2, "frequency_penalty": 0.3, "presence_penalty": -0.3,
    "logit_bias": {"7": -100}, "stop": "end", "seed": -3, "n": 2, "logprobs": 3, "echo": true,
    "stream": true, "stream_options": {"include_usage": true}, "ignore_eos": true})");
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
  const GenerationRequest& request = parsed->generation.request;
  EXPECT_EQ(std::get<std::vector<std::int32_t>>(parsed->prompts.at(0)),
            (std::vector<std::int32_t>{1, 2}));
  EXPECT_EQ(parsed->prompts.size(), 2u);
  EXPECT_EQ(request.max_tokens, 5u);
  EXPECT_EQ(request.top_k, 4u);
  EXPECT_EQ(request.min_p, 0.1);
  EXPECT_EQ(request.repetition_penalty, 1.2);
  EXPECT_EQ(request.frequency_penalty, 0.3);
  EXPECT_EQ(request.presence_penalty, -0.3);
  EXPECT_EQ(request.logit_bias.at(0), (std::pair<std::int32_t, double>{7, -100.0}));
  EXPECT_EQ(request.stop, std::vector<std::string>{"end"});
  EXPECT_EQ(request.seed, static_cast<std::uint64_t>(-3));
  EXPECT_EQ(request.top_scores, 3u);
  EXPECT_TRUE(request.scores_prompt);
  EXPECT_TRUE(request.ignores_end);
  EXPECT_EQ(parsed->generation.n, 2u);
  EXPECT_TRUE(parsed->generation.includes_usage);
}

TEST(CompletionBody, NamesTheFieldAtFault) {
  expect_refused("[1]", "", "expected an object");
  expect_refused("{\"prompt\": ", "", "not JSON");
  expect_refused("{}", "prompt", "missing");
  expect_refused(R"({"prompt": {}})", "prompt", "expected a text");
  expect_refused(R"({"prompt": [1, -2]})", "prompt", "-2");
  expect_refused(R"({"prompt": [1, "a"]})", "prompt", "\"a\"");
  expect_refused(R"({"prompt": ["a", 1]})", "prompt", "1");
  expect_refused(R"({"prompt": "", "temperature": "hot"})", "temperature", "\"hot\"");
  expect_refused(R"({"prompt": "", "top_p": 1.5})", "top_p", "1.5");
  expect_refused(R"({"prompt": "", "n": 1.5})", "n", "whole number");
  expect_refused(R"({"prompt": "", "seed": 18446744073709551615})", "seed", "whole number");
  expect_refused(R"({"prompt": "", "max_tokens": 0})", "max_tokens", "echo");
  expect_refused(R"({"prompt": "", "stop": [1]})", "stop", "1");
  expect_refused(R"({"prompt": "", "logit_bias": {"a": 1}})", "logit_bias", "token id");
  expect_refused(R"({"prompt": "", "logit_bias": {"1": 101}})", "logit_bias", "101");
  expect_refused(R"({"prompt": "", "stream": 1})", "stream", "true or false");
  expect_refused(R"({"prompt": "", "stream_options": {"include_usage": 3}})",
                 "stream_options.include_usage", "3");
  expect_refused(R"({"prompt": "", "best_of": 3})", "best_of", "3");
  expect_refused(R"({"prompt": ["a", "b"], "n": 100})", "prompt", "128");
}

TEST(CompletionBody, RefusesDeepNestingBeforeItIsParsed) {
  const std::string deep(200'000, '[');
  expect_refused("{\"prompt\": " + deep, "", "levels deep");
  // Brackets within texts do not count.
  EXPECT_TRUE(parse_completion_body("{\"prompt\": \"" + deep + "\"}").has_value());
}

TEST(CompletionBody, ManyFieldsTakeTimeThatGrowsWithTheText) {
  // 200,000 names compared with all earlier ones would take minutes.
  std::string body = R"({"prompt": "a", "metadata": {)";
  for (int i = 0; i < 200'000; ++i) body += "\"field" + std::to_string(i) + "\":1,";
  body += R"("last": 2}, "prompt": "b"})";
  const auto start = std::chrono::steady_clock::now();
  const auto parsed = parse_completion_body(body);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
  ASSERT_TRUE(parsed.has_value());
  ASSERT_EQ(parsed->prompts.size(), 1u);
  EXPECT_EQ(std::get<std::string>(parsed->prompts[0]), "b");  // the last one of a name counts
}

TEST(ChatBody, PutsTextPartsTogether) {
  const auto parsed = parse_chat_body(R"({"messages": [{"role": "user", "content":
    [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]})");
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
  EXPECT_EQ(parsed->messages[0]["content"], "ab");
  EXPECT_EQ(parsed->tool_choice, "none");
  EXPECT_FALSE(parsed->generation.has_max_tokens);
}

TEST(ChatBody, ReadsTheArgumentsOfEarlierCalls) {
  const auto parsed = parse_chat_body(R"({"messages": [
    {"role": "user", "content": "?"},
    {"role": "assistant", "content": null, "tool_calls": [
      {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"x\": [1]}"}},
      {"id": "b", "type": "function", "function": {"name": "g", "arguments": "not JSON"}}]},
    {"role": "tool", "tool_call_id": "a", "content": "{\"y\": 2}"}]})");
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
  const Json& calls = parsed->messages[1]["tool_calls"];
  EXPECT_EQ(calls[0]["function"]["arguments"], Json::parse(R"({"x": [1]})"));
  EXPECT_EQ(calls[1]["function"]["arguments"], "not JSON");
  EXPECT_EQ(parsed->messages[2]["content"], "{\"y\": 2}");
}

TEST(ChatBody, RefusesWhatIsNoConversation) {
  const auto message = [](const std::string& body) {
    const auto parsed = parse_chat_body(body);
    return parsed ? std::string("accepted") : parsed.error().param;
  };
  EXPECT_EQ(message(R"({"messages": []})"), "messages");
  EXPECT_EQ(message(R"({"messages": ["hi"]})"), "messages[0]");
  EXPECT_EQ(message(R"({"messages": [{"content": "hi"}]})"), "messages[0].role");
  EXPECT_EQ(message(R"({"messages": [{"role": "user", "content":
    [{"type": "image_url", "image_url": {}}]}]})"),
            "messages[0].content");
  EXPECT_EQ(message(R"({"messages": [{"role": "user"}], "top_logprobs": 2})"), "top_logprobs");
  EXPECT_EQ(message(R"({"messages": [{"role": "user"}], "tools": [{}]})"), "tools");
  EXPECT_EQ(message(R"({"messages": [{"role": "user"}], "response_format": {"type": "x"}})"),
            "response_format.type");
}

}  // namespace
}  // namespace trine::server
