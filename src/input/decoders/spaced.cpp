// No decoder at all: tokens side by side, a space between each two.
#include "input/decoders/decoder.h"

namespace trine::input {
namespace {

class SpacedSink final : public TokenSink {
 public:
  explicit SpacedSink(TokenSink& next) : next_(next) {}

  void append(std::string_view text) override {
    if (space_due_) next_.append(" ");
    space_due_ = false;
    next_.append(text);
  }
  void end_token() override {
    space_due_ = true;
    next_.end_token();
  }
  void finish() override { next_.finish(); }

 private:
  TokenSink& next_;
  bool space_due_ = false;
};

class Spaced final : public Decoder {
 public:
  std::unique_ptr<TokenSink> start(TokenSink& next) const override {
    return std::make_unique<SpacedSink>(next);
  }
  std::string bytes_within(std::string token) const override { return " " + token; }
};

}  // namespace

std::unique_ptr<const Decoder> make_spaced_decoder() { return std::make_unique<Spaced>(); }

}  // namespace trine::input
