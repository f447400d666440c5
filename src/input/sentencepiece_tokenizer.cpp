#include "input/sentencepiece_tokenizer.h"

#include <sentencepiece_processor.h>

#include <utility>

#include "base/files.h"
#include "input/added_token_matcher.h"
#include "input/decoders/decoder.h"
#include "input/sentencepiece_guard.h"
#include "input/unicode.h"

namespace trine::input {
namespace {

using sentencepiece::SentencePieceProcessor;

/// The largest known model (256,000 pieces) has 4.2 MB.
constexpr std::size_t kMaxTokenizerModelBytes = std::size_t{64} << 20;

/// U+2581, which SentencePiece writes for a space.
constexpr std::string_view kSpaceSymbol = "\xE2\x96\x81";

class SentencePieceTokenizer final : public Tokenizer {
 public:
  SentencePieceTokenizer(std::unique_ptr<const SentencePieceProcessor> processor,
                         const TokenizerConfig& config)
      : processor_(std::move(processor)), config_(config) {
    read_pieces();
    decoders_.push_back(make_replace_decoder(std::string(kSpaceSymbol), " "));
    decoders_.push_back(make_byte_fallback_decoder());
    decoders_.push_back(make_fuse_decoder());
    if (adds_leading_space()) decoders_.push_back(make_strip_decoder(" ", 1, 0));
  }

  std::vector<std::int32_t> encode(std::string_view text,
                                   SpecialTokens special) const override {
    if (!is_valid_utf8(text)) return encode(replace_invalid_utf8(text), special);
    const bool framed = special == SpecialTokens::kInclude;
    std::vector<std::int32_t> ids;
    if (framed && config_.add_bos_token && bos_id()) ids.push_back(*bos_id());
    for (const TextSegment& segment : special_tokens_.split(text)) {
      if (segment.id) {
        ids.push_back(*segment.id);
        continue;
      }
      std::vector<int> part;
      check(processor_->Encode(segment.text, &part).ok(), "SentencePiece refused valid UTF-8");
      ids.insert(ids.end(), part.begin(), part.end());
    }
    if (framed && config_.add_eos_token.value_or(false) && eos_id()) ids.push_back(*eos_id());
    return ids;
  }

  std::size_t vocab_size() const noexcept override { return pieces_.size(); }
  std::string_view token_text(std::int32_t id) const noexcept override {
    return has(id) ? std::string_view(pieces_[static_cast<std::size_t>(id)]) : "";
  }
  bool is_special(std::int32_t id) const noexcept override {
    if (!has(id)) return false;
    return id >= processor_->GetPieceSize() || is_special_piece(id);
  }
  std::optional<std::int32_t> bos_id() const noexcept override {
    return has(processor_->bos_id()) ? std::optional(processor_->bos_id()) : std::nullopt;
  }
  std::optional<std::int32_t> eos_id() const noexcept override {
    return has(processor_->eos_id()) ? std::optional(processor_->eos_id()) : std::nullopt;
  }
  std::span<const std::unique_ptr<const Decoder>> decoders() const noexcept override {
    return decoders_;
  }

 private:
  bool has(std::int32_t id) const noexcept {
    return id >= 0 && static_cast<std::size_t>(id) < pieces_.size();
  }

  bool is_special_piece(int id) const noexcept {
    return processor_->IsControl(id) || processor_->IsUnknown(id);
  }

  void read_pieces() {
    for (int id = 0; id < processor_->GetPieceSize(); ++id) {
      pieces_.push_back(replace_invalid_utf8(processor_->IdToPiece(id)));
      const std::string& piece = pieces_.back();
      if (!piece.empty() && is_special_piece(id)) add_special_token(id);
    }
    // T5's places to fill in, counted down from the last id.
    for (std::int64_t number = config_.num_extra_tokens; number-- > 0;) {
      pieces_.push_back(fmt::format("<extra_id_{}>", number));
      add_special_token(static_cast<std::int32_t>(pieces_.size()) - 1);
    }
  }

  void add_special_token(std::int32_t id) {
    const std::string& piece = pieces_[static_cast<std::size_t>(id)];
    special_tokens_.add(piece, {.id = id, .content = piece, .special = true});
  }

  /// Whether the model puts a space before a text (add_dummy_prefix), which decoding must take
  /// away again. The library shows the setting only by what it does.
  bool adds_leading_space() const {
    std::vector<std::string> pieces;
    check(processor_->Encode("a", &pieces).ok(), "SentencePiece refused \"a\"");
    return !pieces.empty() && pieces.front().starts_with(kSpaceSymbol);
  }

  std::unique_ptr<const SentencePieceProcessor> processor_;
  TokenizerConfig config_;
  std::vector<std::string> pieces_;  ///< by id
  AddedTokenMatcher special_tokens_;
  Decoders decoders_;
};

}  // namespace

Result<std::unique_ptr<Tokenizer>> open_sentencepiece_tokenizer(
    const std::filesystem::path& path, const TokenizerConfig& config) {
  TRINE_ASSIGN_OR_RETURN(const std::string bytes,
                         base::read_text_file(path, kMaxTokenizerModelBytes));
  return parse_sentencepiece_tokenizer(bytes, path.string(), config);
}

Result<std::unique_ptr<Tokenizer>> parse_sentencepiece_tokenizer(
    std::string_view bytes, std::string_view name, const TokenizerConfig& config) {
  TRINE_RETURN_IF_ERROR(check_sentencepiece_model(bytes, name));
  auto processor = std::make_unique<SentencePieceProcessor>();
  const auto status = processor->LoadFromSerializedProto({bytes.data(), bytes.size()});
  if (!status.ok()) {
    return fail(ErrorCode::kMalformed, "{}: not a SentencePiece model: {}", name,
                status.message());
  }
  return std::make_unique<SentencePieceTokenizer>(std::move(processor), config);
}

}  // namespace trine::input
