#include "eval/reference_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <string>

#include "eval/logit_rows.h"
#include "eval/reference_format.h"

namespace trine::eval {
namespace {

template <class Value>
Status append(base::SafetensorsWriter& file, const std::vector<Value>& values) {
  return file.append(
      {reinterpret_cast<const std::uint8_t*>(values.data()), values.size() * sizeof(Value)});
}

void add_choices(const runtime::RoutingTrace& trace, std::size_t first, std::size_t count,
                 std::vector<std::int16_t>& choices) {
  for (const runtime::Routing& layer : trace) {
    const std::size_t k = layer.experts_per_token;
    for (std::size_t i = first * k; i < (first + count) * k; ++i) {
      choices.push_back(static_cast<std::int16_t>(layer.experts[i]));
    }
  }
}

/// One prediction: the best tokens and, behind their log-probabilities, those of the rest and of
/// the target.
void keep_best(std::span<const float> logits, std::int32_t target,
               std::span<std::int32_t> token_ids, std::span<float> values) {
  const auto at = [&](std::int32_t id) { return logits[static_cast<std::size_t>(id)]; };
  std::vector<std::int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto kept = static_cast<std::ptrdiff_t>(token_ids.size());
  std::partial_sort(
      order.begin(), order.begin() + kept, order.end(),
      [&](std::int32_t a, std::int32_t b) { return at(a) != at(b) ? at(a) > at(b) : a < b; });
  const double sum = log_sum_exp(logits);
  const float largest = at(order.front());
  // As in compare(): the same exponentials that are in the sum, so that little is left exactly.
  const double whole = std::exp(sum - largest);
  double left = whole;
  for (std::size_t i = 0; i < token_ids.size(); ++i) {
    token_ids[i] = order[i];
    values[i] = static_cast<float>(at(order[i]) - sum);
    left -= std::exp(at(order[i]) - largest);
  }
  const bool is_everything = token_ids.size() == logits.size() || !(left > 0.0);
  values[token_ids.size()] = is_everything ? -std::numeric_limits<float>::infinity()
                                           : static_cast<float>(std::log(left / whole));
  values[token_ids.size() + 1] = static_cast<float>(at(target) - sum);
}

std::vector<base::TensorPlan> plan_of(const ModelSpec& model,
                                      std::span<const TextWindows> texts,
                                      std::size_t top_tokens) {
  const auto encoder = experts_of(encoder_layers(model));
  const auto decoder = experts_of(model.layers);
  std::vector<base::TensorPlan> plan;
  for (std::size_t text = 0; text < texts.size(); ++text) {
    const auto rows = place_rows(texts[text].windows, model.encoder.has_value());
    for (std::size_t window = 0; window < rows.size(); ++window) {
      const std::size_t scored = texts[text].windows[window].num_scored();
      plan.push_back(
          {window_tensor(text, window, "token_ids"), DType::kI32, {scored, top_tokens}});
      plan.push_back(
          {window_tensor(text, window, "values"), DType::kF32, {scored, top_tokens + 2}});
      plan.push_back({window_tensor(text, window, "experts"),
                      DType::kI16,
                      {num_choices(rows[window], encoder, decoder)}});
    }
  }
  return plan;
}

}  // namespace

Result<ReferenceWriter> ReferenceWriter::create(const std::filesystem::path& path,
                                                const ModelSpec& model,
                                                const Protocol& protocol,
                                                std::span<const TextWindows> texts,
                                                std::size_t top_tokens) {
  if (top_tokens == 0) {
    return fail(ErrorCode::kInvalidArgument, "a reference must keep at least one token");
  }
  top_tokens = std::min(top_tokens, model.vocab_size);
  std::map<std::string, std::string> metadata = {
      {"format", kReferenceFormat},
      {"version", kReferenceVersion},
      {"family", model.family},
      {"vocab_size", std::to_string(model.vocab_size)},
      {"encoder_layers", layers_text(encoder_layers(model))},
      {"decoder_layers", layers_text(model.layers)},
      {"protocol", std::string(protocol.name)},
      {"window", std::to_string(protocol.window)},
      {"stride", std::to_string(protocol.stride)},
      {"top_tokens", std::to_string(top_tokens)},
      {"texts", std::to_string(texts.size())}};
  for (std::size_t text = 0; text < texts.size(); ++text) {
    metadata[fmt::format("text.{}", text)] = text_key(texts[text].token_ids);
  }
  TRINE_ASSIGN_OR_RETURN(auto file, base::SafetensorsWriter::create(
                                        path, plan_of(model, texts, top_tokens), metadata));
  return ReferenceWriter(std::move(file), model.vocab_size, top_tokens);
}

void ReferenceWriter::add_rows(std::span<const float> logits,
                               std::span<const std::int32_t> targets, int threads) {
  const std::size_t before = token_ids_.size() / top_tokens_, width = top_tokens_ + 2;
  token_ids_.resize((before + targets.size()) * top_tokens_);
  values_.resize((before + targets.size()) * width);
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t i = 0; i < targets.size(); ++i) {
    keep_best(logits.subspan(i * vocab_size_, vocab_size_), targets[i],
              std::span(token_ids_).subspan((before + i) * top_tokens_, top_tokens_),
              std::span(values_).subspan((before + i) * width, width));
  }
}

Status ReferenceWriter::finish_window(const WindowRouting& routing, const WindowRows& rows) {
  std::vector<std::int16_t> choices;
  add_choices(routing.encoder, rows.first_input, rows.num_inputs, choices);
  add_choices(routing.decoder, rows.first, rows.count, choices);
  TRINE_RETURN_IF_ERROR(append(file_, token_ids_));
  TRINE_RETURN_IF_ERROR(append(file_, values_));
  token_ids_.clear();
  values_.clear();
  return append(file_, choices);
}

}  // namespace trine::eval
