#include "input/added_token_matcher.h"

#include <algorithm>

#include "input/unicode.h"

namespace trine::input {
namespace {

/// Whether word characters touch text[start, end) on either side.
bool is_within_word(std::string_view text, std::size_t start, std::size_t end) {
  if (start > 0 && is_word_character(last_character(text.substr(0, start)))) return true;
  return end < text.size() && is_word_character(read_utf8(text.substr(end)).code_point);
}

/// `start` moved left over white space, but not before `limit`; `limit` if that is behind it.
std::size_t skip_space_before(std::string_view text, std::size_t start, std::size_t limit) {
  if (start < limit) return limit;
  while (start > limit) {
    std::size_t character = start - 1;
    while ((static_cast<unsigned char>(text[character]) & 0xC0u) == 0x80u) --character;
    if (!is_white_space(read_utf8(text.substr(character)).code_point)) break;
    start = character;
  }
  return start;
}

/// `end` moved right over white space.
std::size_t skip_space_after(std::string_view text, std::size_t end) {
  while (end < text.size()) {
    const Utf8Character next = read_utf8(text.substr(end));
    if (!is_white_space(next.code_point)) break;
    end += next.length;
  }
  return end;
}

}  // namespace

void AddedTokenMatcher::add(std::string_view pattern, const AddedToken& token) {
  std::uint32_t node = 0;
  for (const char byte : pattern) {
    if (const auto next = child(node, byte)) {
      node = *next;
      continue;
    }
    const auto added = static_cast<std::uint32_t>(nodes_.size());
    nodes_[node].children.emplace_back(byte, added);
    nodes_.emplace_back();
    node = added;
  }
  nodes_[node].token = static_cast<std::uint32_t>(tokens_.size());
  tokens_.push_back(token);
  first_bytes_.set(static_cast<unsigned char>(pattern.front()));
}

std::vector<TextSegment> AddedTokenMatcher::split(std::string_view text) const {
  std::vector<TextSegment> segments;
  std::size_t done = 0;
  std::size_t position = 0;
  std::size_t space_begin = 0;
  std::size_t space_end = 0;
  while (position < text.size()) {
    const auto match = longest_match(text.substr(position));
    if (!match) {
      ++position;
      continue;
    }
    std::size_t start = position;
    std::size_t end = position + match->length;
    position = end;  // also past a match that is refused below
    if (match->token->single_word && is_within_word(text, start, end)) continue;
    if (match->token->lstrip) start = skip_space_before(text, start, done);
    if (match->token->rstrip) {
      // Within the space skipped last, the answer is known: tokens of spaces cost no square.
      if (end < space_begin || end > space_end) {
        space_begin = end;
        space_end = skip_space_after(text, end);
      }
      end = space_end;
    }
    if (start >= end) continue;  // white space that the token before took along
    if (start > done) segments.push_back({text.substr(done, start - done), std::nullopt});
    segments.push_back({text.substr(start, end - start), match->token->id});
    done = end;
  }
  if (done < text.size()) segments.push_back({text.substr(done), std::nullopt});
  return segments;
}

std::optional<std::uint32_t> AddedTokenMatcher::child(std::uint32_t node, char byte) const {
  for (const auto& [edge, target] : nodes_[node].children) {
    if (edge == byte) return target;
  }
  return std::nullopt;
}

std::optional<AddedTokenMatcher::Match> AddedTokenMatcher::longest_match(
    std::string_view text) const {
  if (!first_bytes_.test(static_cast<unsigned char>(text.front()))) return std::nullopt;
  std::optional<Match> longest;
  std::uint32_t node = 0;
  for (std::size_t length = 1; length <= text.size(); ++length) {
    const auto next = child(node, text[length - 1]);
    if (!next) break;
    node = *next;
    if (nodes_[node].token != kNoToken) longest = Match{&tokens_[nodes_[node].token], length};
  }
  return longest;
}

}  // namespace trine::input
