#include "eval/loglikelihood.h"

#include <algorithm>

#include "eval/logit_rows.h"
#include "eval/tasks/python_text.h"

namespace trine::eval {
namespace {

using runtime::KvCache;
using runtime::SequenceStep;

/// What the model is given: all but the last token, which is only predicted.
std::span<const std::int32_t> given(const ScoredTokens& text) {
  return std::span(text.token_ids).first(text.token_ids.size() - 1);
}

/// Given tokens before the one that predicts the first scored token.
std::size_t unscored(const ScoredTokens& text) {
  return text.token_ids.size() - 1 - text.num_scored;
}

/// Given tokens that all texts begin with and that predict nothing scored.
std::size_t common_tokens(std::span<const ScoredTokens> group) {
  std::size_t common = unscored(group.front());
  for (const ScoredTokens& text : group) {
    const auto first = given(group.front());
    const auto other = given(text);
    const std::size_t most = std::min({common, unscored(text), other.size()});
    common = static_cast<std::size_t>(
        std::mismatch(first.begin(), first.begin() + static_cast<std::ptrdiff_t>(most),
                      other.begin())
            .first -
        first.begin());
  }
  return common;
}

/// Scores `targets` with hidden states [targets, hidden_size].
Loglikelihood score_rows(runtime::Engine& engine, std::span<const float> hidden,
                         std::span<const std::int32_t> targets) {
  const std::size_t width = engine.spec().hidden_size;
  const std::size_t vocabulary = engine.spec().vocab_size;
  Loglikelihood score;
  for (std::size_t first = 0; first < targets.size(); first += kLogitRows) {
    const std::size_t count = std::min(kLogitRows, targets.size() - first);
    const auto logits = engine.logits(hidden.subspan(first * width, count * width));
    for (std::size_t i = 0; i < count; ++i) {
      const auto row = std::span(logits).subspan(i * vocabulary, vocabulary);
      const auto target = static_cast<std::size_t>(targets[first + i]);
      score.value += row[target] - log_sum_exp(row);
      score.is_greedy = score.is_greedy && argmax(row) == target;
    }
  }
  return score;
}

}  // namespace

std::vector<std::int32_t> PairEncoder::encode(std::string_view text) const {
  // A text that spells out BOS gets no second one.
  const auto first = prefix();
  const std::string_view spelled = first ? tokenizer_.token_text(*first) : std::string_view();
  const bool has_prefix = !spelled.empty() && text.starts_with(spelled);
  return tokenizer_.encode(
      text, has_prefix ? input::SpecialTokens::kExclude : input::SpecialTokens::kInclude);
}

Result<std::int32_t> PairEncoder::prefix() const {
  if (const auto bos = tokenizer_.bos_id()) return *bos;
  if (const auto eos = tokenizer_.eos_id()) return *eos;
  return fail(
      ErrorCode::kUnsupported,
      "the tokenizer names neither BOS nor EOS, one of which stands for an empty context");
}

Result<ScoredTokens> PairEncoder::pair(std::string_view context,
                                       std::string_view continuation) const {
  ScoredTokens text;
  if (context.empty()) {
    text.token_ids = tokenizer_.encode(continuation, input::SpecialTokens::kExclude);
    text.num_scored = text.token_ids.size();
    TRINE_ASSIGN_OR_RETURN(const std::int32_t first, prefix());
    if (!text.token_ids.empty() && text.token_ids.front() == first) {
      --text.num_scored;
    } else {
      text.token_ids.insert(text.token_ids.begin(), first);
    }
  } else {
    const std::string_view kept = strip_end(context);
    const std::string all = std::string(context) + std::string(continuation);
    text.token_ids = encode(all);
    const std::size_t before = encode(kept).size();
    text.num_scored = text.token_ids.size() - std::min(before, text.token_ids.size());
    if (before == 0) {  // only white space, and a tokenizer that adds nothing
      TRINE_ASSIGN_OR_RETURN(const std::int32_t first, prefix());
      text.token_ids.insert(text.token_ids.begin(), first);
    }
  }
  if (text.num_scored == 0 || text.num_scored > max_length_) {
    return fail(ErrorCode::kMalformed,
                "an answer of {} bytes has {} tokens of its own, expected 1 to {}, what the "
                "model is given at most",
                continuation.size(), text.num_scored, max_length_);
  }
  if (text.token_ids.size() > max_length_ + 1) {
    text.token_ids.erase(text.token_ids.begin(),
                         text.token_ids.end() - static_cast<std::ptrdiff_t>(max_length_ + 1));
  }
  return text;
}

Result<std::vector<ScoredTokens>> PairEncoder::rolling(std::string_view text) const {
  TRINE_ASSIGN_OR_RETURN(const std::int32_t first, prefix());
  std::vector<std::int32_t> token_ids = encode(text);
  token_ids.insert(token_ids.begin(), first);
  std::vector<ScoredTokens> pieces;
  for (std::size_t begin = 1; begin < token_ids.size(); begin += max_length_) {
    // A later piece is given all there is room for: the last one more than one token before it.
    const std::size_t end = std::min(begin + max_length_, token_ids.size());
    const std::size_t from = end > max_length_ + 1 ? end - max_length_ - 1 : 0;
    const std::span<const std::int32_t> tokens(token_ids);
    const auto piece = tokens.subspan(from, end - from);
    pieces.push_back({{piece.begin(), piece.end()}, end - begin});
  }
  return pieces;
}

std::vector<std::int32_t> PairEncoder::prompt(std::string_view text, std::size_t most) const {
  std::vector<std::int32_t> token_ids = encode(text);
  if (token_ids.size() > most) {
    token_ids.erase(token_ids.begin(), token_ids.end() - static_cast<std::ptrdiff_t>(most));
  }
  return token_ids;
}

Result<std::vector<Loglikelihood>> score_group(runtime::Engine& engine,
                                               std::span<const ScoredTokens> group) {
  if (engine.spec().encoder) {
    return fail(ErrorCode::kUnsupported,
                "{} has an encoder; tasks are scored with models that continue a text",
                engine.spec().family);
  }
  if (group.empty()) return std::vector<Loglikelihood>{};
  const std::size_t common = group.size() == 1 ? 0 : common_tokens(group);
  KvCache shared(engine.spec());
  if (common > 0) {
    const SequenceStep step{given(group.front()).first(common), &shared};
    TRINE_RETURN_IF_ERROR(engine.forward(std::span(&step, 1)));
  }
  std::vector<KvCache> caches(group.size(), shared);
  std::vector<SequenceStep> steps;
  for (std::size_t i = 0; i < group.size(); ++i) {
    steps.push_back({given(group[i]).subspan(common), &caches[i]});
  }
  TRINE_ASSIGN_OR_RETURN(const std::vector<float> hidden, engine.forward(steps));
  const std::size_t width = engine.spec().hidden_size;
  std::vector<Loglikelihood> scores;
  std::size_t row = 0;
  for (const ScoredTokens& text : group) {
    row += unscored(text) - common;
    const auto rows = std::span(hidden).subspan(row * width, text.num_scored * width);
    scores.push_back(score_rows(engine, rows, std::span(text.token_ids).last(text.num_scored)));
    row += text.num_scored;
  }
  return scores;
}

}  // namespace trine::eval
