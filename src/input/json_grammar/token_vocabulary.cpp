#include "input/json_grammar/token_vocabulary.h"

#include <algorithm>
#include <utility>

#include "input/decoders/decoder.h"
#include "input/unicode.h"

namespace trine::input::json_grammar {
namespace {

constexpr std::size_t kMaxTokenBytes = 65535;

/// Characters of a plain token; 0 when it is not plain.
std::size_t count_plain(std::string_view bytes) {
  std::size_t count = 0;
  while (!bytes.empty()) {
    const Utf8Character next = read_utf8(bytes);
    const bool plain = next.state == Utf8State::kComplete && next.code_point >= 0x20 &&
                       next.code_point != U'"' && next.code_point != U'\\';
    if (!plain) return 0;
    bytes.remove_prefix(next.length);
    ++count;
  }
  return count;
}

}  // namespace

std::string token_bytes(const Tokenizer& tokenizer, std::int32_t id) {
  if (tokenizer.is_special(id)) return {};
  std::string bytes(tokenizer.token_text(id));
  if (bytes.empty()) return bytes;
  for (const auto& decoder : tokenizer.decoders()) {
    bytes = decoder->bytes_within(std::move(bytes));
    if (decoder->joins_tokens()) break;  // what follows is about the ends of the whole text
  }
  return bytes;
}

TokenTree::TokenTree(std::span<const std::string> bytes, std::vector<std::int32_t> ids)
    : tokens_(std::move(ids)) {
  const auto bytes_of = [&](std::int32_t id) -> const std::string& {
    return bytes[static_cast<std::size_t>(id)];
  };
  std::sort(tokens_.begin(), tokens_.end(), [&](std::int32_t a, std::int32_t b) {
    return bytes_of(a) != bytes_of(b) ? bytes_of(a) < bytes_of(b) : a < b;
  });
  std::vector<std::int32_t> open;  // the nodes of the last token's bytes
  std::string_view last;
  const auto close_to = [&](std::size_t depth) {
    for (; open.size() > depth; open.pop_back()) {
      nodes_[static_cast<std::size_t>(open.back())].end =
          static_cast<std::int32_t>(nodes_.size());
    }
  };
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    const std::string& token = bytes_of(tokens_[i]);
    const auto [differs, ignored] =
        std::mismatch(last.begin(), last.end(), token.begin(), token.end());
    close_to(static_cast<std::size_t>(differs - last.begin()));
    while (open.size() < token.size()) {
      const std::size_t depth = open.size();
      open.push_back(static_cast<std::int32_t>(nodes_.size()));
      nodes_.push_back({.byte = static_cast<std::uint8_t>(token[depth]),
                        .depth = static_cast<std::uint16_t>(depth),
                        .first_token = static_cast<std::int32_t>(i),
                        .last_token = static_cast<std::int32_t>(i)});
    }
    nodes_[static_cast<std::size_t>(open.back())].last_token = static_cast<std::int32_t>(i) + 1;
    last = token;
    height_ = std::max(height_, token.size());
  }
  close_to(0);
}

TokenVocabulary::TokenVocabulary(std::vector<std::string> bytes,
                                 std::vector<std::int32_t> end_tokens)
    : bytes_(std::move(bytes)), end_tokens_(std::move(end_tokens)) {
  std::erase_if(end_tokens_, [this](std::int32_t id) {
    return id < 0 || static_cast<std::size_t>(id) >= bytes_.size();
  });
  for (TokenMask& mask : plain_) mask.assign(mask_words(), 0);
  std::vector<std::int32_t> usable;
  std::vector<std::int32_t> others;
  for (std::size_t i = 0; i < bytes_.size(); ++i) {
    const auto id = static_cast<std::int32_t>(i);
    if (bytes_[i].empty() || bytes_[i].size() > kMaxTokenBytes || is_end(id)) continue;
    usable.push_back(id);
    const std::size_t count = count_plain(bytes_[i]);
    if (count == 0 || count > kMostPlain) {
      others.push_back(id);
    } else {
      plain_[count][i / 64] |= std::uint64_t{1} << (i % 64);
    }
  }
  for (std::size_t count = 1; count <= kMostPlain; ++count) {
    for (std::size_t word = 0; word < mask_words(); ++word) {
      plain_[count][word] |= plain_[count - 1][word];
    }
  }
  all_ = TokenTree(bytes_, std::move(usable));
  not_plain_ = TokenTree(bytes_, std::move(others));
}

TokenVocabulary TokenVocabulary::of(const Tokenizer& tokenizer,
                                    std::vector<std::int32_t> end_tokens) {
  std::vector<std::string> bytes(tokenizer.vocab_size());
  for (std::size_t id = 0; id < bytes.size(); ++id) {
    bytes[id] = token_bytes(tokenizer, static_cast<std::int32_t>(id));
  }
  return TokenVocabulary(std::move(bytes), std::move(end_tokens));
}

bool TokenVocabulary::is_end(std::int32_t id) const noexcept {
  return std::find(end_tokens_.begin(), end_tokens_.end(), id) != end_tokens_.end();
}

const TokenMask& TokenVocabulary::plain(std::int32_t characters) const {
  const auto most = static_cast<std::int32_t>(kMostPlain);
  return plain_[static_cast<std::size_t>(std::clamp(characters, 0, most))];
}

}  // namespace trine::input::json_grammar
