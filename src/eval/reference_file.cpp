#include "eval/reference_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

namespace trine::eval {
namespace {

std::optional<std::size_t> to_number(std::string_view text) {
  std::size_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

/// "2/8,0/0,2/8"; nothing when it is something else.
std::optional<std::vector<LayerExperts>> to_layers(std::string_view text) {
  constexpr std::size_t kMostExperts = 32767;  // numbers of experts are stored in 16 bits
  std::vector<LayerExperts> layers;
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(','));
    const std::size_t slash = item.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    const auto chosen = to_number(item.substr(0, slash));
    const auto all = to_number(item.substr(slash + 1));
    if (!chosen || !all || *chosen > *all || *all > kMostExperts ||
        (*chosen == 0) != (*all == 0)) {
      return std::nullopt;
    }
    layers.push_back({*chosen, *all});
    text.remove_prefix(std::min(text.size(), item.size() + 1));
  }
  return layers;
}

/// One layer's choices for some tokens; false when they are no experts of it, or one comes twice.
bool append_choices(const LayerExperts& layer, std::span<const std::int16_t> choices,
                    runtime::Routing& routing) {
  routing.experts_per_token = layer.chosen;
  for (std::size_t first = 0; first < choices.size(); first += layer.chosen) {
    const auto token = choices.subspan(first, layer.chosen);
    for (std::size_t i = 0; i < token.size(); ++i) {
      const bool is_known = token[i] >= 0 && std::cmp_less(token[i], layer.num_experts);
      const auto before = token.first(i);
      if (!is_known || std::find(before.begin(), before.end(), token[i]) != before.end()) {
        return false;
      }
      routing.experts.push_back(token[i]);
    }
  }
  return true;
}

template <class Value>
std::vector<Value> copied(std::span<const std::uint8_t> bytes) {
  std::vector<Value> values(bytes.size() / sizeof(Value));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(Value));
  return values;
}

}  // namespace

Result<FileReference> FileReference::open(const std::filesystem::path& path) {
  TRINE_ASSIGN_OR_RETURN(auto file, base::SafetensorsFile::open(path));
  FileReference reference(std::move(file), path.string());
  TRINE_RETURN_IF_ERROR(reference.read_metadata());
  return reference;
}

Result<std::string_view> FileReference::metadata(const std::string& key) const {
  const auto found = file_.metadata().find(key);
  if (found == file_.metadata().end()) {
    return fail(ErrorCode::kMalformed, "{}: no {} in its metadata", name_, key);
  }
  return std::string_view(found->second);
}

Result<std::size_t> FileReference::number(const std::string& key) const {
  constexpr std::size_t kMost = std::size_t{1} << 32;
  TRINE_ASSIGN_OR_RETURN(const std::string_view text, metadata(key));
  const auto value = to_number(text);
  if (!value || *value == 0 || *value > kMost) {
    return fail(ErrorCode::kMalformed, "{}: {} is \"{}\", expected a number from 1 to 2^32",
                name_, key, text.substr(0, 40));
  }
  return *value;
}

Status FileReference::read_metadata() {
  if (file_.metadata().count("format") == 0 ||
      file_.metadata().at("format") != kReferenceFormat) {
    return fail(ErrorCode::kMalformed,
                "{}: no reference file; `trine eval ORIGINAL --text FILE --save-reference {}` "
                "makes one",
                name_, name_);
  }
  TRINE_ASSIGN_OR_RETURN(const std::string_view version, metadata("version"));
  if (version != kReferenceVersion) {
    return fail(ErrorCode::kUnsupported, "{}: version \"{}\" of the format, expected {}", name_,
                version.substr(0, 40), kReferenceVersion);
  }
  TRINE_ASSIGN_OR_RETURN(vocab_size_, number("vocab_size"));
  TRINE_ASSIGN_OR_RETURN(top_tokens_, number("top_tokens"));
  if (top_tokens_ > vocab_size_) {
    return fail(ErrorCode::kMalformed, "{}: {} tokens kept of a vocabulary of {}", name_,
                top_tokens_, vocab_size_);
  }
  for (auto [key, layers] :
       {std::pair{"encoder_layers", &encoder_}, std::pair{"decoder_layers", &decoder_}}) {
    TRINE_ASSIGN_OR_RETURN(const std::string_view text, metadata(key));
    auto parsed = to_layers(text);
    if (!parsed) {
      return fail(ErrorCode::kMalformed, "{}: {} is \"{}\", expected as in 2/8,2/8", name_, key,
                  text.substr(0, 40));
    }
    *layers = std::move(*parsed);
  }
  TRINE_ASSIGN_OR_RETURN(const std::string_view protocol, metadata("protocol"));
  has_encoder_ = protocol == "halves";
  TRINE_ASSIGN_OR_RETURN(const std::size_t texts, number("texts"));
  if (texts > file_.tensors().size()) {
    return fail(ErrorCode::kMalformed, "{}: {} texts in {} tensors", name_, texts,
                file_.tensors().size());
  }
  for (std::size_t text = 0; text < texts; ++text) {
    TRINE_ASSIGN_OR_RETURN(const std::string_view key, metadata(fmt::format("text.{}", text)));
    keys_.emplace_back(key);
  }
  return {};
}

