// Puts the parts of a tokenizer.json together:
//
//   text → added tokens → normalizers → added tokens again → pre-tokenizers → model
//        → frame of special tokens
//
// Each part has its own registry; only the order of the steps is here.
#include "input/json_tokenizer.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "base/files.h"
#include "input/added_tokens.h"
#include "input/decoders/decoder.h"
#include "input/json_part.h"
#include "input/normalizers/normalizer.h"
#include "input/part_kinds.h"
#include "input/post_processors/post_processor.h"
#include "input/pre_tokenizers/pre_tokenizer.h"
#include "input/token_models/token_model.h"
#include "input/unicode.h"

namespace trine::input {
namespace {

/// The largest known file has 33 MB.
constexpr std::size_t kMaxTokenizerJsonBytes = std::size_t{256} << 20;

struct JsonTokenizerParts {
  std::unique_ptr<const TokenModel> model{};
  Normalizers normalizers{};
  PreTokenizers pre_tokenizers{};
  AddedTokens added{};
  SpecialTokenFrame frame{};
  Decoders decoders{};
  std::optional<std::int32_t> bos_id{};
  std::optional<std::int32_t> eos_id{};
};

class JsonTokenizer final : public Tokenizer {
 public:
  explicit JsonTokenizer(JsonTokenizerParts parts) : parts_(std::move(parts)) {}

  std::vector<std::int32_t> encode(std::string_view text,
                                   SpecialTokens special) const override {
    if (!is_valid_utf8(text)) return encode(replace_invalid_utf8(text), special);
    const bool framed = special == SpecialTokens::kInclude;
    std::vector<std::int32_t> ids;
    if (framed) ids = parts_.frame.before;
    const auto run = parts_.model->start();
    for (const TextSegment& segment : parts_.added.in_given_text().split(text)) {
      if (segment.id) {
        ids.push_back(*segment.id);
      } else {
        const bool begins_input = segment.text.data() == text.data();
        append_ids(normalize(parts_.normalizers, segment.text), begins_input, *run, ids);
      }
    }
    if (framed) ids.insert(ids.end(), parts_.frame.after.begin(), parts_.frame.after.end());
    return ids;
  }

  std::size_t vocab_size() const noexcept override {
    return std::max(parts_.model->vocabulary().size(), parts_.added.texts().size());
  }
  std::string_view token_text(std::int32_t id) const noexcept override {
    return parts_.added.texts().contains(id) ? parts_.added.matched_text(id)
                                             : parts_.model->vocabulary().text_of(id);
  }
  bool is_special(std::int32_t id) const noexcept override {
    return parts_.added.is_special(id);
  }
  std::optional<std::int32_t> bos_id() const noexcept override { return parts_.bos_id; }
  std::optional<std::int32_t> eos_id() const noexcept override { return parts_.eos_id; }
  std::span<const std::unique_ptr<const Decoder>> decoders() const noexcept override {
    return parts_.decoders;
  }

 private:
  void append_ids(std::string_view normalized, bool begins_input, TokenModelRun& run,
                  std::vector<std::int32_t>& ids) const {
    for (const TextSegment& segment : parts_.added.in_normalized_text().split(normalized)) {
      if (segment.id) {
        ids.push_back(*segment.id);
      } else if (parts_.pre_tokenizers.empty()) {
        run.append_ids(segment.text, ids);
      } else {
        const bool is_first = begins_input && segment.text.data() == normalized.data();
        const WordList list = pre_tokenize(parts_.pre_tokenizers, segment.text, is_first);
        for (const Word& word : list.words) run.append_ids(list.view(word), ids);
      }
    }
  }

