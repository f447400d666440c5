#include "server/token_scores.h"

#include <algorithm>

namespace trine::server {
namespace {

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

Json bytes_of(const Service& service, std::int32_t token) {
  Json bytes = Json::array();
  for (const char byte : service.token_bytes(token)) {
    bytes.push_back(static_cast<unsigned char>(byte));
  }
  return bytes;
}

/// A token as a key: its text, or its bytes where it is a part of a character, since all of those
/// look the same as text.
std::string key_of(const Service& service, std::int32_t token) {
  std::string text = service.token_text(token);
  if (text.find("\xEF\xBF\xBD") == std::string::npos) return text;
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string spelled = "bytes:";
  for (const char c : service.token_bytes(token)) {
    const auto byte = static_cast<unsigned char>(c);
    spelled += "\\x";
    spelled += kDigits[byte >> 4];
    spelled += kDigits[byte & 15];
  }
  return spelled;
}

Json chat_score(const Service& service, std::int32_t token, double log_probability) {
  return {{"token", service.token_text(token)},
          {"logprob", log_probability},
          {"bytes", bytes_of(service, token)}};
}

}  // namespace

Json chat_scores(const Service& service, std::span<const ScoredToken> tokens) {
  Json content = Json::array();
  for (const ScoredToken& token : tokens) {
    Json entry = chat_score(service, token.token, token.log_probability);
    Json top = Json::array();
    for (const auto& [likely, log_probability] : token.most_likely) {
      top.push_back(chat_score(service, likely, log_probability));
    }
    entry["top_logprobs"] = std::move(top);
    content.push_back(std::move(entry));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

void CompletionScores::add_text(std::int32_t token, bool is_end_token) {
  tokens_.push_back(key_of(service_, token));
  offsets_.push_back(place_.offset);
  const bool is_written = !is_end_token && token != service_.model().bos_token;
  if (!is_written) return;
  // By bytes: the text of a part of a character is U+FFFD, and only its first byte counts. What
  // begins a text is not in it.
  std::size_t length = count_characters(service_.token_bytes(token));
  if (place_.is_beginning && length > 0) {
    const std::size_t alone = count_characters(service_.decode(std::span(&token, 1), true));
    if (alone < length) length = alone;
    place_.is_beginning = false;
  }
  place_.offset += length;
}

void CompletionScores::add_unscored(std::int32_t token) {
  add_text(token, false);
  logprobs_.push_back(nullptr);
  top_.push_back(nullptr);
}

void CompletionScores::add(const ScoredToken& token, bool is_end_token) {
  add_text(token.token, is_end_token);
  logprobs_.push_back(token.log_probability);
  Json top = Json::object();
  for (const auto& [likely, log_probability] : token.most_likely) {
    const std::string key = key_of(service_, likely);
    if (!top.contains(key)) top[key] = log_probability;  // the best of those that look the same
  }
  const std::string key = key_of(service_, token.token);
  if (!top.contains(key)) top[key] = token.log_probability;
  top_.push_back(std::move(top));
}

Json CompletionScores::json() const {
  return {{"tokens", tokens_},
          {"token_logprobs", logprobs_},
          {"top_logprobs", top_},
          {"text_offset", offsets_}};
}

}  // namespace trine::server
