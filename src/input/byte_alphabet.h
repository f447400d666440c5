// GPT-2's alphabet: one printable character for each byte, so that any bytes can be spelled in
// a vocabulary of texts. Radford et al. 2019, "Language Models are Unsupervised Multitask
// Learners", section 2.2, and the encoder published with it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace trine::input {

/// Printable bytes of Latin-1 (0x21–0x7E, 0xA1–0xAC, 0xAE–0xFF) are the character of the same
/// number; the other 68, in order, are U+0100 to U+0143. A space is "Ġ", a line feed "Ċ".
[[nodiscard]] char32_t character_of_byte(std::uint8_t byte) noexcept;

/// The byte that `character` stands for, if it is one of the 256.
[[nodiscard]] std::optional<std::uint8_t> byte_of_character(char32_t character) noexcept;

/// Appends the character of every byte to `spelled`, in UTF-8.
void append_spelled_bytes(std::string_view bytes, std::string& spelled);

}  // namespace trine::input
