// {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"}: every "▁" is a space
// again, but those of the first token go: one of them was put in front, and where a vocabulary
// has "▁▁" the Rust library `tokenizers` takes both.
#include "input/metaspace.h"

#include <utility>

#include "input/decoders/decoder.h"
#include "input/unicode.h"

namespace trine::input {
namespace {

class MetaspaceSink final : public TokenSink {
 public:
  MetaspaceSink(TokenSink& next, const Metaspace& settings)
      : next_(next),
        settings_(settings),
        drops_(settings.prepend_scheme != PrependScheme::kNever) {}

  /// Fragments hold whole characters, so none holds a part of the replacement.
  void append(std::string_view fragment) override {
    std::string text;
    while (!fragment.empty()) {
      const std::string_view character = fragment.substr(0, read_utf8(fragment).length);
      fragment.remove_prefix(character.size());
      if (character != settings_.replacement) {
        text += character;
      } else if (!drops_) {
        text += ' ';
      }
    }
    if (!text.empty()) next_.append(text);
  }
  void end_token() override {
    drops_ = false;
    next_.end_token();
  }
  void finish() override { next_.finish(); }

 private:
  TokenSink& next_;
  const Metaspace& settings_;
  bool drops_;  ///< the current token is the first
};

class MetaspaceDecoder final : public Decoder {
 public:
  explicit MetaspaceDecoder(Metaspace settings) : settings_(std::move(settings)) {}
  std::unique_ptr<TokenSink> start(TokenSink& next) const override {
    return std::make_unique<MetaspaceSink>(next, settings_);
  }
  std::string bytes_within(std::string token) const override {
    std::string text;
    for (std::string_view rest = token; !rest.empty();) {
      const std::string_view character = rest.substr(0, read_utf8(rest).length);
      text += character == settings_.replacement ? std::string_view(" ") : character;
      rest.remove_prefix(character.size());
    }
    return text;
  }

 private:
  Metaspace settings_;
};

}  // namespace

Status read_metaspace_decoder(const JsonPart& part, Decoders& decoders) {
  TRINE_ASSIGN_OR_RETURN(Metaspace settings, read_metaspace(part));
  decoders.push_back(std::make_unique<MetaspaceDecoder>(std::move(settings)));
  return {};
}

}  // namespace trine::input
