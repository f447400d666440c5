#include "input/token_models/bpe_cuts.h"

#include "input/unicode.h"

namespace trine::input {
namespace {

std::uint64_t pair_key(char32_t left, char32_t right) noexcept {
  return (std::uint64_t{left} << 32) | right;
}

}  // namespace

void BpeCuts::add_join(std::string_view left, std::string_view right) {
  const char32_t before = last_character(left);
  const char32_t after = read_utf8(right).code_point;
  if (before < kAscii && after < kAscii) {
    joined_ascii_.set(before * kAscii + after);
  } else {
    joined_.insert(pair_key(before, after));
  }
}

void BpeCuts::add_known_character(char32_t character) {
  has_unknown_ = true;
  known_.insert(character);
}

std::size_t BpeCuts::first_cut(std::string_view text) const noexcept {
  if (forbidden_) return text.size();
  Utf8Character character = read_utf8(text);
  std::size_t position = character.length;
  while (position < text.size()) {
    const Utf8Character next = read_utf8(text.substr(position));
    if (may_cut(character.code_point, next.code_point)) break;
    position += next.length;
    character = next;
  }
  return position;
}

bool BpeCuts::may_cut(char32_t left, char32_t right) const noexcept {
  if (is_joined(left, right)) return false;
  return !has_unknown_ || (known_.contains(left) && known_.contains(right));
}

bool BpeCuts::is_joined(char32_t left, char32_t right) const noexcept {
  if (left < kAscii && right < kAscii) return joined_ascii_.test(left * kAscii + right);
  return joined_.contains(pair_key(left, right));
}

}  // namespace trine::input