Status FileReference::require_same(const ModelSpec& model, const Protocol& protocol) const {
  const auto differs = [&](const char* what, std::string_view found,
                           std::string_view expected) {
    return fail(ErrorCode::kInvalidArgument, "{}: made with {} {}, and this is {}", name_, what,
                found, expected);
  };
  if (vocab_size_ != model.vocab_size) {
    return differs("a vocabulary of", std::to_string(vocab_size_),
                   std::to_string(model.vocab_size));
  }
  if (encoder_ != experts_of(encoder_layers(model)) || decoder_ != experts_of(model.layers)) {
    return fail(ErrorCode::kInvalidArgument,
                "{}: made from a {} model with other experts in its layers than this {}", name_,
                metadata("family").value_or("?"), model.family);
  }
  TRINE_ASSIGN_OR_RETURN(const std::string_view name, metadata("protocol"));
  if (name != protocol.name) return differs("the protocol", name, protocol.name);
  TRINE_ASSIGN_OR_RETURN(const std::size_t window, number("window"));
  if (window != protocol.window) {
    return differs("--window", std::to_string(window), std::to_string(protocol.window));
  }
  TRINE_ASSIGN_OR_RETURN(const std::size_t stride, number("stride"));
  if (stride != protocol.stride) {
    return differs("--stride", std::to_string(stride), std::to_string(protocol.stride));
  }
  return {};
}

Status FileReference::start_text(const TextWindows& text) {
  const auto found = std::find(keys_.begin(), keys_.end(), text_key(text.token_ids));
  if (found == keys_.end()) {
    return fail(
        ErrorCode::kInvalidArgument,
        "{}: made from {} other {}; a text must be the same to the last token (this one "
        "has {})",
        name_, keys_.size(), keys_.size() == 1 ? "text" : "texts", text.token_ids.size());
  }
  text_ = &text;
  text_index_ = static_cast<std::size_t>(found - keys_.begin());
  return {};
}

Result<std::span<const std::uint8_t>> FileReference::tensor(
    std::size_t window, const char* part, DType dtype,
    const std::vector<std::size_t>& shape) const {
  const std::string name = window_tensor(text_index_, window, part);
  const base::TensorEntry* entry = file_.find(name);
  if (entry == nullptr) return fail(ErrorCode::kMalformed, "{}: no tensor {}", name_, name);
  if (entry->dtype != dtype || entry->shape != shape) {
    return fail(ErrorCode::kMalformed,
                "{}: tensor {} is {}, expected {} of another type or shape", name_, name,
                base::shape_text(entry->shape), base::shape_text(shape));
  }
  return file_.bytes(*entry);
}

Status FileReference::add_experts(std::size_t window, const WindowRows& rows,
                                  WindowRouting& routing) const {
  TRINE_ASSIGN_OR_RETURN(const auto bytes, tensor(window, "experts", DType::kI16,
                                                  {num_choices(rows, encoder_, decoder_)}));
  const auto choices = copied<std::int16_t>(bytes);
  std::size_t first = 0;
  const auto take = [&](const std::vector<LayerExperts>& layers, std::size_t tokens,
                        runtime::RoutingTrace& trace) {
    std::size_t routed = 0;  // layers with experts so far
    for (const LayerExperts& layer : layers) {
      if (layer.chosen == 0) continue;
      if (trace.size() == routed) trace.emplace_back();
      const std::size_t count = tokens * layer.chosen;
      const auto mine = std::span(choices).subspan(first, count);
      if (!append_choices(layer, mine, trace[routed++])) return false;
      first += count;
    }
    return true;
  };
  if (!take(encoder_, rows.num_inputs, routing.encoder) ||
      !take(decoder_, rows.count, routing.decoder)) {
    return fail(ErrorCode::kMalformed,
                "{}: tensor {} names an expert that there is not, or one twice", name_,
                window_tensor(text_index_, window, "experts"));
  }
  return {};
}

Result<WindowRouting> FileReference::start_batch(std::size_t first, std::size_t count) {
  first_window_ = first;
  WindowRouting routing;
  const auto placed = place_rows(std::span(text_->windows).subspan(first, count), has_encoder_);
  for (std::size_t i = 0; i < count; ++i) {
    TRINE_RETURN_IF_ERROR(add_experts(first + i, placed[i], routing));
  }
  return routing;
}

Result<PredictionRows> FileReference::rows(std::size_t window_of_batch, std::size_t first,
                                           std::size_t count) {
  const std::size_t window = first_window_ + window_of_batch;
  const std::size_t scored = text_->windows[window].num_scored(), width = top_tokens_ + 2;
  TRINE_ASSIGN_OR_RETURN(const auto ids,
                         tensor(window, "token_ids", DType::kI32, {scored, top_tokens_}));
  TRINE_ASSIGN_OR_RETURN(const auto values,
                         tensor(window, "values", DType::kF32, {scored, width}));
  PredictionRows result{.num_outcomes = top_tokens_};
  result.token_ids =
      copied<std::int32_t>(ids.subspan(first * top_tokens_ * 4, count * top_tokens_ * 4));
  for (const std::int32_t id : result.token_ids) {
    if (id >= 0 && std::cmp_less(id, vocab_size_)) continue;
    return fail(ErrorCode::kMalformed, "{}: tensor {} names token {} of a vocabulary of {}",
                name_, window_tensor(text_index_, window, "token_ids"), id, vocab_size_);
  }
  const auto numbers = copied<float>(values.subspan(first * width * 4, count * width * 4));
  for (std::size_t row = 0; row < count; ++row) {
    const float* from = numbers.data() + row * width;
    // Logarithms of probabilities; −∞ only where nothing is left.
    const bool is_sound =
        std::all_of(from, from + width, [](float value) { return value <= 1e-3f; }) &&
        std::all_of(from, from + top_tokens_, [](float value) { return std::isfinite(value); });
    if (!is_sound) {
      return fail(ErrorCode::kMalformed, "{}: tensor {} has a value that is no log-probability",
                  name_, window_tensor(text_index_, window, "values"));
    }
    result.values.insert(result.values.end(), from, from + top_tokens_);
    result.rest.push_back(from[top_tokens_]);
    result.targets.push_back(from[top_tokens_ + 1]);
  }
  return result;
}

}  // namespace trine::eval
