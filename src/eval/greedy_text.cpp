#include "eval/greedy_text.h"

#include <algorithm>

#include "eval/logit_rows.h"

namespace trine::eval {
namespace {

using runtime::KvCache;
using runtime::SequenceStep;

/// One text being written.
struct Writing {
  KvCache cache;
  std::vector<std::int32_t> written{};
  std::string text{};
  bool is_done = false;
};

bool is_among(std::span<const std::int32_t> tokens, std::int32_t token) {
  return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
}

/// Takes the token that a text's last hidden state names.
void take_token(Writing& writing, std::int32_t token, const input::Tokenizer& tokenizer,
                const GreedyOptions& options) {
  if (is_among(options.end_tokens, token)) {
    writing.is_done = true;
    return;
  }
  writing.written.push_back(token);
  // Decoded from its beginning: what a token says can depend on those before it, and 256 tokens
  // decoded 256 times cost less than one step of a model.
  const std::string text = tokenizer.decode(writing.written, input::SpecialTokens::kExclude);
  const std::string_view cut = cut_at_stops(text, options.stops);
  writing.is_done = cut.size() < text.size() || writing.written.size() == options.most_tokens;
  writing.text = cut;
}

}  // namespace

std::string_view cut_at_stops(std::string_view text, std::span<const std::string_view> stops) {
  for (const std::string_view stop : stops) text = text.substr(0, text.find(stop));
  return text;
}

Result<std::vector<std::string>> continue_greedily(
    runtime::Engine& engine, const input::Tokenizer& tokenizer,
    std::span<const std::vector<std::int32_t>> prompts, const GreedyOptions& options) {
  const std::size_t width = engine.spec().hidden_size;
  std::vector<Writing> writings;
  std::vector<float> last;  // hidden state that names each text's next token
  for (const std::vector<std::int32_t>& prompt : prompts) {
    writings.push_back({.cache = KvCache(engine.spec())});
    const SequenceStep step{prompt, &writings.back().cache};
    TRINE_ASSIGN_OR_RETURN(const auto hidden, engine.prefill(step));
    last.insert(last.end(), hidden.begin(), hidden.end());
  }
  std::vector<std::size_t> active(writings.size());
  for (std::size_t i = 0; i < active.size(); ++i) active[i] = i;
  while (!active.empty()) {
    const std::size_t vocabulary = engine.spec().vocab_size;
    const std::vector<float> logits = engine.logits(last);
    for (std::size_t row = 0; row < active.size(); ++row) {
      const auto token = argmax(std::span(logits).subspan(row * vocabulary, vocabulary));
      take_token(writings[active[row]], static_cast<std::int32_t>(token), tokenizer, options);
    }
    std::erase_if(active, [&](std::size_t i) { return writings[i].is_done; });
    std::vector<SequenceStep> steps;
    for (const std::size_t i : active) {
      steps.push_back({std::span(writings[i].written).last(1), &writings[i].cache});
    }
    if (steps.empty()) break;
    TRINE_ASSIGN_OR_RETURN(last, engine.forward(steps));
    check(last.size() == steps.size() * width, "one new token has one hidden state");
  }
  std::vector<std::string> texts;
  for (Writing& writing : writings) texts.push_back(std::move(writing.text));
  return texts;
}

}  // namespace trine::eval
