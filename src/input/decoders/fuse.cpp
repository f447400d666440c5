// {"type": "Fuse"}: all tokens become one, so that the steps after it see one text.
#include "input/decoders/decoder.h"

namespace trine::input {
namespace {

class FuseSink final : public TokenSink {
 public:
  explicit FuseSink(TokenSink& next) : next_(next) {}
  void append(std::string_view text) override { next_.append(text); }
  void end_token() override {}
  void finish() override {
    next_.end_token();
    next_.finish();
  }

 private:
  TokenSink& next_;
};

class Fuse final : public Decoder {
 public:
  std::unique_ptr<TokenSink> start(TokenSink& next) const override {
    return std::make_unique<FuseSink>(next);
  }
  bool joins_tokens() const override { return true; }
};

}  // namespace

std::unique_ptr<const Decoder> make_fuse_decoder() { return std::make_unique<Fuse>(); }

Status read_fuse_decoder(const JsonPart&, Decoders& decoders) {
  decoders.push_back(make_fuse_decoder());
  return {};
}

}  // namespace trine::input
