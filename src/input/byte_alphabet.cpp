#include "input/byte_alphabet.h"

#include <array>

namespace trine::input {
namespace {

constexpr std::size_t kBytes = 256;
constexpr char32_t kFirstStandIn = 0x100;
constexpr std::size_t kStandIns = 68;

constexpr bool is_printable(std::size_t byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
}

struct Alphabet {
  std::array<char32_t, kBytes> characters{};
  std::array<std::optional<std::uint8_t>, kFirstStandIn + kStandIns> bytes{};
};

constexpr Alphabet make_alphabet() {
  Alphabet alphabet;
  char32_t stand_in = kFirstStandIn;
  for (std::size_t byte = 0; byte < kBytes; ++byte) {
    const char32_t character = is_printable(byte) ? static_cast<char32_t>(byte) : stand_in++;
    alphabet.characters[byte] = character;
    alphabet.bytes[character] = static_cast<std::uint8_t>(byte);
  }
  return alphabet;
}

constexpr Alphabet kAlphabet = make_alphabet();

}  // namespace

char32_t character_of_byte(std::uint8_t byte) noexcept { return kAlphabet.characters[byte]; }

std::optional<std::uint8_t> byte_of_character(char32_t character) noexcept {
  if (character >= kAlphabet.bytes.size()) return std::nullopt;
  return kAlphabet.bytes[character];
}

void append_spelled_bytes(std::string_view bytes, std::string& spelled) {
  for (const char byte : bytes) {
    const char32_t character = character_of_byte(static_cast<std::uint8_t>(byte));
    if (character < 0x80) {
      spelled += static_cast<char>(character);
    } else {
      spelled += static_cast<char>(0xC0 | (character >> 6));
      spelled += static_cast<char>(0x80 | (character & 0x3F));
    }
  }
}

}  // namespace trine::input