  JsonTokenizerParts parts_;
};

/// A part that is not known may change ids, so it is refused rather than passed over.
Status check_part_names(const JsonPart& root) {
  constexpr std::array<std::string_view, 9> kParts = {
      "version", "truncation",    "padding",        "added_tokens", "normalizer",
      "decoder", "pre_tokenizer", "post_processor", "model"};
  constexpr std::size_t kMostParts = 64;
  TRINE_ASSIGN_OR_RETURN(const auto parts, root.fields(kMostParts));
  for (const JsonPart& part : parts) {
    if (part.is_null() || std::find(kParts.begin(), kParts.end(), part.key()) != kParts.end()) {
      continue;
    }
    return fail(ErrorCode::kUnsupported, "{} is a part that Trine does not know; known: {}",
                part.place(), fmt::join(kParts, ", "));
  }
  return {};
}

/// The id of a token that tokenizer_config.json names, if it is a token at all.
std::optional<std::int32_t> find_id(const JsonTokenizerParts& parts,
                                    const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  const auto added = parts.added.texts().id_of(*text);
  return added ? added : parts.model->vocabulary().id_of(*text);
}

/// kMalformed if the frame holds an id without a token.
Status check_frame(const JsonPart& root, const JsonTokenizerParts& parts) {
  for (const auto* ids : {&parts.frame.before, &parts.frame.after}) {
    for (const std::int32_t id : *ids) {
      if (parts.model->vocabulary().contains(id) || parts.added.texts().contains(id)) continue;
      return fail(ErrorCode::kMalformed, "{}: post_processor adds the id {}, which is no token",
                  root.place(), id);
    }
  }
  return {};
}

/// kUnsupported if `steps` could make a long text of a short one: ten steps that each write ten
/// letters for one would fill the memory.
template <class Steps>
Status check_growth(const JsonPart& part, const Steps& steps) {
  constexpr std::size_t kMostGrowth = 10000;  // Llama's normalizers: 16
  std::size_t growth = 1;
  for (const auto& step : steps) {
    growth *= std::min(step->growth(), kMostGrowth + 1);
    if (growth <= kMostGrowth) continue;
    return fail(ErrorCode::kUnsupported,
                "{} may make a text more than {} times longer, which Trine does not do",
                part.place(), kMostGrowth);
  }
  return {};
}

Result<JsonTokenizerParts> read_parts(const JsonPart& root, const TokenizerConfig& config) {
  TRINE_RETURN_IF_ERROR(check_part_names(root));
  JsonTokenizerParts parts;
  TRINE_ASSIGN_OR_RETURN(const JsonPart model, root.field("model"));
  TRINE_ASSIGN_OR_RETURN(parts.model, read_token_model(model));
  if (const auto normalizer = root.find("normalizer")) {
    TRINE_RETURN_IF_ERROR(read_normalizer(*normalizer, parts.normalizers));
    TRINE_RETURN_IF_ERROR(check_growth(*normalizer, parts.normalizers));
  }
  if (const auto pre_tokenizer = root.find("pre_tokenizer")) {
    TRINE_RETURN_IF_ERROR(read_pre_tokenizer(*pre_tokenizer, parts.pre_tokenizers));
  }
  if (const auto added_tokens = root.find("added_tokens")) {
    TRINE_ASSIGN_OR_RETURN(
        parts.added,
        AddedTokens::read(*added_tokens, parts.model->vocabulary(), parts.normalizers));
  }
  if (const auto post_processor = root.find("post_processor")) {
    TRINE_RETURN_IF_ERROR(read_post_processor(*post_processor, parts.frame));
    TRINE_RETURN_IF_ERROR(check_frame(root, parts));
  }
  if (const auto decoder = root.find("decoder")) {
    TRINE_RETURN_IF_ERROR(read_decoder(*decoder, parts.decoders));
    TRINE_RETURN_IF_ERROR(check_growth(*decoder, parts.decoders));
  } else {
    parts.decoders.push_back(make_spaced_decoder());
  }
  parts.bos_id = find_id(parts, config.bos_token);
  parts.eos_id = find_id(parts, config.eos_token);
  return parts;
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> parse_json_tokenizer(std::string_view text,
                                                        const std::string& file,
                                                        const TokenizerConfig& config) {
  TRINE_ASSIGN_OR_RETURN(const JsonDocument document, JsonDocument::parse(text, file));
  TRINE_ASSIGN_OR_RETURN(JsonTokenizerParts parts, read_parts(document.root(), config));
  return std::make_unique<JsonTokenizer>(std::move(parts));
}

Result<std::unique_ptr<Tokenizer>> open_json_tokenizer(const std::filesystem::path& path,
                                                       const TokenizerConfig& config) {
  TRINE_ASSIGN_OR_RETURN(const std::string text,
                         base::read_text_file(path, kMaxTokenizerJsonBytes));
  return parse_json_tokenizer(text, path.string(), config);
}

}  // namespace trine::input
