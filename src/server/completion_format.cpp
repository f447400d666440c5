// /v1/completions: choices with a text, and log-probabilities in the older form.
#include "server/answer_formats.h"
#include "server/token_scores.h"

namespace trine::server {
namespace {

class CompletionFormat final : public AnswerFormat {
 public:
  explicit CompletionFormat(const CompletionFormatOptions& options) : options_(options) {}

  std::string id_prefix() const override { return "cmpl-"; }
  std::string whole_object() const override { return "text_completion"; }
  std::string piece_object() const override { return "text_completion"; }

  Json whole(const Choice& choice) override {
    const std::string text = options_.drops_answer ? std::string() : choice.text;
    Json scores = nullptr;
    if (options_.has_scores) {
      CompletionScores all(*options_.service, first_place(choice));
      add_prompt(choice, all);
      if (!options_.drops_answer) add_tokens(choice, 0, all);
      scores = all.json();
    }
    return make(choice, echoed(choice) + text, std::move(scores), choice.finish_reason);
  }

  std::vector<Json> pieces(Choice& choice) override {
    std::string text;
    CompletionScores scores(*options_.service, place_of(choice));
    if (!choice.was_opened) {
      text = echoed(choice);
      add_prompt(choice, scores);
    }
    if (!options_.drops_answer) {
      text += choice.text.substr(choice.sent_bytes);
      if (options_.has_scores) add_tokens(choice, choice.sent_tokens, scores);
    }
    const bool is_last = !choice.finish_reason.empty();
    const bool has_tokens = options_.has_scores && choice.tokens.size() > choice.sent_tokens;
    if (text.empty() && !is_last && !has_tokens) return {};
    choice.was_opened = true;
    choice.sent_bytes = choice.text.size();
    choice.sent_tokens = choice.tokens.size();
    places_[choice.index] = scores.place();
    return {make(choice, text, options_.has_scores ? scores.json() : Json(nullptr),
                 choice.finish_reason)};
  }

 private:
  /// Of the first token that is returned. A prompt of special tokens alone is no text.
  [[nodiscard]] CompletionScores::Place first_place(const Choice& choice) const {
    const bool is_beginning =
        options_.has_scores &&
        (options_.echo || options_.service->decode(choice.prompt, true).empty());
    return {0, is_beginning};
  }

  [[nodiscard]] CompletionScores::Place place_of(const Choice& choice) {
    if (places_.size() <= choice.index) places_.resize(choice.index + 1);
    return choice.was_opened ? places_[choice.index] : first_place(choice);
  }

  [[nodiscard]] std::string echoed(const Choice& choice) const {
    if (!options_.echo) return {};
    const Prompt& prompt = options_.prompts[choice.index / options_.n];
    if (const auto* text = std::get_if<std::string>(&prompt)) return *text;
    return options_.service->decode(choice.prompt, true);
  }

  void add_prompt(const Choice& choice, CompletionScores& scores) const {
    if (!options_.echo || !options_.has_scores) return;
    scores.add_unscored(choice.prompt.front());
    for (const ScoredToken& token : choice.prompt_scores) scores.add(token, false);
  }

  static void add_tokens(const Choice& choice, std::size_t first, CompletionScores& scores) {
    for (std::size_t i = first; i < choice.tokens.size(); ++i) {
      scores.add(choice.tokens[i], choice.ends_with_end_token && i + 1 == choice.tokens.size());
    }
  }

  static Json make(const Choice& choice, const std::string& text, Json scores,
                   const std::string& finish_reason) {
    return {{"index", choice.index},
            {"text", text},
            {"logprobs", std::move(scores)},
            {"finish_reason", finish_reason.empty() ? Json(nullptr) : Json(finish_reason)}};
  }

  CompletionFormatOptions options_;
  std::vector<CompletionScores::Place> places_{};  ///< by choice: behind what was scored
};

}  // namespace

std::unique_ptr<AnswerFormat> make_completion_format(CompletionFormatOptions options) {
  return std::make_unique<CompletionFormat>(options);
}

}  // namespace trine::server
